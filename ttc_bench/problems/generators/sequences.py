"""Number sequences. The question states the kind of rule, so that the next term is unique."""

from __future__ import annotations

import re
from itertools import pairwise

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

LIMIT = 9999  # no term lies outside -LIMIT..LIMIT

RULES = (
    "Every term is the one before plus a fixed number.",
    "Two such sequences take turns: every term is the second one before it plus a number; odd and even places "
    "have each their own fixed number.",
    "The differences between neighbours grow by a fixed number.",
    "Every term is the sum of the two before it plus a fixed number.",
    "Every term is a fixed whole number times the one before, plus another fixed number.",
    "Every term is a fixed whole number times the one before, plus another fixed whole number times the one before "
    "that.",
)


def _extend(level: int, terms: list[int], p: int, q: int) -> int:
    """The next term under the rule of this level with parameters p and q."""
    n = len(terms)
    if level == 1:
        return terms[-1] + p
    if level == 2:
        return terms[-2] + (p if n % 2 == 0 else q)
    if level == 3:
        return 2 * terms[-1] - terms[-2] + p
    if level == 4:
        return terms[-1] + terms[-2] + p
    if level == 5:
        return p * terms[-1] + q
    return p * terms[-1] + q * terms[-2]


def _fit(level: int, t: list[int]) -> tuple[int, int] | None:
    """The parameters (p, q) under which the terms follow the rule; None if there are none, or several. At levels 5 and
    6 they solve two linear equations."""
    if level == 1:
        p, q = t[1] - t[0], 0
    elif level == 2:
        p, q = t[2] - t[0], t[3] - t[1]
    elif level == 3:
        p, q = t[2] - 2 * t[1] + t[0], 0
    elif level == 4:
        p, q = t[2] - t[1] - t[0], 0
    elif level == 5:
        if t[1] == t[0]:
            return None
        p = (t[2] - t[1]) // (t[1] - t[0])
        q = t[1] - p * t[0]
    else:
        determinant = t[1] * t[1] - t[0] * t[2]
        if determinant == 0:
            return None
        p = (t[2] * t[1] - t[0] * t[3]) // determinant
        q = (t[1] * t[3] - t[2] * t[2]) // determinant
    start = 2 if level in (2, 3, 4, 6) else 1
    follows = all(_extend(level, t[:i], p, q) == t[i] for i in range(start, len(t)))
    return (p, q) if follows else None


def _in_brackets(value: int) -> str:
    return str(value) if value >= 0 else f"({value})"


def _times(factor: int, value: int) -> str:
    return f"{_in_brackets(factor)} * {_in_brackets(value)}"


def _explain(level: int, t: list[int], p: int, q: int, value: int) -> list[str]:
    b = _in_brackets
    if level == 1:
        return [f"{t[1]} - {b(t[0])} = {p}.", f"{t[-1]} + {b(p)} = {value}."]
    if level == 2:
        step = p if len(t) % 2 == 0 else q
        return [f"Odd places grow by {p}, even places by {q}.", f"{t[-2]} + {b(step)} = {value}."]
    if level == 3:
        differences = [after - before for before, after in pairwise(t)]
        return [
            f"Differences: {', '.join(map(str, differences))}; they grow by {p}.",
            f"Next difference: {differences[-1]} + {b(p)} = {differences[-1] + p}.",
            f"{t[-1]} + {b(differences[-1] + p)} = {value}.",
        ]
    if level == 4:
        return [f"{t[2]} - ({t[0]} + {b(t[1])}) = {p}.", f"{t[-2]} + {b(t[-1])} + {b(p)} = {value}."]
    if level == 5:
        return [
            f"Differences {t[1] - t[0]}, {t[2] - t[1]}: times {p}.",
            f"{t[1]} - {_times(p, t[0])} = {q}.",
            f"{_times(p, t[-1])} + {b(q)} = {value}.",
        ]
    return [
        f"{t[2]} = {_times(p, t[1])} + {_times(q, t[0])} and {t[3]} = {_times(p, t[2])} + {_times(q, t[1])}.",
        f"{_times(p, t[-1])} + {_times(q, t[-2])} = {value}.",
    ]


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` picks the rule: see RULES. Five to seven terms are shown, and they allow one rule only."""
    while True:
        p, q = rng.between(-30, 30), rng.between(-30, 30)
        if difficulty in (5, 6):
            p = rng.between(2, 4) * (1 if rng.chance(70) else -1)
        if difficulty == 6:
            q = rng.between(1, 3) * (1 if rng.chance(70) else -1)
        if difficulty == 1:
            p *= rng.between(1, 4)
        terms = [rng.between(-9, 99), rng.between(-9, 30)][: 1 if difficulty in (1, 5) else 2]
        shown = {2: 7, 3: 6}.get(difficulty, 5)
        while len(terms) <= shown:
            terms.append(_extend(difficulty, terms, p, q))
        *prefix, value = terms
        if p and max(map(abs, terms)) <= LIMIT and _fit(difficulty, prefix) == (p, q if difficulty in (2, 5, 6) else 0):
            break
    steps = _explain(difficulty, prefix, p, q, value)
    return Problem(
        id="",
        question=f"{RULES[difficulty - 1]} What comes next: {', '.join(map(str, prefix))}?",
        answer=str(value),
        solution=" ".join([*steps, f"The answer is {value}."]),
    )


def solve(problem: Problem) -> str:
    """Fits the stated rule to the terms of the question."""
    level = next(i for i, rule in enumerate(RULES, 1) if problem.question.startswith(rule))
    terms = [int(n) for n in re.findall(r"-?\d+", problem.question.split("What comes next:")[1])]
    parameters = _fit(level, terms)
    if parameters is None:
        raise ValueError(f"no rule fits: {problem.question!r}")
    return str(_extend(level, terms, *parameters))


SEQUENCES = Family(
    name="sequences",
    levels=6,
    meaning="1: add, 2: two in turns, 3: growing differences, 4: sum of two, 5: times and plus, 6: two factors",
    make=make,
    solve=solve,
    guess=lambda problem: 1 / (2 * LIMIT + 1),  # one of the whole numbers that terms can be
)
