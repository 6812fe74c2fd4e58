"""Estimators and intervals, against enumeration, published values and simulation."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from ttc_bench.analysis.stats import least_difference, mark_pareto, mean_interval, paired_difference, pass_at_k
from ttc_bench.core import CurvePoint
from ttc_bench.errors import NotEnoughSamples


def test_pass_at_k_equals_enumeration() -> None:
    for n in range(1, 8):
        for c in range(n + 1):
            for k in range(1, n + 1):
                subsets = list(combinations(range(n), k))
                hits = sum(any(i < c for i in s) for s in subsets) / len(subsets)
                assert pass_at_k(n, c, k) == pytest.approx(hits)


def test_pass_at_k_refuses_more_than_there_is() -> None:
    with pytest.raises(NotEnoughSamples):
        pass_at_k(4, 1, 5)


@pytest.mark.parametrize(("right", "of"), [(1, 4), (3, 20), (10, 20), (199, 200)])
def test_right_and_wrong_are_binomial(right: int, of: int) -> None:
    """Between the intervals of Clopper and Pearson, Beta(x + 1, Q - x), and of Jeffreys, Beta(x + 1/2, Q - x + 1/2)."""
    mean, low, high = mean_interval([1.0] * right + [0.0] * (of - right))
    assert mean == right / of
    assert beta(right + 1 / 2, of - right + 1 / 2).ppf(0.975) < high < beta(right + 1, of - right).ppf(0.975)
    assert beta(right, of - right + 1).ppf(0.025) < low < beta(right + 1 / 2, of - right + 1 / 2).ppf(0.025)
    assert high == pytest.approx(beta(right + 2 / 3, of - right + 1 / 3).ppf(0.975))


def test_limits_are_quantiles_of_weighted_means() -> None:
    """What intervals.py says of the added problem, by drawing the weights."""
    rng = np.random.default_rng(1)
    values = [0.2, 0.4, 0.4, 0.6, 0.9, 1.0, 0.0]
    weights = rng.dirichlet([1.0] * 7 + [2 / 3, 1 / 3], 200_000)
    drawn = np.quantile(weights @ [*values, 1, 0], 0.975)
    assert mean_interval(values)[2] == pytest.approx(drawn, abs=0.005)
    differences = [0.0] * 12 + [1.0, -0.5, 0.25]
    weights = rng.dirichlet([1.0] * 15 + [2 / 3, 1 / 3], 200_000)
    drawn = np.quantile(weights @ [*differences, 1, -1], 0.975)
    a = [max(0.0, -d) for d in differences]
    assert paired_difference(a, [x + d for x, d in zip(a, differences, strict=True)])[2] == pytest.approx(
        drawn, abs=0.01
    )


def test_many_problems_agree_with_the_t_interval() -> None:
    values = np.random.default_rng(2).beta(2, 3, 5_000)
    mean, low, high = mean_interval(list(values))
    assert high - mean == pytest.approx(1.96 * values.std() / 5_000**0.5, rel=0.05)
    assert mean - low == pytest.approx(high - mean, rel=0.05)


@given(st.lists(st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.5]), min_size=1, max_size=40))
def test_intervals_hold_the_mean_and_mirror(values: list[float]) -> None:
    mean, low, high = mean_interval(values)
    assert 0 <= low <= mean <= high <= 1
    assert high - low > 0.001 / len(values)
    flipped = mean_interval([1 - v for v in values])
    assert flipped == pytest.approx((1 - mean, 1 - high, 1 - low), abs=1e-6)
    if len(values) > 1:
        other = values[::-1]
        mean, low, high = paired_difference(values, other)
        assert -1 <= low <= mean <= high <= 1
        assert high - low > 0.001 / len(values)
        assert paired_difference(other, values) == pytest.approx((-mean, -high, -low), abs=1e-6)


@pytest.mark.parametrize("mean", [0.02, 0.98])
def test_interval_holds_at_the_edges(mean: float) -> None:
    """50 problems, 16 samples each, half of the mean in a few problems that are always solved: sd / sqrt(Q) is too small
    whenever there is none of them among the 50, and t covers a half."""
    rng, held = np.random.default_rng(3), 0
    for _ in range(500):
        chances = np.where(rng.random(50) < 0.01, 1.0, 0.01 / 0.99)
        values = rng.binomial(16, chances) / 16
        _, low, high = mean_interval(list(values if mean < 0.5 else 1 - values))
        held += low <= mean <= high
    assert held / 500 >= 0.92


def test_no_difference_is_not_certain() -> None:
    """None of 60 problems differ: the exact bound, and a problem that differs by a sixteenth changes little."""
    nobody = paired_difference([0.5] * 60, [0.5] * 60)
    assert nobody == pytest.approx((0, -0.0596, 0.0596), abs=1e-4)
    mean, low, high = paired_difference([0.5] * 60, [0.5625] + [0.5] * 59)
    assert (low, high) == pytest.approx(nobody[1:], abs=0.004)
    assert mean == pytest.approx(0.0625 / 60)


def test_differences_are_covered_where_few_problems_differ() -> None:
    """One problem in 20 turns from wrong to right; t covers 0.87 to 0.90 of such cases."""
    rng, held = np.random.default_rng(4), 0
    for _ in range(500):
        turned = (rng.random(50) < 0.05).astype(float)
        _, low, high = paired_difference([0.0] * 50, list(turned))
        held += low <= 0.05 <= high
    assert held / 500 >= 0.92


def test_the_best_of_several_is_judged_more_strictly() -> None:
    a, b = [0.0] * 50, [1.0] * 10 + [0.0] * 40
    assert least_difference(a, b, 1) == paired_difference(a, b)[1]
    assert least_difference(a, b, 6) < least_difference(a, b, 2) < paired_difference(a, b)[1]


def test_interval_covers_at_its_rate() -> None:
    """40 problems with different chances, 8 samples each: 95 % intervals hold the truth about 95 times in 100."""
    rng = random.Random(1)
    held = trials = 0
    for _ in range(600):
        chances = [rng.betavariate(1, 1) for _ in range(40)]
        values = [sum(rng.random() < p for _ in range(8)) / 8 for p in chances]
        _, low, high = mean_interval(values)
        held += low <= 0.5 <= high
        trials += 1
    assert 0.92 <= held / trials <= 0.98


@pytest.mark.parametrize(("value", "n"), [(0.0, 20), (1.0, 20)])
def test_all_alike_is_not_certain(value: float, n: int) -> None:
    """sd = 0 would print [1.000, 1.000] for 20 right of 20; the exact binomial bound is 16.8 % wide."""
    mean, low, high = mean_interval([value] * n)
    assert mean == value
    assert high - low == pytest.approx(0.1684, abs=1e-3)


def test_one_problem_tells_nothing() -> None:
    assert mean_interval([0.75]) == (0.75, 0.0, 1.0)


def test_pairing_removes_the_difference_between_problems() -> None:
    """The same gain of 0.05 on very different problems is resolved when paired, and drowned when not."""
    a = [i / 200 for i in range(180)]
    b = [x + 0.05 + (0.01 if i % 2 else -0.01) for i, x in enumerate(a)]
    mean, low, high = paired_difference(a, b)
    assert low < 0.05 < high
    assert mean == pytest.approx(0.05)
    assert low > 0.02
    assert mean_interval(b)[1] < mean_interval(a)[2]  # unpaired intervals overlap


def point(method: str, tokens: float, accuracy: float, bound: bool = False) -> CurvePoint:
    return CurvePoint("t", "m", method, "cot", 1, accuracy, 0, 1, tokens, tokens, 10, 4, bound=bound)


def test_pareto_front() -> None:
    cheap = point("direct", 5, 0.2)
    better = point("cot", 50, 0.5)
    wasteful = point("self-consistency", 60, 0.5)
    bound = point("pass@k", 5, 0.9, bound=True)
    marked = mark_pareto([cheap, better, wasteful, bound])
    assert [p.pareto for p in marked] == [True, True, False, False]


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_rounding_does_not_make_certainty(edge: float) -> None:
    """Weights that sum to 0.9999999999999999 slipped past the exact bound: 8 of 8 problems gave [1.000, 1.000]."""
    nearly = [edge, abs(edge - 1e-16), abs(edge - 3e-13)] * 3
    assert mean_interval(nearly) == mean_interval([edge] * 9)
