"""Solvers for the math tasks that share nothing with the generators: they read the question's text.

Each returns all answers that fit, so that a gold answer is confirmed and its uniqueness with it.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from itertools import product
from math import comb, factorial, prod

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def _value(node: ast.expr, names: Mapping[str, Fraction | int]) -> Fraction:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left, names), _value(node.right, names))
    if isinstance(node, ast.UnaryOp):
        return -_value(node.operand, names)
    if isinstance(node, ast.Name):
        return Fraction(names[node.id])
    assert isinstance(node, ast.Constant)
    return Fraction(node.value)


def _parse(text: str) -> ast.expr:
    return ast.parse(re.sub(r"(?<=[0-9xyz])(?=[xyz(])", "*", text), mode="eval").body


def value(text: str, names: dict[str, Fraction]) -> Fraction:
    """An expression such as 3x - 2(y + 1), worked out."""
    return _value(_parse(text), names)


def nested_arithmetic(question: str) -> list[str]:
    """Python's own grammar decides the precedence."""
    return [str(_value(_parse(question.removeprefix("What is ").rstrip("?")), {}))]


def word_problems(question: str) -> list[str]:
    """Follows the owner's pile by the verbs; knows no template."""
    owner = question.split()[0]
    thing = next(word for word in re.findall(r"sells all (\w+)|packs all (\w+)|How many (\w+)", question)[0] if word)
    first, *sentences = re.split(r"(?<=[.?]) ", question)
    pile = prod(map(int, re.findall(r"\d+", first)))
    for s in sentences:
        n = [int(x) for x in re.findall(r"\d+", s)]
        if thing not in s or re.search(r"also has|^How", s):
            continue
        if "together" in s or f" more {thing} than" in s:
            pile += pile + n[0]
        elif "evenly" in s:
            pile //= n[0]
        elif "sells" in s:
            pile *= n[0]
        elif "half" in s:
            pile //= 2
        elif "third" in s:
            pile = pile * 2 // 3
        elif "as many" in s:
            pile += pile * (n[0] if n else 1)
        elif "to each of" in s:
            pile -= n[0] * n[1]
        elif f"{owner} gives" in s or "loses" in s:
            pile -= n[0]
        else:
            assert re.search(rf"{owner} buys|gives {owner}", s), s
            pile += prod(n)
    return [str(pile)]


def linear_equations(question: str) -> list[str]:
    """Puts every whole number of -21..21 (-13..13 in systems) in."""
    system, asked = re.fullmatch(r"Solve (.+)\. What is ([xyz])\?", question).groups()
    sides = [[_parse(side) for side in equation.split(" = ")] for equation in system.split(" and ")]
    names = "xyz"[: len(sides)]

    def gap(left: ast.expr, right: ast.expr, values: dict[str, int]) -> Fraction:
        return _value(left, values) - _value(right, values)

    # each equation is affine: its values at 0 and at the unit points say all about it
    zero = dict.fromkeys(names, 0)
    rows = []
    for left, right in sides:
        base = gap(left, right, zero)
        rows.append((base, [gap(left, right, {**zero, name: 1}) - base for name in names]))
    limit = 21 if len(names) == 1 else 13
    grid = range(-limit, limit + 1)
    fits = []
    for head in product(grid, repeat=len(names) - 1):  # the last unknown follows from the first equation
        base, slopes = rows[0]
        rest = -(base + sum(f * v for f, v in zip(slopes[:-1], head, strict=True)))
        values = [*head, rest / slopes[-1]]
        if all(b + sum(f * v for f, v in zip(s, values, strict=True)) == 0 for b, s in rows[1:]):
            fits.append(str(values[names.index(asked)]))
    return fits


def modular_arithmetic(question: str) -> list[str]:
    if direct := re.fullmatch(r"What is the remainder when (.+) is divided by (\d+)\?", question):
        return [str(_parse_power(direct[1]) % int(direct[2]))]
    factor = int((re.search(r"multiplied by (\d+)", question) or [0, 1])[1])
    numbers = [int(n) for n in re.findall(r"(?:remainder|divided by) (\d+)", question)]
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    x = 0
    while any((factor * x - r) % m for r, m in pairs):
        x += 1
    return [str(x)]


