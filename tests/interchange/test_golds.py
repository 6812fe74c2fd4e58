"""The grader of a file whose task nobody names."""

from __future__ import annotations

import pytest

from ttc_bench.grading.graders import GRADERS
from ttc_bench.interchange.golds import golds_of, likely_grader, read_gold
from ttc_bench.interchange.records import Hole, Record


@pytest.mark.parametrize(
    ("golds", "grader"),
    [
        (["18", "3.5", "1,000", "-2"], "number"),
        (["Ann has 3 + 4 = 7.\n#### 7", "It is 12 - 2.\n#### 10"], "number"),
        (["18", "\\frac{1}{2}", "x^2 + 1"], "math"),
        (["(A)", "(C)"], "choice"),
        (["A", "D", "B"], "choice"),
        (["yes", "No"], "yes-no"),
        (["True", "False"], "boolean"),
        (["valid", "invalid"], "text"),
        (["Paris", "12"], "text"),
        ([], "text"),
    ],
)
def test_the_strictest_that_reads_every_gold(golds: list[str], grader: str) -> None:
    assert likely_grader(golds) == grader


@pytest.mark.parametrize(
    ("grader", "gold", "read"),
    [
        ("number", "He has 3 sprints 3 times, so 3*3=9 sprints.\n#### 540", "540"),
        ("number", "20 - 2 = 18.\n#### 1,018", "1018"),
        ("number", "so 2 + 3 is 5. The answer is 5.", "5"),
        ("number", "18 hours", "18"),
        ("number", "$1,200", "1200"),
        ("number", "$1$", "1"),
        ("number", "2a-2", None),
        ("number", "x^2 + 1", None),
        ("number", "#### none", None),
        ("math", "2a-2", "2a-2"),
        ("math", "We get $x = 3$.\nThe answer is \\boxed{7}.", "7"),
        ("choice", "(B)", "B"),
    ],
)
def test_a_gold_is_read_as_a_whole_or_not_at_all(grader: str, gold: str, read: str | None) -> None:
    assert read_gold(GRADERS[grader](), gold) == read


def test_a_few_problems_with_many_samples_do_not_choose_the_grader() -> None:
    """Two integers in the first thousand rows, and then a formula."""
    rows = [Record("", "", gold=gold) for gold in ("2", "5") for _ in range(600)] + [Record("", "", gold="2a-2")]
    assert list(golds_of(rows)) == ["2", "5", "2a-2"]
    assert likely_grader(golds_of(rows)) == "math"


def test_golds_are_those_of_records() -> None:
    rows = (Record("1", "", gold="7"), Hole("2", "busy"), Record("3", ""), Record("4", "", gold="8"))
    assert list(golds_of(rows)) == ["7", "8"]
