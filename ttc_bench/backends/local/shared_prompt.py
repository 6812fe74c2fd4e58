"""Attention of many rows over a shared prompt, whose keys and values are stored once and read once per step.

A row's own tokens lie in one preallocated buffer where all rows write the same column. Attention is computed for
the two parts separately (the prompt's for all of its rows in one product) and merged exactly, by their log-sum-exp.

Shapes: R rows, P slots, H heads, K key-value heads (G = H / K heads share one), D head width."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface
from transformers.cache_utils import Cache

ATTENTION = "ttc_shared_prompt"  # name of our attention function in transformers' registry
FIRST_COLUMNS = 64  # size of the buffer at first
SIMILAR_AGE = 16  # blocks whose ages differ by fewer columns are attended to together
_ALL = 2**40
_HIDDEN = -1e9  # added to scores that must not count; finite, so that a slot with nothing to see gives no NaN
active = threading.local()  # .cache of the step in progress: models pass no cache to their attention function


@dataclass
class Part:
    """Rows of similar age, attended to together: rows low..high-1, the oldest of which sees columns from `first`."""

    low: int
    high: int
    first: int
    mask: Tensor | None = None  # [rows, 1, 1, columns from first]: hides those before a row's own first


class SharedPromptCache(Cache):  # type: ignore[misc]
    """Keys and values: of prompts [P, K, prompt, D], one slot each; of rows' own tokens [R, K, columns, D].

    All rows write column `column`. A row that entered at column s sees s..column. When the buffer is full, what the
    oldest row still sees moves to the front; if that would free less than half of it, the buffer doubles instead. So a
    token limit far above the real lengths costs no memory. The caller sets `reading` to the slots that a prefill fills,
    and to None for a step."""

    def __init__(self, room: int, block: int, columns: int, prompt: int) -> None:
        """`room`: most rows, in blocks of `block`; `columns`: largest size of the buffer, above the largest token
        limit; `prompt`: length of the longest prompt."""
        super().__init__(layers=[])
        self._room, self._block, self._most, self._prompt = room, block, columns, prompt
        self._columns = min(columns, FIRST_COLUMNS)
        self._prompts: dict[int, tuple[Tensor, Tensor]] = {}  # by layer: keys, values
        self._own: dict[int, tuple[Tensor, Tensor]] = {}
        self.reading: slice | None = None
        self.column = 0
        self.starts = np.zeros(room, dtype=np.int64)
        self.slots = np.zeros(room, dtype=np.int64)
        self.seen = np.full(room, _ALL, dtype=np.int64)  # tokens of its slot's prompt that a row may look at
        self.lengths: list[int] = []  # of the prompts in the slots, their last token not counted
        self.rows = 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0  # positions are always passed explicitly

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Store one layer's new keys and values. Returns those of a prefill, or for a step all columns that rows
        see."""
        if self.reading is not None:
            stored = self._slots_for(layer_idx, keys, values)
            for buffer, new in zip(stored, (keys, values), strict=True):
                buffer[self.reading, :, : new.shape[2]] = new
            return keys, values
        if layer_idx not in self._own:
            self._own[layer_idx] = tuple(  # type: ignore[assignment]
                new.new_zeros(self._room, new.shape[1], self._columns, new.shape[3]) for new in (keys, values)
            )
        own = self._own[layer_idx]
        for buffer, new in zip(own, (keys, values), strict=True):
            buffer[: self.rows, :, self.column] = new[:, :, 0]
        seen = slice(self.first, self.column + 1)
        return own[0][: self.rows, :, seen], own[1][: self.rows, :, seen]

    def _slots_for(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's slots, grown (at least doubled) where the prefill needs more."""
        old = self._prompts.get(layer)
        have = old[0].shape[0] if old else 0
        if have < len(self.lengths):
            size = max(2 * have, len(self.lengths))
            new = tuple(x.new_zeros(size, x.shape[1], self._prompt, x.shape[3]) for x in (keys, values))
            for target, source in zip(new, old or (), strict=False):
                target[:have] = source
            self._prompts[layer] = new  # type: ignore[assignment]
        return self._prompts[layer]

    def prompts(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of the slots in use, up to the longest of their prompts."""
        keys, values = self._prompts[layer]
        return keys[: self.used, :, : self.reach], values[: self.used, :, : self.reach]

    def arrange(self, device: torch.device, dtype: torch.dtype) -> None:
        """Recompute the masks and the layout after rows or slots have changed. Rows of one slot are laid side by side,
        padded to the largest group: `grid` [P * width] holds the row at each place, `places` [R] the place of each
        row."""
        slots, starts = self.slots[: self.rows], self.starts[: self.rows]
        self.first = int(starts.min())
        self.parts: list[Part] = []
        for low in range(0, self.rows, self._block):
            part = Part(low, min(low + self._block, self.rows), int(starts[low : low + self._block].min()))
            if self.parts and abs(part.first - self.parts[-1].first) < SIMILAR_AGE:
                before = self.parts.pop()
                part = Part(before.low, part.high, min(before.first, part.first))
            self.parts.append(part)
        for part in self.parts:
            early = np.arange(part.first, self._columns)[None] < starts[part.low : part.high, None]
            part.mask = _mask(early, device, dtype) if early.any() else None
        self.used = int(slots.max()) + 1
        lengths = np.array(self.lengths[: self.used])
        self.reach = int(lengths.max())
        counts = np.bincount(slots, minlength=self.used)
        self.width = int(counts.max())
        order = np.argsort(slots, kind="stable")
        rank = np.empty(self.rows, dtype=np.int64)
        rank[order] = np.arange(self.rows) - np.repeat(np.cumsum(counts) - counts, counts)
        places = slots * self.width + rank
        grid = np.zeros(self.used * self.width, dtype=np.int64)
        grid[places] = np.arange(self.rows)
        self.places, self.grid = (torch.from_numpy(x).to(device) for x in (places, grid))
        seen = np.minimum(self.seen[: self.rows], lengths[slots])
        if (seen == lengths[slots]).all():
            beyond = np.arange(self.reach)[None] >= lengths[:, None]
            self.prompt_mask = _mask(beyond, device, dtype)  # [P, 1, 1, L]
        else:  # some rows use a part of their slot's prompt only: [P, 1, width, L]
            beyond = np.arange(self.reach)[None, None] >= seen[grid].reshape(self.used, self.width, 1)
            self.prompt_mask = _mask(beyond.reshape(-1, self.reach), device, dtype).view(self.used, 1, -1, self.reach)
        self._group = 1

    def mask(self, group: int) -> Tensor:
        """`prompt_mask` for queries side by side, `group` heads per row."""
        if self.prompt_mask.shape[2] > 1 and self._group != group:
            self.prompt_mask, self._group = self.prompt_mask.repeat_interleave(group, 2), group
        return self.prompt_mask

    def move(self, into: list[int], out: list[int]) -> None:
        """Move rows `out` to the places `into`."""
        if into:
            for column in (self.starts, self.slots, self.seen):
                column[into] = column[out]
            seen = slice(int(self.starts[into].min()), self.column)
            for buffer in (buffer for pair in self._own.values() for buffer in pair):
                buffer[into, :, seen] = buffer[out, :, seen]

    def free(self, slot: int) -> None:
        """Drop a slot; the last one takes its place."""
        last = len(self.lengths) - 1
        self.lengths[slot] = self.lengths[last]
        self.lengths.pop()
        if slot != last:
            self.slots[: self.rows][self.slots[: self.rows] == last] = slot
            for buffer in (buffer for pair in self._prompts.values() for buffer in pair):
                buffer[slot] = buffer[last]

    def advance(self) -> bool:
        """Go to the next column. True if the buffer was full and has changed, so that `arrange` must follow."""
        self.column += 1
        if self.column < self._columns:
            return False
        first = int(self.starts[: self.rows].min())
        if first < self._columns // 2 and self._columns < self._most:
            self._columns = min(2 * self._columns, self._most)
            for layer, pair in self._own.items():
                self._own[layer] = (self._grown(pair[0]), self._grown(pair[1]))
            return True
        for buffer in (buffer for pair in self._own.values() for buffer in pair):
            for low in range(0, self.column - first, first):  # as far as source and target do not overlap
                high = min(low + first, self.column - first)
                buffer[: self.rows, :, low:high] = buffer[: self.rows, :, low + first : high + first]
        self.starts -= first
        self.column -= first
        self.first = 0
        return True

    def _grown(self, old: Tensor) -> Tensor:
        new = old.new_zeros(old.shape[0], old.shape[1], self._columns, old.shape[3])
        new[: self.rows, :, : self.column] = old[: self.rows, :, : self.column]
        return new


def _attend_own(
    cache: SharedPromptCache, query: Tensor, key: Tensor, value: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """`attend` of rows to their own tokens, part by part."""
    attended = []
    for part in cache.parts:
        rows, seen = slice(part.low, part.high), slice(part.first - cache.first, None)
        mask = part.mask if part.mask is None else part.mask[..., : cache.column + 1 - part.first]
        attended.append(attend(query[rows], key[rows, :, seen], value[rows, :, seen], mask, scale))
    if len(attended) == 1:
        return attended[0]
    outs, totals = zip(*attended, strict=True)
    return torch.cat(outs), torch.cat(totals)


def _mask(hidden: np.ndarray, device: torch.device, dtype: torch.dtype) -> Tensor:
    """[N, 1, 1, L] to add to attention scores, from bool [N, L]."""
    return torch.from_numpy(hidden).to(device=device, dtype=dtype).mul_(_HIDDEN)[:, None, None]


def attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    """Attention of [B, K, Q, D] queries: outputs [B, K, Q, D], and the log-sum-exp [B, K, Q] of their scores."""
    batch, _, length, width = query.shape
    # The CPU's fused kernel wins on blocks of queries; one or a few float32 queries are faster as plain products.
    if query.device.type == "cpu" and values.shape[3] == width and (length >= 8 or query.dtype != torch.float32):
        kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        mask = mask if mask is None else mask.expand(batch, 1, length, keys.shape[2])
        out, total = kernel(query, keys, values, 0.0, False, attn_mask=mask, scale=scale)
        return out, total
    scores = torch.matmul(query * scale, keys.transpose(2, 3)).float()
    scores = scores if mask is None else scores.add_(mask)
    weights = scores.softmax(3)
    total = scores.amax(3) - weights.amax(3).log_()  # the largest weight is exp(largest score - log-sum-exp)
    return torch.matmul(weights.to(values.dtype), values), total


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, _: Tensor | None, scaling: float | None = None, **extra: Any
) -> tuple[Tensor, None]:
    """The attention function that the model calls instead of its own. Returns [batch, length, H, D]."""
    unknown = [name for name in ("softcap", "s_aux", "position_bias", "sliding_window") if extra.get(name) is not None]
    if unknown:
        raise NotImplementedError(f"attention with {', '.join(unknown)}")
    cache: SharedPromptCache = active.cache
    scale = scaling if scaling is not None else query.shape[3] ** -0.5
    if cache.reading is not None:  # prompts padded on the right, where causal attention never looks
        key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], 1) for x in (key, value))
        out = functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale)
        return out.transpose(1, 2), None
    rows, heads, width = query.shape[0], query.shape[1], query.shape[3]
    kv = key.shape[1]
    group = heads // kv
    query = query.reshape(rows, kv, group, width)
    own, own_total = _attend_own(cache, query, key, value, scale)
    if cache.reach:
        # Rows side by side under their prompt: [P, width of the grid, K, G, D] -> [P, K, width * G, D] and back.
        side = query[cache.grid].view(cache.used, cache.width, kv, group, width).transpose(1, 2)
        keys, values = cache.prompts(module.layer_idx)
        shared, total = attend(side.reshape(cache.used, kv, -1, width), keys, values, cache.mask(group), scale)
        shared = shared.reshape(cache.used, kv, cache.width, group, -1).transpose(1, 2).flatten(0, 1)[cache.places]
        total = total.reshape(cache.used, kv, cache.width, group).transpose(1, 2).flatten(0, 1)[cache.places]
        # softmax over both parts = each part's own softmax, weighted by its share of the sum of exponentials
        share = torch.sigmoid(total - own_total.view_as(total)).unsqueeze(-1).to(own.dtype)
        own = torch.lerp(own, shared, share)
    return own.reshape(rows, 1, heads, -1), None


AttentionInterface.register(ATTENTION, _attention)
