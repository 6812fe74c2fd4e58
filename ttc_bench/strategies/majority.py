"""The chances of a majority vote, for pools of any size to some thousands, in floating point.

Drawing k of n samples without replacement is the same as taking each of them by itself with chance p = k/n, given that
the number taken turns out to be k. Taken by themselves the numbers of votes of different answers are independent, so
with z marking samples and t marking answers that tie with the winner, the chance that answer a, with m votes in the
pool, wins the draw with j of them is

    [z^k] b_m(j) z^j  integral over t in 0..1 of  product over rivals r of (sum over i < j of b_r(i) z^i + t b_r(j) z^j)

over [z^k] of (p z + 1 - p)^n, where b_m(i) is the chance of i successes in m trials of chance p. The integral gives
t^ties the value 1/(1 + ties), the share of a tie. Gauss-Legendre nodes make it exact: of one draw at most (k - j) // j
rivals tie, so that many plus one, halved, are enough. [z^k] is the mean over N equidistant points of the unit circle.

What is left out, and the error it makes in the chance of an answer to win:
* N is smaller than n + 1, so the totals k + N, k - N, ... are counted as k: at most their mass over that of k, which is
  kept below ALIASING.
* An answer's number of votes is looked at only where the draw (a hypergeometric distribution) has it, but for at most
  TAIL on either side: with A answers at most (2 A + 2) TAIL in all.
* Rounding, with u = 2^-53. Factors are sums of non-negative terms times points of the unit circle. So the error of a
  product is at most its value at z = 1 times the sum of the relative errors of its factors: of an answer with s terms
  and a standard deviation d of votes (5 s + 4 d + 42) u, of a sample that no longer matters 16 u. It is divided by the
  mass of k, which is at least 1 / sqrt(8 n p (1 - p)). All in all that is less than sqrt(2 n) (24 n + 42 A + 84) u:
  2e-11 at n = 256 with 60 answers, if all roundings went the same way. As they do not, benchmarks/majority_speed.py
  finds 1e-14.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import comb
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
ALIASING = 1e-14
TAIL = 1e-16


@lru_cache(maxsize=32_768)  # the same profile comes back: easy problems, and every method that votes
def win_chances(sizes: tuple[int, ...], times: tuple[int, ...], silent: int, k: int) -> tuple[float, ...]:
    """The chance of one answer to win a draw of k, for each of the `sizes`: distinct, rising numbers of votes, which
    `times` answers have each. `silent` samples do not vote. Ties are split evenly between the tied answers. Over all
    answers the chances sum to 1 less the chance of a draw without any vote."""
    n = silent + sum(size * count for size, count in zip(sizes, times, strict=True))
    if k == 1 or not sizes:
        return tuple(size / n for size in sizes)
    if k == n:
        return (0.0,) * (len(sizes) - 1) + (1 / times[-1],)
    if len(sizes) == times[0] == 1:
        return (1 - comb(silent, k) / comb(n, k),)
    circle = _circle(n, k)
    first, last = _least(sizes, times, n, k), _votes(n, k, sizes[-1]).last  # votes of a winner
    reaching = [(i, _votes(n, k, size)) for i, size in enumerate(sizes)]
    reaching = [(i, votes) for i, votes in reaching if votes.last >= first]  # the others neither win nor tie
    ends = np.array([votes.last + 1 - first for _, votes in reaching])
    counts = [times[i] for i, _ in reaching]

    won = np.arange(first, last + 1)
    reach = np.bincount(ends - 1, counts)[::-1].cumsum()[::-1]  # the answers that can get so many votes
    nodes = np.minimum(reach.astype(int) - 1, (k - won) // won) // 2 + 1  # falling
    several = nodes[nodes > 1]
    tie, share = np.hstack([*(_nodes(int(count)) for count in several), _nodes(1).repeat(len(won) - len(several), 1)])

    # [size, (votes, node), point]: the terms of an answer that gets exactly so many votes, and of one that gets fewer
    start = min(first - 1, min(votes.first for _, votes in reaching))
    chances = np.zeros((len(reaching), last + 1 - start, 1))
    for row, (_, votes) in zip(chances, reaching, strict=True):
        row[votes.first - start : votes.last + 1 - start, 0] = votes.chances
    exactly = chances * circle.powers[start : last + 1]
    fewer = exactly.cumsum(axis=1)[:, first - 1 - start : -1]
    exactly = exactly[:, first - start :]
    if len(several):
        at = np.repeat(np.arange(len(won)), nodes)
        exactly, fewer = exactly[:, at], fewer[:, at]
    factors = fewer + tie[:, None] * exactly

    # Products of all factors but one are made from both sides: a division would lose what a small factor carries. The
    # rows of an answer end with the votes that it can get: beyond, its factor is that of samples that do not matter.
    rows = nodes.cumsum()[ends - 1].tolist()
    winner, product = [], []  # of one of the answers of a size; of all of them
    for own, factor, count, end in zip(exactly, factors, counts, rows, strict=True):
        twins = _power(factor[:end], count - 1)
        winner.append(own[:end] if count == 1 else own[:end] * twins)
        product.append(factor[:end] if count == 1 else factor[:end] * twins)
    larger = [share[:, None] * circle.extract]
    for whole, end in zip(product[:0:-1], rows[-2::-1], strict=True):
        larger.append(larger[-1][:end] * whole[:end])
    rest = n - sum(sizes[i] * times[i] for i, _ in reaching)
    smaller = np.repeat(circle.either[rest : rest + 1], len(tie), axis=0)
    result = [0.0] * len(sizes)
    for (i, _), own, whole, after, end in zip(reaching, winner, product, reversed(larger), rows, strict=True):
        result[i] = max(float((own * (smaller[:end] * after)).sum().real), 0.0)
        smaller[:end] *= whole
        if end < len(tie):
            smaller[end:] *= circle.either[sizes[i] * times[i]]
    return tuple(result)


def _least(sizes: Sequence[int], times: Sequence[int], n: int, k: int) -> int:
    """The least votes of a winner, but for a chance of TAIL: of the votes for the largest answers together, it has at
    least its share."""
    least, answers, samples = 1, 0, 0
    for size, count in zip(sizes[:-4:-1], times[:-4:-1], strict=True):
        answers, samples = answers + count, samples + size * count
        least = max(least, -(-_votes(n, k, samples).first // answers))
    return least


class _Circle(NamedTuple):
    """Points z of the unit circle, the upper half: the lower mirrors it."""

    powers: Array  # [exponent 0..k, point]: powers of z
    either: Array  # [exponent 0..n, point]: powers of p z + 1 - p, of samples that may be taken or not
    extract: Array  # [point]: the real part of the sum of f(z) times these is [z^k] f over the chance that k are taken


@lru_cache(maxsize=64)
def _circle(n: int, k: int) -> _Circle:
    mass = _independent(n, k / n)
    own, mass[k] = mass[k], 0.0
    points = next(size for size in range(2, n + 2) if mass[k % size :: size].sum() <= ALIASING * own)
    turns = np.arange(points)
    roots = np.exp(2j * np.pi / points * np.where(2 * turns > points, turns - points, turns))
    half = np.arange(points // 2 + 1)
    powers = roots[np.outer(np.arange(k + 1), half) % points]  # by table: angles far beyond 2 pi would lose digits
    doubled = np.where((half == 0) | (2 * half == points), 1.0, 2.0)
    either = np.ones((n + 1, len(half)), complex)
    np.cumprod(np.broadcast_to(k / n * roots[half] + (1 - k / n), (n, len(half))), axis=0, out=either[1:])
    return _Circle(powers, either, doubled * powers[k].conj() / (points * own))


class _Votes(NamedTuple):
    """The number of votes that an answer gets in a draw: from `first` to `last` but for tails of TAIL, and the
    `chances` of these in a draw of independent samples."""

    first: int
    last: int
    chances: Array


@lru_cache(maxsize=16_384)
def _votes(n: int, k: int, m: int) -> _Votes:
    """Of an answer with m of the n samples, when k are drawn."""
    low, high = max(0, k - (n - m)), min(m, k)
    i = np.arange(low, high)
    drawn = _outward((m - i) * (k - i) / ((i + 1) * (n - m - k + i + 1)))
    kept = np.flatnonzero((drawn.cumsum() > TAIL) & (drawn[::-1].cumsum()[::-1] > TAIL))
    first, last = low + int(kept[0]), low + int(kept[-1])
    return _Votes(first, last, _independent(m, k / n)[first : last + 1])


def _independent(m: int, p: float) -> Array:
    """[successes 0..m]: the binomial distribution."""
    i = np.arange(m)
    return _outward((m - i) / (i + 1) * (p / (1 - p)))


def _outward(ratios: Array) -> Array:
    """A distribution with one peak from the falling ratios of neighbours. Products run from the peak outwards: they
    neither overflow nor carry the rounding of a far tail into it."""
    peak = int((ratios > 1).sum())
    below, above = (1 / ratios[:peak])[::-1].cumprod()[::-1], ratios[peak:].cumprod()
    found = np.concatenate([below, [1.0], above])
    return np.asarray(found / found.sum())


@lru_cache(maxsize=1_024)
def _nodes(count: int) -> Array:
    """Gauss-Legendre nodes, and their weights, on 0..1: exact for polynomials of degree 2 count - 1. Newton's method on
    the Legendre polynomial: with 256 nodes high powers come out right to 2e-14 of their integral, and to 5e-12 with
    scipy.special.roots_legendre."""
    x = np.cos(np.pi * (np.arange(count) + 0.75) / (count + 0.5))
    for _ in range(6):
        before, value = np.ones(count), x
        for degree in range(2, count + 1):
            before, value = value, ((2 * degree - 1) * x * value - (degree - 1) * before) / degree
        slope = count * (before - x * value) / (1 - x * x)
        x = x - value / slope
    return np.stack([(x + 1) / 2, 1 / ((1 - x * x) * slope * slope)])


def _power(base: Array, exponent: int) -> Array:
    """By squaring, so that the rounding is that of `exponent` products."""
    result, square = np.ones(()), base
    while exponent:
        if exponent & 1:
            result = result * square
        square, exponent = square * square, exponent >> 1
    return result