def _parse_power(text: str) -> int:
    return sum(
        int(t.split("^")[0]) ** int(t.split("^")[1]) if "^" in t else prod(map(int, t.split("*")))
        for t in text.split("+")
    )


def counting(question: str) -> list[str]:
    """Formulas and tables where the reference solver enumerates."""
    numbers = [int(n) for n in re.findall(r"\d+", question)]
    if "letters" in question:
        word = re.search(r"letters ([A-Z, ]+) be", question)[1].split(", ")
        return [str(factorial(len(word)) // prod(factorial(word.count(c)) for c in set(word)))]
    if "team" in question:
        return [str(comb(numbers[2], numbers[0]) * comb(numbers[3], numbers[1]))]
    if "die" in question:
        _, a, _, b, target = numbers
        ways = [sum(1 <= s - x <= b for x in range(1, a + 1)) for s in range(a + b + 1)]
        wanted = {"exactly": ways[target : target + 1], "at least": ways[target:], "at most": ways[: target + 1]}
        return [str(Fraction(sum(wanted[re.search(r"sum is (\D+) \d", question)[1]]), a * b))]
    counts = {colour: int(n) for n, colour in re.findall(r"(\d+) (\w+)(?=,| and| balls\.)", question)}
    total = sum(counts.values())
    if "same colour" in question:
        return [str(sum(Fraction(n, total) * Fraction(n - 1, total - 1) for n in counts.values()))]
    if "One ball" in question:
        return [str(Fraction(counts[re.search(r"it is (\w+)\?", question)[1]], total))]
    wanted, colour = re.search(r"exactly (\d+) of them (?:is|are) (\w+)\?", question).groups()
    chance = {0: Fraction(1)}  # after each single draw: how many of the colour are out, with which probability
    for drawn in range(numbers[3]):
        after: dict[int, Fraction] = {}
        for out, p in chance.items():
            hit = Fraction(counts[colour] - out, total - drawn)
            after[out + 1] = after.get(out + 1, Fraction(0)) + p * hit
            after[out] = after.get(out, Fraction(0)) + p * (1 - hit)
        chance = after
    return [str(chance[int(wanted)])]


def comparison(question: str) -> list[str]:
    months = "JanFebMarAprMayJunJulAugSepOctNovDec"
    ask, listed = question.rstrip("?").split(": ")
    items = listed.replace(" or ", ", ").split(", ")

    def key(text: str) -> object:
        if "number" in ask:
            return float(text)  # three decimals at most: floats tell them apart
        if "version" in ask:
            return [int(part) for part in text.split(".")]
        day, month, year = text.split()
        return date(int(year), months.index(month[:3]) // 3 + 1, int(day))

    best = (max if re.search("largest|newest|latest", ask) else min)(items, key=key)
    return [item for item in items if key(item) == key(best)]


def sequences(question: str) -> list[str]:
    """The next terms under every rule of the stated kind that gives the terms shown, tried one by one."""
    rule, listed = question.rstrip("?").split(" What comes next: ")
    terms = [int(n) for n in listed.split(", ")]
    kinds = {
        "their own fixed number.": (2, lambda t, p, q: t[-2] + (p, q)[len(t) % 2], range(-31, 32), range(-31, 32)),
        "neighbours grow": (2, lambda t, p, q: t[-1] + (t[-1] - t[-2]) + p, range(-60, 61), (0,)),
        "sum of the two": (2, lambda t, p, q: t[-1] + t[-2] + p, range(-60, 61), (0,)),
        "plus another fixed number.": (1, lambda t, p, q: p * t[-1] + q, range(-6, 7), range(-60, 61)),
        "one before that.": (2, lambda t, p, q: p * t[-1] + q * t[-2], range(-8, 9), range(-8, 9)),
        "one before plus a fixed number.": (1, lambda t, p, q: t[-1] + p, range(-150, 151), (0,)),
    }
    start, step, ps, qs = next(kind for key, kind in kinds.items() if key in rule)
    found = set()
    for p, q in product(ps, qs):
        if all(step(terms[:i], p, q) == terms[i] for i in range(start, len(terms))):
            found.add(str(step(terms, p, q)))
    return sorted(found)
