"""Things in a row: clues such as "A is left of B" allow exactly one order. (After BIG-Bench's logical_deduction.)"""

from __future__ import annotations

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng
from ttc_bench.problems.generators.places import Clue, Places, solution

THINGS = {
    "books stand on a shelf": "book", "cars are parked in a row": "car", "houses stand along a road": "house",
    "cups hang on a rack": "cup", "kites are tied to a rope": "kite", "boats lie at a pier": "boat",
}  # fmt: skip
COLOURS = ("red", "blue", "green", "yellow", "black", "white", "orange", "purple", "grey", "brown", "pink", "golden")
COUNT = ("three", "four", "five", "six", "seven", "eight")
PLACE = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
TEXT = {
    "left": "The {a} {thing} is left of the {b} one.",
    "directly left": "The {a} {thing} is directly left of the {b} one.",
    "beside": "The {a} {thing} is next to the {b} one.",
    "one between": "There is exactly one {thing} between the {a} and the {b} one.",
    "not at": "The {a} {thing} is not the {place} from the left.",
    "at an end": "The {a} {thing} is at one of the two ends.",
}
# repeated as often as each is drawn
CLUE_KINDS = ("left", "left", "left", "directly left", "beside", "one between", "not at", "at an end")


def _clue(rng: Rng, row: list[int]) -> Clue | None:
    """A true clue about things whose order is `row`; None if the kind that was drawn does not apply."""
    n, kind, at = len(row), rng.choice(CLUE_KINDS), rng.below(len(row))
    if kind == "at an end":
        return kind, row[rng.choice((0, n - 1))], 0
    if kind == "not at":
        return kind, row[at], (at + 1 + rng.below(n - 1)) % n
    to = at + {"left": 1 + rng.below(n), "one between": 2}.get(kind, 1)
    if to >= n:
        return None
    pair = (row[to], row[at]) if kind in ("beside", "one between") and rng.chance(50) else (row[at], row[to])
    return kind, *pair


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 2 things in a row; clues that rule something out are kept until each thing has one place."""
    n = difficulty + 2
    scene = rng.choice(list(THINGS))
    colours = rng.sample(COLOURS, n)
    row = rng.shuffled(range(n))
    places = Places(n)
    while not places.solved:
        clue = _clue(rng, row)
        if clue and places.tells(clue):
            places.add(clue)
    order = rng.shuffled(sorted(places.used))
    clues = [places.clues[i] for i in order]
    listed = [
        f"({i}) " + TEXT[kind].format(a=colours[a], b=colours[b % n], thing=THINGS[scene], place=PLACE[b])
        for i, (kind, a, b) in enumerate(clues, 1)
    ]
    asked_place = rng.below(n)
    answer = colours[row[asked_place]]
    steps = places.explain(order, colours, "is at")
    return Problem(
        id="",
        question=f"{COUNT[n - 3].capitalize()} {scene}: {', '.join(colours[:-1])} and {colours[-1]}. "
        f"{' '.join(listed)} Which one is the {PLACE[asked_place]} from the left?",
        answer=answer,
        facts={"things": tuple(colours), "clues": tuple(clues), "asked": asked_place},
        solution=" ".join([*steps, f"The answer is {answer}."]),
    )


def solve(problem: Problem) -> str:
    """Propagates the clues of the facts from an empty board."""
    things, asked_place = problem.facts["things"], problem.facts["asked"]
    places = solution(len(things), 1, problem.facts["clues"])
    return str(next(name for thing, name in enumerate(things) if places.place(thing) == asked_place))


ORDERING = Family(
    name="ordering",
    levels=6,
    meaning="number of things in the row, less two",
    make=make,
    solve=solve,
    guess=lambda problem: 1 / len(problem.facts["things"]),  # one of the things
)
