"""Many requests are graded in other processes as they are here, and little of them is in memory at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from functools import partial

import pytest

from ttc_bench.core import Completion, Grader, Problem, Usage
from ttc_bench.grading import many
from ttc_bench.grading.columns import Columns, graded
from ttc_bench.grading.graders import GRADERS
from ttc_bench.grading.many import Done, Work, grade_chunk, grade_many
from ttc_bench.grading.number import Number
from ttc_bench.parallel import processes

PROBLEM = Problem("p", "How many?", "3")


def work(count: int, grader: Grader | None = None, size: int = 10) -> Iterator[Work]:
    for key in range(count):
        texts = [f"{'x' * size} The answer is {key % 4 + i}." for i in range(3)]
        completions = {i: Completion(text, "stop", Usage(completion=5)) for i, text in enumerate(texts)}
        yield Work(key, grader or GRADERS["number"](), PROBLEM, completions)


def rights(done: Iterable[Done]) -> dict[int, list[bool]]:
    return {key: Columns.unpack(packed).correct.tolist() for key, packed in done}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "ALONE_S", 0.0)
    monkeypatch.setattr(many, "CHUNK", 200)


def test_processes_grade_alike(at_once: None) -> None:
    here = {w.key: graded(w.grader, w.problem, w.completions).correct.tolist() for w in work(20)}
    assert rights(grade_many(work(20))) == here
    assert rights(grade_many(work(20), elsewhere=lambda function, chunks: map(function, chunks))) == here


def test_what_is_quick_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "processes", None)
    assert len(rights(grade_many(work(5)))) == 5


class Locked(Number):
    """No other process can be given this one."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "lock", threading.Lock())


def test_a_grader_that_cannot_travel_stays_here(at_once: None) -> None:
    assert rights(grade_many(work(6, Locked()))) == rights(grade_many(work(6)))


def deadly(survivor: int, works: list[Work]) -> list[Done]:
    """Ends the process that it runs in, but for one."""
    if os.getpid() != survivor:
        os.kill(os.getpid(), signal.SIGKILL)
    return grade_chunk(works)


def test_a_process_that_dies_costs_nothing() -> None:
    chunks = [[w] for w in work(8)]
    done = [row for rows in processes(partial(deadly, os.getpid()), chunks, count=2) for row in rows]
    assert rights(done) == rights(grade_chunk(list(work(8))))


def test_texts_are_read_as_they_are_needed(at_once: None) -> None:
    read = 0

    def reading() -> Iterator[Work]:
        nonlocal read
        for one in work(40, size=300):
            read += 1
            yield one

    done = processes(grade_chunk, ([w] for w in reading()), count=2)
    next(done)
    assert read <= 6
    done.close()  # type: ignore[attr-defined]
