"""Mixtures, hulls and budgets: what a straight line and a linear programme say."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from ttc_bench.policies.hull import allocate, along, folds, hull, mixed

WAYS, PROBLEMS = 7, 12


def ways(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Values and costs, [way, problem]; the first way costs nothing and knows nothing."""
    rng = np.random.default_rng(seed)
    values, costs = rng.random((WAYS, PROBLEMS)), rng.random((WAYS, PROBLEMS)) * 10
    values[0] = costs[0] = 0
    return values, costs


place = st.tuples(st.integers(0, 6), st.integers(0, 6))


@given(points=st.lists(place, min_size=1, max_size=12))
def test_a_hull_is_concave_and_nothing_lies_above_it(points: list[tuple[int, int]]) -> None:
    costs, values = (np.array(column, float) for column in zip(*points, strict=True))
    corners = hull(costs, values)
    slopes = [(values[b] - values[a]) / (costs[b] - costs[a]) for a, b in pairwise(corners)]
    assert slopes == sorted(slopes, reverse=True)
    assert len(set(slopes)) == len(slopes)
    assert all(slope > 0 for slope in slopes)
    assert costs[corners[0]] == costs.min()
    assert values[corners[-1]] == values.max()
    assert (values <= np.interp(costs, costs[corners], values[corners]) + 1e-12).all()


def test_a_mixture_is_on_the_straight_line() -> None:
    values, costs = ways(0)
    corners = hull(costs.mean(1), values.mean(1))
    a, b = corners[:2]
    for share in (0.0, 0.25, 0.9):
        budget = (1 - share) * costs[a].mean() + share * costs[b].mean()
        mixture = along(corners, costs.mean(1), budget)
        assert sum(mixture.values()) == pytest.approx(1)
        assert mixed(mixture, costs).mean() == pytest.approx(budget)
        assert mixed(mixture, values) == pytest.approx((1 - share) * values[a] + share * values[b])


def test_beyond_its_ends_a_hull_has_its_ends() -> None:
    costs = np.array([2.0, 5.0])
    assert along([0, 1], costs, 1.0) == {0: 1.0}
    assert along([0, 1], costs, 9.0) == {1: 1.0}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("budget", [0.0, 0.4, 2.0, 4.0, 100.0])
def test_a_budget_is_shared_out_as_a_linear_programme_would(seed: int, budget: float) -> None:
    values, costs = ways(seed)
    levels = [np.array([0, 1, 2]), np.arange(3, 8), np.arange(8, 12)]
    chosen = allocate(values, costs, levels, budget)
    total = sum(float(mixed(m, values)[p].sum()) for m, p in zip(chosen, levels, strict=True)) / PROBLEMS
    spent = sum(float(mixed(m, costs)[p].sum()) for m, p in zip(chosen, levels, strict=True)) / PROBLEMS
    gain = np.concatenate([values[:, p].sum(1) for p in levels]) / PROBLEMS
    price = np.concatenate([costs[:, p].sum(1) for p in levels]) / PROBLEMS
    one_each = np.kron(np.eye(3), np.ones(WAYS))
    best = linprog(-gain, A_ub=[price], b_ub=[budget], A_eq=one_each, b_eq=np.ones(3))
    assert spent <= budget + 1e-12
    assert total == pytest.approx(-best.fun)
    assert sum(len(m) - 1 for m in chosen) <= 1  # at most one level needs a mixture


@pytest.mark.parametrize("seed", range(4))
def test_levels_that_are_told_apart_are_never_worse_on_the_problems_they_were_chosen_on(seed: int) -> None:
    values, costs = ways(seed)
    halves = [np.arange(6), np.arange(6, 12)]
    for budget in (0.5, 2.0, 3.5):
        (whole,) = allocate(values, costs, [np.arange(12)], budget)
        parts = allocate(values, costs, halves, budget)
        apart = sum(float(mixed(m, values)[p].sum()) for m, p in zip(parts, halves, strict=True)) / 12
        assert apart >= mixed(whole, values).mean() - 1e-12


def test_every_part_has_its_share_of_every_level() -> None:
    levels = [np.arange(9), np.arange(9, 15)]
    parts = folds(levels, 3)
    assert sorted(np.concatenate(parts).tolist()) == list(range(15))
    assert all(np.isin(part, levels[0]).sum() == 3 for part in parts)
    assert [p.tolist() for p in folds(levels, 3)] == [p.tolist() for p in parts]
    assert [p.tolist() for p in folds(levels, 3, seed=1)] != [p.tolist() for p in parts]
