"""The chances of a leader's share, held against all subsets."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged import FREE, of_answers

from ttc_bench.analysis.curves import candidates_of
from ttc_bench.policies.leading import leading
from ttc_bench.strategies.exact import MajorityVote

answers = st.lists(st.sampled_from(["1", "2", "3", None]), min_size=1, max_size=7)


def by_counting(drawn_from: list[str | None], k: int) -> tuple[list[float], list[float]]:
    chances, right = [0.0] * (k + 1), [0.0] * (k + 1)
    subsets = list(combinations(drawn_from, k))
    for subset in subsets:
        votes = Counter(a for a in subset if a is not None)
        most = max(votes.values(), default=0)
        winners = [a for a, v in votes.items() if v == most]
        chances[most] += 1 / len(subsets)
        right[most] += winners.count("1") / max(len(winners), 1) / len(subsets)
    return chances, right


@settings(deadline=None)
@given(given=answers, data=st.data())
def test_the_leader_is_counted_over_all_subsets(given: list[str | None], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(given)))
    chances, right = leading(of_answers("p", given, FREE), k)
    expected = by_counting(given, k)
    assert chances.tolist() == pytest.approx(expected[0], abs=1e-12)
    assert right.tolist() == pytest.approx(expected[1], abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 7, 64, 200])
def test_over_all_shares_it_is_the_majority_vote(k: int) -> None:
    rng = np.random.default_rng(3)
    g = of_answers("p", [str(a) if a < 40 else None for a in rng.geometric(0.1, 200)], FREE)
    chances, right = leading(g, k)
    assert chances.sum() == pytest.approx(1, abs=1e-12)
    (vote,) = MajorityVote().outcomes(candidates_of(g, ""), [k])
    assert right.sum() == pytest.approx(float(vote.weights @ g.samples.correct), abs=1e-11)
    assert (right <= chances + 1e-12).all()
