"""Cascades against all pairs of draws, and at the two ends of their thresholds."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from judged import MIXED, Row, pools

from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.graded import GradedPool
from ttc_bench.core import Usage
from ttc_bench.policies.cascades import VOTES, Alone, Cascade, Sureness, alone, by_score, by_votes, cascades

LARGE: tuple[list[Row], ...] = (
    [("1", None), ("1", None), ("2", None)],
    [("1", None), ("3", None), ("2", None)],
    [("1", None), ("1", None), ("1", None)],
)
RATES = Rates(None, 7)


def small_pool() -> GradedPool:
    return pools(*MIXED, cost=Usage(prompt=3, completion=2), parameters=5)


def every() -> list[Cascade]:
    small, large = small_pool(), pools(*LARGE)
    return cascades(alone("s", small, RATES), small, alone("l", large, Rates(None, 70)))


def kept_by_votes(drawn: list[Row], threshold: float) -> tuple[float, float]:
    """(is the draw kept, is it kept and right)"""
    votes = Counter(answer for answer, _ in drawn if answer is not None)
    most = max(votes.values(), default=0)
    winners = [a for a, v in votes.items() if v == most]
    kept = float(most / len(drawn) >= threshold)
    return kept, kept * winners.count("1") / max(len(winners), 1)


def kept_by_score(drawn: list[Row], threshold: float) -> tuple[float, float]:
    scored = [(score, answer) for answer, score in drawn if answer is not None and score is not None]
    best = [answer for score, answer in scored if score == max(s for s, _ in scored)]
    kept = float(bool(scored) and max(s for s, _ in scored) >= threshold)
    return kept, kept * best.count("1") / max(len(best), 1)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("rule", [VOTES, "v"])
def test_every_threshold_is_that_of_all_subsets(rule: str, k: int) -> None:
    found = by_votes(small_pool(), k) if rule == VOTES else by_score(small_pool(), "v", k)
    count = kept_by_votes if rule == VOTES else kept_by_score
    for t, threshold in enumerate(found.thresholds.tolist()):
        if np.isinf(threshold):
            continue
        for p, rows in enumerate(MIXED):
            outcomes = [count(list(drawn), threshold) for drawn in combinations(rows, k)]
            kept, right = (sum(o[i] for o in outcomes) / len(outcomes) for i in (0, 1))
            assert found.kept[t, p] == pytest.approx(kept)
            assert found.right[t, p] == pytest.approx(right)


def test_thresholds_are_every_share_and_every_score() -> None:
    assert by_votes(small_pool(), 4).thresholds.tolist() == [-np.inf, 0.25, 0.5, 0.75, 1.0, np.inf]
    scores = sorted({s for rows in MIXED for a, s in rows if s is not None and a is not None})
    assert by_score(small_pool(), "v", 2).thresholds.tolist() == [-np.inf, *scores, np.inf]


def test_many_scores_part_the_draws_evenly() -> None:
    rng = np.random.default_rng(1)
    rows: list[list[Row]] = [[("1", float(s)) for s in rng.random(40)] for _ in range(5)]
    found = by_score(pools(*rows), "v", 1)
    assert len(found.thresholds) == 2 + 24
    assert np.diff(found.kept[1:].mean(axis=1)) == pytest.approx(-np.full(24, 1 / 24), abs=0.006)


@pytest.mark.parametrize("cascade", every(), ids=lambda c: f"{c.sureness.rule}-{c.sureness.k}-{c.large.k}")
def test_the_ends_are_the_small_model_alone_and_both_paid(cascade: Cascade) -> None:
    assert cascade.values[0] == pytest.approx(cascade.small.values)
    assert cascade.values[-1] == pytest.approx(cascade.large.values)
    assert cascade.escalated[0] == pytest.approx(0)
    assert cascade.escalated[-1] == pytest.approx(1)
    for unit in ("samples", "tokens", "total_tokens", "flops"):
        costs = cascade.costs(unit)
        assert costs is not None
        assert costs[0] == pytest.approx(cascade.small.costs[unit])
        assert costs[-1] == pytest.approx(cascade.small.costs[unit] + cascade.large.costs[unit])
    assert cascade.costs("dollars") is None
    assert (np.diff(cascade.escalated, axis=0) >= -1e-12).all()
    assert (np.diff(cascade.sureness.right, axis=0) <= 1e-12).all()


def test_a_value_in_between_by_hand() -> None:
    """Kept with chance 1/4, right then in half of the cases; else a large model that is right with chance 0.9."""
    sure = Sureness(VOTES, 2, np.array([-np.inf, 1.0, np.inf]), np.array([[1], [0.25], [0]]), np.zeros((3, 1)) + 0.125)
    small = Alone("s", "majority", 2, np.array([0.3]), {"flops": np.array([10.0])})
    large = Alone("l", "majority", 1, np.array([0.9]), {"flops": np.array([100.0])})
    cascade = Cascade(sure, small, large)
    assert cascade.values[1] == pytest.approx([0.125 + 0.75 * 0.9])
    assert cascade.costs("flops")[1] == pytest.approx([10 + 0.75 * 100])  # type: ignore[index]


def test_a_vote_of_one_is_no_rule() -> None:
    rules = {(c.sureness.rule, c.sureness.k) for c in every()}
    assert rules == {(VOTES, 2), (VOTES, 4), ("v", 1), ("v", 2), ("v", 4)}
    assert {c.large.method for c in every()} == {"majority"}
