"""Which is larger, 9.11 or 9.8? Decimals, version numbers and dates look alike and compare differently."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
Key = tuple[Fraction, ...]

# kind -> (how to ask for the largest, for the smallest, the rule as the worked steps say it)
WORDING = {
    "decimal": ("Which number is the largest", "Which number is the smallest", "Compare digit by digit"),
    "version": ("Which version is the newest", "Which version is the oldest", "Compare part by part"),
    "date": ("Which date is the latest", "Which date is the earliest", "Compare year, then month, then day"),
}


def _decimal(rng: Rng, base: int) -> str:
    """Digits after the point: one to three, few enough values that neighbours are close; never ending in 0."""
    digits = rng.between(1, 3)
    tail = "".join(str(rng.below(10)) for _ in range(digits - 1)) + str(rng.between(1, 9))
    return f"{base + (rng.chance(20) and 1)}.{tail}"


def _version(rng: Rng, base: int) -> str:
    parts = [base % 12, rng.between(0, 24)] + ([rng.between(1, 24)] if rng.chance(40) else [])
    return ".".join(map(str, parts))


def _date(rng: Rng, base: int) -> str:
    return f"{rng.between(1, 28)} {rng.choice(MONTHS)} {1950 + base + (rng.chance(30) and 1)}"


MAKERS: dict[str, Callable[[Rng, int], str]] = {"decimal": _decimal, "version": _version, "date": _date}


def _key(kind: str, text: str) -> Key:
    """A tuple that compares as the texts of this kind do."""
    if kind == "decimal":
        return (Fraction(text),)
    if kind == "version":
        return tuple(Fraction(part) for part in text.split("."))
    day, month, year = text.split(" ")
    return Fraction(year), Fraction(MONTHS.index(month)), Fraction(day)


def _shown(kind: str, text: str, width: int) -> str:
    """The text in the form in which the comparison is easy: equal numbers of decimals, or year-month-day."""
    if kind == "decimal":
        return text.ljust(width, "0")
    if kind == "date":
        day, month, year = text.split(" ")
        return f"{year}-{MONTHS.index(month) + 1:02}-{int(day):02}"
    return text


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 1 decimals, versions or dates; their leading parts are mostly equal, so the rest decides."""
    kind = rng.choice(list(WORDING))
    base, items, keys = rng.between(1, 60), list[str](), list[Key]()
    while len(items) <= difficulty:
        text = MAKERS[kind](rng, base)
        key = _key(kind, text)
        if key not in keys:
            items.append(text)
            keys.append(key)
    largest = rng.chance(50)
    ask = WORDING[kind][0 if largest else 1]
    width = max(len(text) for text in items)
    best, steps = 0, []
    for i in range(1, len(items)):
        wins = (keys[i] > keys[best]) == largest
        a, b = _shown(kind, items[i], width), _shown(kind, items[best], width)
        steps.append(f"{a} {'>' if keys[i] > keys[best] else '<'} {b}")
        best = i if wins else best
    return Problem(
        id="",
        question=f"{ask}: {', '.join(items[:-1])} or {items[-1]}?",
        answer=items[best],
        facts={"items": tuple(items)},
        solution=f"{WORDING[kind][2]}: {', '.join(steps)}. The answer is {items[best]}.",
    )


def solve(problem: Problem) -> str:
    """Parses the question and sorts what it lists."""
    ask, listed = problem.question.rstrip("?").split(": ")
    kind, largest = next((k, ask == w[0]) for k, w in WORDING.items() if ask in w[:2])
    items = re.split(r", | or ", listed)
    return sorted(items, key=lambda text: _key(kind, text), reverse=largest)[0]


COMPARISON = Family(
    name="comparison",
    levels=6,
    meaning="things to compare, less one",
    make=make,
    solve=solve,
    guess=lambda problem: 1 / len(problem.facts["items"]),  # one of the things listed
)
