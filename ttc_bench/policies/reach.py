"""The pass@k that the counts of right samples allow beyond n, whatever the problems' chances are. Pure.

A law of the chances (laws.py) says more than the samples do. 60 of 200 problems without a right sample among 16 can be
problems that are never solved, and then pass@k stops, or problems of chance 0.01, and then most of them are solved by
160 samples. So the interval here looks at every distribution G of chances on a grid: the likelihood of the counts is
sum over problems of log(sum over p of G(p) Bin(c; n, p)), and the limits are the least and the greatest pass@k = sum
over p of G(p) (1 - (1 - p)^k) among those G whose likelihood is within 3.84 / 2 of the best (a profile
likelihood, 95 %).

Each limit is reached by maximising the likelihood + weight * pass@k (or weight * (1 - pass@k)): the multiplicative step
of the EM algorithm with a linear term, for all weights and both ends at once. It is concave, so there is one maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
CHANCES = np.concatenate(
    [[0.0], np.geomspace(3e-4, 0.05, 18), np.linspace(0.08, 0.92, 22), [0.95, 0.97, 0.985, 0.995, 1]]
)
WEIGHTS = np.concatenate([[0.0], 2.0 ** np.arange(1, 11)])  # log-likelihood for a whole of pass@k
STEPS = 400
DROP = 3.8415  # the 95 % quantile of chi-squared with one degree of freedom


def limits(counts: Array, ks: Sequence[int]) -> list[tuple[float, float]]:
    """(low, high) of pass@k for each of rising k. `counts` [c]: the number of problems (or a mean of numbers) with c of
    n samples right, c = 0..n."""
    of_chance = _binomial(len(counts) - 1)
    solved = 1 - (1 - CHANCES) ** np.array(ks)[:, None]  # [k, chance]
    wanted = np.stack([1 - solved, solved], axis=1)  # [k, end, chance]
    pull = WEIGHTS[:, None] * wanted[:, :, None]  # [k, end, weight, chance]
    mix = np.full(pull.shape, 1 / len(CHANCES))
    for _ in range(STEPS):
        mix *= (counts / np.maximum(mix @ of_chance, 1e-300)) @ of_chance.T + pull
        mix /= mix.sum(axis=-1, keepdims=True)
    likelihood = (counts * np.log(np.maximum(mix @ of_chance, 1e-300))).sum(axis=-1)
    lost = 2 * (likelihood.max() - likelihood)
    reached = (mix * solved[:, None, None]).sum(axis=-1)
    ends = [[_at_drop(*pair) for pair in zip(*rows, strict=True)] for rows in zip(lost, reached, strict=True)]
    rising = np.maximum.accumulate(np.array(ends), axis=0)  # as pass@k is; steps are few, so the last digits may not be
    return [(float(low), float(high)) for low, high in rising]


def _at_drop(lost: Array, reached: Array) -> float:
    """Where the likelihood has lost DROP, between two weights."""
    return float(np.interp(DROP, np.maximum.accumulate(lost), reached))


@lru_cache(maxsize=8)
def _binomial(n: int) -> Array:
    """[chance, c]: the chance of c successes in n."""
    from scipy.special import gammaln, xlog1py, xlogy

    c, p = np.arange(n + 1), CHANCES[:, None]
    ways = gammaln(n + 1) - gammaln(c + 1) - gammaln(n - c + 1)
    return np.asarray(np.exp(ways + xlogy(c, p) + xlog1py(n - c, -p)))
