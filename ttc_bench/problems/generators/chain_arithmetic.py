"""A chain of additions, subtractions and multiplications modulo 100: every step needs the one before."""

from __future__ import annotations

import re

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

_INSTRUCTIONS = {"+": "Add {}.", "-": "Subtract {}.", "*": "Multiply by {}."}
_RULE = "What is the result modulo 100?"


def _apply(value: int, op: str, operand: int) -> int:
    return {"+": value + operand, "-": value - operand, "*": value * operand}[op] % 100


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` steps on a start value of 1..99; operands 2..9."""
    value = rng.between(1, 99)
    words, steps = [f"Start with {value}."], []
    for _ in range(difficulty):
        op = rng.choice("+-*")
        operand = rng.between(2, 9)
        result = _apply(value, op, operand)
        words.append(_INSTRUCTIONS[op].format(operand))
        steps.append(f"{value} {op} {operand} = {result}.")
        value = result
    return Problem(
        id="",
        question=" ".join([*words, _RULE]),
        answer=str(value),
        solution=" ".join([*steps, f"The answer is {value}."]),
    )


def solve(problem: Problem) -> str:
    """Parses the question and works it out."""
    start = re.match(r"Start with (\d+)\.", problem.question)
    if start is None:
        raise ValueError(f"not a chain-arithmetic question: {problem.question!r}")
    value = int(start[1])
    for word, operand in re.findall(r"(Add|Subtract|Multiply by) (\d+)\.", problem.question):
        value = _apply(value, {"Add": "+", "Subtract": "-", "Multiply by": "*"}[word], int(operand))
    return str(value)


CHAIN_ARITHMETIC = Family(
    name="chain-arithmetic",
    levels=8,
    meaning="number of steps",
    make=make,
    solve=solve,
    guess=lambda problem: 0.01,  # one of the hundred residues
)
