"""Every law keeps to 0..1, finds itself again, and knows what a curve that does not move is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betaln
from scipy.stats import betabinom

from ttc_bench.policies.laws import (
    BUDGET_LAWS,
    PASS_LAWS,
    VOTE_LAWS,
    BetaBinomial,
    Curves,
    ExponentiatedPower,
    Law,
    LogLinear,
    Saturating,
)

EVERY = list(dict.fromkeys((*PASS_LAWS, *VOTE_LAWS, *BUDGET_LAWS)))
X = np.array([1.0, 2, 4, 8, 16])
FAR = np.array([16.0, 32, 64, 160, 1600])


def curves(values: np.ndarray, rights: np.ndarray | None = None) -> Curves:
    if rights is None:
        rights = np.eye(17)[np.clip(np.round(16 * values[:, 0]).astype(int), 0, 16)]
    return Curves(X, values, rights, 100)


@pytest.mark.parametrize("law", EVERY, ids=lambda law: law.name)
def test_forecasts_stay_within_0_and_1(law: Law) -> None:
    rng = np.random.default_rng(0)
    values = np.vstack([np.sort(rng.random((50, 5)), axis=1), rng.random((50, 5)), np.zeros((1, 5)), np.ones((1, 5))])
    found = law.forecast(curves(values), FAR)
    assert found.shape == (102, 5)
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.isfinite(found).all()


@pytest.mark.parametrize("law", EVERY, ids=lambda law: law.name)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_what_is_all_wrong_or_all_right_stays_so(law: Law, level: float) -> None:
    found = law.forecast(curves(np.full((1, 5), level)), FAR)
    assert found == pytest.approx(level, abs=0.005)  # chances of 1/404 and 403/404 are the least and most of a beta law


@pytest.mark.parametrize("law", [p for p in EVERY if not isinstance(p, BetaBinomial)], ids=lambda law: law.name)
def test_a_level_curve_goes_on_level(law: Law) -> None:
    assert law.forecast(curves(np.full((1, 5), 0.4)), FAR) == pytest.approx(0.4)


def test_a_law_finds_itself_again() -> None:
    shapes = {
        Saturating(): 0.7 - 0.3 * FAR**-0.5,
        Saturating("exponential", exponential=True): 0.7 - 0.3 * np.exp(-FAR / 16),
        LogLinear(): 0.2 + 0.03 * np.log(FAR),
        ExponentiatedPower(): np.exp(-1.2 * FAR**-0.4),
    }
    known = {
        Saturating(): 0.7 - 0.3 * X**-0.5,
        Saturating("exponential", exponential=True): 0.7 - 0.3 * np.exp(-X / 16),
        LogLinear(): 0.2 + 0.03 * np.log(X),
        ExponentiatedPower(): np.exp(-1.2 * X**-0.4),
    }
    for law, values in known.items():
        assert law.forecast(curves(values[None]), FAR)[0] == pytest.approx(shapes[law], abs=0.015), law.name


@pytest.mark.parametrize(("a", "b"), [(0.5, 1.0), (0.3, 3.0), (4.0, 8.0)])
def test_a_known_beta_is_recovered(a: float, b: float) -> None:
    """From the shares of problems with c of 16 right themselves, without luck."""
    rights = betabinom.pmf(np.arange(17), 16, a, b)[None]
    known = Curves(X, np.zeros((1, 5)), rights, 5_000)
    truth = 1 - np.exp(betaln(a, b + FAR) - betaln(a, b))
    assert BetaBinomial().forecast(known, FAR)[0] == pytest.approx(truth, abs=0.01)
    assert BetaBinomial("of the unsolved", unsolved=True).forecast(known, FAR)[0] == pytest.approx(truth, abs=0.01)


def test_the_conditional_form_starts_from_what_is_solved() -> None:
    """40 problems of 100 are unsolved: the others stay solved whatever the fitted distribution says of them."""
    rights = np.zeros((1, 17))
    rights[0, [0, 1, 16]] = 0.4, 0.1, 0.5
    found = BetaBinomial("of the unsolved", unsolved=True).forecast(Curves(X, np.zeros((1, 5)), rights, 100), FAR)[0]
    assert found[0] == pytest.approx(0.6)
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("law", PASS_LAWS, ids=lambda law: law.name)
def test_pass_at_k_never_falls(law: Law) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        right = rng.binomial(16, rng.beta(0.5, 1, 60))
        values = np.array([[(1 - (1 - right / 16) ** k).mean() for k in X]])
        found = law.forecast(Curves(X, values, np.bincount(right, minlength=17)[None] / 60, 60), FAR)
        assert (np.diff(found[0]) >= -1e-12).all()
