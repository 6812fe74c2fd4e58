"""Estimators and intervals. Pure. The unit is the problem: samples of one problem are never treated as independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import comb, sqrt

from ttc_bench.core import CurvePoint
from ttc_bench.errors import NotEnoughSamples

CONFIDENCE = 0.95
ROUNDING = 1e-9  # a sum of weights can be this far from 1


def mean(values: Sequence[float]) -> float:
    """Their sum over their number. Raises ZeroDivisionError for none."""
    return sum(values) / len(values)


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
    """(mean, low, high) of one value in 0..1 per problem: 95 %, t with Q - 1 degrees of freedom on sd/sqrt(Q), cut to
    0..1. Where all values are 0 or all are 1 the spread tells nothing and the exact binomial bound takes its place
    (Clopper and Pearson 1934), so that "20 of 20" is not printed as certainty. One problem tells nothing: 0..1."""
    q = len(values)
    if q == 0:
        raise ValueError("no problems: an accuracy needs at least one")
    mean = sum(values) / q
    if q == 1:
        return mean, 0.0, 1.0
    if max(values) < ROUNDING or min(values) > 1 - ROUNDING:
        reach = 1 - ((1 - CONFIDENCE) / 2) ** (1 / q)
        return (0.0, 0.0, reach) if mean < 0.5 else (1.0, 1 - reach, 1.0)
    half = _half_width(values, mean)
    return mean, max(0.0, mean - half), min(1.0, mean + half)


def paired_difference(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high) of b - a over the same problems in the same order: 95 %, t with Q - 1 degrees of freedom.
    Pairing removes the difference between problems from the noise. Raises ValueError for unequal lengths."""
    differences = [y - x for x, y in zip(a, b, strict=True)]
    if len(differences) < 2:
        raise ValueError("a paired comparison needs at least two problems")
    mean = sum(differences) / len(differences)
    half = _half_width(differences, mean)
    return mean, mean - half, mean + half


def _half_width(values: Sequence[float], mean: float) -> float:
    from scipy.stats import t

    q = len(values)
    sd = sqrt(sum((v - mean) ** 2 for v in values) / (q - 1))
    return float(t.ppf((1 + CONFIDENCE) / 2, q - 1)) * sd / sqrt(q)


def mark_pareto(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """The same points, `pareto` set on those that no other method point of the same task and model matches for fewer
    tokens or beats for as many. Bounds (pass@k) neither compete nor are marked."""
    out = []
    for p in points:
        rivals = [q for q in points if not q.bound and (q.task, q.model) == (p.task, p.model)]
        beaten = any(
            q.tokens <= p.tokens and q.accuracy >= p.accuracy and (q.tokens < p.tokens or q.accuracy > p.accuracy)
            for q in rivals
        )
        out.append(replace(p, pareto=not p.bound and not beaten))
    return out
