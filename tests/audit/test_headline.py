"""How sure a figure is, and whether the best line survives a paired test at equal tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import comb, sqrt
from pathlib import Path

import numpy as np
import pytest
from examined import material, says

from ttc_bench.analysis.stats import EVERY, detectable, holm, sign_flip_p
from ttc_bench.audit.findings import Finding
from ttc_bench.audit.headline import headline
from ttc_bench.audit.spread import dependence, design_effect, power
from ttc_bench.core import CurvePoint


def test_samples_of_one_problem_are_not_independent(tmp_path: Path) -> None:
    """Of 12 problems half are always right and half always wrong: the variance over problems is 12/11 / 4 / 12, that of
    96 samples 1/4 / 96. So the design effect is 8 * 12 / 11: a problem's samples are worth about one."""
    m = material(tmp_path, *([says("1" if p % 2 else "2", i) for i in range(8)] for p in range(12)))
    (found,) = dependence(replace(m, imported=True))
    assert found.severity == "notable"
    assert [f.severity for f in dependence(m)] == ["fine"]  # our own intervals are over problems
    assert found.numbers["design effect"] == pytest.approx(8 * 12 / 11)
    assert found.numbers["standard error"] == pytest.approx(100 * sqrt(12 / 11 / 4 / 12))
    assert found.numbers["standard error, independent"] == pytest.approx(100 * sqrt(1 / 4 / 96))
    assert found.points == pytest.approx(100 * (sqrt(12 / 11 / 4 / 12) - sqrt(1 / 4 / 96)))


def test_problems_that_are_all_alike_are_no_finding(tmp_path: Path) -> None:
    m = material(tmp_path, *([says("1" if i % 2 else "2", i) for i in range(8)] for _ in range(12)))
    (found,) = dependence(replace(m, imported=True))
    assert (found.severity, found.numbers["design effect"]) == ("fine", 0.0)


@pytest.mark.parametrize(("right", "severity"), [((0, 2, 2, 2, 4), "fine"), ((0, 0, 2, 4, 4), "notable")])
def test_a_design_effect_is_told_where_chance_does_not_reach_it(
    tmp_path: Path, right: tuple[int, ...], severity: str
) -> None:
    """Of four samples each. The variances over problems are 1/8 and 1/4, over 5, against 1/4 / 20: 2 and 4, where
    independent samples of five problems stay below 2.4."""
    m = material(tmp_path, *([says("1" if i < n else "2", i) for i in range(4)] for n in right))
    (found,) = dependence(replace(m, imported=True))
    assert found.severity == severity


def test_accuracies_that_say_nothing_of_spread_are_not_asked(tmp_path: Path) -> None:
    m = material(tmp_path, *([says("2", i) for i in range(4)] for _ in range(3)))
    assert list(dependence(replace(m, imported=True))) == []


def test_one_sample_per_problem_needs_no_such_warning(tmp_path: Path) -> None:
    assert list(dependence(material(tmp_path, [says("1")], [says("2")]))) == []


def test_no_design_effect_where_all_are_right() -> None:
    assert design_effect(np.ones(4), 16) is None


def test_the_smallest_difference_that_can_be_seen() -> None:
    """2.8016 standard errors; their sd is 0.1 sqrt(100/99)."""
    differences = [0.1, -0.1] * 50
    assert detectable(differences) == pytest.approx(2.8016 * 0.1 * sqrt(100 / 99) / 10, rel=1e-4)
    (found,) = power("t", [d + 0.01 for d in differences], "cot")
    assert (found.severity, found.points) == ("notable", pytest.approx(2.8157, abs=1e-3))
    (found,) = power("t", [d + 0.05 for d in differences], "cot")
    assert found.severity == "fine"
    assert list(power("t", [0.0] * 9, "cot")) == []


def test_holm_against_a_textbook() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]


@pytest.mark.parametrize(("won", "lost"), [(3, 0), (5, 0), (9, 1), (12, 4), (20, 8)])
def test_of_differences_of_one_size_the_p_value_is_that_of_mcnemar(won: int, lost: int) -> None:
    n = won + lost
    exact = 2 * sum(comb(n, i) for i in range(lost + 1)) / 2**n
    p = sign_flip_p([1.0] * won + [-1.0] * lost + [0.0] * 70, np.random.default_rng(1))
    assert p == pytest.approx(exact, rel=1e-9 if n <= EVERY else 0.15)


