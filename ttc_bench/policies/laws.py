"""Laws by which a curve may go on beyond its last point. Pure.

A law is fitted to many replicates of a pool at once (the pool itself, and bootstraps of its problems), so everything is an
array [replicate, ...]. None has more than three parameters: a curve of five points carries no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
LEAST = 1e-9  # chances are kept this far from 0 and 1 where a logarithm is taken
SHAPES = np.geomspace(0.25, 2.5, 12)  # exponents of a saturating law, or scales in units of the largest x
RIDGE = 1e-6  # squared error that a factor of e in a shape has to save: two points alone do not choose one


@dataclass(frozen=True, eq=False)
class Curves:
    """What is known of a curve: `values` [replicate, point] at `x` [point], rising. `rights` [replicate, c]: the share
    of the `problems` with c of x[-1] samples right, for c = 0..x[-1]; only curves of pass@k have it."""

    x: Array
    values: Array
    rights: Array | None = None
    problems: int = 0

    @cached_property
    def weights(self) -> Array:
        """[replicate, grid]: how likely each (a, b) of `beta_grid` is, by the beta-binomial likelihood of `rights`."""
        assert self.rights is not None
        likelihood = self.problems * (self.rights @ _beta_binomial(round(float(self.x[-1]))).T)
        weights = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


class Law(Protocol):
    """A way for a curve to go on."""

    @property
    def name(self) -> str:
        """As people read it."""

    def forecast(self, known: Curves, x: Array) -> Array:
        """[replicate, place]: the accuracy, in 0..1, at places `x` beyond the last known one."""


@dataclass(frozen=True)
class Flat:
    """Nothing changes any more."""

    name: str = "no change"

    def forecast(self, known: Curves, x: Array) -> Array:
        return np.repeat(known.values[:, -1:], len(x), axis=1)


@dataclass(frozen=True)
class LogLinear:
    """a + b log x through the points of the last two doublings, cut to 0..1."""

    name: str = "log-linear"

    def forecast(self, known: Curves, x: Array) -> Array:
        late = known.x >= known.x[-1] / 4
        late[-2:] = True
        return _line(np.log(known.x[late]), known.values[:, late], np.ones(int(late.sum())), np.log(x))


@dataclass(frozen=True)
class Saturating:
    """a - b x^-c, or a - b exp(-x / c) if `exponential`, by least squares; the last points, which the forecast starts
    from, weigh most (by the root of x). For each c on a grid a and b have a closed form. Cut to 0..1."""

    name: str = "saturating power"
    exponential: bool = False

    def forecast(self, known: Curves, x: Array) -> Array:
        weights = np.sqrt(known.x / known.x[-1])
        errors, found = [], []
        for shape in SHAPES:
            inner, outer = self._shaped(known.x, known.x[-1], shape), self._shaped(x, known.x[-1], shape)
            at = _line(inner, known.values, weights, np.concatenate([inner, outer]), cut=False)
            missed = ((at[:, : len(inner)] - known.values) * weights) ** 2
            errors.append(missed.sum(axis=1) + RIDGE * np.log(shape) ** 2)
            found.append(at[:, len(inner) :])
        best = np.argmin(errors, axis=0)
        return np.asarray(np.clip(np.array(found)[best, np.arange(len(best))], 0.0, 1.0))

    def _shaped(self, x: Array, largest: float, shape: float) -> Array:
        relative = x / largest
        return np.asarray(np.exp(-relative / shape) if self.exponential else relative**-shape)


@dataclass(frozen=True)
class ExponentiatedPower:
    """pass@k = exp(-a k^-b) (Brown et al. 2024, arXiv:2407.21787), as the straight line log(-log pass@k) over log k, of
    slope at most 0. A curve that is 0 or 1 throughout stays so."""

    name: str = "exponentiated power law"

    def forecast(self, known: Curves, x: Array) -> Array:
        bent = np.log(-np.log(np.clip(known.values, LEAST, 1 - LEAST)))
        beyond = _line(np.log(known.x), bent, np.ones(len(known.x)), np.log(x), cut=False)
        found = np.exp(-np.exp(np.minimum(beyond, bent[:, -1:])))
        constant = known.values.max(axis=1, keepdims=True) <= LEAST
        return np.asarray(np.where(constant, 0.0, np.where(known.values[:, :1] >= 1 - LEAST, 1.0, found)))


@dataclass(frozen=True)
class BetaBinomial:
    """The problems' chances to be solved are Beta(a, b), so a problem has c of n right with beta-binomial likelihood and
    pass@k = 1 - B(a, b + k) / B(a, b). Weighed over a grid of (a, b) by the likelihood, under a flat prior on the logit
    of the mean, from 1/404 to 403/404, and the logarithm of a + b, from 0.05 to 200.

    `unsolved`: only problems without a right sample are extrapolated. A problem that n samples have not solved has the
    posterior Beta(a, b + n), so k solve it with the chance 1 - B(a, b + k) / B(a, b + n); those that are solved stay
    so. The forecast begins where the curve ends."""

    name: str = "beta-binomial"
    unsolved: bool = False

    def forecast(self, known: Curves, x: Array) -> Array:
        from scipy.special import betaln

        assert known.rights is not None
        a, b = beta_grid()
        start = known.x[-1] if self.unsolved else 0
        left = np.exp(betaln(a[:, None], b[:, None] + x) - betaln(a, b + start)[:, None])  # [grid, place]: not solved
        open_ = known.rights[:, :1] if self.unsolved else 1.0
        return np.asarray(np.clip(1 - open_ * (known.weights @ left), 0.0, 1.0))


PASS_LAWS: tuple[Law, ...] = (
    BetaBinomial(),
    BetaBinomial("beta-binomial of the unsolved", unsolved=True),
    ExponentiatedPower(),
)
VOTE_LAWS: tuple[Law, ...] = (Saturating(), LogLinear(), Flat())
BUDGET_LAWS: tuple[Law, ...] = (
    Saturating(),
    Saturating("saturating exponential", exponential=True),
    LogLinear(),
    Flat(),
)


def _line(x: Array, y: Array, weights: Array, at: Array, cut: bool = True) -> Array:
    """[replicate, place]: the weighted least-squares line of y [replicate, point] over x [point], read off at `at`."""
    share = weights**2 / (weights**2).sum()
    middle = float(share @ x)
    spread = float(share @ (x - middle) ** 2)
    level = y @ share
    slope = (y @ (share * (x - middle))) / spread if spread > 0 else np.zeros(len(y))
    found = level[:, None] + slope[:, None] * (at - middle)
    return np.clip(found, 0.0, 1.0) if cut else np.asarray(found)


@lru_cache(maxsize=1)
def beta_grid() -> tuple[Array, Array]:
    """The beta distributions that are looked at: (a, b), both [grid]."""
    odds = np.linspace(-6, 6, 31)
    means, sizes = np.meshgrid(1 / (1 + np.exp(-odds)), np.geomspace(0.05, 200, 16))
    return (means * sizes).ravel(), ((1 - means) * sizes).ravel()


@lru_cache(maxsize=8)
def _beta_binomial(n: int) -> Array:
    """[grid, c]: log chance of c right of n."""
    from scipy.special import betaln, gammaln

    a, b = beta_grid()
    c = np.arange(n + 1)
    ways = gammaln(n + 1) - gammaln(c + 1) - gammaln(n - c + 1)
    return np.asarray(ways + betaln(a[:, None] + c, b[:, None] + n - c) - betaln(a, b)[:, None])
