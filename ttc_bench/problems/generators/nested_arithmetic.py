"""Arithmetic expressions with precedence and brackets: the order of evaluation is part of the problem."""

from __future__ import annotations

import re

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng
from ttc_bench.problems.generators.countdown import evaluate

LIMIT = 999  # no intermediate result lies outside -LIMIT..LIMIT
_RANK = {"+": 1, "-": 1, "*": 2, "/": 2}
_ATOM = 3


def _apply(a: int, op: str, b: int) -> int | None:
    """The result, None where it is no whole number, too large, or a division by 1 or 0."""
    if op == "/":
        return a // b if abs(b) > 1 and a % b == 0 else None
    value = {"+": a + b, "-": a - b, "*": a * b}[op]
    return value if abs(value) <= LIMIT else None


def _build(rng: Rng, operators: int, steps: list[str]) -> tuple[str, int, int]:
    """A random expression: its text, the rank of its outermost operator, its value. Appends its evaluation to
    `steps`, in order."""
    if operators == 0:
        number = rng.between(2, 12)
        return str(number), _ATOM, number
    inside = rng.below(operators)
    left, left_rank, a = _build(rng, inside, steps)
    right, right_rank, b = _build(rng, operators - 1 - inside, steps)
    # one of + and - always stays within the limit, so the choice never comes up empty
    op, value = next((op, v) for op in rng.shuffled("+-*/") if (v := _apply(a, op, b)) is not None)
    rank = _RANK[op]
    if left_rank < rank:
        left = f"({left})"
    if right_rank <= rank:
        right = f"({right})"
    steps.append(f"{a} {op} {b if b >= 0 else f'({b})'} = {value}.")
    return f"{left} {op} {right}", rank, value


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 1 operators on whole numbers of 2..12; every division comes out even."""
    steps: list[str] = []
    text, _, value = _build(rng, difficulty + 1, steps)
    return Problem(
        id="",
        question=f"What is {text}?",
        answer=str(value),
        solution=" ".join([*steps, f"The answer is {value}."]),
    )


def solve(problem: Problem) -> str:
    """Parses the expression of the question and works it out."""
    expression = re.fullmatch(r"What is (.+)\?", problem.question)
    result = evaluate(expression[1]) if expression else None
    if result is None:
        raise ValueError(f"not a nested-arithmetic question: {problem.question!r}")
    return str(result[0])


NESTED_ARITHMETIC = Family(
    name="nested-arithmetic",
    levels=8,
    meaning="number of operators, less one",
    make=make,
    solve=solve,
    guess=lambda problem: 1 / (2 * LIMIT + 1),  # one of the whole numbers in -999..999
)