def test_the_p_value_of_two_unequal_differences() -> None:
    """Of the four sums 3, 1, -1, -3 two are as far from 0 as 3, and all as far as 1."""
    rng = np.random.default_rng(0)
    assert sign_flip_p([0.1, 0.2], rng) == 0.5
    assert sign_flip_p([-0.1, 0.2], rng) == 1.0
    assert sign_flip_p([0.0, 0.0], rng) == 1.0


def point(method: str, k: int, tokens: float | None, values: Sequence[float], model: str = "m") -> CurvePoint:
    accuracy = sum(values) / len(values)
    return CurvePoint(
        task="t",
        model=model,
        method=method,
        prompt="cot",
        k=k,
        accuracy=accuracy,
        low=0.0,
        high=1.0,
        tokens=tokens,
        total_tokens=tokens,
        problems=len(values),
        samples=8,
        values=tuple(values),
    )


def some(right: int, of: int = 100, first: int = 0) -> list[float]:
    """The problems from `first` on are right, so many."""
    return [float(first <= i < first + right) for i in range(of)]


def found(points: Sequence[CurvePoint]) -> Finding:
    return next(f for f in headline(points) if f.check == "headline")


def test_a_lead_that_only_more_tokens_buy_does_not_survive() -> None:
    """best-of-n leads by 20 points at k = 4, for four times the tokens. At its 1600 tokens the vote is at k = 16."""
    points = [
        point("best-of-n", 4, 1600, some(70)),
        *(point("self-consistency", k, 100 * k, some(right)) for k, right in ((1, 40), (4, 50), (16, 69))),
    ]
    claim = found(points)
    assert claim.severity == "serious"
    assert claim.points == pytest.approx(1)
    assert dict(claim.evidence[0].facts) | {"difference": "", "p (Holm)": 0} == {
        "difference": "",
        "p (Holm)": 0,
        "at equal k": "+20.0 points",
        "claimed unpaired": True,
        "equal cost": True,
    }
    assert "do not hold" in claim.sentence
    assert "self-consistency, cot at k = 16 +1.0 points" in claim.sentence


def test_a_rival_between_two_points_is_their_mixture() -> None:
    """Half way between k = 1 (40 right) and k = 3 (60 right): 50, against 90."""
    points = [
        point("best-of-n", 1, 200, some(90)),
        *(point("self-consistency", k, 100 * k, some(right)) for k, right in ((1, 40), (3, 60))),
    ]
    claim = found(points)
    assert (claim.severity, claim.points) == ("fine", pytest.approx(40))
    assert "at k = 1 or k = 3" in claim.sentence


def test_a_curve_that_ends_early_is_not_drawn_on() -> None:
    claim = found([point("best-of-n", 4, 1600, some(90)), point("cot", 1, 100, some(40))])
    assert "cot at k = 1, its end, +50.0 points" in claim.sentence
    assert claim.evidence[0].facts["equal cost"] is False


def test_a_rival_that_costs_more_from_the_start_is_not_compared() -> None:
    assert list(headline([point("cot", 1, 100, some(90)), point("best-of-n", 1, 900, some(40))])) == []


def test_unknown_tokens_are_compared_at_equal_k() -> None:
    claim = found(
        [point("best-of-n", 4, None, some(90)), *(point("weighted-vote", k, None, some(40)) for k in (1, 4, 8))]
    )
    assert claim.numbers["equal"] == "k"
    assert "equal k, as tokens are not known" in claim.sentence
    assert "at k = 4" in claim.sentence


def test_many_rivals_take_their_toll() -> None:
    """A lead of 7 of 100 problems, none lost, has p = 2 / 2^7 against one rival, and six times that against six."""
    best = point("best-of-n", 1, 100, some(70))
    one = found([best, point("cot", 1, 90, some(63))])
    six = found([best, *(point("cot", 1, 90, some(63), model=f"m{i}") for i in range(6))])
    assert (one.severity, one.numbers["ahead"], one.evidence[0].facts["p (Holm)"]) == ("fine", 1, 0.016)
    assert (six.severity, six.numbers["ahead"], six.evidence[0].facts["p (Holm)"]) == ("notable", 0, 0.094)


def test_one_strategy_under_two_names_is_no_rival() -> None:
    assert list(headline([point("cot", 1, 100, some(50)), point("self-consistency", 1, 100, some(50))])) == []
