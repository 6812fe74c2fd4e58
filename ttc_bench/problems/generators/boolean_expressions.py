"""Boolean expressions with brackets. (The idea of BIG-Bench's boolean_expressions; here the leaves are variables.)"""

from __future__ import annotations

import re

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

LETTERS = "abcdefghijkmnpqrstuvwxyz"
_WORD = {True: "true", False: "false"}


def _apply(a: bool, op: str, b: bool) -> bool:
    return {"and": a and b, "or": a or b, "xor": a != b}[op]


def _build(rng: Rng, operators: int, values: dict[str, bool], steps: list[str]) -> tuple[str, bool]:
    """Text and value of a random expression; appends its evaluation to `steps`, in order."""
    if operators:
        inside = rng.below(operators)
        left, a = _build(rng, inside, values, steps)
        right, b = _build(rng, operators - 1 - inside, values, steps)
        op = rng.choice(("and", "or", "xor"))
        value = _apply(a, op, b)
        text = f"({left} {op} {right})"
        steps.append(f"{_WORD[a]} {op} {_WORD[b]} = {_WORD[value]}.")
    else:
        text = rng.choice(list(values))
        value = values[text]
    if rng.chance(25):
        steps.append(f"not {_WORD[value]} = {_WORD[not value]}.")
        text, value = f"not {text}", not value
    return text, value


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 1 connectives over three to five variables; true and false answers are equally frequent."""
    target = rng.chance(50)
    while True:
        names = sorted(rng.sample(LETTERS, min(5, difficulty + 2)))
        values = {name: rng.chance(50) for name in names}
        steps: list[str] = []
        text, value = _build(rng, difficulty + 1, values, steps)
        if value == target:
            break
    if text[0] == "(":
        text = text[1:-1]  # the outermost brackets are redundant
    assignments = ", ".join(f"{name} is {_WORD[v]}" for name, v in values.items())
    return Problem(
        id="",
        question=f"Suppose that {assignments}. Is this true or false: {text}? (xor: one of the two, not both.)",
        answer=_WORD[value],
        solution=" ".join([*steps, f"The answer is {_WORD[value]}."]),
    )


def solve(problem: Problem) -> str:
    """Puts the values in and replaces innermost parts by their value until one word is left."""
    text = problem.question.split(": ", 1)[1].split("?")[0]
    for name, value in re.findall(r"(\w) is (true|false)", problem.question):
        text = re.sub(rf"\b{name}\b", value, text)
    text = f"({text})"
    rules = (
        (r"\((true|false)\)", lambda m: m[1]),
        (r"not (true|false)", lambda m: _WORD[m[1] == "false"]),
        (r"\((true|false) (and|or|xor) (true|false)\)", lambda m: _WORD[_apply(m[1] == "true", m[2], m[3] == "true")]),
    )
    while text not in ("true", "false"):
        for pattern, value_of in rules:
            text = re.sub(pattern, value_of, text)
    return text


BOOLEAN_EXPRESSIONS = Family(
    name="boolean-expressions",
    levels=8,
    meaning="number of connectives (and, or, xor), less one",
    make=make,
    solve=solve,
    guess=lambda problem: 0.5,  # true or false
)
