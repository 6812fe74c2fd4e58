"""Grades are kept beside the samples: graded once, and never trusted where anything has changed."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import config, model, signalled

from ttc_bench.core import Extraction, Problem
from ttc_bench.experiment import replay, report, run
from ttc_bench.grading import identity, ladder
from ttc_bench.grading.graders import GRADERS
from ttc_bench.grading.identity import grading_key, version
from ttc_bench.grading.number import Number
from ttc_bench.grading.phrase import Checked
from ttc_bench.problems import tasks
from ttc_bench.sampling.pool import Watch

VOTES = ("self-consistency",)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The texts that graders read."""
    texts: list[str] = []
    extract = ladder.Ladder.extract

    def watched(self: ladder.Ladder, text: str) -> Extraction:
        texts.append(text)
        return extract(self, text)

    monkeypatch.setattr(ladder.Ladder, "extract", watched)
    return texts


async def test_a_sample_is_graded_once(tmp_path: Path, read: list[str]) -> None:
    first = await run(config(tmp_path, samples=4, method=VOTES), model(signalled))
    assert len(read) == 24
    again = await report(first.folder)
    assert len(read) == 24
    assert again.analysis.points == first.analysis.points
    assert list(again.analysis.problems) == list(first.analysis.problems)
    more = await run(config(tmp_path, samples=6, method=VOTES), model(signalled))
    assert len(read) == 36
    fewer = await replay(more.folder, {"samples": 4})
    assert len(read) == 36
    assert fewer.analysis.points == first.analysis.points


async def test_grading_is_told_as_it_goes(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    watch = Watch(on_grade=lambda done, missing: told.append((done, missing)))
    first = await run(config(tmp_path, method=VOTES), model(signalled), watch)
    assert told == [(done, 6) for done in range(1, 7)]
    await replay(first.folder, watch=watch)
    assert len(told) == 6


async def test_thinking_that_was_cut_is_graded_once(tmp_path: Path, read: list[str]) -> None:
    asked = config(tmp_path, samples=2, thinking_budget=("4", "8"), wait=1)
    first = await run(asked, model(signalled))
    graded = len(read)
    again = await report(first.folder)
    assert len(read) == graded
    assert again.analysis.points == first.analysis.points


@pytest.mark.parametrize(
    "damage",
    [
        "update grades set columns = x'00'",
        "update grades set columns = 'text'",
        "update grades set version = 'other'",
        "delete from grades where rowid % 2 = 0",
        "drop table grades",
    ],
)
async def test_what_cannot_be_used_is_graded_anew(tmp_path: Path, read: list[str], damage: str) -> None:
    first = await run(config(tmp_path), model(signalled))
    before = len(read)
    with sqlite3.connect(tmp_path / "samples.sqlite") as db:
        db.execute(damage)
    again = await report(first.folder)
    assert len(read) > before
    assert again.analysis.points == first.analysis.points
    before = len(read)
    await report(first.folder)
    assert len(read) == before


async def test_samples_that_vanish_are_no_longer_counted(tmp_path: Path) -> None:
    first = await run(config(tmp_path, samples=4, method=VOTES), model(signalled))
    with sqlite3.connect(tmp_path / "samples.sqlite") as db:
        db.execute("delete from samples where idx = 1")
    again = await report(first.folder)
    assert [row.samples for row in again.analysis.quality] == [18]
    assert {s.index for p in again.analysis.problems for s in p.samples} == {0, 2, 3}


async def test_a_grader_of_one_s_own_grades_every_time(tmp_path: Path) -> None:
    """Its code can change unseen."""
    assert grading_key(Mine(), Problem("p", "?", "1")) is None
    assert grading_key(Checked(lambda answer, problem: True), Problem("p", "?", None)) is None


class Mine(Number):
    pass


def test_the_key_follows_everything_that_decides() -> None:
    (task,) = tasks.load("countdown", limit=2)
    problem = Problem("p", "How many?", "1", facts={"of": {1, 2}})
    keys = {
        grading_key(Number(), problem),
        grading_key(Number(lead="Solution:"), problem),
        grading_key(GRADERS["math"](), problem),
        grading_key(GRADERS["words"](("a", "b")), problem),
        grading_key(GRADERS["words"](("a", "c")), problem),
        *(
            grading_key(Number(), dataclasses.replace(problem, **changes))
            for changes in ({"answer": "2"}, {"question": "Why?"}, {"facts": {"of": {1, 3}}})
        ),
        *(grading_key(task.grader, p) for p in task.problems),
    }
    assert len(keys) == 10
    assert None not in keys
    assert grading_key(Number(), problem) == grading_key(Number(), dataclasses.replace(problem, id="q", difficulty=3.0))


def test_the_version_follows_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = version()
    (tmp_path / "grading").mkdir()
    (tmp_path / "grading" / "number.py").write_text("x = 1")
    monkeypatch.setattr(identity, "PACKAGE", tmp_path)
    version.cache_clear()
    changed = version()
    version.cache_clear()
    assert before != changed
