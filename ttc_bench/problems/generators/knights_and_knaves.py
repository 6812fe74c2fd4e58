"""Knights always tell the truth, knaves always lie: who is what? (Smullyan 1978, What Is the Name of This Book?)

A set of possible worlds is one integer: bit w stands for the world in which person i is a knight where w has bit i.
So a statement is an integer, "and" is &, and a puzzle has one solution where one bit is left.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

NAMES = ("Alice", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Hugo", "Irene", "Jack", "Kira", "Leo")
MAX_ANSWER = 200  # characters; right answers are far shorter
NOBODY = "nobody"
FILLERS = ("and", "are", "is", "the", "knights", "knight")  # words without meaning in a list of knights
Claim = tuple[int, str, int, int]  # speaker, kind of statement, the persons (or the number) that it is about

TEXT = {
    "knight": "{x} is a knight",
    "knave": "{x} is a knave",
    "same": "{x} and {y} are of the same kind",
    "different": "{x} and {y} are of different kinds",
    "some knave": "at least one of {x} and {y} is a knave",
    "some knight": "at least one of {x} and {y} is a knight",
    "if": "if {x} is a knight, so is {y}",
    "number": "exactly {n} of us are knights",
}


@lru_cache(maxsize=64)
def _worlds(n: int) -> tuple[int, tuple[int, ...]]:
    """All worlds, and for each person those in which it is a knight."""
    return (1 << 2**n) - 1, tuple(sum(1 << w for w in range(2**n) if w >> i & 1) for i in range(n))


@lru_cache(maxsize=4096)
def _true_in(n: int, kind: str, x: int, y: int) -> int:
    """The worlds in which a statement is true."""
    all_worlds, knight = _worlds(n)
    if kind == "number":
        return sum(1 << w for w in range(2**n) if w.bit_count() == x)
    a, b = knight[x], knight[y]
    return {
        "knight": a,
        "knave": all_worlds & ~a,
        "same": all_worlds & ~(a ^ b),
        "different": a ^ b,
        "some knave": all_worlds & ~(a & b),
        "some knight": a | b,
        "if": all_worlds & ~a | b,
    }[kind]


def _possible(n: int, claim: Claim) -> int:
    """The worlds that a statement leaves: its speaker is a knight exactly where it is true."""
    speaker, kind, x, y = claim
    all_worlds, knight = _worlds(n)
    return all_worlds & ~(knight[speaker] ^ _true_in(n, kind, x, y))


def _tell(claim: Claim, names: Sequence[str]) -> str:
    speaker, kind, x, y = claim
    words = {"n": x} if kind == "number" else {"x": names[x], "y": names[y]}
    text = TEXT[kind].format(**words)
    return f'{names[speaker]} says: "{text[0].upper()}{text[1:]}."'


def _state(rng: Rng, n: int, speaker: int) -> Claim:
    kind = rng.choice(list(TEXT))
    if kind == "number":
        return speaker, kind, rng.between(1, n - 1), 0
    x = (speaker + 1 + rng.below(n - 1)) % n  # anybody but the speaker
    y = x
    while y in (x, speaker):
        y = rng.below(n)
    return speaker, kind, x, y


def _reason(possible: Sequence[int], names: Sequence[str], world: int, steps: list[str]) -> int:
    """The solution within `world`, 0 if there is none; writes down each forced conclusion and each supposition."""
    all_worlds, knight = _worlds(len(names))
    settled = [not (world & k and world & ~k) for k in knight]
    changed = True
    while changed:
        changed = False
        for speaker, allowed in enumerate(possible):
            narrowed = world & allowed
            if not narrowed:
                steps.append(f"That contradicts what {names[speaker]} says.")
                return 0
            for i, k in enumerate(knight):
                if not settled[i] and not (narrowed & k and narrowed & ~k):
                    settled[i] = changed = True
                    world &= k if narrowed & k else all_worlds & ~k
                    steps.append(
                        f"By what {names[speaker]} says, {names[i]} is a {'knight' if narrowed & k else 'knave'}."
                    )
    if all(settled):
        return world
    first = settled.index(False)
    steps.append(f"Suppose {names[first]} is a knight.")
    if solution := _reason(possible, names, world & knight[first], steps):
        return solution
    steps.append(f"So {names[first]} is a knave.")
    return _reason(possible, names, world & ~knight[first], steps)


def _answer(world: int, names: Sequence[str]) -> str:
    bits = world.bit_length() - 1
    return ", ".join(name for i, name in enumerate(names) if bits >> i & 1) or NOBODY


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 2 people, each makes one statement; exactly one way to be knights and knaves fits all of them."""
    n = difficulty + 2
    names = sorted(rng.sample(NAMES, n))
    world = 0
    while world.bit_count() != 1:
        statements = tuple(_state(rng, n, speaker) for speaker in range(n))
        possible = [_possible(n, claim) for claim in statements]
        world = _worlds(n)[0]
        for allowed in possible:
            world &= allowed
    steps: list[str] = []
    solution = _reason(possible, names, _worlds(n)[0], steps)
    return Problem(
        id="",
        question="Knights always tell the truth, knaves always lie, and everybody here is one or the other. "
        f"{' '.join(_tell(claim, names) for claim in statements)} "
        f'Who are the knights? Name them in alphabetical order, or say "{NOBODY}".',
        answer=_answer(world, names),
        facts={"names": tuple(names), "statements": statements},
        solution=" ".join([*steps, f"The answer is {_answer(solution, names)}."]),
    )


def check(answer: str, problem: Problem) -> bool:
    """Whether these people can be the knights: each of the others lies, each of them tells the truth. Names in any
    order and case, with commas or "and"."""
    names = problem.facts["names"]
    if len(answer) > MAX_ANSWER:
        return False
    words = [word for word in re.findall(r"[^\s,;&.]+", answer.lower()) if word not in FILLERS]
    person = {name.lower(): i for i, name in enumerate(names)}
    if words == [NOBODY]:
        words = []
    elif not words or len(set(words)) != len(words) or not all(word in person for word in words):
        return False
    world = 1 << sum(1 << person[word] for word in words)
    return all(_possible(len(names), tuple(claim)) & world for claim in problem.facts["statements"])


def solve(problem: Problem) -> str:
    """Tries every choice of knights."""
    names = problem.facts["names"]
    choices = (_answer(1 << w, names) for w in range(2 ** len(names)))
    return next(choice for choice in choices if check(choice, problem))


KNIGHTS_AND_KNAVES = Family(
    name="knights-and-knaves",
    levels=6,
    meaning="number of people, less two",
    make=make,
    solve=solve,
    guess=lambda problem: 0.5 ** len(problem.facts["names"]),  # each of them is the one or the other
    check=check,
)
