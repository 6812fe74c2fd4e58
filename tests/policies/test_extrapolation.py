"""Forecasts of whole pools: laws that hold for every pool, and seeded simulations where the truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from futures import cut, pool_of, two
from scipy.stats import hypergeom

from ttc_bench.analysis.graded import GradedPool
from ttc_bench.analysis.outlook import Outlook
from ttc_bench.policies.extrapolation import foretell, hits, outlooks, passes_of, votes_of
from ttc_bench.policies.prospects import rows, sentences


def both(pool: GradedPool) -> tuple[Outlook, Outlook]:
    votes, passes = outlooks([pool], ["cot"])
    return votes, passes


def beta(a: float, b: float, problems: int = 60, samples: int = 16, seed: int = 0) -> GradedPool:
    rng = np.random.default_rng(seed)
    return two(rng.beta(a, b, problems), samples, rng)


def test_hits_are_hypergeometric() -> None:
    pool = pool_of([["1"] * right + ["2"] * (8 - right) for right in range(9)])
    for k in (1, 3, 8):
        expected = [hypergeom.pmf(np.arange(k + 1), 8, right, k) for right in range(9)]
        assert hits(pool, k) == pytest.approx(np.array(expected), abs=1e-12)


def test_problems_of_different_depth_count_alike() -> None:
    """One that was sampled more often is reduced to the depth of all, exactly."""
    uneven = pool_of([["1"] * 8, ["1"] * 8 + ["2"] * 8])
    assert hits(uneven, 8)[1] == pytest.approx(hypergeom.pmf(np.arange(9), 16, 8, 8))


def test_all_right_stays_right() -> None:
    for o in both(pool_of([["1"] * 8] * 30)):
        assert [f.value for f in o.ahead] == pytest.approx([1, 1, 1], abs=1e-3)
        assert all(0.8 < f.low < 1 and f.high == pytest.approx(1, abs=1e-3) for f in o.ahead)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.6), (2, 5), (0.2, 8), (30, 1)])
def test_forecasts_keep_the_laws(a: float, b: float) -> None:
    votes, passes = both(beta(a, b))
    for o in (votes, passes):
        assert [f.at for f in o.ahead] == [32, 64, 160]
        for f in o.ahead:
            assert 0 <= f.low <= f.value <= f.high <= 1
            assert f.low - 1e-9 <= f.law_low or o.what == "pass@k"
        assert o.now_low <= o.now <= o.now_high
        assert [t.typical for t in o.trials] == sorted(t.typical for t in o.trials)
    rising = [passes.now, *(f.value for f in passes.ahead)]
    assert rising == sorted(rising)
    assert all(p.value >= v.value - 1e-9 for p, v in zip(passes.ahead, votes.ahead, strict=True))


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.6), (0.2, 8)])
def test_intervals_widen_with_the_horizon(a: float, b: float) -> None:
    votes, passes = both(beta(a, b))
    for o in (votes, passes):
        below = [f.value - f.low for f in o.ahead if f.low > 0]
        above = [f.high - f.value for f in o.ahead if f.high < 1]
        widths = [f.high - f.low for f in o.ahead if f.high < 1]
        assert widths == sorted(widths)
        assert o.what == "pass@k" or (below == sorted(below) and above == sorted(above))


def test_up_to_n_a_forecast_agrees_with_the_exact_curve() -> None:
    """Laws fitted to half of the samples meet the exact curve at all of them, within the interval of what half
    foretells."""
    votes, passes = both(beta(0.4, 1.2, 100))
    for o in (votes, passes):
        best = o.trials[0]
        assert best.held
        assert abs(best.error) < 0.02
        assert best.low <= best.error <= best.high


def test_the_truth_is_held() -> None:
    """24 pools of three shapes of chances; benchmarks/forecast_coverage.py looks at hundreds, of more shapes."""
    rng, held = np.random.default_rng(7), {"pass@k": [], "maj@k": []}
    for a, b in ((0.3, 0.6), (2, 5), (1, 1)):
        whole = rng.beta(a, b, 100_000)
        truth = {"pass@k": float((1 - (1 - whole) ** 80).mean()), "maj@k": _majority(whole, 80)}
        for _ in range(8):
            for o in both(two(rng.beta(a, b, 40), 8, rng)):
                last = o.ahead[-1]
                held[o.what].append(last.low - 1e-3 <= truth[o.what] <= last.high + 1e-3)
    assert np.mean(held["pass@k"]) >= 0.9
    assert np.mean(held["maj@k"]) >= 0.9


def _majority(chances: np.ndarray, k: int) -> float:
    """maj@k of two answers, by simulation."""
    right = np.random.default_rng(0).binomial(k, chances)
    return float(((right > k / 2) + 0.5 * (right == k / 2)).mean())


def test_equal_pools_have_equal_forecasts() -> None:
    assert both(beta(0.5, 1)) == both(beta(0.5, 1))


def test_a_curve_over_budgets_goes_on() -> None:
    """Chances saturate at 0.6: so does the forecast, and a straight line does not."""
    rng, amounts = np.random.default_rng(0), (8, 16, 32, 64, 128, 256, 512)
    base = rng.beta(8, 2, 80)
    pool = two(base, 8, rng)
    steps = [cut(pool, amount, base * 0.75 * (1 - np.exp(-amount / 24)), 8, rng) for amount in amounts]
    (found,) = outlooks([pool, *steps], [])
    assert (found.what, found.largest) == ("budget", 512)
    assert found.ahead[-1].at == 5120
    assert found.trials[0].law != "log-linear"
    assert found.ahead[-1].value == pytest.approx(0.6, abs=0.06)
    assert found.ahead[-1].low <= 0.6 <= found.ahead[-1].high
    assert found.wall is None


def test_what_is_too_small_has_one_sentence() -> None:
    small, few = pool_of([["1"] * 4] * 20), pool_of([["1"] * 8] * 5)
    two_budgets = [replace(few, change=replace(few.change, kind="budget", amount=n)) for n in (8, 16)]
    said = sentences(outlooks([small], ["cot"]))
    assert said == ["chain-arithmetic, m, cot: 4 samples per problem, and a forecast needs 8; --samples 8 adds them."]
    said = sentences(outlooks([few, *two_budgets], ["cot"]))
    assert said[0].endswith("5 problems, and a forecast needs 10; a larger --limit adds them.")
    assert "2 thinking budgets, and a forecast needs 4" in said[1]
    assert rows(outlooks([small], ["cot"])) == []
    assert outlooks([small], []) == []  # its prompt is not voted on
    assert outlooks([replace(small, problems=())], ["cot"]) == []


def test_a_sentence_holds_the_numbers() -> None:
    votes, passes = both(beta(0.3, 0.6))
    said, reached = sentences([votes, passes])
    last = votes.ahead[-1]
    assert f"with 10 times the samples, a majority of 160 would reach {last.value:.2f} [{last.low:.2f}, " in said
    assert votes.trials[0].law in said
    assert votes.wall is not None
    assert f"{votes.wall.slope:+.3f} [" in said
    assert ("cannot be told" in said) == (votes.wall.verdict == "cannot be told")
    assert "perfect verifier choosing from 160" in reached


def test_rows_are_one_table() -> None:
    votes, passes = both(beta(0.3, 0.6))
    table = rows([votes, passes])
    assert len({tuple(row) for row in table}) == 1
    assert [(row["what"], row["times"]) for row in table] == [
        (w, t) for w in ("maj@k", "pass@k") for t in (1, 2, 4, 10)
    ]
    assert table[0]["accuracy"] == votes.now
    assert table[3]["low"] == votes.ahead[-1].low
    assert (table[0]["verdict"] is None, table[4]["verdict"] is None) == (False, True)


def test_the_bootstrap_is_over_problems() -> None:
    """Four times the problems halve the interval of the law, whatever their samples."""
    few, many = (foretell("maj@k", votes_of(beta(1, 1, q)))[1][0] for q in (50, 200))
    assert (few.law_high - few.law_low) / (many.law_high - many.law_low) == pytest.approx(2, rel=0.25)


def test_evidence_has_its_half() -> None:
    for samples, half in ((8, 4), (9, 4), (12, 6), (16, 8)):
        pool = beta(1, 1, 12, samples)
        for evidence in (votes_of(pool), passes_of(pool)):
            assert evidence.x[evidence.half - 1] == half
            assert evidence.x[-1] == samples
