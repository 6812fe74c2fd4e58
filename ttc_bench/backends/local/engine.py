"""The fast generation loop: many samples of each prompt, for any transformers model with full attention only.

docs/engine.md explains it with a picture. In short: one prefill serves all rows of a prompt (one row is one sample),
and shared_prompt.py keeps its keys and values. Finished rows leave and waiting rows enter, so that the batch stays full
until the queue is empty."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from ttc_bench.backends.local.rows import MOST_UNREAD, Finished, Row, RowTable, Stopped
from ttc_bench.backends.local.shared_prompt import ATTENTION, SharedPromptCache, active

SHARED = 16  # least common first tokens of two prompts that share a prefill
PREFILL_TOKENS = 1024  # prompts that share a forward pass have at most this many; more would not be faster


@dataclass(eq=False)
class _PromptSlot:
    """A prompt in the cache: rows that wait for a place in the batch, and how many are in it."""

    prompt: tuple[int, ...]
    waiting: deque[Row] = field(default_factory=deque)
    live: int = 0


class Engine:
    """Generation for one model, unless `refuse` gives a reason against it."""

    def __init__(self, model: Any, ends: Tensor) -> None:
        """`ends`: bool [V], the end-of-sequence tokens, on the model's device. Makes the model use our attention."""
        self._model, self._ends = model, ends
        model.set_attn_implementation(ATTENTION)

    def generate(self, rows: Sequence[Row], room: int, stopped: Stopped) -> Iterator[list[Finished]]:
        """Generates `rows`, at most `room` at a time; yields after every step the rows that it finished (often none).
        `stopped`: whether the text of a row now contains a stop string."""
        # Longest first: prompts of similar length need little padding, and memory runs out early or never.
        queue = deque(sorted(share(rows).items(), key=lambda item: -len(item[0])))
        longest = max(row.limit for row in rows)
        table = RowTable(min(room, len(rows)), longest, self._ends, self._ends.device)
        cache = SharedPromptCache(
            table.room, table.block, longest + MOST_UNREAD + max(32, longest // 4), max(1, len(queue[0][0]) - 1)
        )
        slots: list[_PromptSlot] = []
        while True:
            changed = self._admit(cache, table, slots, queue)
            if not len(table):
                return
            if changed:
                cache.arrange(self._ends.device, self._model.dtype)
            logits = self._step(cache, table.last[: len(table), None], table.position[: len(table), None])
            ended, watched = table.step(logits)
            leaving = sorted({*ended, *(i for i in watched if stopped(table.rows[i], table.tokens(i)))})
            finished = table.finish(leaving)
            moved = cache.advance()
            self._dismiss(cache, table, slots, leaving)
            if (leaving or moved) and len(table):
                cache.arrange(self._ends.device, self._model.dtype)
            yield finished

    def _admit(self, cache: SharedPromptCache, table: RowTable, slots: list[_PromptSlot], queue: deque[Any]) -> bool:
        """Fill the batch with waiting rows, with a prefill where one is needed. True if rows entered."""
        before = len(table)
        while len(table) < table.room:
            slot = next((i for i, prompt_slot in enumerate(slots) if prompt_slot.waiting), None)
            if slot is None:
                if not queue:
                    break
                self._prefill(cache, slots, queue, table.room - len(table))
                continue
            entering = [
                slots[slot].waiting.popleft() for _ in range(min(len(slots[slot].waiting), table.room - len(table)))
            ]
            slots[slot].live += len(entering)
            start = len(table)
            cached = [min(common(row.prompt, slots[slot].prompt), len(row.prompt) - 1) for row in entering]
            table.add(entering, cached)
            cache.rows = len(table)
            cache.starts[start : cache.rows], cache.slots[start : cache.rows] = cache.column, slot
            cache.seen[start : cache.rows] = cached
        return len(table) > before

    def _prefill(self, cache: SharedPromptCache, slots: list[_PromptSlot], queue: deque[Any], room: int) -> None:
        """One prefill: prompts for at least `room` rows, and further ones while they are short. The last token
        of a prompt is left to its rows: their first step reads it and draws from its logits."""
        prompts: list[tuple[int, ...]] = []
        while queue and (room > 0 or (len(prompts) + 1) * len(prompts[0]) <= PREFILL_TOKENS):
            prompt, rows = queue.popleft()
            prompts.append(prompt)
            slots.append(_PromptSlot(prompt, deque(rows)))
            room -= len(rows)
            if len(prompts) * len(prompts[0]) > PREFILL_TOKENS:
                break
        first = len(cache.lengths)
        cache.lengths += [len(prompt) - 1 for prompt in prompts]
        width = max(1, len(prompts[0]) - 1)
        ids = torch.zeros(len(prompts), width, dtype=torch.int64)
        for i, prompt in enumerate(prompts):
            ids[i, : len(prompt) - 1] = torch.tensor(prompt[:-1])
        ids, positions = ids.to(self._ends.device), torch.arange(width, device=self._ends.device)[None]
        cache.reading, active.cache = slice(first, first + len(prompts)), cache
        self._model.base_model(input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=True)
        cache.reading = None

    def _step(self, cache: SharedPromptCache, tokens: Tensor, positions: Tensor) -> Tensor:
        """Logits [R, V] after feeding each row its newest token ([R, 1], at positions [R, 1])."""
        active.cache = cache
        out = self._model(input_ids=tokens, position_ids=positions, past_key_values=cache, use_cache=True)
        logits: Tensor = out.logits[:, -1]
        return logits

    def _dismiss(self, cache: SharedPromptCache, table: RowTable, slots: list[_PromptSlot], leaving: list[int]) -> None:
        """Remove finished rows from the batch, and prompts without any row left from their slots."""
        for place in leaving:
            slots[cache.slots[place]].live -= 1
        cache.move(*table.drop(leaving))
        cache.rows = len(table)
        if leaving:
            for slot in reversed(range(len(slots))):
                if not slots[slot].live and not slots[slot].waiting:
                    cache.free(slot)
                    slots[slot] = slots[-1]
                    slots.pop()


def common(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """The number of first tokens that two prompts have in common."""
    if a == b:
        return len(a)
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def share(rows: Sequence[Row]) -> dict[tuple[int, ...], list[Row]]:
    """Rows by the prompt whose prefill they use: their own, or a longer one that shares nearly all of it. (A trace that
    is cut at several budgets needs one prefill; each row is then fed the few tokens that close it.)"""
    by_prompt: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        by_prompt.setdefault(row.prompt, []).append(row)
    groups: dict[tuple[int, ...], list[Row]] = {}
    holders: dict[int, tuple[int, ...]] = {}  # by the hash of each of their prefixes
    for prompt in sorted(by_prompt, key=len, reverse=True):
        # feeding the rest to every row must be far cheaper than one prefill for all of them
        unread = min(MOST_UNREAD, len(prompt) // (4 * len(by_prompt[prompt])))
        hashes = list(accumulate(prompt, lambda before, token: hash((before, token)), initial=0))
        needed = len(prompt) - 1 - unread
        holder = holders.get(hashes[needed]) if unread and needed >= SHARED else None
        if holder is None or common(prompt, holder) < needed:
            holder = prompt
            holders |= dict.fromkeys(hashes[SHARED:], prompt)
        groups.setdefault(holder, []).extend(by_prompt[prompt])
    return groups


def refuse(model: Any) -> str | None:
    """The reason why the engine cannot serve this model, None if it can: judged by its configuration, then by comparing
    the logits of a few steps with the model's own. Leaves the model's attention as it was."""
    config = model.config.get_text_config()
    if getattr(config, "is_encoder_decoder", False):
        return "encoder-decoder model"
    kinds = set(getattr(config, "layer_types", None) or ())
    if kinds - {"full_attention"}:
        return ", ".join(sorted(kinds - {"full_attention"})).replace("_", " ")
    if not kinds and getattr(config, "sliding_window", None):
        return "sliding attention"
    usual = config._attn_implementation
    try:
        with torch.inference_mode():
            return _compare(model)
    except Exception as error:  # a model that fails with this cache can still use its own
        return f"{type(error).__name__} with the engine's cache"
    finally:
        model.set_attn_implementation(usual)


def _compare(model: Any) -> str | None:
    """Two prompts of different lengths, two rows each, three steps: the logits must be the model's own."""
    device = model.device
    size = model.get_output_embeddings().weight.shape[0]
    texts = [
        [(7 * i + 3 * row + 1) % size for i in range(length + 3)] for row, length in ((0, 6), (1, 6), (2, 3), (3, 3))
    ]
    texts[1][:6], texts[3][:3] = texts[0][:6], texts[2][:3]
    expected = [model(torch.tensor([text], device=device)).logits[0, -4:-1].float() for text in texts]
    engine = Engine(model, torch.zeros(size, dtype=torch.bool, device=device))
    cache = SharedPromptCache(4, 2, 8, 5)
    prompts: deque[Any] = deque((tuple(text[:length]), []) for text, length in ((texts[0], 6), (texts[2], 3)))
    engine._prefill(cache, [], prompts, 4)
    cache.rows, cache.slots[:] = 4, (0, 0, 1, 1)
    cache.arrange(device, model.dtype)
    worst = 0.0
    for step in range(3):
        tokens = torch.tensor([[text[step - 4]] for text in texts], device=device)
        positions = torch.tensor([[len(text) - 4 + step] for text in texts], device=device)
        logits = engine._step(cache, tokens, positions).float()
        target = torch.stack([logit[step] for logit in expected])
        worst = max(worst, float((logits - target).norm() / target.norm()))
        cache.advance()
    limit = 1e-3 if model.dtype == torch.float32 else 5e-2
    return None if worst < limit else f"the engine's logits differ by {worst:.1%} from the model's own"
