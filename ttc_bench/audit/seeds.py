"""Seeds that are used twice: sample i equal to sample j in more problems than other pairs are.

If the samples of a problem are independent, all of its pairs are equally likely to be the equal ones, whatever the
texts and their length. So the number of problems in which one given pair is equal is a sum of independent events of
known chances, each the share of equal pairs in that problem. Its tail is bounded by exp(-Q KL(x, mean)) (Hoeffding
1963, theorem 1), times the number of pairs looked at.

That needs the numbers under which the samples were drawn. Where the source does not number them, their order in the
file is taken, unless the samples of a problem were put into an order by what they are: then a place says nothing of a
seed, and equal texts stand together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import exp, log
from typing import NamedTuple

import numpy as np

from ttc_bench.audit.material import Array, Material

PAIRED = 256  # sample numbers whose pairs are compared
SURE = 1e-3  # chance with which a pair stands out among independent samples
SORTED = 0.9  # share of the problems whose samples are in an order, from which the file is
ALIKE = 0.5  # share of the problems with the same places equal, from which that is no sorting


class Pair(NamedTuple):
    """Two sample numbers that are the same text in more problems than others are."""

    i: int
    j: int
    pairs: int  # that stand out so, this one included
    cases: list[tuple[int, int]]  # the later sample of this pair in each of its problems, by place
    numbered: bool  # by the source or by our store; else by the order in the file
    order: (
        str  # "text", "size", ...: what the samples of the file are sorted by, so that the pair proves nothing; or ""
    )


def reused(m: Material, several: Sequence[int]) -> Pair | None:
    """The pair that stands out most from the others; None where none does. `several`: the problems with more than one
    sample, by place."""
    numbers = {p: m.verdicts[p].repeat for p in several} if m.imported else {}
    numbered = not m.imported or all(_distinct(of) for of in numbers.values())
    if not m.imported or not numbered:
        numbers = {p: m.pool.problems[p].samples.index for p in several}
    size = min(max(int(of.max()) for of in numbers.values()) + 1, PAIRED)
    seen, expected, problems = (np.zeros((size, size)) for _ in range(3))
    for p in several:
        equal, at = _equal(m.pool.problems[p].samples.twin, numbers[p], size)
        if len(equal) > 2:  # the only pair there is stands out from none
            seen[at] += equal
            expected[at] += equal[np.triu_indices(len(equal), 1)].mean()
            problems[at] += 1
    ahead = np.argwhere(np.triu((seen > expected) & (seen >= 3), 1)).tolist()
    pairs = size * (size - 1) / 2
    found = sorted((tail(seen[i, j], expected[i, j], problems[i, j]) * pairs, i, j) for i, j in ahead)
    sure = [(i, j) for chance, i, j in found if chance <= SURE]
    if not sure:
        return None
    i, j = sure[0]
    later = {p: _second(m.pool.problems[p].samples.twin, numbers[p], i, j) for p in several}
    cases = [(p, place) for p, place in later.items() if place is not None]
    return Pair(i, j, len(sure), cases, numbered, "" if numbered else _order(m, several))


def _distinct(numbers: Array) -> bool:
    return bool((numbers >= 0).all()) and len(np.unique(numbers)) == len(numbers)


def _equal(twins: Array, numbers: Array, size: int) -> tuple[Array, tuple[Array, ...]]:
    """[sample, sample] bool: which are the same text, and where those stand in an array over numbers below `size`."""
    kept = numbers < size
    twins, numbers = twins[kept], numbers[kept]
    return twins[:, None] == twins, np.ix_(numbers, numbers)


def _second(twins: Array, numbers: Array, i: int, j: int) -> int | None:
    """The later place of sample numbers i and j where they are the same text."""
    at = {number: place for place, number in enumerate(numbers.tolist())}
    return max(at[i], at[j]) if i in at and j in at and twins[at[i]] == twins[at[j]] else None


def tail(seen: float, expected: float, trials: float) -> float:
    """At least the chance of so many of `trials` independent events, of which so many are expected (Hoeffding)."""
    x, mean = seen / trials, expected / trials
    if mean >= 1:
        return 1.0
    divergence = x * log(x / mean) + (0.0 if x == 1 else (1 - x) * log((1 - x) / (1 - mean)))
    return exp(-trials * divergence)


def _order(m: Material, several: Sequence[int]) -> str:
    """What the samples of nearly all problems are sorted by; "" where nothing is found. A problem whose samples are all
    alike in something is in order, and says nothing."""
    pools = [(m.pool.problems[p].samples, m.written[p].size) for p in several]
    if _grouped([samples.twin for samples, _ in pools]):
        return "text"
    keys = {"size": [size for _, size in pools], "verdict": [samples.correct for samples, _ in pools]}
    for name in dict.fromkeys(name for samples, _ in pools for name in samples.signals):
        keys[f"score {name}"] = [samples.signals[name] for samples, _ in pools if name in samples.signals]
    return next((name for name, values in keys.items() if _sorted(values)), "")


def _grouped(twins: Sequence[Array]) -> bool:
    """Whether equal texts stand together, and not at the same places in most problems, as those of one seed do."""
    patterns = [tuple(np.unique(of, return_inverse=True)[1].tolist()) for of in twins]
    telling = [of for of in patterns if 1 < len(set(of)) < len(of)]
    places = Counter(tuple(a == b for a, b in pairwise(of)) for of in telling)
    together = sum(len(of) - sum(a == b for a, b in pairwise(of)) == len(set(of)) for of in telling)
    if not telling or together < SORTED * len(telling):
        return False
    return places.most_common(1)[0][1] < ALIKE * len(telling)


def _sorted(values: Sequence[Array]) -> bool:
    """Whether nearly all of these rise, or nearly all fall."""
    steps = [np.diff(of.astype(float)) for of in values]
    telling = [of for of in steps if of.any()]
    rising, falling = (sum(bool((sign * of >= 0).all()) for of in telling) for sign in (1, -1))
    return bool(telling) and max(rising, falling) >= SORTED * len(telling)
