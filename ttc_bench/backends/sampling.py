"""One token for every row of a batch: which token, how sure the model was, and which rows are now done.

Both generation loops (engine.py, and the simple one in hf.py) keep their rows in a `RowTable`. A row is one sample;
what it draws depends on its request and its index only, because each carries its own stream of uniform numbers.
Shapes: R rows, V vocabulary, T the largest token limit of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ttc_bench.core import Request
from ttc_bench.errors import BackendError

SIGNALS = ("logprob", "self_certainty", "tail_confidence", "lowest_group_confidence")
TOP_LOGPROBS = 20  # of a token's confidence, DeepConf (Fu et al. 2025, arXiv:2508.15260)
CONFIDENCE_WINDOW = 2048  # tokens of DeepConf's tail and of its groups
_BLOCK = 256  # the vocabulary is reduced in blocks: one pass finds the maxima, the masses and where a draw falls
_NUCLEUS = 1024  # top-p looks at this many tokens first; at all of them only if these hold too little


@dataclass(frozen=True, eq=False)
class Row:
    """One sample to generate: a request, the index within its pool, its prompt and how many tokens it may have."""

    request: Request
    address: str  # request.address, which costs a hash to ask for
    index: int
    prompt: tuple[int, ...]
    limit: int
    watch: Tensor | None = None  # bool [V]: tokens after which a stop string may have been completed
    choices: tuple[tuple[str, tuple[int, ...]], ...] = ()  # texts, and the tokens that each may begin with

    def uniforms(self) -> np.ndarray:
        """float64 [limit] in [0, 1): one per step, Philox (Salmon et al. 2011) keyed by address, counted by index."""
        bits = np.random.Philox(key=int(self.address[:32], 16), counter=[0, 0, self.index, 0])
        return np.random.Generator(bits).random(self.limit)


@dataclass(frozen=True, eq=False)
class Finished:
    """A row that is done. `tokens` end with the end-of-sequence token if there was one; `ended` says so."""

    row: Row
    tokens: list[int]
    ended: bool
    signals: dict[str, float]


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
    wanted = min(TOP_LOGPROBS, vocabulary)
    best = peaks.topk(min(wanted, peaks.shape[1]), 1).indices
    largest = blocks.gather(1, best[:, :, None].expand(-1, -1, _BLOCK)).flatten(1).topk(wanted, 1).values

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
    """[R]: the smallest mass that is kept. Tokens tied at the edge are kept."""
    floor = min_p * mass.amax(1)
    width = min(mass.shape[1], max(_NUCLEUS, int(top_k.max())))
    ordered = mass.topk(width, 1).values
    kept = torch.where(top_k > 0, top_k, mass.shape[1])
    limited = top_k > 0
    edge = ordered.gather(1, (kept.clamp(max=width) - 1)[:, None])[:, 0]
    floor = torch.where(limited, torch.maximum(floor, edge), floor)
    if bool((top_p < 1).any()):
        inside = torch.arange(width, device=mass.device)[None] < kept[:, None]
        whole = torch.where(limited, (ordered * inside).sum(1), mass.sum(1))
        reached = (ordered * inside).cumsum(1)
        if bool((limited | (top_p >= 1) | (reached[:, -1] >= top_p * whole)).all()):
            ranked = ordered
        else:
            ranked = mass.sort(1, descending=True).values
            inside = torch.arange(ranked.shape[1], device=mass.device)[None] < kept[:, None]
            reached = (ranked * inside).cumsum(1)
        # The smallest set whose mass reaches top_p: the first place where the cumulative mass is at least that.
        place = torch.searchsorted(reached, (top_p * whole)[:, None].to(reached.dtype)).clamp_(max=ranked.shape[1] - 1)
        floor = torch.where(top_p < 1, torch.maximum(floor, ranked.gather(1, place)[:, 0]), floor)
    return floor


def _confidences(confidence: np.ndarray) -> dict[str, float]:
    """DeepConf's signals of one sample: means over windows of 2048 tokens, or of all where it has fewer."""
    window = min(CONFIDENCE_WINDOW, len(confidence))
    sums = np.concatenate([[0.0], confidence.cumsum(dtype=np.float64)])
    means = (sums[window:] - sums[:-window]) / window
    return {"tail_confidence": float(means[-1]), "lowest_group_confidence": float(means.min())}


