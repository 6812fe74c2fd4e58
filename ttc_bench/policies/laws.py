"""Laws by which a curve may go on beyond its last point. Pure.

A law is fitted to many replicates of a pool at once (the pool itself, and bootstraps of its problems), so everything is
an array [replicate, ...]. None has more than three parameters: a curve of five points carries no more."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
LEAST = 1e-9  # chances are kept this far from 0 and 1 where a logarithm is taken
SHAPES = np.geomspace(0.25, 2.5, 12)  # exponents of a saturating law, or scales in units of the largest x
MEANS = np.linspace(-6, 6, 31)  # logits of the mean of a beta distribution, 1/404 to 403/404
SIZES = np.linspace(np.log(0.05), np.log(200), 25)  # logarithms of its a + b
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
    def beta(self) -> tuple[Array, Array]:
        """(a, b), both [replicate]: the beta distribution under which `rights` are likeliest (beta-binomial)."""
        assert self.rights is not None
        return _likeliest(self.rights @ _beta_binomial(round(float(self.x[-1]))).T)


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
    """The problems' chances to be solved are Beta(a, b), so a problem has c of n right with beta-binomial likelihood
    and pass@k = 1 - B(a, b + k) / B(a, b). Maximum likelihood, with a mean between 1/404 and 403/404 and a + b between
    0.05 and 200.

    `unsolved`: only problems without a right sample are extrapolated. A problem that n samples have not solved has the
    posterior Beta(a, b + n), so k solve it with the chance 1 - B(a, b + k) / B(a, b + n); those that are solved stay
    so. The forecast begins where the curve ends."""

    name: str = "beta-binomial"
    unsolved: bool = False

    def forecast(self, known: Curves, x: Array) -> Array:
        from scipy.special import betaln

        assert known.rights is not None
        a, b = (parameter[:, None] for parameter in known.beta)
        start = known.x[-1] if self.unsolved else 0
        left = np.exp(betaln(a, b + x) - betaln(a, b + start))  # chance that they do not solve it
        open_ = known.rights[:, :1] if self.unsolved else 1.0
        return np.asarray(np.clip(1 - open_ * left, 0.0, 1.0))


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


@lru_cache(maxsize=8)
def _beta_binomial(n: int) -> Array:
    """[grid, c]: the log chance of c right of n under each beta distribution of the grid of MEANS and SIZES."""
    from scipy.special import betaln, gammaln

    a, b = _parameters(*(axis.ravel() for axis in np.meshgrid(MEANS, SIZES, indexing="ij")))
    c = np.arange(n + 1)
    ways = gammaln(n + 1) - gammaln(c + 1) - gammaln(n - c + 1)
    return np.asarray(ways + betaln(a[:, None] + c, b[:, None] + n - c) - betaln(a, b)[:, None])


def _parameters(mean: Array, size: Array) -> tuple[Array, Array]:
    """(a, b) from the logit of a / (a + b) and the logarithm of a + b."""
    share = 1 / (1 + np.exp(-mean))
    return share * np.exp(size), (1 - share) * np.exp(size)


def _likeliest(likelihood: Array) -> tuple[Array, Array]:
    """(a, b), both [replicate]: the top of the parabola through the largest value of the grid and its eight neighbours.
    `likelihood` [replicate, grid]."""
    every = np.arange(len(likelihood))
    table = likelihood.reshape(len(likelihood), len(MEANS), len(SIZES))
    place = np.argmax(likelihood, axis=1)
    row = np.clip(place // len(SIZES), 1, len(MEANS) - 2)
    column = np.clip(place % len(SIZES), 1, len(SIZES) - 2)
    near = {(i, j): table[every, row + i, column + j] for i in (-1, 0, 1) for j in (-1, 0, 1)}
    slope = (near[1, 0] - near[-1, 0]) / 2, (near[0, 1] - near[0, -1]) / 2
    bend = near[1, 0] - 2 * near[0, 0] + near[-1, 0], near[0, 1] - 2 * near[0, 0] + near[0, -1]
    twist = (near[1, 1] - near[1, -1] - near[-1, 1] + near[-1, -1]) / 4
    area = bend[0] * bend[1] - twist**2
    peaked = (area > 0) & (bend[0] < 0)
    safe = np.where(peaked, area, 1.0)
    up = (twist * slope[1] - bend[1] * slope[0]) / safe, (twist * slope[0] - bend[0] * slope[1]) / safe
    grid = (
        place // len(SIZES) - row,
        place % len(SIZES) - column,
    )  # where there is no peak, as at an edge: the largest value
    steps = [np.where(peaked, np.clip(u, -1, 1), g) for u, g in zip(up, grid, strict=True)]
    mean, size = (
        axis[at] + step * (axis[1] - axis[0])
        for axis, at, step in zip((MEANS, SIZES), (row, column), steps, strict=True)
    )
    return _parameters(mean, size)
