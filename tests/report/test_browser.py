"""A run of any size fits in a page: what is telling comes first, and everything is in samples.parquet."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from ttc_bench.analysis.views import ProblemView, SampleView
from ttc_bench.report import browser
from ttc_bench.report.browser import Data, data
from ttc_bench.report.export import by_prompt
from ttc_bench.report.telling import order


def words(rng: random.Random, characters: int) -> str:
    return "".join(rng.choices("abcdefgh ", k=characters))


def sample(rng: random.Random, prompt: str, index: int, characters: int = 500, **changes: Any) -> SampleView:
    view = SampleView(prompt, index, words(rng, characters), "", "1", True, 9, "stop", "boxed", {"v": rng.random()})
    return replace(view, **changes)


class Run:
    """Problems that exist one at a time, as those of a store do, and count how often they are gone through."""

    score_names = ("v",)

    def __init__(self, problems: int, samples: int, characters: int = 500, question: int = 40) -> None:
        self.shape, self.passes = (problems, samples, characters, question), 0

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[ProblemView]:
        count, samples, characters, question = self.shape
        self.passes += 1
        for number in range(count):
            rng = random.Random(number)
            of_prompt = [
                sample(rng, p, i, characters, correct=rng.random() < 0.5)
                for p in ("direct", "cot")
                for i in range(samples)
            ]
            yield ProblemView("t", f"t/{number}", f"{number} {words(rng, question)}?", "1", None, tuple(of_prompt))


def unpacked(script: str) -> Any:
    found = re.fullmatch(r'<script type="application/gzip" id="[a-z0-9-]+">(.*)</script>', script)
    assert found
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


def embedded(page: Data, problem: int) -> list[dict[str, Any]]:
    """The records of a problem, found as the page finds them."""
    runs = unpacked(page.index)["problems"][problem]["runs"]
    return [r for chunk, row, count in runs for r in unpacked(page.chunks[chunk])[row : row + count]]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page with room for about 300 samples of 500 characters."""
    monkeypatch.setattr(browser, "SAMPLES", 80_000)
    monkeypatch.setattr(browser, "CHUNK", 8_192)
    monkeypatch.setattr(browser, "WEIGHT", 4_000)


def test_what_fits_is_in_the_page_as_a_whole(tmp_path: Path) -> None:
    run = Run(7, 30)
    page = data(run, tmp_path / "s.parquet")
    assert (page.whole, page.samples, page.embedded, run.passes) == (True, 420, 420, 1)
    assert page.sentences() == []
    assert not (tmp_path / "s.parquet").exists()
    index = unpacked(page.index)
    assert index["file"] is None
    for number, problem in enumerate(run):
        texts = [r["text"] for r in embedded(page, number)]
        assert texts == [s.text for samples in by_prompt(problem).values() for s in samples]
        assert index["problems"][number]["question"] == problem.question


def test_what_does_not_fit_is_a_choice_and_all_of_it_in_a_file(tmp_path: Path, small: None) -> None:
    run = Run(20, 40)
    page = data(run, tmp_path / "s.parquet")
    assert (page.whole, page.samples, run.passes) == (False, 1600, 2)
    size = sum(map(len, page.chunks))
    assert 0.75 * 80_000 < size < 1.1 * 80_000
    table = parquet.read_table(tmp_path / "s.parquet").to_pylist()
    assert len(table) == 1600
    counts = []
    for number, (problem, entry) in enumerate(zip(run, unpacked(page.index)["problems"], strict=True)):
        groups = list(by_prompt(problem).values())
        assert [g["marks"].count("r") for g in entry["groups"]] == [sum(s.correct for s in g) for g in groups]
        records = embedded(page, number)
        counts.append(len(records))
        for r in records:  # each says where it lies in the file
            row = table[entry["groups"][r["g"]]["row"] + r["i"]]
            assert (row["problem"], row["text"], row["index"]) == (problem.id, r["text"], r["index"])
        for group in (0, 1):  # a right one and a wrong one of both prompts
            assert {r["correct"] for r in records if r["g"] == group} == {True, False}
    assert sum(counts) == page.embedded < 600
    assert max(counts) <= 2 * min(counts)  # every problem has its share
    assert f"{page.embedded} of 1,600 samples are in this page" in page.sentences()[0]


