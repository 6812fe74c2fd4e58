"""Propositional entailment: does the conclusion follow from the premises, whatever else is true?"""

from __future__ import annotations

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng
from ttc_bench.problems.generators.clauses import Clause, literal_true, models, reason

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def _say(clause: Clause, names: list[str], style: int) -> str:
    """A clause in words; the style picks one of the equivalent ways to put it."""
    literal = [names[abs(x) - 1] if x > 0 else f"not {names[abs(x) - 1]}" for x in clause]
    opposite = [f"not {names[abs(x) - 1]}" if x > 0 else names[abs(x) - 1] for x in clause]
    if len(clause) == 1:
        return f"{literal[0]} holds" if clause[0] > 0 else f"{names[-clause[0] - 1]} does not hold"
    if len(clause) == 3:
        return [
            f"if {opposite[0]} and {opposite[1]}, then {literal[2]}",
            f"if {opposite[0]}, then {literal[1]} or {literal[2]} or both",
            f"at least one of these holds: {', '.join(literal)}",
        ][style]
    return [
        f"if {opposite[0]}, then {literal[1]}",
        f"{literal[0]} or {literal[1]} or both",
        f"not both: {opposite[0]}, {opposite[1]}",
    ][style]


def _clause(rng: Rng, variables: int) -> Clause:
    size = rng.choice((1, 2, 2, 2, 2, 3, 3))
    chosen: list[int] = []
    while len(chosen) < size:
        v = rng.between(1, variables)
        if v not in chosen:
            chosen.append(v)
    return tuple(v if rng.chance(50) else -v for v in chosen)


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 2 propositions and 1.5 times as many premises; yes and no are equally frequent. The premises are
    consistent, and none of them alone gives the answer."""
    variables = difficulty + 2
    follows = rng.chance(50)
    choices: list[int] = []
    while not choices:
        different: dict[tuple[int, ...], Clause] = {}
        while len(different) < variables * 3 // 2:
            clause = _clause(rng, variables)
            different[tuple(sorted(clause))] = clause
        premises = list(different.values())
        mentioned = {abs(literal) for premise in premises for literal in premise}
        if worlds := models(variables, premises):
            choices = [
                literal
                for v in sorted(mentioned)
                for literal in (v, -v)
                if (worlds & literal_true(variables, -literal) == 0) == follows
                and (literal,) not in different
                and (-literal,) not in different
            ]
    conclusion = rng.choice(choices)
    names = sorted(rng.sample(LETTERS, variables))

    def say(literal: int) -> str:
        return names[literal - 1] if literal > 0 else f"not {names[-literal - 1]}"

    sentences = [_say(p, names, rng.below(3)) for p in premises]
    listed = " ".join(f"({i}) {s[0].upper()}{s[1:]}." for i, s in enumerate(sentences, 1))
    steps = [f"Suppose {say(-conclusion)}, and call that ({len(premises) + 1})."]
    counterexample = reason(variables, [*premises, (-conclusion,)], say, steps)
    if counterexample is None:
        steps.append(f"So {say(conclusion)} follows.")
    else:
        world = ", ".join(say(v if true else -v) for v, true in counterexample.items())
        steps.append(f"All premises hold with {world}.")
    answer = "yes" if follows else "no"
    return Problem(
        id="",
        question=f"Each of these statements is true. {listed} Does it follow that {_say((conclusion,), names, 0)}?",
        answer=answer,
        facts={"names": tuple(names), "premises": tuple(premises), "conclusion": conclusion},
        solution=f"{' '.join(steps)} The answer is {answer}.",
    )


def solve(problem: Problem) -> str:
    """The truth table."""
    denied = [*problem.facts["premises"], (-problem.facts["conclusion"],)]
    return "no" if models(len(problem.facts["names"]), denied) else "yes"


ENTAILMENT = Family(
    name="entailment",
    levels=8,
    meaning="number of propositions, less two",
    make=make,
    solve=solve,
    guess=lambda problem: 0.5,  # yes or no
)
