"""Strategies in closed form: one sample, majority, best-of-k.

A strategy is a frozen value with one method. `outcome(candidates, k)` gives each of the n candidates its chance to
become the answer when k of the n are drawn without replacement: no "first k of n", and no Monte Carlo.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from ttc_bench.core import Candidate, Outcome
from ttc_bench.errors import NotEnoughSamples


def pool_size(candidates: Sequence[Candidate], k: int) -> int:
    """n, the number of candidates. Raises ValueError for k < 1 and NotEnoughSamples for k > n."""
    n = len(candidates)
    if k < 1:
        raise ValueError(f"k = {k}: a draw needs at least one sample")
    if k > n:
        raise NotEnoughSamples(k, n)
    return n


def expected_tokens(candidates: Sequence[Candidate], k: int) -> float:
    """Expected tokens of k candidates drawn from n: each is drawn with chance k/n."""
    return k * sum(c.tokens for c in candidates) / len(candidates)


@dataclass(frozen=True)
class Single:
    """The first drawn sample is the answer; the other k - 1 are paid for and ignored. Only k = 1 is sensible."""

    def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome:
        n = pool_size(candidates, k)
        return Outcome((1 / n,) * n, expected_tokens(candidates, k))


@dataclass(frozen=True)
class MajorityVote:
    """maj@k, also called self-consistency (Wang et al. 2022, arXiv:2203.11171).

    Ties are split evenly between the tied answers. A sample without an extractable answer never votes; a draw in
    which no sample has an answer gives none, and its weight stays on those samples (which are never correct)."""

    def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome:
        n = pool_size(candidates, k)
        votes = Counter(c.answer for c in candidates if c.answer is not None)
        silent = n - votes.total()
        chance = _vote_chances(tuple(sorted(votes.values())), silent, k)
        nothing = comb(silent, k) / comb(n, k)
        weights = tuple(
            nothing / silent if c.answer is None else chance[votes[c.answer]] / votes[c.answer] for c in candidates
        )
        return Outcome(weights, expected_tokens(candidates, k))


@functools.lru_cache(maxsize=65_536)
def _vote_chances(votes: tuple[int, ...], silent: int, k: int) -> dict[int, float]:
    """Chance that one answer with m votes in the pool wins a draw of k, for each m that occurs in `votes`.

    Sum over the j votes it gets in the draw of C(m, j) times the ways in which every rival gets at most j, divided by
    1 + the number of rivals that tie. Ways are counted in exact integers by a dynamic programme over the rivals."""
    total = comb(sum(votes) + silent, k)
    chances = {}
    for m in set(votes):
        rivals = list(votes)
        rivals.remove(m)
        won = 0.0
        for j in range(1, min(m, k) + 1):
            ways = _ways(tuple(rivals), silent, k - j, j)
            won += comb(m, j) * sum(w / (1 + ties) for ties, w in enumerate(ways)) / total
        chances[m] = won
    return chances


def _ways(rivals: tuple[int, ...], silent: int, room: int, j: int) -> list[int]:
    """In how many ways `room` samples come from the rivals, each giving at most j, and from the silent ones:
    entry t counts those in which exactly t rivals give j."""
    most_ties = room // j
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


@dataclass(frozen=True)
class BestOfN:
    """best-of-k: the drawn sample with the highest verifier score; equal scores share
    the win.

    Samples without a score rank below all that have one, and samples without an extractable answer below those (a
    missing answer shows without the gold)."""

    def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome:
        n = pool_size(candidates, k)
        ranks = [_rank(c) for c in candidates]
        total = comb(n, k)
        chance, below = {}, 0
        for rank, m in sorted(Counter(ranks).items()):
            chance[rank] = (comb(below + m, k) - comb(below, k)) / total / m
            below += m
        return Outcome(tuple(chance[r] for r in ranks), expected_tokens(candidates, k))


def _rank(c: Candidate) -> tuple[bool, bool, float]:
    score = None if c.score is None or math.isnan(c.score) else c.score  # NaN is no verdict
    return (c.answer is not None, score is not None, score or 0.0)
