"""The graders by name. Pure, but for math-verify's process.

`extract` reads the answer of a text on the ladder (ladder.py) in canonical form, so equal answers are mostly equal
strings; `same` is the only equality, for votes and for gold alike.
"""

from __future__ import annotations

from collections.abc import Callable
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
