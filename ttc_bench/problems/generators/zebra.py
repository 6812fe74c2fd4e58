"""Zebra grids: who lives where, with which pet, drink, ...? Exactly one solution, which needs no guessing."""

from __future__ import annotations

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng
from ttc_bench.problems.generators.places import Clue, Places, solution

SIZES = ((3, 2), (3, 3), (4, 3), (4, 4), (5, 4), (5, 5))  # houses, kinds of things, by difficulty
PEOPLE = ("Alice", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Hugo", "Irene", "Jack")
# phrase for the owner -> the things; the people themselves are the first kind of every puzzle
ATTRIBUTES = {
    "the {} owner": ("cat", "dog", "zebra", "parrot", "snake", "rabbit", "goldfish", "hamster"),
    "the {} drinker": ("tea", "coffee", "milk", "water", "juice", "cocoa", "beer", "wine"),
    "the person in the {} house": ("red", "blue", "green", "yellow", "white", "pink", "brown", "grey"),
    "the {} player": ("chess", "tennis", "football", "piano", "guitar", "golf", "poker", "violin"),
    "the {}": ("doctor", "baker", "pilot", "teacher", "lawyer", "painter", "farmer", "sailor"),
}
TEXT = {
    "same": "{a} is {b}.",
    "apart": "{a} is not {b}.",
    "left": "{a} lives somewhere left of {b}.",
    "directly left": "{a} lives directly left of {b}.",
    "beside": "{a} lives next to {b}.",
    "at": "{a} lives in house {place}.",
    "not at": "{a} does not live in house {place}.",
}
CLUE_KINDS = ("same",) * 6 + ("apart", "left", "left", "directly left", "directly left", "beside", "beside", "beside")
MAX_MISSES = 40  # draws in a row without a new clue, after which a clue names a place or rules one out


def _clue(rng: Rng, n: int, at: list[int], open_things: list[int], outright: bool) -> Clue | None:
    """A true clue about a thing that is not settled yet, or None; `at` is the place of each thing."""
    kind, a = rng.choice(CLUE_KINDS), rng.choice(open_things)
    if outright:
        return ("not at", a, (at[a] + 1 + rng.below(n - 1)) % n) if rng.chance(70) else ("at", a, at[a])
    b = rng.below(len(at))
    gap = at[b] - at[a]
    true = {
        "same": gap == 0 and a != b,
        "apart": gap != 0 and a // n != b // n,
        "left": gap > 0,
        "directly left": gap == 1,
        "beside": abs(gap) == 1,
    }
    return (kind, a, b) if true[kind] else None


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def make(rng: Rng, difficulty: int) -> Problem:
    """Houses and kinds of things: 3x2, 3x3, 4x3, 4x4, 5x4, 5x5. Clues are added until they settle everything; those
    that ruled nothing out are left out again."""
    n, kinds = SIZES[difficulty - 1]
    at = [place for _ in range(kinds) for place in rng.shuffled(range(n))]
    names = rng.sample(PEOPLE, n)
    for call in rng.sample(list(ATTRIBUTES), kinds - 1):
        names += [call.format(thing) for thing in rng.sample(ATTRIBUTES[call], n)]
    places = Places(n, kinds)
    misses = 0
    while not places.solved:
        clue = _clue(
            rng, n, at, [i for i, bits in enumerate(places.possible) if bits & (bits - 1)], misses >= MAX_MISSES
        )
        if clue and places.tells(clue):
            places.add(clue)
            misses = 0
        misses += 1
    order = rng.shuffled(sorted(places.used))
    clues = [places.clues[i] for i in order]
    listed = [
        f"({i}) " + _capital(TEXT[kind].format(a=names[a], b=names[b], place=b + 1))
        for i, (kind, a, b) in enumerate(clues, 1)
    ]
    named_outright = {
        thing for kind, *pair in clues if kind == "same" and min(pair) < n for thing in pair
    }  # things that a clue gives a person directly
    asked_thing = rng.choice([i for i in range(n, n * kinds) if i not in named_outright] or range(n, n * kinds))
    answer = names[at.index(at[asked_thing])]
    groups = "; ".join(", ".join(sorted(names[g * n : (g + 1) * n])) for g in range(kinds))
    steps = places.explain(order, names, "in")
    return Problem(
        id="",
        question=f"{n} houses stand in a row, numbered 1 to {n} from left to right, with one person in each. "
        f"The people and what they are known for: {groups}. {' '.join(listed)} Who is {names[asked_thing]}?",
        answer=answer,
        facts={"names": tuple(names), "houses": n, "clues": tuple(clues), "asked": asked_thing},
        solution=" ".join([*steps, f"The answer is {answer}."]),
    )


def solve(problem: Problem) -> str:
    """Propagates the clues of the facts from an empty board."""
    names, n, asked_thing = problem.facts["names"], problem.facts["houses"], problem.facts["asked"]
    places = solution(n, len(names) // n, problem.facts["clues"])
    return str(next(name for i, name in enumerate(names[:n]) if places.possible[i] == places.possible[asked_thing]))


ZEBRA = Family(
    name="zebra",
    levels=len(SIZES),
    meaning="houses x kinds of things: 3x2, 3x3, 4x3, 4x4, 5x4, 5x5",
    make=make,
    solve=solve,
    guess=lambda problem: 1 / problem.facts["houses"],  # one of the people
)
