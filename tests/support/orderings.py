"""Stopping rules by brute force: every ordering of a small pool, one sample after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import permutations
from math import comb

Drawn = Sequence[str | None]  # answers in the order drawn; None: unreadable
Ends = Callable[[Drawn], bool]


def top_two(drawn: Drawn) -> tuple[int, int]:
    counts = [v for _, v in Counter(a for a in drawn if a is not None).most_common(2)]
    return (*counts, 0, 0)[0], (*counts, 0, 0)[1]


def sure(threshold: float) -> Ends:
    """P(p > 1/2) of Beta(a + 1, b + 1) is that of at most a successes in a + b + 1 fair trials."""

    def ends(drawn: Drawn) -> bool:
        a, b = top_two(drawn)
        n = a + b + 1
        return a > b and sum(comb(n, i) for i in range(a + 1)) >= Fraction(str(threshold)) * 2**n

    return ends


def ratio(threshold: float) -> Ends:
    """The density of Beta(a + 1, b + 1) at 1/2 is (a + b + 1) C(a + b, a) / 2^(a + b)."""

    def ends(drawn: Drawn) -> bool:
        a, b = top_two(drawn)
        return a > b and Fraction((a + b + 1) * comb(a + b, a), 2 ** (a + b)) <= 1 - Fraction(str(threshold))

    return ends


def lead(threshold: float) -> Ends:
    return lambda drawn: top_two(drawn)[0] - top_two(drawn)[1] >= threshold


def doubled(threshold: float) -> Ends:
    return lambda drawn: len(drawn) in (2, 4, 8) and top_two(drawn)[0] >= Fraction(str(threshold)) * len(drawn)


def window(threshold: float) -> Ends:
    size = int(threshold)
    return lambda drawn: len(drawn) % size == 0 and drawn[-1] is not None and len(set(drawn[-size:])) == 1


def brute_force(
    answers: Drawn, right: Sequence[str], tokens: Sequence[int], ends: Ends, cap: int, last_window: bool = False
) -> tuple[float, float, float]:
    """(chance that the answer is right, mean samples, mean tokens) over all orderings. `last_window`: where the rule
    stops, the last answer drawn is the result, not the majority."""
    value, draws, spent, count = Fraction(0), 0, 0, 0
    for order in permutations(range(len(answers))):
        drawn: list[str | None] = []
        stopped = False
        while len(drawn) < cap and not stopped:
            drawn.append(answers[order[len(drawn)]])
            stopped = ends(drawn)
        votes = Counter(a for a in drawn if a is not None)
        front = [a for a, v in votes.items() if v == max(votes.values())]
        if stopped and last_window and drawn[-1] is not None:
            front = [drawn[-1]]
        value += Fraction(sum(a in right for a in front), max(len(front), 1))
        draws, spent, count = draws + len(drawn), spent + sum(tokens[i] for i in order[: len(drawn)]), count + 1
    return float(value / count), draws / count, spent / count
