"""The grader of a file whose task nobody names."""

from __future__ import annotations

import pytest

from ttc_bench.interchange.golds import golds_of, likely_grader
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


def test_golds_are_those_of_records() -> None:
    rows = (Record("1", "", gold="7"), Hole("2", "busy"), Record("3", ""), Record("4", "", gold="8"))
    assert list(golds_of(rows)) == ["7", "8"]
