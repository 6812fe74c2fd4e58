"""Laws that every strategy obeys, checked against brute force over all k-subsets. test_strategies.py runs them."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations

from ttc_bench.core import Candidate

Pick = Callable[[Sequence[Candidate]], dict[int, Fraction]]


def brute_force(candidates: Sequence[Candidate], k: int, pick: Pick) -> list[Fraction]:
    """Exact weights: the mean over all k-subsets of the chance that each member is picked."""
    total = [Fraction(0)] * len(candidates)
    subsets = list(combinations(range(len(candidates)), k))
    for subset in subsets:
        for position, chance in pick([candidates[i] for i in subset]).items():
            total[subset[position]] += chance / len(subsets)
    return total


def even(positions: Sequence[int]) -> dict[int, Fraction]:
    return {i: Fraction(1, len(positions)) for i in positions}


def pick_first(drawn: Sequence[Candidate]) -> dict[int, Fraction]:
    """Any of the drawn, since the order of a draw is random."""
    return even(range(len(drawn)))


def pick_majority(drawn: Sequence[Candidate]) -> dict[int, Fraction]:
    votes = Counter(c.answer for c in drawn if c.answer is not None)
    if not votes:
        return even(range(len(drawn)))
    most = max(votes.values())
    winners = [a for a, v in votes.items() if v == most]
    return {
        i: Fraction(1, len(winners) * votes[c.answer]) for i, c in enumerate(drawn) if c.answer in winners and c.answer
    }


def pick_best(drawn: Sequence[Candidate]) -> dict[int, Fraction]:
    for group in (
        [i for i, c in enumerate(drawn) if c.answer is not None and c.score is not None],
        [i for i, c in enumerate(drawn) if c.answer is not None],
        [i for i, c in enumerate(drawn) if c.score is not None],
        list(range(len(drawn))),
    ):
        if group:
            scores = [s for i in group if (s := drawn[i].score) is not None]
            return even([i for i in group if not scores or drawn[i].score == max(scores)])
    raise AssertionError("an empty draw")


def pick_by_weight(weigh: Callable[[list[float], int], list[float]]) -> Pick:
    """A vote whose weights come from the scores of those who vote and the size of the draw."""

    def pick(drawn: Sequence[Candidate]) -> dict[int, Fraction]:
        answered = [i for i, c in enumerate(drawn) if c.answer is not None]
        if not answered:
            return even(range(len(drawn)))
        scored = [i for i in answered if drawn[i].score is not None]
        voters = scored or answered
        weights = weigh([s for i in scored if (s := drawn[i].score) is not None], len(drawn)) if scored else []
        if not any(weights):
            weights = [1.0] * len(voters)
        totals: dict[str | None, float] = {}
        for i, w in zip(voters, weights, strict=True):
            totals[drawn[i].answer] = totals.get(drawn[i].answer, 0) + w
        winners = [a for a, t in totals.items() if math.isclose(t, max(totals.values()))]
        chances = {}
        for answer in winners:
            mine = [i for i, w in zip(voters, weights, strict=True) if w > 0 and drawn[i].answer == answer]
            chances |= {i: Fraction(1, len(winners) * len(mine)) for i in mine}
        return chances

    return pick


def weigh_by_score(scores: list[float], k: int) -> list[float]:
    return [math.exp(s) for s in scores] if min(scores) < 0 else scores


def weigh_by_softmax(scores: list[float], k: int) -> list[float]:
    spread = statistics.pstdev(scores)
    return [math.exp(s / spread) if spread else 1.0 for s in scores]


def weigh_the_better_half(scores: list[float], k: int) -> list[float]:
    last = sorted(scores, reverse=True)[: math.ceil(k / 2)][-1]
    return [float(s >= last) for s in scores]
