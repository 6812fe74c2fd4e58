"""Remainders: of sums, products and powers, and the smallest number that leaves given ones."""

from __future__ import annotations

import re
from math import gcd, prod

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

_RULE = "What is the remainder when {} is divided by {}?"
_FIND = "What is the smallest number, 0 or larger, that {}?"


def _power(a: int, exponent: int, m: int, steps: list[str]) -> int:
    """a ** exponent mod m, one multiplication a step."""
    base = a % m
    if base != a:
        steps.append(f"{a} mod {m} = {base}.")
    value = base
    for e in range(2, exponent + 1):
        steps.append(f"Power {e}: {value} * {base} = {value * base}, mod {m} = {value * base % m}.")
        value = value * base % m
    return value


def _remainder(rng: Rng, difficulty: int) -> tuple[str, list[str], int, int]:
    """Levels 1 to 4: question, steps, answer, modulus."""
    m = rng.between(3, 19)
    steps: list[str] = []
    if difficulty <= 2:
        a, b, c = rng.between(11, 99), rng.between(11, 99), rng.between(2, 99)
        op = "+" if difficulty == 1 else "*"
        text = f"{a} {op} {b} + {c}"
        x, y, z = a % m, b % m, c % m
        inner = x + y if op == "+" else x * y
        value = (inner + z) % m
        steps += [
            f"{a} mod {m} = {x}, {b} mod {m} = {y}, {c} mod {m} = {z}.",
            f"{x} {op} {y} = {inner}, mod {m} = {inner % m}.",
            f"{inner % m} + {z} = {inner % m + z}, mod {m} = {value}.",
        ]
        return _RULE.format(text, m), steps, value, m
    a, exponent = rng.between(2, 99), rng.between(3, 9)
    value = _power(a, exponent, m, steps)
    text = f"{a}^{exponent}"
    if difficulty == 4:
        b, c = rng.between(11, 99), rng.between(11, 99)
        x, y = b % m, c % m
        total = value + x * y % m
        text = f"{text} + {b} * {c}"
        steps += [
            f"{b} mod {m} = {x}, {c} mod {m} = {y}, {x} * {y} = {x * y}, mod {m} = {x * y % m}.",
            f"{value} + {x * y % m} = {total}, mod {m} = {total % m}.",
        ]
        value = total % m
    return _RULE.format(text, m), steps, value, m


def _congruences(rng: Rng, moduli: list[int]) -> tuple[str, list[str], int]:
    """Question, steps and the smallest solution of as many congruences as there are (coprime) moduli."""
    secret = rng.below(prod(moduli))
    remainders = [secret % m for m in moduli]
    wants = [f"leaves remainder {r} when divided by {m}" for r, m in zip(remainders, moduli, strict=True)]
    value, stride, steps = remainders[0], moduli[0], []
    for r, m in zip(remainders[1:], moduli[1:], strict=True):
        tried = []
        while value % m != r:
            tried.append(f"{value} leaves {value % m}")
            value += stride
        tried.append(f"{value} leaves {r}")
        steps.append(f"Divide by {m}, going up by {stride}: {', '.join(tried)}.")
        stride *= m
    return _FIND.format(", ".join(wants[:-1]) + " and " + wants[-1]), steps, value


def make(rng: Rng, difficulty: int) -> Problem:
    """1: a + b + c, 2: a * b + c, 3: a power, 4: a power and a product, 5: the congruence a x = b,
    6: two remainders at once, 7: three."""
    if difficulty <= 4:
        question, steps, value, space = _remainder(rng, difficulty)
    elif difficulty == 5:
        space = m = rng.choice((11, 13, 17, 19, 23, 29, 31))  # prime, so every factor has an inverse
        a, value = rng.between(2, 99), rng.below(m)
        while a % m < 2:
            a = rng.between(2, 99)
        r = a * value % m
        question = _FIND.format(f"multiplied by {a} leaves remainder {r} when divided by {m}")
        steps = [f"{a} mod {m} = {a % m}."] if a >= m else []
        tries = ", ".join(f"{x} gives {a * x % m}" for x in range(value + 1))
        steps.append(f"Remainders of {a % m} times 0, 1, 2, ...: {tries}.")
    else:
        pool = list(range(3, 14)) if difficulty == 7 else list(range(5, 40))
        while True:
            moduli = sorted(rng.sample(pool, difficulty - 4), reverse=True)
            if all(gcd(a, b) == 1 for i, a in enumerate(moduli) for b in moduli[:i]):
                break
        question, steps, value = _congruences(rng, moduli)
        space = prod(moduli)
    return Problem(
        id="",
        question=question,
        answer=str(value),
        facts={"space": space},
        solution=" ".join([*steps, f"The answer is {value}."]),
    )


def solve(problem: Problem) -> str:
    """Works the whole number out before dividing; tries one number after another where one has to be found."""
    q = problem.question
    if direct := re.fullmatch(r"What is the remainder when (.+) is divided by (\d+)\?", q):
        terms = [term.replace("^", "*^").split("*") for term in direct[1].split(" + ")]
        total = sum(int(t[0]) ** int(t[1][1:]) if t[1:] and t[1][0] == "^" else prod(map(int, t)) for t in terms)
        return str(total % int(direct[2]))
    factor = re.search(r"multiplied by (\d+)", q)
    wants = [(int(r), int(m)) for r, m in re.findall(r"leaves remainder (\d+) when divided by (\d+)", q)]
    a = int(factor[1]) if factor else 1
    return str(next(x for x in range(problem.facts["space"]) if all(a * x % m == r for r, m in wants)))


MODULAR_ARITHMETIC = Family(
    name="modular-arithmetic",
    levels=7,
    meaning="1: a sum, 2: a product, 3: a power, 4: a power and a product, 5: a x = b, 6: two remainders, 7: three",
    make=make,
    solve=solve,
    guess=lambda problem: 1 / problem.facts["space"],  # one of the residues
)
