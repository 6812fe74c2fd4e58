"""Which grader reads the gold answers of a file whose task nobody names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from ttc_bench.grading.graders import GRADERS
from ttc_bench.interchange.records import Record, Row

LOOKED_AT = 500  # records
ORDER = ("yes-no", "boolean", "choice", "number", "math")  # the strictest first
_NUMBER = re.compile(
    r"(?:.*####)?\s*[-+\u2212]?\s*[$€£]?\d[\d,. ]*(?:/\d+)?\s*%?", re.DOTALL
)  # also at the end of GSM8K's
_FORMULA = re.compile(r"[\d\\]")


def likely_grader(golds: Iterable[str]) -> str:
    """The strictest grader that reads every gold answer; "text" where none does."""
    distinct = set(golds)
    fitting = (name for name in ORDER if distinct and all(_fits(name, gold) for gold in distinct))
    return next(fitting, "text")


def _fits(name: str, gold: str) -> bool:
    """Whether a gold answer is of the kind that a grader reads. Those of numbers and formulas read more than that: a
    number within a formula, and any word as a product of its letters."""
    if name == "number" and not _NUMBER.fullmatch(gold):
        return False
    if name == "math" and "\\boxed" not in gold and ("\n" in gold or not _FORMULA.search(gold)):
        return False
    grader = GRADERS[name]()
    return grader.read(gold) is not None or ("####" in gold and grader.extract(gold).answer is not None)


def golds_of(rows: Iterable[Row]) -> Iterator[str]:
    """The gold answers of the first records."""
    records = (row for row in islice(rows, LOOKED_AT) if isinstance(row, Record))
    return (record.gold for record in records if record.gold is not None)
