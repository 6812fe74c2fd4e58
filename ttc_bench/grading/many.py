"""Grades many requests: here, and in other processes once it is seen to take long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from ttc_bench.core import Completion, Grader, Problem
from ttc_bench.grading.columns import Columns, graded
from ttc_bench.parallel import processes

ALONE_S = 2.0  # after which other processes help: to start them takes about one second
CHUNK = 1_000_000  # characters of text that a process is given at once


@dataclass(frozen=True)
class Work:
    """The new completions of one request, by index, and the columns that there were. `key`: any name of it."""

    key: int
    grader: Grader
    problem: Problem
    completions: Mapping[int, Completion]
    earlier: bytes | None = None

    @property
    def size(self) -> int:
        """Characters to read."""
        return sum(len(c.text) for c in self.completions.values())


Done = tuple[int, bytes]  # key, packed columns
Elsewhere = Callable[[Callable[[list[Work]], list[Done]], Iterable[list[Work]]], Iterator[list[Done]]]


def grade_chunk(works: list[Work]) -> list[Done]:
    """The packed columns of each, with its key."""
    return [
        (w.key, graded(w.grader, w.problem, w.completions, Columns.unpack(w.earlier) if w.earlier else None).pack())
        for w in works
    ]


def grade_many(works: Iterable[Work], elsewhere: Elsewhere | None = None) -> Iterator[Done]:
    """The packed columns of each, in any order; the grades do not depend on where they are made. What is not done
    after ALONE_S goes to `elsewhere`, by default a process for each processor. `works` is read as they are needed, so
    that few texts are in memory at once."""
    works, began = iter(works), time.monotonic()
    for work in works:
        if time.monotonic() - began < ALONE_S:
            yield from grade_chunk([work])
        else:
            for done in (elsewhere or processes)(grade_chunk, _chunks(chain([work], works))):
                yield from done


def _chunks(works: Iterable[Work]) -> Iterator[list[Work]]:
    chunk: list[Work] = []
    size = 0
    for work in works:
        chunk.append(work)
        size += work.size
        if size >= CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
