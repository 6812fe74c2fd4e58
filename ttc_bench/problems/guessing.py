"""The accuracy of random guessing among the answers that make sense for a question. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean

from ttc_bench.core import Grader, Problem
from ttc_bench.grading.choice import Choice
from ttc_bench.grading.words import Words
from ttc_bench.problems.generators.base import Family

# Marks of options in a question, the most reliable first: "(A) ..." or "A. ..." at the start of lines, "(A)" within a
# line.
_MARKS = tuple(re.compile(p, re.MULTILINE) for p in (r"^\s*\(([A-Z])\)", r"^\s*([A-Z])[.):]\s", r"\(([A-Z])\)"))


def guess(problems: Sequence[Problem], grader: Grader, family: Family | None = None) -> float | None:
    """Expected accuracy (0..1) of a uniform guess over the answers that make sense, mean over problems.

    Generated problems: as their family says. Words such as yes and no: 1 / their number. Choices: 1 / the number of
    options in the question. None where the possible answers of any problem cannot be counted (a number, a formula)."""
    if family is not None:
        shares: list[float | None] = [family.guess(p) for p in problems]
    elif isinstance(grader, Words):
        shares = [1 / len(grader.choices)] * len(problems)
    elif isinstance(grader, Choice):
        shares = [1 / n if (n := options(p.question)) else None for p in problems]
    else:
        return None
    counted = [share for share in shares if share is not None]
    return fmean(counted) if counted and len(counted) == len(shares) else None


def options(question: str) -> int | None:
    """The number of options that a question lists as A, B, C, ...; None if they are not recognised."""
    for mark in _MARKS:
        letters = "".join(mark.findall(question))
        if len(letters) >= 2 and "ABCDEFGHIJKLMNOPQRSTUVWXYZ".startswith(letters):
            return len(letters)
    return None
