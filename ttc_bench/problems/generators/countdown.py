"""Combine the given numbers to hit a target. Many answers can be right; checking one is easy, finding one is not."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

MAX_ANSWER = 200  # characters; right answers are far shorter
_TOKEN = re.compile(r"\s*(?:([0-9]{1,6})|([-+*/()×÷−]))")
_SAME_SIGN = str.maketrans({"×": "*", "÷": "/", "−": "-"})


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 2 numbers of 1..12 that have to be combined; a target of 1..99 that one combination reaches."""
    while True:
        numbers = [rng.between(1, 12) for _ in range(difficulty + 2)]
        text, value, steps = str(numbers[0]), numbers[0], []
        for i, number in enumerate(numbers[1:]):
            op = rng.choice("+-*")
            result = {"+": value + number, "-": value - number, "*": value * number}[op]
            steps.append(f"{value} {op} {number} = {result}.")
            text, value = f"{f'({text})' if i else text} {op} {number}", result
            if not 0 < value < 100:
                break
        else:
            break
    shown = rng.shuffled(numbers)
    return Problem(
        id="",
        question=f"Combine the numbers {', '.join(map(str, shown))} with +, - and * to make {value}. "
        "Use each number exactly once.",
        answer=None,
        facts={"numbers": tuple(shown), "target": value},
        solution=" ".join([*steps, f"The answer is {text}."]),
    )


class _NotAnExpression(Exception):
    pass


def evaluate(text: str) -> tuple[Fraction, list[int]] | None:
    """Value and numbers used (sorted) of an expression of integers, + - * / and brackets; None for anything else,
    division by zero included. A bounded recursive-descent parser: a model's text is never evaluated."""
    text = text.translate(_SAME_SIGN).strip()
    if len(text) > MAX_ANSWER:
        return None
    tokens: list[str] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        tokens.append(match[1] or match[2])
        at = match.end()
    used: list[int] = []
    position = 0

    def peek() -> str:
        return tokens[position] if position < len(tokens) else ""

    def take() -> str:
        nonlocal position
        token = peek()
        position += 1
        return token

    def atom() -> Fraction:
        token = take()
        if token == "(":
            value = total()
            if take() != ")":
                raise _NotAnExpression
            return value
        if not token.isdigit():
            raise _NotAnExpression
        used.append(int(token))
        return Fraction(int(token))

    def product() -> Fraction:
        value = atom()
        while peek() in ("*", "/"):
            if take() == "*":
                value *= atom()
            else:
                value /= atom()
        return value

    def total() -> Fraction:
        value = product()
        while peek() in ("+", "-"):
            value = value + product() if take() == "+" else value - product()
        return value

    try:
        value = total()
    except (_NotAnExpression, ZeroDivisionError):
        return None
    return (value, sorted(used)) if position == len(tokens) else None


def check(answer: str, problem: Problem) -> bool:
    """Whether the expression hits the target and uses each given number exactly once. "... = target" is allowed."""
    left, equals, right = answer.partition("=")
    if equals and right.strip() != str(problem.facts["target"]):
        return False
    result = evaluate(left)
    return result is not None and result == (problem.facts["target"], sorted(problem.facts["numbers"]))


@lru_cache(maxsize=4096)
def _reachable(numbers: tuple[int, ...]) -> dict[int, tuple[int, str]]:
    """Every value that all of the numbers can make with +, - and *: in how many ways, and one of them in brackets."""
    if len(numbers) == 1:
        return {numbers[0]: (1, str(numbers[0]))}
    out: dict[int, tuple[int, str]] = {}
    for mask in range(1, 2 ** len(numbers) - 1):
        left = _reachable(tuple(n for i, n in enumerate(numbers) if mask >> i & 1))
        right = _reachable(tuple(n for i, n in enumerate(numbers) if not mask >> i & 1))
        for a, (ways_a, x) in left.items():
            for b, (ways_b, y) in right.items():
                for op, value in (("+", a + b), ("-", a - b), ("*", a * b)):
                    ways, text = out.get(value, (0, f"({x} {op} {y})"))
                    out[value] = (ways + ways_a * ways_b, text)
    return out


def solve(problem: Problem) -> str:
    """A right expression, by exhaustive search."""
    return _reachable(tuple(sorted(problem.facts["numbers"])))[problem.facts["target"]][1][1:-1]


def guess(problem: Problem) -> float:
    """The share of right ones among all bracketed combinations of the given numbers."""
    ways = _reachable(tuple(sorted(problem.facts["numbers"])))
    return ways[problem.facts["target"]][0] / sum(count for count, _ in ways.values())


COUNTDOWN = Family(
    name="countdown",
    levels=3,
    meaning="numbers to combine, less two",
    make=make,
    solve=solve,
    guess=guess,
    check=check,
)
