"""What these problems could have shown, and how many more of what it would take. Pure.

The difference d of two methods on a problem varies for two reasons: the problems differ, and of each only so many
samples were drawn. More problems make the mean of both surer, more samples that of the second alone. So the variance
over problems is split, Var(d) = between + within: `within` from two halves of the samples of every problem, which are
independent, so that half the squared difference of what they give is the variance of one half. A mean over all subsets
of k of m samples is a U-statistic, and m times its variance does not grow with m (Hoeffding 1948, theorem 5.2): that of
n samples is at most m / n of that of m, and that many times fewer at f n samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from ttc_bench.analysis.curves import chances
from ttc_bench.analysis.graded import Array, GradedPool
from ttc_bench.analysis.stats import DETECTED, POWER, detectable
from ttc_bench.core import CurvePoint
from ttc_bench.errors import counted
from ttc_bench.policies.comparison import Comparison, Pair, Row, differences
from ttc_bench.policies.sides import Side
from ttc_bench.strategies.methods import METHODS

SPLITS = 8  # into halves, whose variances are averaged


@dataclass(frozen=True)
class Power:
    """Of a comparison at equal k: `least`, the smallest true difference that so many problems and samples show with a
    chance of POWER (stats.detectable); `problems` that would show the difference that was seen, with as many samples
    each; `sampling`, the share of the variance of d that more samples would take away; `floor`, the least difference
    that these problems show with any number of samples; `samples`, of (first, second) on each problem, that would show
    the one that was seen. None: `problems` where no difference was seen, `sampling` and `floor` where k is more than
    half of the samples, `samples` also where no number of them would do."""

    pair: Pair
    row: Row
    least: float
    problems: int | None
    sampling: float | None = None
    floor: float | None = None
    samples: tuple[int, int] | None = None

    @property
    def shown(self) -> bool:
        """Whether the difference that was seen is as large as one that these problems show."""
        return abs(self.row.difference) >= self.least > 0


def powers(comparison: Comparison, seed: int = 0) -> list[Power]:
    """One for every row at equal k whose two lines both have a point there. `seed`: of the halves."""
    rng = np.random.default_rng(seed)
    found = []
    for pair in comparison.pairs:
        for match in pair.matches:
            for row in pair.rows:
                if row.what == match.what and row.axis == "k":
                    points = [
                        next((p for p in line if p.k == row.budget), None) for line in (match.first, match.second)
                    ]
                    found.append(_power(pair, row, points, rng))
    return found


def _power(pair: Pair, row: Row, points: list[CurvePoint | None], rng: np.random.Generator) -> Power:
    d = differences(row)
    least = detectable(d.tolist())
    seen = abs(row.difference)
    problems = ceil(len(d) * (least / seen) ** 2) if seen and least else None
    power = Power(pair, row, least, problems)
    a, b = points
    if a is None or b is None:
        return power
    within = sampling_variance(pair.first, a, pair.second, b, rng)
    total = float(np.var(d, ddof=1))
    if within is None or not total:
        return power
    within = min(within, total)
    between = total - within
    floor = DETECTED * float(np.sqrt(between / len(d)))
    power = replace(power, sampling=within / total, floor=floor)
    if seen <= floor:
        return power
    times = within / (len(d) * (seen / DETECTED) ** 2 - between)
    needed = [ceil(times * side.pool(p).depth) for side, p in ((pair.first, a), (pair.second, b))]
    return replace(power, samples=(max(needed[0], a.k), max(needed[1], b.k)))


def sampling_variance(
    first: Side, a: CurvePoint, second: Side, b: CurvePoint, rng: np.random.Generator
) -> float | None:
    """The mean over problems of the variance of second - first at these points that comes from which samples were
    drawn. None where a half of the samples is fewer than k."""
    pools = (first.pool(a), second.pool(b))
    if any(pool.depth // 2 < p.k for pool, p in zip(pools, (a, b), strict=True)):
        return None
    variances = []
    for _ in range(SPLITS):
        seed = int(rng.integers(2**32))  # the same halves of samples that both may share
        split = [halves(pool, np.random.default_rng(seed)) for pool in pools]
        d = [_values(split[1][i], b) - _values(split[0][i], a) for i in (0, 1)]
        variances.append(float(np.mean((d[0] - d[1]) ** 2 / 2)))
    share = max(float(np.max((pool.sizes // 2) / pool.sizes)) for pool in pools)  # m / n: a half, less where n is odd
    return share * sum(variances) / SPLITS


def halves(pool: GradedPool, rng: np.random.Generator) -> tuple[GradedPool, GradedPool]:
    """The pool with one half of the samples of every problem, at random, and with the other; of an odd number one is
    left out."""
    parts = []
    for g in pool.problems:
        order, half = rng.permutation(len(g)), len(g) // 2
        parts.append([g.only(np.sort(order[i * half : (i + 1) * half])) for i in (0, 1)])
    first, second = (replace(pool, problems=tuple(part[i] for part in parts)) for i in (0, 1))
    return first, second


def _values(pool: GradedPool, p: CurvePoint) -> Array:
    """[problem]: what the method of a point comes to with these samples."""
    return chances(pool, METHODS[p.method].strategy, p.verifier, [p.k])[p.k].values


def sentences(found: Sequence[Power]) -> Iterator[str]:
    """In words, for rows that leave open which side is ahead."""
    for power in found:
        row, pair = power.row, power.pair
        if power.shown or not power.least:
            continue
        size, least, seen = counted(len(pair.problems), "problem"), 100 * power.least, 100 * abs(row.difference)
        text = f"{pair.task}, {row.what} at k = {row.budget:g}: {size} show a difference of {least:.1f} points with a "
        text += f"chance of {POWER:.0%}, and {seen:.1f} was seen"
        if power.problems is not None:
            text += f"; it would take about {counted(power.problems, 'problem')}"
        if power.sampling is not None:
            text += f"; {power.sampling:.0%} of the variance is sampling"
            a, b = power.samples or (0, 0)
            several = f"{a:,} and {b:,}" if a != b else f"{a:,}"
            text += f", so {several} samples of each would do" if a else ", and no number of samples of these would do"
        yield f"{text}."
