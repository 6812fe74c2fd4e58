"""3-SAT near the threshold, where about half of all random formulas can be satisfied and search is hardest
(Mitchell, Selman, Levesque 1992, Hard and Easy Distributions of SAT Problems). Only satisfiable ones are kept."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import combinations, product

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng
from ttc_bench.problems.generators.clauses import Clause, models, reason

LETTERS = "abcdefghijk"
RATIO = 4.26  # clauses for each variable at the threshold
MAX_ANSWER = 300  # characters; right answers are far shorter
_VALUE = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


@lru_cache(maxsize=16)
def _every_clause(variables: int) -> list[tuple[Clause, int, str]]:
    """All clauses of three different variables, each with the assignments that satisfy it and its words."""
    signed = ((v, -v) for v in range(1, variables + 1))
    clauses = [clause for three in combinations(signed, 3) for clause in product(*three)]
    return [(clause, models(variables, [clause]), " or ".join(map(_literal, clause))) for clause in clauses]


def _literal(literal: int) -> str:
    return LETTERS[literal - 1] if literal > 0 else f"not {LETTERS[-literal - 1]}"


def _assignment(values: dict[int, bool]) -> str:
    return ", ".join(f"{LETTERS[v - 1]}={'true' if value else 'false'}" for v, value in sorted(values.items()))


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 3 variables and 4.26 times as many clauses, drawn alike until they can be satisfied."""
    variables = difficulty + 3
    all_clauses = _every_clause(variables)
    satisfying = 0
    while not satisfying:
        satisfying = -1  # all assignments
        picks: dict[int, None] = {}
        while len(picks) < round(RATIO * variables):
            picks[rng.below(len(all_clauses))] = None
        for i in picks:
            satisfying &= all_clauses[i][1]
    clauses = tuple(all_clauses[i][0] for i in picks)
    steps: list[str] = []
    values = reason(variables, clauses, _literal, steps) or {}
    listed = " ".join(f"({number}) {all_clauses[i][2]}." for number, i in enumerate(picks, 1))
    return Problem(
        id="",
        question=f"Find a value, true or false, for each of {', '.join(LETTERS[:variables])} such that all of these "
        f"hold. {listed} Answer in this form: a=true, b=false, and so on.",
        answer=None,
        facts={"variables": variables, "clauses": clauses},
        solution=" ".join([*steps, f"The answer is {_assignment(values)}."]),
    )


def check(answer: str, problem: Problem) -> bool:
    """Whether the answer gives each variable one value, and these satisfy every clause."""
    if len(answer) > MAX_ANSWER:
        return False
    text = re.sub(r"\s*(?:=|:|\bis\b)\s*", "=", answer.lower().strip().rstrip("."))
    values: dict[int, bool] = {}
    for part in re.split(r"[\s,;]+", re.sub(r"\band\b", " ", text).strip()):
        name, _, value = part.partition("=")
        number = LETTERS.find(name) + 1 if len(name) == 1 else 0
        if number == 0 or value not in _VALUE or number in values:
            return False
        values[number] = _VALUE[value]
    if sorted(values) != list(range(1, problem.facts["variables"] + 1)):
        return False
    return all(any(values[abs(x)] == (x > 0) for x in clause) for clause in problem.facts["clauses"])


def solve(problem: Problem) -> str:
    """The first row of the truth table that satisfies all clauses."""
    variables = problem.facts["variables"]
    satisfying = models(variables, problem.facts["clauses"])
    world = (satisfying & -satisfying).bit_length() - 1
    return _assignment({v: bool(world >> (v - 1) & 1) for v in range(1, variables + 1)})


def guess(problem: Problem) -> float:
    """The share of satisfying ones among all assignments."""
    variables: int = problem.facts["variables"]
    return models(variables, problem.facts["clauses"]).bit_count() / (1 << variables)


THREE_SAT = Family(
    name="three-sat",
    levels=7,
    meaning="number of variables, less three",
    make=make,
    solve=solve,
    guess=guess,
    check=check,
)
