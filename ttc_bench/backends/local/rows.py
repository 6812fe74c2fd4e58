"""The rows of a batch: the tokens drawn so far, the confidence of the model, and which rows are finished.

Both generation loops (engine.py, and the one in simple.py) keep their rows in a `RowTable`. A row is one sample;
what it draws depends on its request and its index only, because each carries its own stream of uniform numbers.
Shapes: R rows, V vocabulary, T the largest token limit of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ttc_bench.backends.local.drawing import confidences, draw
from ttc_bench.core import Request
from ttc_bench.errors import BackendError

SIGNALS = ("logprob", "self_certainty", "tail_confidence", "lowest_group_confidence")
MOST_UNREAD = 48  # most tokens at the end of a prompt that are fed one by one instead of by a prefill


@dataclass(frozen=True, eq=False)
class Row:
    """One sample to generate: a request, the index within its pool, its prompt and how many tokens it may have."""

    request: Request
    address: str  # request.address, kept because computing it costs a hash
    index: int
    prompt: tuple[int, ...]
    limit: int
    watch: Tensor | None = None  # bool [V]: tokens after which a stop string may have been completed
    choices: tuple[tuple[str, tuple[int, ...]], ...] = ()  # (text, ids of the tokens that it may begin with)
    source: tuple[int, ...] = ()  # what an encoder reads; `prompt` is then what the decoder begins with

    def uniforms(self) -> np.ndarray:
        """float64 [limit] in [0, 1): one per step, Philox (Salmon et al. 2011) keyed by address, counted by index."""
        bits = np.random.Philox(key=int(self.address[:32], 16), counter=[0, 0, self.index, 0])
        return np.random.Generator(bits).random(self.limit)


Stopped = Callable[[Row, list[int]], bool]  # (row, its tokens so far) -> whether its text holds a stop string


@dataclass(frozen=True, eq=False)
class Finished:
    """A row that is done. `ended`: its last token is an end-of-sequence token."""

    row: Row
    tokens: list[int]
    ended: bool
    signals: dict[str, float]


class RowTable:
    """The live rows of a batch, row r of every tensor being one sample. Rows are added at the end; `drop` closes the
    gaps and returns which rows moved, so that a cache can do the same."""

    def __init__(self, room: int, longest: int, ends: Tensor, device: torch.device) -> None:
        """`room`: most rows; `longest`: most tokens of a row; `ends`: bool [V], end-of-sequence tokens."""
        self.room, self.block = room, max(16, room // 4)
        self.rows: list[Row] = []
        self._entry: list[int] = []  # number of rows that entered before each
        self._entered = 0
        self._ends, self._device = ends, device
        self._is_end = ends.cpu().numpy()
        self._greedy = self._truncated = self._watched = self._has_choices = self._reading = False
        self._chosen: dict[Row, dict[str, float]] = {}

        def column(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(room, *shape, dtype=dtype, device=device)

        self.age = column(dtype=torch.int64)  # tokens generated so far
        self.last = column(dtype=torch.int64)  # the token to feed next
        self.position = column(dtype=torch.int64)  # position of that token in its sequence
        self._limit = column(dtype=torch.int64)
        self._temperature, self._top_p, self._min_p = column(), column(), column()
        self._top_k = column(dtype=torch.int64)
        self._uniforms = column(longest, dtype=torch.float64)
        self._tokens = column(longest, dtype=torch.int32)
        self._confidence = column(longest)
        self._unread = column(dtype=torch.int64)  # prompt tokens still to be fed after `last`
        self._unread_tokens = column(MOST_UNREAD, dtype=torch.int64)  # their ids, last one first
        self._logprob, self._certainty = column(dtype=torch.float64), column(dtype=torch.float64)
        self._columns = [value for value in vars(self).values() if isinstance(value, Tensor) and value is not ends]

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, rows: Sequence[Row], cached: Sequence[int] | None = None) -> None:
        """Append new rows. `cached`: how many tokens of each prompt are in the cache already, by default all but the
        last; a row is fed the others one by one before it draws its first token."""
        start, stop = len(self.rows), len(self.rows) + len(rows)
        self.rows += rows
        self._entry += range(self._entered, self._entered + len(rows))
        self._entered += len(rows)
        requests = [row.request for row in rows]
        cached = cached or [len(row.prompt) - 1 for row in rows]
        unread = [len(row.prompt) - 1 - position for row, position in zip(rows, cached, strict=True)]
        self.age[start:stop] = 0
        self._logprob[start:stop] = 0
        self._certainty[start:stop] = 0
        for target, values in (
            (self.last, [row.prompt[position] for row, position in zip(rows, cached, strict=True)]),
            (self.position, cached),
            (self._unread, unread),
            (self._limit, [row.limit for row in rows]),
            (self._temperature, [r.temperature for r in requests]),
            (self._top_k, [r.top_k for r in requests]),
            (self._top_p, [r.top_p for r in requests]),
            (self._min_p, [r.min_p for r in requests]),
        ):
            target[start:stop] = torch.tensor(values, dtype=target.dtype)
        for place, row in enumerate(rows, start):
            self._uniforms[place, : row.limit] = torch.from_numpy(row.uniforms())
        if any(unread):
            self._reading = True
            for place, (row, count) in enumerate(zip(rows, unread, strict=True), start):
                # the token at unread - 1 is fed next
                self._unread_tokens[place, :count] = torch.tensor(
                    row.prompt[len(row.prompt) - count :][::-1], dtype=torch.int64
                )
        # Features that any row so far has needed: kept on the host, so that a step need not wait for the device.
        self._greedy |= any(r.temperature == 0 for r in requests)
        self._truncated |= any(r.temperature > 0 and (r.top_k > 0 or r.top_p < 1 or r.min_p > 0) for r in requests)
        self._watched |= any(row.watch is not None for row in rows)
        self._has_choices |= any(row.choices for row in rows)

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
        if self._has_choices:
            self._note_choices(logits)
        # a row that still reads its prompt draws nothing: its values written here are overwritten later
        self._tokens[places, age] = drawn.tokens.to(torch.int32)
        self._confidence[places, age] = drawn.confidence
        reads = self._unread[:n] > 0 if self._reading else None
        drew = 1 if reads is None else (~reads).to(torch.int64)
        self._logprob[:n] += drawn.logprob * drew
        self._certainty[:n] += drawn.certainty * drew
        self.last[:n] = drawn.tokens
        self.position[:n] += 1
        age += drew
        done = self._ends[drawn.tokens] | (age >= self._limit[:n])
        if reads is not None:
            done &= ~reads
            following = self._unread_tokens[places, (self._unread[:n] - 1).clamp_(min=0)]
            self.last[:n] = torch.where(reads, following, drawn.tokens)
            self._unread[:n] -= reads.to(torch.int64)
            self._reading = bool(reads.any())
        finished = done.nonzero()[:, 0].tolist()
        watched: list[int] = []
        if self._watched:
            tokens = drawn.tokens.tolist()
            still = reads.tolist() if reads is not None else [False] * n
            watched = [
                i for i, row in enumerate(self.rows) if row.watch is not None and not still[i] and row.watch[tokens[i]]
            ]
        return finished, watched

    def _note_choices(self, logits: Tensor) -> None:
        """The probability, at temperature 1, that a row's first token begins each of its choices."""
        for place, row in enumerate(self.rows):
            if row.choices and row not in self._chosen and not self._unread[place]:
                chances = logits[place].float().softmax(0)
                self._chosen[row] = {f"p:{text}": float(chances[list(ids)].sum()) for text, ids in row.choices}

    def tokens(self, place: int) -> list[int]:
        """The tokens generated so far by the row at `place`."""
        ids: list[int] = self._tokens[place, : int(self.age[place])].tolist()
        return ids

    def finish(self, places: Sequence[int]) -> list[Finished]:
        """The rows at `places` with their tokens and signals. Raises a fatal BackendError for logits that are not
        numbers."""
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
            signals |= confidences(confidence[i, :count]) | self._chosen.pop(self.rows[at[i]], {})
            if not np.isfinite(logprob):
                raise BackendError("the model's logits are not numbers; try --dtype float32", fatal=True)
            # A vocabulary padded with -inf logits has no finite KL divergence from the uniform distribution.
            finite = {name: value for name, value in signals.items() if np.isfinite(value)}
            ids = tokens[i, :count].tolist()
            finished.append(Finished(self.rows[at[i]], ids, bool(self._is_end[ids[-1]]), finite))
        return finished

    def drop(self, places: Sequence[int]) -> tuple[list[int], list[int]]:
        """Remove rows and close the gaps: returns (destinations, sources) of the rows that moved, all at once.

        Rows are kept in blocks, older rows first, because old rows see more columns than young ones and are best
        attended to together. So the oldest row of the next block fills a gap, and so on with the gap that it leaves."""
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
