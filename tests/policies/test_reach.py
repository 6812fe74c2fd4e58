"""The limits of pass@k hold the truth whatever the problems' chances are, where a law can be far off."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from ttc_bench.policies.reach import CHANCES, _binomial, limits


def test_every_problem_solved_every_time() -> None:
    counts = np.zeros(17)
    counts[16] = 40
    (low, high), (far, _) = limits(counts, [16, 160])
    assert high == pytest.approx(1, abs=1e-3)
    assert 0.9 < low < 1  # 40 of 40 are no certainty
    assert far >= low


def test_limits_rise_and_widen() -> None:
    counts = np.bincount(np.random.default_rng(0).binomial(16, np.random.default_rng(1).beta(0.4, 2, 80)), minlength=17)
    found = np.array(limits(counts.astype(float), [16, 32, 64, 160]))
    assert (np.diff(found, axis=0) >= 0).all()
    assert (np.diff(found[:, 1] - found[:, 0]) > 0).all()


def test_what_is_never_solved_and_what_is_solved_seldom_look_alike() -> None:
    """Half of the problems are solved almost always. That the others have no chance at all, or 0.01, eight samples
    cannot tell, so both futures lie between the limits."""
    counts = np.zeros(9)
    counts[[0, 1, 7, 8]] = 48, 2, 10, 40
    ((low, high),) = limits(counts, [80])
    assert low < 0.55
    assert high > 0.5 + 0.5 * (1 - 0.99**80)


def test_the_limits_are_optima() -> None:
    """Without luck: counts in the proportions of a known mixture. No mixture that gives these proportions exactly lies
    outside (linear programming), as they have the greatest likelihood of all."""
    shares = _binomial(8)[[5, 30]].mean(axis=0)
    ((low, high),) = limits(2_000 * shares, [80])
    solved = 1 - (1 - CHANCES) ** 80
    exact = {"A_eq": np.vstack([_binomial(8).T, np.ones(len(CHANCES))]), "b_eq": np.append(shares, 1)}
    for sign, limit in ((1, low), (-1, high)):
        best = sign * linprog(sign * solved, **exact).fun
        assert sign * (best - limit) >= -2e-3
    assert high - low < 0.25


def test_the_truth_is_held_under_every_population() -> None:
    rng, held = np.random.default_rng(3), []
    populations = (
        lambda q: rng.beta(0.3, 0.6, q),
        lambda q: np.where(rng.random(q) < 0.4, 0, rng.beta(1.5, 3, q)),
        lambda q: np.where(rng.random(q) < 0.5, 0.01, 0.7),
        lambda q: np.where(rng.random(q) < 0.5, rng.beta(4, 36, q), rng.beta(20, 5, q)),
    )
    for population in populations:
        truth = float((1 - (1 - population(200_000)) ** 160).mean())
        for _ in range(12):
            right = rng.binomial(16, population(100))
            ((low, high),) = limits(np.bincount(right, minlength=17).astype(float), [160])
            held.append(low - 1e-3 <= truth <= high + 1e-3)
    assert np.mean(held) >= 0.9
