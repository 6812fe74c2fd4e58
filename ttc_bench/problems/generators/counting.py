"""Counting and probability, exactly: choices, arrangements, draws without replacement, dice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations, permutations
from math import comb, factorial, prod
from typing import Any

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

COLOURS = ("red", "blue", "green", "yellow", "black", "white", "orange", "purple")
LETTERS = "ABCDEFGHIJKLMNOPRSTUVW"
TRADES = ("teachers", "cooks", "waiters", "pilots", "painters", "poets", "singers", "dancers", "nurses", "bakers")
_EXACT = "Give a fraction in lowest terms, or a whole number."

Parts = tuple[str, list[str], int, dict[str, Any]]  # question, steps, fitting outcomes, facts


def _bag(rng: Rng, colours: int, largest: int) -> tuple[dict[str, int], str]:
    counts = {colour: rng.between(2, largest) for colour in rng.sample(COLOURS, colours)}
    listed = [f"{n} {colour}" for colour, n in counts.items()]
    return counts, f"A bag holds {', '.join(listed[:-1])} and {listed[-1]} balls."


def _draw(rng: Rng, difficulty: int) -> Parts:
    """Levels 1, 4 and 6: balls out of a bag."""
    counts, text = _bag(rng, 3, 12 if difficulty < 6 else 7)
    total, colour = sum(counts.values()), rng.choice(list(counts))
    n, draws = counts[colour], {1: 1, 4: 2, 6: rng.between(3, 4)}[difficulty]
    spec = {"kind": "draw", "counts": tuple(counts.items()), "draws": draws, "colour": colour}
    if difficulty == 1:
        text += f" One ball is drawn. What is the probability that it is {colour}?"
        steps = [f"There are {' + '.join(map(str, counts.values()))} = {total} balls, {n} of them {colour}."]
        return f"{text} {_EXACT}", steps, n, {**spec, "wanted": 1, "outcomes": total}
    outcomes = comb(total, draws)
    steps = [f"There are {total} balls, so {outcomes} ways to draw {draws}."]
    text += f" {draws} balls are drawn together. What is the probability that "
    if difficulty == 4:
        text += "they have the same colour?"
        ways = [comb(c, 2) for c in counts.values()]
        steps.append(f"Same colour: {' + '.join(map(str, ways))} = {sum(ways)} ways.")
        return f"{text} {_EXACT}", steps, sum(ways), {**spec, "colour": None, "wanted": 2, "outcomes": outcomes}
    hits = rng.between(1, min(n, draws - 1))
    inside, outside = comb(n, hits), comb(total - n, draws - hits)
    steps.append(f"Exactly {hits} of {n} {colour}: {inside} ways; the rest of {total - n} others: {outside} ways.")
    steps.append(f"{inside} * {outside} = {inside * outside}.")
    text += f"exactly {hits} of them {'is' if hits == 1 else 'are'} {colour}?"
    return f"{text} {_EXACT}", steps, inside * outside, {**spec, "wanted": hits, "outcomes": outcomes}


def _dice(rng: Rng) -> Parts:
    """Level 5: two different dice and their sum."""
    a, b = rng.between(4, 12), rng.between(4, 12)
    how, target = rng.choice(("exactly", "at least", "at most")), rng.between(3, a + b - 1)
    test = {"exactly": int.__eq__, "at least": int.__ge__, "at most": int.__le__}[how]
    per_face = [sum(test(x + y, target) for y in range(1, b + 1)) for x in range(1, a + 1)]
    seats = rng.sample(COLOURS, 2)
    text = (
        f"A {seats[0]} die has faces 1 to {a} and a {seats[1]} die has faces 1 to {b}. Both are rolled. "
        f"What is the probability that the sum is {how} {target}?"
    )
    counted = ", ".join(f"{x} with {k}" for x, k in enumerate(per_face, 1) if k)
    steps = [
        f"There are {a} * {b} = {a * b} rolls.",
        f"First face with the number of fitting second faces: {counted}; together {sum(per_face)}.",
    ]
    facts = {"kind": "dice", "sides": (a, b), "how": how, "target": target, "outcomes": a * b}
    return f"{text} {_EXACT}", steps, sum(per_face), facts


def _arrange(rng: Rng) -> Parts:
    """Level 2: arrangements of letters, some of them equal."""
    word = ""
    for letter in rng.sample(LETTERS, rng.between(2, 4)):
        word += letter * rng.between(1, 3)
    word = "".join(rng.shuffled(word[:7]))
    repeats = [n for n in Counter(word).values() if n > 1]
    value = factorial(len(word)) // prod(map(factorial, repeats))
    text = f"In how many different orders can the letters {', '.join(word)} be written?"
    steps = [f"{len(word)} letters have {len(word)}! = {factorial(len(word))} orders."]
    if repeats:
        divisor = prod(map(factorial, repeats))
        steps.append(f"Equal letters: divide by {' * '.join(f'{n}!' for n in repeats)} = {divisor}.")
        steps.append(f"{factorial(len(word))} / {divisor} = {value}.")
    return text, steps, value, {"kind": "arrange", "word": word, "outcomes": factorial(len(word))}


def _choose(rng: Rng) -> Parts:
    """Level 3: teams with given numbers of members from two groups."""
    names = rng.sample(TRADES, 2)
    sizes = rng.between(4, 12), rng.between(4, 12)
    picks = rng.between(2, min(4, sizes[0])), rng.between(2, min(4, sizes[1]))
    ways = [comb(n, k) for n, k in zip(sizes, picks, strict=True)]
    text = (
        f"A team of {picks[0]} {names[0]} and {picks[1]} {names[1]} is chosen from {sizes[0]} {names[0]} and "
        f"{sizes[1]} {names[1]}. How many different teams are possible?"
    )
    steps = [f"{k} of {n}: {w} ways." for k, n, w in zip(picks, sizes, ways, strict=True)]
    facts = {"kind": "choose", "sizes": sizes, "picks": picks, "outcomes": comb(sum(sizes), sum(picks))}
    return text, [*steps, f"{ways[0]} * {ways[1]} = {prod(ways)}."], prod(ways), facts


def make(rng: Rng, difficulty: int) -> Problem:
    """1: one ball, 2: arrangements, 3: teams, 4: two balls of one colour, 5: two dice, 6: exactly so many balls."""
    if difficulty in (2, 3):
        question, steps, value, facts = _arrange(rng) if difficulty == 2 else _choose(rng)
        answer = str(value)
    else:
        question, steps, ways, facts = _dice(rng) if difficulty == 5 else _draw(rng, difficulty)
        answer = str(Fraction(ways, facts["outcomes"]))
        raw = f"{ways}/{facts['outcomes']}"
        steps.append(f"The probability is {raw}{f' = {answer}' if answer != raw else ''}.")
    return Problem(
        id="",
        question=question,
        answer=answer,
        facts=facts,
        solution=" ".join([*steps, f"The answer is {answer}."]),
    )


def _enumerate(facts: Mapping[str, Any]) -> Fraction:
    """Goes through all outcomes one by one; no formula of `make` is used."""
    if facts["kind"] == "arrange":
        return Fraction(len(set(permutations(facts["word"]))))
    if facts["kind"] == "choose":
        rows = [sum(1 for _ in combinations(range(n), k)) for n, k in zip(facts["sizes"], facts["picks"], strict=True)]
        return Fraction(prod(rows))
    if facts["kind"] == "dice":
        sums = [x + y for x in range(1, facts["sides"][0] + 1) for y in range(1, facts["sides"][1] + 1)]
        fits = {"exactly": lambda s, t: s == t, "at least": lambda s, t: s >= t, "at most": lambda s, t: s <= t}
        return Fraction(sum(fits[facts["how"]](s, facts["target"]) for s in sums), len(sums))
    balls = [colour for colour, n in facts["counts"] for _ in range(n)]
    hands: list[Counter[str]] = [Counter(hand) for hand in combinations(balls, facts["draws"])]
    if facts["colour"] is None:
        return Fraction(sum(len(hand) == 1 for hand in hands), len(hands))
    return Fraction(sum(hand[facts["colour"]] == facts["wanted"] for hand in hands), len(hands))


def solve(problem: Problem) -> str:
    """Counts the outcomes one by one."""
    return str(_enumerate(problem.facts))


def guess(problem: Problem) -> float:
    """A probability: a guess at the fitting ones of all outcomes, 0 to all. A count: 1 up to what it would be if all
    objects were different (arrangements), or of one group (teams)."""
    outcomes: int = problem.facts["outcomes"]
    return 1 / (outcomes if problem.facts["kind"] in ("arrange", "choose") else outcomes + 1)


COUNTING = Family(
    name="counting",
    levels=6,
    meaning="1: one ball, 2: arrangements, 3: teams, 4: two balls of one colour, 5: two dice, 6: exactly so many balls",
    make=make,
    solve=solve,
    guess=guess,
)