class RowTable:
    """The live rows of a batch, row r of every tensor being one sample. Rows are added at the end; `drop` closes the
    gaps and says how, so that a cache can follow."""

    def __init__(self, room: int, longest: int, ends: Tensor, device: torch.device) -> None:
        """`room`: rows at most; `longest`: tokens a row may have at most; `ends`: bool [V], end-of-sequence tokens."""
        self.room, self.block = room, max(16, room // 4)
        self.rows: list[Row] = []
        self._entry: list[int] = []  # rows that have entered before each
        self._entered = 0
        self._ends, self._device = ends, device
        self._is_end = ends.cpu().numpy()
        self._greedy = self._truncated = self._watched = self._asked = False
        self._chosen: dict[Row, dict[str, float]] = {}

        def column(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(room, *shape, dtype=dtype, device=device)

        self.age = column(dtype=torch.int64)  # tokens generated so far
        self.last = column(dtype=torch.int64)  # the token to feed next
        self.position = column(dtype=torch.int64)  # of that token in its sequence
        self._limit = column(dtype=torch.int64)
        self._temperature, self._top_p, self._min_p = column(), column(), column()
        self._top_k = column(dtype=torch.int64)
        self._uniforms = column(longest, dtype=torch.float64)
        self._tokens = column(longest, dtype=torch.int32)
        self._confidence = column(longest)
        self._logprob, self._certainty = column(dtype=torch.float64), column(dtype=torch.float64)
        self._columns = [value for value in vars(self).values() if isinstance(value, Tensor) and value is not ends]

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, rows: Sequence[Row]) -> None:
        """New rows at the end, their last prompt token next to be fed."""
        start, stop = len(self.rows), len(self.rows) + len(rows)
        self.rows += rows
        self._entry += range(self._entered, self._entered + len(rows))
        self._entered += len(rows)
        requests = [row.request for row in rows]
        self.age[start:stop] = 0
        self._logprob[start:stop] = 0
        self._certainty[start:stop] = 0
        for target, values in (
            (self.last, [row.prompt[-1] for row in rows]),
            (self.position, [len(row.prompt) - 1 for row in rows]),
            (self._limit, [row.limit for row in rows]),
            (self._temperature, [r.temperature for r in requests]),
            (self._top_k, [r.top_k for r in requests]),
            (self._top_p, [r.top_p for r in requests]),
            (self._min_p, [r.min_p for r in requests]),
        ):
            target[start:stop] = torch.tensor(values, dtype=target.dtype)
        for place, row in enumerate(rows, start):
            self._uniforms[place, : row.limit] = torch.from_numpy(row.uniforms())
        # What any row so far has needed, kept here so that a step need not ask the device about it.
        self._greedy |= any(r.temperature == 0 for r in requests)
        self._truncated |= any(r.temperature > 0 and (r.top_k > 0 or r.top_p < 1 or r.min_p > 0) for r in requests)
        self._watched |= any(row.watch is not None for row in rows)
        self._asked |= any(row.choices for row in rows)

    def step(self, logits: Tensor) -> tuple[list[int], list[int]]:
        """Draw a token for each row from logits [R, V]. Returns the places of the rows that are done (end of sequence
        or limit), and of those whose newest token may have completed a stop string."""
        n = len(self.rows)
        places = torch.arange(n, device=self._device)
        age = self.age[:n]
        drawn = draw(
            logits,
            self._uniforms[places, age],
            self._temperature[:n],
            self._top_k[:n],
            self._top_p[:n],
            self._min_p[:n],
            truncated=self._truncated,
            greedy=self._greedy,
        )
        if self._asked:
            self._note_choices(logits)
        self._tokens[places, age] = drawn.tokens.to(torch.int32)
        self._confidence[places, age] = drawn.confidence
        self._logprob[:n] += drawn.logprob
        self._certainty[:n] += drawn.certainty
        self.last[:n] = drawn.tokens
        self.position[:n] += 1
        age += 1
        done = self._ends[drawn.tokens] | (age >= self._limit[:n])
        finished = done.nonzero()[:, 0].tolist()
        watched: list[int] = []
        if self._watched:
            tokens = drawn.tokens.tolist()
            watched = [i for i, row in enumerate(self.rows) if row.watch is not None and row.watch[tokens[i]]]
        return finished, watched

    def _note_choices(self, logits: Tensor) -> None:
        """The probability, at temperature 1, that a row's first token begins each of its choices."""
        for place, row in enumerate(self.rows):
            if row.choices and row not in self._chosen:
                chances = logits[place].float().softmax(0)
                self._chosen[row] = {f"p:{text}": float(chances[list(ids)].sum()) for text, ids in row.choices}

    def tokens(self, place: int) -> list[int]:
        """The tokens generated so far by the row at `place`."""
        ids: list[int] = self._tokens[place, : int(self.age[place])].tolist()
        return ids

    def finish(self, places: Sequence[int]) -> list[Finished]:
        """The rows at `places` as they stand."""
        if not places:
            return []
        at = list(places)
        longest = int(self.age[at].max())
        tokens, confidence = (x[at, :longest].cpu().numpy() for x in (self._tokens, self._confidence))
        sums = torch.stack([self.age[at].double(), self._logprob[at], self._certainty[at]], 1).tolist()
        finished = []
        for i, (age, logprob, certainty) in enumerate(sums):
            count = int(age)
            signals = {"logprob": logprob / count, "self_certainty": certainty / count}
            signals |= _confidences(confidence[i, :count]) | self._chosen.pop(self.rows[at[i]], {})
            if not np.isfinite(logprob):
                raise BackendError("the model's logits are not numbers; try --dtype float32", fatal=True)
            # A vocabulary padded with -inf logits has no finite KL divergence from the uniform distribution.
            finite = {name: value for name, value in signals.items() if np.isfinite(value)}
            ids = tokens[i, :count].tolist()
            finished.append(Finished(self.rows[at[i]], ids, bool(self._is_end[ids[-1]]), finite))
        return finished

    def drop(self, places: Sequence[int]) -> tuple[list[int], list[int]]:
        """Remove rows and close the gaps: returns (destinations, sources) of the rows that moved, all at once.

        Rows stand in blocks, older blocks first, because old rows see more than young ones and are best attended to
        together. So the oldest row of the next block fills a gap, that of the block after it the gap it leaves."""
        order = list(range(len(self.rows)))
        entry = np.array(self._entry)
        for gap in sorted(places, reverse=True):
            for low in range(gap - gap % self.block + self.block, len(order), self.block):
                oldest = low + int(entry[low : min(low + self.block, len(order))].argmin())
                order[gap], entry[gap], gap = order[oldest], entry[oldest], oldest
            order[gap], entry[gap] = order[-1], entry[len(order) - 1]
            order.pop()
        moved = [place for place, source in enumerate(order) if source != place]
        sources = [order[place] for place in moved]
        self.rows = [self.rows[source] for source in order]
        self._entry = entry[: len(order)].tolist()
        if moved:
            for tensor in self._columns:
                tensor[moved] = tensor[sources]
        return moved, sources
