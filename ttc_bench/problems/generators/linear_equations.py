"""Linear equations in one unknown, and systems in two and three. The solutions are whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

NAMES = "xyz"
WIDE, NARROW = 20, 12  # solutions lie in -WIDE..WIDE, in systems in -NARROW..NARROW
Equation = tuple[tuple[int, ...], int]  # coefficients, right-hand side


def _sum(terms: Sequence[tuple[int, str]]) -> str:
    """ "3x - y + 4" from ((3, "x"), (-1, "y"), (4, "")); "0" where nothing is left."""
    out = ""
    for factor, name in terms:
        if factor:
            size = "" if name and abs(factor) == 1 else str(abs(factor))
            sign = "-" if factor < 0 else "+"
            out += f" {sign} {size}{name}" if out else f"{'-' if factor < 0 else ''}{size}{name}"
    return out or "0"


def _equation(row: Equation) -> str:
    return f"{_sum(list(zip(row[0], NAMES, strict=False)))} = {row[1]}"


def _nonzero(rng: Rng, size: int) -> int:
    return rng.between(1, size) * (1 if rng.chance(50) else -1)


def _one_unknown(rng: Rng, difficulty: int, x: int) -> tuple[str, list[str], Equation]:
    """An equation with solution x: its text, the steps, and its simplified form."""
    while True:
        a, c = rng.between(2, 9), rng.between(2, 9) if difficulty > 1 else 0
        b, e = _nonzero(rng, 20), _nonzero(rng, 9)
        if a != c:
            break
    if difficulty < 3:
        right = (a - c) * x + b
        text = f"{_sum(((a, 'x'), (b, '')))} = {_sum(((c, 'x'), (right, '')))}"
        steps = []
    else:
        b = _nonzero(rng, 9)
        extra = c * (x + e) - a * (x + b)
        right = c * e
        text = f"{a}({_sum(((1, 'x'), (b, '')))}){_sum(((1, '?'), (extra, '')))[1:]} = {c}({_sum(((1, 'x'), (e, '')))})"
        steps = [f"{_sum(((a, 'x'), (a * b, ''), (extra, '')))} = {_sum(((c, 'x'), (right, '')))}."]
        b = a * b + extra
        if extra:
            steps.append(f"{_sum(((a, 'x'), (b, '')))} = {_sum(((c, 'x'), (right, '')))}.")
    row = ((a - c,), right - b)
    steps += [f"{_equation(row)}."] * (row[0][0] != 1) + [f"x = {x}."]
    return text, steps, row


def _determinant(m: Sequence[Sequence[int]]) -> int:
    if len(m) == 1:
        return m[0][0]
    minors = ([[*row[:i], *row[i + 1 :]] for row in m[1:]] for i in range(len(m)))
    return sum((-1) ** i * m[0][i] * _determinant(minor) for i, minor in enumerate(minors))


def _eliminate(rows: list[Equation], unknown: int, steps: list[str]) -> int:
    """Unknown number `unknown` of a regular system with a whole solution, by Gaussian elimination written down in
    steps."""
    n = len(rows)
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][0][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        top, top_right = rows[i]
        for r in range(i + 1, n):
            low, low_right = rows[r]
            if low[i]:
                new = [u * top[i] - t * low[i] for t, u in zip(top, low, strict=True)]
                right = low_right * top[i] - top_right * low[i]
                shared = gcd(right, *new) * (-1 if next(v for v in new if v) < 0 else 1)
                rows[r] = tuple(v // shared for v in new), right // shared
                steps.append(
                    f"Eliminate {NAMES[i]} from {_equation((top, top_right))} and {_equation((low, low_right))}: "
                    f"{_equation(rows[r])}."
                )
    values = [0] * n
    for i in reversed(range(n)):
        factors, right = rows[i]
        remaining = right - sum(factors[j] * values[j] for j in range(i + 1, n))
        values[i] = remaining // factors[i]
        if len([f for f in factors if f]) > 1 or factors[i] != 1:  # else the row already reads "x = 3"
            short = f"{_sum(((factors[i], NAMES[i]),))} = {remaining}, so " if factors[i] != 1 else ""
            steps.append(f"From {_equation(rows[i])}: {short}{NAMES[i]} = {values[i]}.")
        if i == unknown:
            break
    return values[unknown]


def make(rng: Rng, difficulty: int) -> Problem:
    """1: ax + b = c, 2: x on both sides, 3: brackets, 4: two unknowns, 5: three unknowns; one of them is asked for."""
    unknowns = max(1, difficulty - 2)
    if unknowns == 1:
        x = rng.between(-WIDE, WIDE)
        text, steps, row = _one_unknown(rng, difficulty, x)
        rows, unknown, answer = [row], 0, x
        question = f"Solve {text}. What is x?"
    else:
        truth = [rng.between(-NARROW, NARROW) for _ in range(unknowns)]
        while True:
            factors = [tuple(_nonzero(rng, 9 if unknowns == 2 else 5) for _ in truth) for _ in truth]
            if _determinant(factors):
                break
        rows = [(f, sum(c * v for c, v in zip(f, truth, strict=True))) for f in factors]
        steps = []
        unknown = rng.below(unknowns)
        answer = _eliminate(list(rows), unknown, steps)
        question = f"Solve {' and '.join(map(_equation, rows))}. What is {NAMES[unknown]}?"
    return Problem(
        id="",
        question=question,
        answer=str(answer),
        facts={"rows": tuple(rows), "asked": unknown},
        solution=" ".join([*steps, f"The answer is {answer}."]),
    )


def solve(problem: Problem) -> str:
    """Cramer's rule on the equations of the facts."""
    rows, unknown = problem.facts["rows"], problem.facts["asked"]
    factors = [list(row[0]) for row in rows]
    swapped = [[*f[:unknown], row[1], *f[unknown + 1 :]] for f, row in zip(factors, rows, strict=True)]
    return str(Fraction(_determinant(swapped), _determinant(factors)))


def guess(problem: Problem) -> float:
    """One of the whole numbers that solutions are drawn from: -20..20, in systems -12..12."""
    return 1 / (2 * (WIDE if len(problem.facts["rows"]) == 1 else NARROW) + 1)


LINEAR_EQUATIONS = Family(
    name="linear-equations",
    levels=5,
    meaning="1: ax + b = c, 2: x on both sides, 3: brackets, 4: two unknowns, 5: three unknowns",
    make=make,
    solve=solve,
    guess=guess,
)
