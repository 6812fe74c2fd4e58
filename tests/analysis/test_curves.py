"""Curves of votes that draw subsets at random: the error that this adds, and how many are drawn."""

from __future__ import annotations

import math
import random

import pytest
from judged import Row, pools

from ttc_bench.analysis import curves
from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.curves import bound, curve
from ttc_bench.strategies import subsets
from ttc_bench.strategies.methods import METHODS
from ttc_bench.strategies.subsets import BEARABLE

DRAWS = 32


def problem(rng: random.Random, right: float, n: int = 16) -> list[Row]:
    return [("1" if rng.random() < right else rng.choice("234"), rng.random()) for _ in range(n)]


@pytest.mark.parametrize("method", ["weighted-vote", "cisc", "filtered-vote"])
def test_the_error_of_random_subsets_is_small_beside_the_interval(method: str) -> None:
    """300 problems that are all alike leave a narrow interval, and every vote is open: 32 subsets are too few."""
    rng = random.Random(5)
    alike = pools(*(problem(rng, 0.45) for _ in range(300)))
    point = {m.point.k: m.point for m in curve(METHODS[method], "v", alike, Rates())}
    half_width = (point[8].high - point[8].low) / 2
    assert 0 < point[8].mc_error <= BEARABLE * half_width
    with_few = math.sqrt(sum(v * (1 - v) for v in point[8].values) / (DRAWS - 1)) / 300
    assert with_few > BEARABLE * half_width  # so that many more were drawn
    assert point[16].mc_error == point[1].mc_error == 0  # one subset, and nothing to choose


def test_few_subsets_are_enough_for_few_problems() -> None:
    rng = random.Random(6)
    few = pools(*(problem(rng, right) for right in (0.1, 0.4, 0.6, 0.9)))
    (point,) = (m.point for m in curve(METHODS["cisc"], "v", few, Rates()) if m.point.k == 8)
    assert point.mc_error == pytest.approx(math.sqrt(sum(v * (1 - v) for v in point.values) / (DRAWS - 1)) / 4)


def test_the_number_of_subsets_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """All problems the same: the interval is as narrow as it gets."""
    monkeypatch.setattr(subsets, "MOST", 100)
    alike = pools(*([problem(random.Random(7), 0.45)] * 100))
    (point,) = (m.point for m in curve(METHODS["filtered-vote"], "v", alike, Rates()) if m.point.k == 8)
    value = point.values[0]
    assert point.mc_error == pytest.approx(math.sqrt(value * (1 - value) / 99 / 100))
    assert point.mc_error > BEARABLE * (point.high - point.low) / 2


def test_a_perfect_verifier_reaches_pass_at_k_and_no_more() -> None:
    """Estimates are cut to pass@k as a whole. Cut problem by problem, the lucky ones would lose what the unlucky ones
    lack, and the mean would be too small by much more than its error."""
    rng = random.Random(8)
    rows = [[(a, float(a == "1")) for a, _ in problem(rng, 0.1)] for _ in range(200)]
    judged = pools(*rows)
    reach = {m.point.k: m.point.accuracy for m in bound(judged, Rates())}
    (point,) = (m.point for m in curve(METHODS["weighted-vote"], "v", judged, Rates()) if m.point.k == 8)
    assert abs(point.accuracy - reach[8]) < 3 * point.mc_error
    assert point.accuracy <= reach[8] + 1e-12


@pytest.mark.parametrize("method", ["self-consistency", "best-of-n", "weighted-vote"])
def test_several_processes_draw_the_same_curve(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(9)
    rows = [problem(rng, rng.random()) for _ in range(30)]
    verifier = "v" if METHODS[method].verified else ""
    here = [m.point for m in curve(METHODS[method], verifier, pools(*rows), Rates())]
    monkeypatch.setattr(curves, "MANY", 1)
    monkeypatch.setattr(curves, "AT_ONCE", 7)
    there = [m.point for m in curve(METHODS[method], verifier, pools(*rows), Rates())]
    assert there == here
    assert [p.values for p in there] == [p.values for p in here]
