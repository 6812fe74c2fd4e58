"""Estimators and intervals, against enumeration, published values and simulation."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from ttc_bench.analysis.stats import mark_pareto, mean_interval, paired_difference, pass_at_k
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


def test_interval_matches_the_t_table() -> None:
    """Student's t at 97.5 % with 4 degrees of freedom is 2.776."""
    values = [0.2, 0.4, 0.4, 0.6, 0.9]
    mean, low, high = mean_interval(values)
    sd = (sum((v - 0.5) ** 2 for v in values) / 4) ** 0.5
    assert mean == pytest.approx(0.5)
    assert high - mean == pytest.approx(2.776 * sd / 5**0.5, rel=1e-3)
    assert mean - low == pytest.approx(high - mean)


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
    """The same gain of 0.1 on very different problems is resolved when paired, and drowned when not."""
    a = [i / 20 for i in range(18)]
    b = [x + 0.1 + (0.01 if i % 2 else -0.01) for i, x in enumerate(a)]
    mean, low, high = paired_difference(a, b)
    assert low < 0.1 < high
    assert mean == pytest.approx(0.1)
    assert low > 0.09
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
