"""The accuracy of random guessing, only where the possible answers can be counted."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest

from ttc_bench.core import Problem
from ttc_bench.grading.graders import GRADERS
from ttc_bench.problems import tasks
from ttc_bench.problems.generators import FAMILIES
from ttc_bench.problems.guessing import guess, options


def problem(question: str) -> Problem:
    return Problem("1", question, "A")


FOUR, TWO = problem("Which?\n(A) red\n(B) blue\n(C) green\n(D) none"), problem("Which?\nOptions: (A) red (B) blue")


def test_generated_tasks_guess_as_their_family_says() -> None:
    """The mean over the problems asked, so that it moves with --difficulty: five things to order are harder to guess."""
    for name in ("chain-arithmetic", "ordering", "countdown"):
        (task,) = tasks.load(name, limit=30)
        assert task.guess == fmean(FAMILIES[name].guess(p) for p in task.problems)
    (easy,) = tasks.load("ordering", limit=10, difficulty=(1, 1))
    (hard,) = tasks.load("ordering", limit=10, difficulty=(3, 3))
    assert easy.guess is not None
    assert hard.guess is not None
    assert hard.guess < easy.guess


@pytest.mark.parametrize(
    ("grader", "problems", "expected"),
    [
        (GRADERS["yes-no"](), [FOUR], 0.5),
        (GRADERS["boolean"](), [FOUR], 0.5),
        (GRADERS["words"](("low", "mid", "high", "top")), [FOUR], 0.25),
        (GRADERS["choice"](), [FOUR], 0.25),
        (GRADERS["choice"](), [FOUR, TWO], 0.375),
        (GRADERS["choice"](), [FOUR, problem("Which one is red?")], None),  # one of them cannot be counted
        (GRADERS["number"](), [FOUR], None),
        (GRADERS["math"](), [FOUR], None),
        (GRADERS["text"](), [FOUR], None),
        (GRADERS["check"](lambda answer, problem: True), [FOUR], None),
    ],
)
def test_other_tasks_guess_among_answers_that_can_be_counted(
    grader: object, problems: list[Problem], expected: float
) -> None:
    assert guess(problems, grader) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ("Which?\nA. red\nB. blue\nC. green", 3),
        ("Which?\nA) red\nB) blue", 2),
        ("Vitamin (A) is in\nA: milk\nB: bread\nC: water", 3),  # the options, not the letter in the question
        ("Is it (A) or not?", None),
        ("Which?\n(A) red\n(C) green", None),  # a gap: something was read wrongly
        ("(A) one (B) two. And then (A) one (B) two", None),
        ("", None),
    ],
)
def test_options_are_counted_or_not_at_all(question: str, count: int | None) -> None:
    assert options(question) == count


def test_a_task_of_your_own(tmp_path: Path) -> None:
    fields = {"name": "mine", "source": {"file": "d.jsonl"}, "grader": "choice", "answer_format": "(X)"}
    (tmp_path / "mine.yaml").write_text(json.dumps(fields))
    row = {"question": FOUR.question, "answer": "B"}
    (tmp_path / "d.jsonl").write_text(json.dumps(row))
    (task,) = tasks.load(str(tmp_path / "mine.yaml"))
    assert task.guess == 0.25
