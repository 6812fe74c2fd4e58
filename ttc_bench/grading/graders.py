"""The graders by name, and the classes of equal answers that votes count. Pure, but for math-verify's process.

`extract` reads the answer of a text on the ladder (ladder.py) in canonical form, so equal answers are mostly equal
strings; `same` is the only equality, for votes and for gold alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ttc_bench.core import Grader
from ttc_bench.grading.choice import Choice
from ttc_bench.grading.formula import Math
from ttc_bench.grading.number import Number
from ttc_bench.grading.phrase import Checked, Text
from ttc_bench.grading.words import Words

GRADERS: dict[str, Callable[..., Grader]] = {
    "number": Number,
    "math": Math,
    "choice": Choice,
    "yes-no": partial(Words, ("yes", "no")),
    "boolean": partial(Words, ("true", "false")),
    "words": Words,  # choices: which
    "text": Text,
    "check": Checked,  # check: the checker function
}


def group(answers: Sequence[str | None], grader: Grader) -> list[str | None]:
    """The answers to one problem, each replaced by the one that stands for its class: equal answers become equal
    strings, as votes need them. None stays None.

    Two answers are in one class where `same` holds in either direction, or a chain of such pairs joins them; the
    shortest answer (of equally short ones the first in the alphabet) stands for it. So the classes do not depend on
    the order of the answers. Grade before grouping: a class can join answers that the gold tells apart."""
    distinct = sorted({answer for answer in answers if answer is not None}, key=lambda a: (len(a), a))
    stands_for = {answer: answer for answer in distinct}
    for i, answer in enumerate(distinct):
        for other in distinct[i + 1 :]:
            mine, theirs = stands_for[answer], stands_for[other]
            if mine != theirs and (grader.same(answer, other) or grader.same(other, answer)):
                kept, given = (mine, theirs) if distinct.index(mine) < distinct.index(theirs) else (theirs, mine)
                stands_for = {a: kept if head == given else head for a, head in stands_for.items()}
    return [None if answer is None else stands_for[answer] for answer in answers]
