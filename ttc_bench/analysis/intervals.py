"""95 % intervals for means over problems, from one value per problem. Pure.

All that is known beforehand about a value is its range. So a limit reckons with one more problem, at the end of the
range that the limit looks towards, and asks which mean the problems carry when each of them gets a random weight
(Dirichlet, all parameters 1). That is the bound of Gaffke (2005, "Three test statistics for a nonparametric one-sided
hypothesis on the mean of a nonnegative variable"), found again by Learned-Miller and Thomas (2020, arXiv:1905.06208);
for values of 0 and 1 it is that of Clopper and Pearson (1934), as x of Q problems give Beta(x + 1, Q - x). Like that
one it covers more than 95 %, so only EDGE of the added problem is put at the far end and the rest at the near one:
between Clopper and Pearson (1) and the interval of Jeffreys' prior (1/2), which often covers less (Brown, Cai and
DasGupta 2001).

The quantile of the weighted mean comes from its moments. A beta distribution of its mean and variance is a binomial
interval with an effective number of problems, as that of Korn and Graubard (1998, Survey Methodology 24:193); theirs,
estimated without the added problem, misses too often where a few problems carry the mean (Dean and Pagano 2015, Franco
et al. 2019 say so of clustered surveys, and benchmarks/interval_coverage.py of samples).

The functions take sums, numbers or arrays of them, so that a simulation runs the very code that a report runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
EDGE = 2 / 3
ROUNDING = 1e-9  # a sum of weights can be this far from 1

Numbers = Any  # a float, or an array of floats


def mean_limits(q: int, total: Numbers, squares: Numbers) -> tuple[Numbers, Numbers]:
    """(low, high) for the mean of q values in 0..1 with this sum and sum of squares. Where less than one problem's
    worth is right, or wrong, EDGE rises to 1, so that of none right the exact bound 1 - 0.025^(1/q) is what is left."""
    edge = 1 - (1 - EDGE) * np.clip(np.minimum(total, q - total), 0, 1)
    high = _beta_limit(q, total, squares, edge)
    low = 1 - _beta_limit(q, q - total, q - 2 * total + squares, edge)
    return np.minimum(low, total / q), np.maximum(high, total / q)


def difference_limits(
    q: int, total: Numbers, squares: Numbers, cubes: Numbers, sizes: Numbers, tail: float = TAIL
) -> tuple[Numbers, Numbers]:
    """(low, high) for the mean of q differences in -1..1 with these sums of their powers and of their sizes |d|. Where
    none differs it is the exact bound for "none of q", either way; no interval has width zero. Each limit is missed
    with a chance of about `tail`."""
    edge = 1 - (1 - EDGE) * np.clip(sizes, 0, 1)
    none = 1 - tail ** (1 / q)
    high = np.where(sizes < ROUNDING, none, _skew_limit(q, total, squares, cubes, edge, tail))
    low = np.where(sizes < ROUNDING, -none, -_skew_limit(q, -total, squares, -cubes, edge, tail))
    return np.clip(low, -1, total / q), np.clip(high, total / q, 1)


def _beta_limit(q: int, total: Numbers, squares: Numbers, edge: Numbers) -> Numbers:
    """The upper limit, with `edge` of a problem more that is 1 and the rest of it 0."""
    from scipy.special import betaincinv

    mean = (total + edge) / (q + 1)
    variance = ((squares + edge) / (q + 1) - mean**2) / (q + 2)
    sure = q + 1 - (total + edge) < ROUNDING  # everything is 1, and so is the limit
    effective = mean * (1 - mean) / np.where(sure, 1, variance) - 1
    return np.where(sure, 1, betaincinv(mean * effective, np.where(sure, 1, (1 - mean) * effective), 1 - TAIL))


def _skew_limit(q: int, total: Numbers, squares: Numbers, cubes: Numbers, edge: Numbers, tail: float) -> Numbers:
    """The same with `edge` of a problem that is 1 and the rest of it -1, from three moments: few differing problems
    make a skewed distribution that a beta on -1..1 cannot follow. Pearson's type III, a gamma distribution moved."""
    from scipy.special import gammaincinv

    mean = (total + 2 * edge - 1) / (q + 1)
    second = (squares + 1) / (q + 1)
    third = (cubes + 2 * edge - 1) / (q + 1) - 3 * mean * second + 2 * mean**3
    variance = (second - mean**2) / (q + 2)
    skew = 2 * third / ((q + 2) * (q + 3)) / variance**1.5
    skew = np.where(np.abs(skew) < 1e-3, 1e-3, skew)
    shape = 4 / skew**2
    quantile = gammaincinv(shape, np.where(skew > 0, 1 - tail, tail))
    return mean + np.sign(skew) * np.sqrt(variance / shape) * (quantile - shape)
