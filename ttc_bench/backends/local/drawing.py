"""Draws one token for every row of a batch from its logits, and measures how confident the model was.

Shapes: R rows, V vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# most likely tokens that a confidence averages over, DeepConf (Fu et al. 2025, arXiv:2508.15260)
CONFIDENCE_TOKENS = 20
CONFIDENCE_WINDOW = 2048  # tokens in DeepConf's tail, and in each of its groups
_BLOCK = 256  # tokens per block of the vocabulary; maxima, masses and draws are first found per block
_NUCLEUS = 1024  # tokens that top-p sorts first; it sorts the whole vocabulary only if these hold too little mass


@dataclass(frozen=True)
class Drawn:
    """What `draw` returns, each [R]: token ids; log-probability and self-certainty and confidence in nats, float32."""

    tokens: Tensor
    logprob: Tensor
    certainty: Tensor
    confidence: Tensor


def draw(
    logits: Tensor,
    u: Tensor,
    temperature: Tensor,
    top_k: Tensor,
    top_p: Tensor,
    min_p: Tensor,
    *,
    truncated: bool = True,
    greedy: bool = True,
) -> Drawn:
    """A token per row by inverse CDF of `u` (float [R] in [0, 1)) over softmax(logits / temperature) after top-k,
    top-p and min-p, in this order; exact argmax where the temperature is 0. Signals come from the untruncated
    distribution at temperature 1, from the same float32 logits. `truncated` and `greedy` say whether any row is:
    False saves a pass over the vocabulary.

    Self-certainty: KL(uniform || p) = -log V - mean_v log p_v (Kang et al. 2025, arXiv:2502.18581).
    Confidence: minus the mean of the 20 largest log-probabilities (Fu et al. 2025, arXiv:2508.15260)."""
    count, vocabulary = logits.shape
    padded = -(-vocabulary // _BLOCK) * _BLOCK
    x = torch.empty(count, padded, dtype=torch.float32, device=logits.device)
    x[:, :vocabulary] = logits
    x[:, vocabulary:] = -torch.inf
    mean = x[:, :vocabulary].mean(1)
    blocks = x.view(count, -1, _BLOCK)
    peaks = blocks.amax(2)  # [R, blocks]
    top = peaks.amax(1)
    # The 20 largest logits lie in the 20 blocks with the largest maxima.
    top_count = min(CONFIDENCE_TOKENS, vocabulary)
    near = x
    if peaks.shape[1] > top_count:
        best = peaks.topk(top_count, 1).indices
        near = blocks.gather(1, best[:, :, None].expand(-1, -1, _BLOCK)).flatten(1)
    largest = near.topk(top_count, 1).values

    # softmax, not exp: the vectorised exp of some libraries is ten times slower where results underflow.
    mass = x.softmax(1)
    lse = top - mass.amax(1).log()
    certainty = lse - mean - float(np.log(vocabulary))
    confidence = lse - largest.mean(1)

    heat = torch.where(temperature > 0, temperature, 1.0)
    if bool((heat != 1).any()):
        mass = torch.mul(x, (1 / heat)[:, None], out=mass).softmax(1)
    if truncated:
        mass *= mass >= _floor(mass, top_k, top_p, min_p)[:, None]
    per_block = mass.view(count, -1, _BLOCK).sum(2).double()
    reached = per_block.cumsum(1)
    goal = u.double()[:, None] * reached[:, -1:]
    block = _first_above(reached, goal)
    before = reached.gather(1, block) - per_block.gather(1, block)
    inside = mass.view(count, -1, _BLOCK).gather(1, block[:, :, None].expand(-1, -1, _BLOCK))[:, 0]
    tokens = (block * _BLOCK + _first_above(inside.double().cumsum(1), goal - before))[:, 0]
    tokens = tokens.clamp_(max=vocabulary - 1)  # NaN sorts past any end; RowTable.finish reports it
    if greedy:
        tokens = torch.where(temperature > 0, tokens, logits.argmax(1))
    logprob = x.gather(1, tokens[:, None])[:, 0] - lse
    return Drawn(tokens, logprob, certainty, confidence)


def _first_above(cumulative: Tensor, goal: Tensor) -> Tensor:
    """[R, 1]: the first place whose cumulative mass exceeds the goal, so never one without mass; where rounding left
    the goal at the total or past it, the last place with mass."""
    last = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous())
    place = torch.minimum(torch.searchsorted(cumulative, goal, right=True), last)
    return place.clamp_(max=cumulative.shape[1] - 1)


def _floor(mass: Tensor, top_k: Tensor, top_p: Tensor, min_p: Tensor) -> Tensor:
    """[R]: the smallest probability mass that the filters keep. Ties at the threshold are kept."""
    floor = min_p * mass.amax(1)
    width = min(mass.shape[1], max(_NUCLEUS, int(top_k.max())))
    ordered = mass.topk(width, 1).values
    allowed = torch.where(top_k > 0, top_k, mass.shape[1])
    limited = top_k > 0
    edge = ordered.gather(1, (allowed.clamp(max=width) - 1)[:, None])[:, 0]
    floor = torch.where(limited, torch.maximum(floor, edge), floor)
    if bool((top_p < 1).any()):
        inside = torch.arange(width, device=mass.device)[None] < allowed[:, None]
        total = torch.where(limited, (ordered * inside).sum(1), mass.sum(1))
        reached = (ordered * inside).cumsum(1)
        if bool((limited | (top_p >= 1) | (reached[:, -1] >= top_p * total)).all()):
            ranked = ordered
        else:
            ranked = mass.sort(1, descending=True).values
            inside = torch.arange(ranked.shape[1], device=mass.device)[None] < allowed[:, None]
            reached = (ranked * inside).cumsum(1)
        # The smallest set whose mass reaches top_p: the first place where the cumulative mass is at least that.
        place = torch.searchsorted(reached, (top_p * total)[:, None].to(reached.dtype)).clamp_(max=ranked.shape[1] - 1)
        floor = torch.where(top_p < 1, torch.maximum(floor, ranked.gather(1, place)[:, 0]), floor)
    return floor


def confidences(confidence: np.ndarray) -> dict[str, float]:
    """DeepConf's signals of one sample: means over windows of 2048 tokens, or of all where it has fewer."""
    window = min(CONFIDENCE_WINDOW, len(confidence))
    sums = np.concatenate([[0.0], confidence.cumsum(dtype=np.float64)])
    means = (sums[window:] - sums[:-window]) / window
    return {"tail_confidence": float(means[-1]), "lowest_group_confidence": float(means.min())}
