"""Gold answers as strangers write them: how they are read, and which grader reads those of a file without a task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ttc_bench.core import Grader
from ttc_bench.grading.formula import Math
from ttc_bench.grading.graders import GRADERS
from ttc_bench.grading.number import Number
from ttc_bench.interchange.records import Record, Row

ROWS, DISTINCT = 100_000, 500  # most rows, and different golds, by which a grader is chosen
ORDER = ("yes-no", "boolean", "choice", "number", "math")  # the strictest first
MARK = "####"  # before the answer at the end of GSM8K's worked solutions
_NUMBER = re.compile(
    r"\s*[-+\u2212]?\s*[$€£]?\d[\d,. ]*(?:/\d+)?\s*%?(?:\s[A-Za-z ]{1,40})?"
)  # 5, $1,200, 3/4, 18 hours
_FORMULA = re.compile(r"[\d\\]")
_PROSE = re.compile(r"[A-Za-z]{2,}\s+[A-Za-z]{2,}")


def read_gold(grader: Grader, gold: str) -> str | None:
    """A gold answer in the grader's canonical form: of a worked solution its last line after "####", or the answer that
    it announces, of anything else the whole. None if it cannot be read, or only a part of it: "2a-2" is no number."""
    if MARK in gold:
        return grader.read(gold.rpartition(MARK)[2].strip())
    if "\\boxed" in gold or "\n" in gold.strip() or (isinstance(grader, Number | Math) and _PROSE.search(gold)):
        announced = grader.extract(gold).answer
        if announced is not None:
            return announced
    if isinstance(grader, Number) and not _NUMBER.fullmatch(gold.strip().strip("$ ")):
        return None
    return grader.read(gold)


def likely_grader(golds: Iterable[str]) -> str:
    """The strictest grader that reads every gold answer; "text" where none does."""
    distinct = set(golds)
    fitting = (name for name in ORDER if distinct and all(_fits(name, gold) for gold in distinct))
    return next(fitting, "text")


def _fits(name: str, gold: str) -> bool:
    """Whether a gold answer is of the kind that a grader reads. A number may be written "18 hours" where somebody says
    that these are numbers, but does not make them so; a formula has digits or commands: words are products of letters
    to its grader."""
    if name == "number" and _PROSE.search(gold) and MARK not in gold:
        return False
    if name == "math" and MARK not in gold and "\\boxed" not in gold and ("\n" in gold or not _FORMULA.search(gold)):
        return False
    return read_gold(GRADERS[name](), gold) is not None


def golds_of(rows: Iterable[Row]) -> Iterator[str]:
    """The different gold answers among the first rows."""
    seen: set[str] = set()
    for number, row in enumerate(rows):
        if number == ROWS or len(seen) == DISTINCT:
            return
        if isinstance(row, Record) and row.gold is not None and row.gold not in seen:
            seen.add(row.gold)
            yield row.gold
