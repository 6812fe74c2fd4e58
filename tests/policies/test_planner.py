"""Plans keep to their budget, are judged on other problems, and do not take luck for merit."""

from __future__ import annotations

import numpy as np
import pytest

from ttc_bench.core import Problem
from ttc_bench.errors import TtcError
from ttc_bench.policies.hull import mixed
from ttc_bench.policies.planner import Judged, Plans, plans
from ttc_bench.policies.spending import Configuration


def problems(count: int, levels: int = 1) -> list[Problem]:
    return [Problem(f"p{i}", "?", "1", difficulty=float(i % levels)) for i in range(count)]


def way(name: str, values: np.ndarray, cost: float) -> Configuration:
    return Configuration(name, values, {"flops": np.full(len(values), cost)})


def spent(found: Plans, judged: Judged) -> float:
    """In the mean over the problems that the plan was chosen on."""
    costs = np.stack([w.costs[found.unit] for w in found.ways])
    places = [found.places[level] if level else np.arange(found.problems) for level in judged.levels]
    total = sum(float(mixed(m, costs[:, p]).sum()) for m, p in zip(judged.chosen, places, strict=True))
    return total / found.problems


def random_ways(seed: int, count: int = 60) -> list[Configuration]:
    rng = np.random.default_rng(seed)
    skill = np.linspace(0.1, 0.8, 6)
    return [way(f"w{i}", np.clip(rng.normal(s, 0.2, count), 0, 1), 4.0**i) for i, s in enumerate(skill)]


@pytest.mark.parametrize("budget", [0.3, 1.0, 7.0, 300.0, 5000.0])
@pytest.mark.parametrize("seed", range(3))
def test_no_plan_spends_more_than_the_budget(seed: int, budget: float) -> None:
    found = plans("t", problems(60, 3), random_ways(seed), "flops", budget)
    assert found.by_level is not None
    for judged in (found.single, found.mixture, found.by_level):
        assert spent(found, judged) <= budget * (1 + 1e-12)
        assert judged.regret == pytest.approx(judged.oracle - judged.crossed[0])
    assert found.mixture.oracle >= found.single.oracle - 1e-12
    assert found.by_level.oracle >= found.mixture.oracle - 1e-12


def test_a_mixture_uses_a_budget_that_no_configuration_meets() -> None:
    """Half of the problems by the cheap way and half by the dear one, exactly on the line between them."""
    ways = [way("cheap", np.full(40, 0.4), 10.0), way("dear", np.full(40, 0.8), 30.0)]
    found = plans("t", problems(40), ways, "flops", 20.0)
    assert found.mixture.chosen == [{1: pytest.approx(0.5), 2: pytest.approx(0.5)}]
    assert found.mixture.crossed[0] == pytest.approx(0.6)
    assert found.mixture.spent == pytest.approx(20.0)
    assert found.single.crossed[0] == pytest.approx(0.4)
    assert found.mixture.over_single[0] == pytest.approx(0.2)
    assert found.mixture.over_single[1] > 0


def test_a_budget_that_is_too_small_leaves_problems_unanswered() -> None:
    found = plans("t", problems(40), [way("only", np.full(40, 0.5), 10.0)], "flops", 4.0)
    assert found.mixture.chosen == [{0: pytest.approx(0.6), 1: pytest.approx(0.4)}]
    assert found.mixture.crossed[0] == pytest.approx(0.2)
    assert found.single.crossed[0] == 0


def test_levels_that_are_known_beforehand_take_what_they_need() -> None:
    """Easy problems gain nothing by the dear way, hard ones everything."""
    hard = np.array([i % 2 == 1 for i in range(60)])
    ways = [way("cheap", np.where(hard, 0.0, 0.9), 1.0), way("dear", np.full(60, 0.9), 11.0)]
    found = plans("t", problems(60, 2), ways, "flops", 6.0)
    assert found.by_level is not None
    assert found.by_level.levels == ("0", "1")
    assert found.by_level.chosen == [{1: 1.0}, {2: pytest.approx(1.0)}]
    assert found.by_level.crossed[0] == pytest.approx(0.9)
    assert found.mixture.crossed[0] == pytest.approx(0.675)


def test_levels_of_few_problems_are_put_together() -> None:
    assert list(plans("t", problems(60, 10), random_ways(0), "flops", 3.0).places) == [
        "0 to 1",
        "2 to 3",
        "4 to 5",
        "6 to 7",
        "8 to 9",
    ]
    unknown = [*problems(59, 3), Problem("x", "?", "1")]
    assert plans("t", unknown, random_ways(0), "flops", 3.0).by_level is None
    assert plans("t", problems(60, 1), random_ways(0), "flops", 3.0).by_level is None


def test_luck_is_not_taken_for_merit() -> None:
    """Forty configurations of equal cost and merit: the best on the same problems looks better than any is, the
    cross-fitted one does not."""
    plain, crossed = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        ways = [way(f"w{i}", rng.integers(0, 2, 40).astype(float), 1.0) for i in range(40)]
        found = plans("t", problems(40), ways, "flops", 1.0, seed)
        plain.append(found.mixture.oracle)
        crossed.append(found.mixture.crossed[0])
    error = np.std(crossed) / len(crossed) ** 0.5
    assert np.mean(crossed) <= 0.5 + 3 * error
    assert np.mean(plain) > 0.5 + 0.1


def test_what_is_not_known_in_a_unit_is_left_out() -> None:
    ways = [*random_ways(0), Configuration("unpriced", np.ones(60), {"tokens": np.ones(60)})]
    assert "unpriced" not in [w.name for w in plans("t", problems(60), ways, "flops", 3.0).ways]


def test_too_few_problems_are_said() -> None:
    with pytest.raises(TtcError, match="t: a plan is judged on problems that it was not chosen on: 3 are too few"):
        plans("t", problems(3), [way("w", np.ones(3), 1.0)], "flops", 1.0)
