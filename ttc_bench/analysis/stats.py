"""Estimators and intervals. Pure. The unit is the problem: samples of one problem are never treated as independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import comb, sqrt
from statistics import NormalDist

import numpy as np

from ttc_bench.analysis.intervals import ROUNDING, TAIL, difference_limits, mean_limits
from ttc_bench.core import CurvePoint
from ttc_bench.errors import NotEnoughSamples

POWER, LEVEL = 0.8, 0.05
DETECTED = NormalDist().inv_cdf(1 - LEVEL / 2) + NormalDist().inv_cdf(POWER)  # standard errors
EVERY, FLIPS = 12, 20_000  # sign patterns: of so many differences all of them, of more so many at random


def mean(values: Sequence[float]) -> float:
    """Their sum over their number. Raises ZeroDivisionError for none."""
    return sum(values) / len(values)


@lru_cache(maxsize=65_536)
def pass_at_k(n: int, c: int, k: int) -> float:
    """Chance that k of n samples, c of them correct, hold a correct one: 1 - C(n-c, k)/C(n, k) (Chen et al. 2021,
    arXiv:2107.03374). Raises NotEnoughSamples for k > n."""
    if k > n:
        raise NotEnoughSamples(k, n)
    return 1 - comb(n - c, k) / comb(n, k)


def draws_variance(value: float, draws: int) -> float:
    """At most the variance of a chance `value` (0..1) that is the mean over so many random draws, each of which gives
    between 0 and 1: value (1 - value) / (draws - 1). It is that where no draw splits between right and wrong
    answers."""
    value = min(max(value, 0.0), 1.0)
    return value * (1 - value) / max(draws - 1, 1)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high) of one value in 0..1 per problem: 95 %, intervals.py has the formula. Near 0 and 1 it holds
    too, and "20 of 20" is not printed as certainty. One problem tells nothing: 0..1."""
    q = len(values)
    if q == 0:
        raise ValueError("no problems: an accuracy needs at least one")
    mean = float(sum(values) / q)
    if q == 1:
        return mean, 0.0, 1.0
    if max(values) < ROUNDING or min(values) > 1 - ROUNDING:
        mean = float(round(mean))
    low, high = mean_limits(q, mean * q, sum(v * v for v in values) if 0 < mean < 1 else mean * q)
    return mean, float(low), float(high)


def paired_difference(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high) of b - a over the same problems in the same order, values in 0..1: 95 %, intervals.py has the
    formula. Pairing removes the difference between problems from the noise. Problems that all agree are no certainty:
    of 60 they leave ±0.06. Raises ValueError for unequal lengths."""
    if len(a) < 2:
        raise ValueError("a paired comparison needs at least two problems")
    return _paired(a, b, TAIL)


def least_difference(a: Sequence[float], b: Sequence[float], comparisons: int) -> float:
    """The lower end of `paired_difference`, for the best of several comparisons: the 2.5 % with which it is missed are
    shared among them (Bonferroni), so that looking often proves nothing. That is one half of an equivalence test: b is
    not worse than a by more than a margin if this is above -margin (Schuirmann 1987)."""
    return _paired(a, b, TAIL / comparisons)[1]


def sign_flip_p(differences: Sequence[float], rng: np.random.Generator) -> float:
    """The two-sided p-value of "each difference could as well have the other sign" (Fisher 1935, Pitman 1937): the
    share of sign patterns whose sum is at least as far from 0. Valid at any level, whatever the differences look like;
    for differences of one size it is the exact test of McNemar. Exact for up to EVERY differences other than 0, beyond
    that from FLIPS random patterns and the one that was seen, so at least 1 / (FLIPS + 1)."""
    sizes = np.abs([d for d in differences if abs(d) > ROUNDING])
    seen = abs(sum(differences)) - ROUNDING
    if len(sizes) <= EVERY:
        patterns = (np.arange(2 ** len(sizes))[:, None] >> np.arange(len(sizes))) & 1
        return float((np.abs((2 * patterns - 1) @ sizes) >= seen).mean())
    hits = 1
    for _ in range(FLIPS // 1000):
        hits += int((np.abs(rng.choice((-1.0, 1.0), (1000, len(sizes))) @ sizes) >= seen).sum())
    return hits / (FLIPS + 1)


def detectable(differences: Sequence[float]) -> float:
    """The smallest true difference that a paired test over so many problems finds with a chance of POWER at LEVEL, in
    0..1: (z_0.975 + z_0.8) sd / sqrt(Q), the normal approximation (as Miller 2024, arXiv:2411.00640, section 5)."""
    return DETECTED * float(np.std(differences, ddof=1)) / sqrt(len(differences))


def holm(chances: Sequence[float]) -> list[float]:
    """The p-values of several tests, corrected so that all together err with the chance of one (Holm 1979): of m, the
    i-th smallest counts m - i + 1 times, and none is smaller than a smaller one. In the order given."""
    held, largest = [1.0] * len(chances), 0.0
    for rank, i in enumerate(sorted(range(len(chances)), key=lambda i: chances[i])):
        largest = max(largest, min(1.0, chances[i] * (len(chances) - rank)))
        held[i] = largest
    return held


def _paired(a: Sequence[float], b: Sequence[float], tail: float) -> tuple[float, float, float]:
    differences = [y - x for x, y in zip(a, b, strict=True)]
    squared = [d * d for d in differences]
    total, cubes = sum(differences), sum(d * s for d, s in zip(differences, squared, strict=True))
    low, high = difference_limits(len(a), total, sum(squared), cubes, sum(map(abs, differences)), tail)
    return total / len(a), float(low), float(high)


def _beats(q: CurvePoint, p: CurvePoint) -> bool:
    if q.tokens is None or p.tokens is None or q.tokens > p.tokens or q.accuracy < p.accuracy:
        return False
    return q.tokens < p.tokens or q.accuracy > p.accuracy


def mark_pareto(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """The same points, `pareto` set on those that no other method point of the same task and model matches for fewer
    tokens or beats for as many. Bounds (pass@k) and points whose tokens are not known neither compete nor are
    marked."""
    out = []
    for p in points:
        rivals = [q for q in points if not q.bound and (q.task, q.model) == (p.task, p.model)]
        out.append(replace(p, pareto=not p.bound and p.tokens is not None and not any(_beats(q, p) for q in rivals)))
    return out
