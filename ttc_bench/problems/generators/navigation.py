"""Steps and turns on a grid: how far from the start is the end? (The idea of BIG-Bench's navigate.)"""

from __future__ import annotations

import re

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

COMPASS = (("north", 0, 1), ("east", 1, 0), ("south", 0, -1), ("west", -1, 0))  # in the order of right turns
TURNS = {"Turn left.": 3, "Turn right.": 1, "Turn around.": 2}


def _walked(steps: int) -> str:
    return f"Take {steps} step{'s' if steps > 1 else ''}."


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 2 walks of one to nine steps, a turn before each but the first."""
    facing, x, y = rng.below(4), 0, 0
    words, trace = [f"You stand on a grid and face {COMPASS[facing][0]}."], []
    for i in range(difficulty + 2):
        if i:
            turn = rng.choice(list(TURNS))
            words.append(turn)
            facing = (facing + TURNS[turn]) % 4
        steps = rng.between(1, 9)
        words.append(_walked(steps))
        name, dx, dy = COMPASS[facing]
        x, y = x + dx * steps, y + dy * steps
        trace.append(f"{steps} {name}: ({x}, {y}).")
    distance = abs(x) + abs(y)
    words.append("How many steps along the grid lead back to the start, at the least?")
    return Problem(
        id="",
        question=" ".join(words),
        answer=str(distance),
        solution=" ".join([*trace, f"{abs(x)} + {abs(y)} = {distance}. The answer is {distance}."]),
    )


def solve(problem: Problem) -> str:
    """Parses the question and walks."""
    heading = {"north": 1j, "east": 1 + 0j, "south": -1j, "west": -1 + 0j}[
        problem.question.split("face ")[1].split(".")[0]
    ]
    at = 0j
    for turn, steps in re.findall(r"Turn (\w+)|Take (\d+)", problem.question):
        if turn:
            heading *= {"left": 1j, "right": -1j, "around": -1}[turn]
        else:
            at += heading * int(steps)
    return str(int(abs(at.real) + abs(at.imag)))


def guess(problem: Problem) -> float:
    """The distance is 0 up to the number of steps taken, and even or odd as that is."""
    total = sum(int(n) for n in re.findall(r"Take (\d+)", problem.question))
    return 1 / (total // 2 + 1)


NAVIGATION = Family(
    name="navigation",
    levels=8,
    meaning="number of walks, less two",
    make=make,
    solve=solve,
    guess=guess,
)
