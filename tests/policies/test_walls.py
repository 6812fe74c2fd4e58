"""A wall is said to be one only where it is, and a climb only where there is one."""

from __future__ import annotations

import numpy as np
import pytest
from futures import drawn, pool_of, two

from ttc_bench.analysis.graded import GradedPool
from ttc_bench.analysis.outlook import Wall
from ttc_bench.policies.extrapolation import votes_of
from ttc_bench.policies.walls import POWER, STEEP, wall


def of(pool: GradedPool) -> Wall:
    found = votes_of(pool)
    at = found.half - 1
    return wall(pool, found.values[:, at].tolist(), found.values[:, -1].tolist(), int(found.x[at]))


def test_decided_problems_are_the_wall() -> None:
    pool = pool_of([["1"] * 8] * 30 + [["2"] * 8] * 10)
    found = of(pool)
    assert found.value == pytest.approx(0.75, abs=0.01)
    assert found.undecided == 0
    assert found.low < 0.75 < found.high
    assert (found.slope, found.since) == (0, 4)


def test_close_problems_are_undecided() -> None:
    """5 against 3 may turn either way, so the wall may stand at either end."""
    found = of(pool_of([["1"] * 5 + ["2"] * 3] * 20 + [["2"] * 5 + ["1"] * 3] * 20))
    assert found.undecided == 1
    assert (found.low, found.high) == (0, 1)
    assert found.value == pytest.approx(0.5)


def test_samples_without_an_answer_never_win() -> None:
    assert of(pool_of([[None] * 8] * 20)).value == 0
    assert of(pool_of([[None] * 7 + ["1"]] * 20)).value > 0.5


def test_the_least_slope_is_what_80_percent_of_experiments_show() -> None:
    """Differences of a known spread, with a true mean of `least`: their intervals lie above 0 in four of five cases."""
    rng = np.random.default_rng(0)
    pool = pool_of([["1", "2"] * 4] * 200)
    before = np.full(200, 0.5)
    least = wall(pool, before.tolist(), np.clip(before + 0.1 * rng.standard_normal(200), 0, 1).tolist(), 4).least
    assert least > (1.96 + POWER) * 0.09 / 200**0.5  # never better than a normal interval
    shown = []
    for _ in range(100):
        after = np.clip(before + least + 0.1 * rng.standard_normal(200), 0, 1)
        shown.append(wall(pool, before.tolist(), after.tolist(), 4).verdict == "still climbing")
    assert 0.7 <= np.mean(shown) <= 0.9


def test_a_climb_is_never_called_flat_and_a_wall_never_a_climb() -> None:
    rng, climbing, settled = np.random.default_rng(2), [], []
    for _ in range(8):
        scattered = np.hstack([np.full((120, 1), 0.3), np.full((120, 14), 0.05)])  # 0.3 against rivals of 0.05 each
        climbing.append(of(drawn(scattered, 8, rng)).verdict)
        settled.append(of(two((rng.random(120) < 0.6).astype(float) * 0.96 + 0.02, 8, rng)).verdict)
    assert set(climbing) == {"still climbing"}
    assert "still climbing" not in settled


def test_many_problems_that_do_not_move_are_flat_and_few_cannot_be_told() -> None:
    rows = [["1"] * 8, ["2"] * 8]
    assert of(pool_of(rows * 300)).verdict == "flat"
    few = of(pool_of(rows * 10))
    assert few.verdict == "cannot be told"
    assert few.slope_high > STEEP


def test_votes_that_get_worse_are_said_to() -> None:
    rng = np.random.default_rng(4)
    assert of(two(np.full(200, 0.3), 8, rng)).verdict == "falling"
