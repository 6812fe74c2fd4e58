"""Five people swap five balls: who holds what at the end? (The idea of BIG-Bench's tracking_shuffled_objects.)"""

from __future__ import annotations

import re

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

PEOPLE = ("Alice", "Bob", "Claire", "Dave", "Eve")
COLOURS = ("red", "blue", "green", "yellow", "black", "white", "orange", "purple")


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` swaps among five people, then one of them is asked about."""
    holds = dict(zip(PEOPLE, rng.sample(COLOURS, len(PEOPLE)), strict=True))
    has = ", ".join(f"{person} has {colour}" for person, colour in holds.items())
    words, steps = [f"Five people hold one ball each: {has}."], []
    for _ in range(difficulty):
        a, b = rng.sample(PEOPLE, 2)
        holds[a], holds[b] = holds[b], holds[a]
        words.append(f"{a} and {b} swap.")
        steps.append(f"{a} has {holds[a]}, {b} has {holds[b]}.")
    person = rng.choice(PEOPLE)
    words.append(f"Which colour does {person} have now?")
    return Problem(
        id="",
        question=" ".join(words),
        answer=holds[person],
        solution=" ".join([*steps, f"The answer is {holds[person]}."]),
    )


def solve(problem: Problem) -> str:
    """Parses the question and carries the swaps out."""
    holds: dict[str, str] = dict(re.findall(r"(\w+) has (\w+)", problem.question))
    for a, b in re.findall(r"(\w+) and (\w+) swap\.", problem.question):
        holds[a], holds[b] = holds[b], holds[a]
    match = re.search(r"Which colour does (\w+) have now\?", problem.question)
    if match is None:
        raise ValueError(f"not a shuffled-objects question: {problem.question!r}")
    return holds[match[1]]


SHUFFLED_OBJECTS = Family(
    name="shuffled-objects",
    levels=8,
    meaning="number of swaps",
    make=make,
    solve=solve,
    guess=lambda problem: 1 / len(PEOPLE),  # one of the five colours in play
)
