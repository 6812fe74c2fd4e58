"""Mixtures of ways to spend: the upper concave hull of (cost, accuracy), and a budget shared out along it. Pure.

A mixture answers a share of the problems, drawn at random, one way and the rest another: its cost and its accuracy are
the means, so that it lies on the straight line between the two. What mixtures can reach is the upper concave hull of
all ways. With levels of problems that can be told apart beforehand each has a hull of its own, and the best use of a
budget goes along all of them at once: segments in the order of their slope, accuracy gained per unit spent, until the
budget is used up (the greedy solution of the fractional knapsack, exact as slopes fall along each hull: Dantzig 1957,
Operations Research 5:266).

Values are chances to be right, [way, problem], costs are [way, problem] in any one unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ttc_bench.analysis.graded import Array

Mixture = dict[int, float]  # way -> share of the problems; shares sum to 1


def hull(costs: Array, values: Array) -> list[int]:
    """The ways at the corners of the upper concave hull, from the cheapest to the most accurate: costs and values rise,
    slopes fall. Both arguments are means, [way]."""
    corners: list[int] = []
    for i in np.lexsort((-values, costs)).tolist():
        if corners and values[i] <= values[corners[-1]]:
            continue
        while len(corners) > 1 and _below(corners[-2], corners[-1], i, costs, values):
            corners.pop()
        corners.append(i)
    return corners


def _below(a: int, b: int, c: int, costs: Array, values: Array) -> bool:
    """Whether b lies on or below the line from a to c."""
    return bool((values[b] - values[a]) * (costs[c] - costs[a]) <= (values[c] - values[a]) * (costs[b] - costs[a]))


def along(corners: Sequence[int], costs: Array, budget: float) -> Mixture:
    """The mixture of neighbouring corners whose mean cost is the budget; the cheapest where even that costs more, the
    last where all cost less. `costs`: means, [way]."""
    order = sorted(corners, key=lambda i: costs[i])
    for a, b in pairwise(order):
        if costs[a] <= budget < costs[b]:
            share = float((budget - costs[a]) / (costs[b] - costs[a]))
            return {a: 1 - share, b: share} if share else {a: 1.0}
    return {order[0]: 1.0} if budget < costs[order[0]] else {order[-1]: 1.0}


def allocate(values: Array, costs: Array, levels: Sequence[Array], budget: float) -> list[Mixture]:
    """The mixture of each level (places of its problems) with which the mean value over all problems of the levels is
    largest, at a mean cost of at most `budget`. Where even the cheapest ways cost more, these."""
    total = sum(map(len, levels))
    shares = [len(places) / total for places in levels]
    mean_values = [values[:, places].mean(axis=1) for places in levels]
    mean_costs = [costs[:, places].mean(axis=1) for places in levels]
    hulls = [hull(c, v) for c, v in zip(mean_costs, mean_values, strict=True)]
    left = budget - sum(w * float(c[h[0]]) for w, c, h in zip(shares, mean_costs, hulls, strict=True))
    chosen: list[Mixture] = [{h[0]: 1.0} for h in hulls]
    segments = [
        (float((v[b] - v[a]) / (c[b] - c[a])), level, a, b)
        for level, (h, c, v) in enumerate(zip(hulls, mean_costs, mean_values, strict=True))
        for a, b in pairwise(h)
    ]
    for _, level, a, b in sorted(segments, key=lambda s: -s[0]):  # stable: along one hull slopes fall anyway
        price = shares[level] * float(mean_costs[level][b] - mean_costs[level][a])
        if left <= 0:
            break
        part = min(1.0, left / price)
        chosen[level] = {a: 1 - part, b: part} if part < 1 else {b: 1.0}
        left -= price
    return chosen


def mixed(mixture: Mixture, rows: Array) -> Array:
    """[problem]: the mean over the mixture of values or costs, [way, problem]."""
    return np.asarray(sum(share * rows[way] for way, share in mixture.items()))


def folds(levels: Sequence[Array], parts: int, seed: int = 0) -> list[Array]:
    """The problems of all levels in `parts` parts of equal size, up to one problem per level, by a seeded shuffle; each
    part has its share of every level."""
    rng = np.random.default_rng(seed)
    dealt = np.concatenate([rng.permutation(places) for places in levels])
    return [np.sort(dealt[start::parts]) for start in range(parts)]
