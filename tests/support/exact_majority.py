"""The chances of a majority vote in exact integers: what the floating point of strategies/majority.py is held against.

Slow (a second at 64 samples, minutes at 256), and simple enough to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import comb


def win_chances(votes: Sequence[int], silent: int, k: int) -> dict[int, Fraction]:
    """Chance that one answer with m votes in the pool wins a draw of k, for each m that occurs in `votes`, the votes of
    all answers; `silent` samples have none.

    Sum over the j votes it gets in the draw of C(m, j) times the ways in which every rival gets at most j, divided by
    1 + the number of rivals that tie."""
    total = comb(sum(votes) + silent, k)
    chances = {}
    for m in set(votes):
        rivals = list(votes)
        rivals.remove(m)
        won = Fraction(0)
        for j in range(1, min(m, k) + 1):
            ways = _ways(rivals, silent, k - j, j)
            won += comb(m, j) * sum(Fraction(w, 1 + ties) for ties, w in enumerate(ways))
        chances[m] = won / total
    return chances


def _ways(rivals: Sequence[int], silent: int, room: int, j: int) -> list[int]:
    """In how many ways `room` samples come from the rivals, each giving at most j, and from the silent ones:
    entry t counts those in which exactly t rivals give j. A dynamic programme over the rivals."""
    most_ties = min(room // j, len(rivals))
    # table[t][v]: ways in which v samples come from the rivals seen so far, t of them giving j
    table = [[0] * (room + 1) for _ in range(most_ties + 1)]
    table[0][0] = 1
    for size, times in Counter(rivals).items():
        below = [comb(size, i) for i in range(min(size + 1, j))]
        tie = comb(size, j)
        for _ in range(times):
            table = [
                [
                    sum(below[i] * row[v - i] for i in range(min(len(below), v + 1)))
                    + (tie * table[t - 1][v - j] if tie and t and v >= j else 0)
                    for v in range(room + 1)
                ]
                for t, row in enumerate(table)
            ]
    return [sum(w * comb(silent, room - v) for v, w in enumerate(row)) for row in table]