def test_room_that_is_left_goes_to_the_problems_that_follow(tmp_path: Path, small: None) -> None:
    """One long problem after many short ones has what they left, not a twentieth of the page."""
    short = [replace(p, samples=p.samples[:2]) for p in Run(19, 2)]
    (long,) = Run(1, 2000)
    page = data([*short, long], tmp_path / "s.parquet")
    assert all(len(embedded(page, i)) == 2 for i in range(19))
    assert len(embedded(page, 19)) > 120


@pytest.mark.parametrize(("problems", "characters"), [(3, 30_000), (60, 30_000), (1, 300_000)])
def test_long_texts_are_cut_and_keep_their_end(tmp_path: Path, small: None, problems: int, characters: int) -> None:
    page = data(Run(problems, 4, characters), tmp_path / "s.parquet")
    assert not page.whole
    assert sum(map(len, page.chunks)) < 1.3 * 80_000
    texts = {row["text"] for row in parquet.read_table(tmp_path / "s.parquet").to_pylist()}
    for number in range(problems):
        records = embedded(page, number)
        assert records, "no problem is without a sample"
        for start, left_out, end in (r["text"] for r in records):
            (whole,) = (t for t in texts if t.startswith(start) and t.endswith(end))
            assert left_out == len(whole) - len(start) - len(end) > 0


def test_one_long_text_alone_is_cut(tmp_path: Path) -> None:
    """A text of a megabyte would stall the browser, however much room there is."""
    (problem,) = Run(1, 1, 1_000_000)
    page = data([problem], tmp_path / "s.parquet")
    assert sum(len(part) for part in embedded(page, 0)[0]["text"] if isinstance(part, str)) == browser.TEXT
    assert parquet.read_table(tmp_path / "s.parquet")["text"][0].as_py() == problem.samples[0].text


def test_questions_marks_and_problems_have_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in (("INDEX", 2_000), ("LISTED", 10), ("QUESTIONS", 3_000), ("MARKS", 100)):
        monkeypatch.setattr(browser, name, limit)
    run = Run(50, 8, question=600)
    page = data(run, tmp_path / "s.parquet")
    assert (page.listed, page.problems, page.samples) == (10, 50, 800)
    assert page.sentences()[1] == "10 of 50 problems, a random choice, are listed."
    questions = {p.id: p.question for p in run}
    for number, entry in enumerate(unpacked(page.index)["problems"]):
        assert len(entry["question"]) <= 300
        (whole,) = (r["question"] for r in embedded(page, number) if "question" in r)
        assert whole == questions[entry["id"]]
        assert all(g["marks"] is None and sum(g["counts"]) == 8 for g in entry["groups"])


def test_the_choice_is_the_same_every_time(tmp_path: Path, small: None) -> None:
    first, second = (data(Run(20, 40), tmp_path / name) for name in ("a", "b"))
    assert (first.index, first.chunks) == (second.index, second.chunks)
    (alone,) = Run(1, 40)
    assert list(order(alone, by_prompt(alone))) == list(order(alone, by_prompt(alone)))


def test_telling_samples_come_first_kind_by_kind() -> None:
    rng = random.Random(0)
    wrong = {"answer": "2", "correct": False}
    cot = [
        sample(rng, "cot", 0, scores={"v": 0.9}),
        sample(rng, "cot", 1, scores={"v": 0.2}, answer="3", correct=False),
        sample(rng, "cot", 2, scores={"v": 0.3}, **wrong),
        sample(rng, "cot", 3, scores={"v": 0.8}, **wrong),
        sample(rng, "cot", 4, scores={"v": 0.1}, **wrong),
        sample(rng, "cot", 5, scores={"v": 0.4}, **wrong),
        sample(rng, "cot", 6, stop_reason="length"),
        sample(rng, "cot", 7, answer=None, correct=False),
    ]
    direct = [sample(rng, "direct", i) for i in range(3)]
    problem = ProblemView("t", "p", "?", "1", None, (*cot, *direct))
    places = list(order(problem, by_prompt(problem)))
    telling = [("cot", 0), ("direct", 0), ("cot", 1), ("cot", 2), ("cot", 6), ("cot", 7), ("cot", 3)]
    assert places[: len(telling)] == telling
    assert sorted(places) == sorted([("cot", i) for i in range(8)] + [("direct", i) for i in range(3)])
    others = list(order(replace(problem, id="q"), by_prompt(problem)))
    assert others[: len(telling)] == telling
