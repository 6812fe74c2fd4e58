"""How sure a vote is: the chances of the leader's share in a draw of k samples, and of its being right. Pure.

Drawing k of n without replacement is taking each sample by itself with chance p = k/n, given that k are taken
(strategies/majority.py has the same beginning). With b_m(i) the chance of i successes in m trials and z marking
samples, the chance that no answer has more than j votes is

  [z^k] product over answers a of (sum over i <= j of b_a(i) z^i)  over  [z^k] (p z + 1 - p)^n,

and the chance that answer a leads with just j votes, ties shared, is

  [z^k] b_a(j) z^j  integral over t in 0..1 of  product over rivals r of (sum over i < j of b_r(i) z^i + t b_r(j) z^j)

over the same. [z^k] is the mean over n + 1 equidistant points of the unit circle, and Gauss-Legendre nodes make the
integral exact.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from math import comb, exp, log

import numpy as np

from ttc_bench.analysis.graded import Array, Graded

Answers = tuple[tuple[int, float], ...]  # (votes, share of them that is right) of each answer


def leading(g: Graded, k: int) -> tuple[Array, Array]:
    """([votes 0..k] the chance that the leading answer of a draw of k has so many votes, [votes 0..k] the chance of
    that and of the answer being right), ties split evenly between the tied answers. A draw without any answer is led by
    0 votes. The second sums to maj@k."""
    votes, correct = g.samples.votes, g.samples.correct
    given = votes >= 0
    sizes = np.bincount(votes[given])
    right = np.bincount(votes[given], correct[given], minlength=len(sizes))
    answers = sorted((int(m), float(r / m)) for m, r in zip(sizes, right, strict=True) if m)
    chances, of_right = _leading(tuple(answers), int((~given).sum()), k)
    return chances, of_right


@lru_cache(maxsize=16_384)  # easy problems have the same votes
def _leading(answers: Answers, silent: int, k: int) -> tuple[Array, Array]:
    n = silent + sum(m for m, _ in answers)
    at_most, right = np.ones(k + 1), np.zeros(k + 1)
    either, pull = _circle(n, k)
    times = Counter(m for m, _ in answers)
    terms = {m: _terms(m, n, k) for m in times}
    exactly, up_to = ({m: terms[m][i] for m in times} for i in (0, 1))
    share = {m: sum(r for size, r in answers if size == m) for m in times}
    for j in range(1, min(k, max(times, default=0)) + 1):
        able = [m for m in times if m >= j]  # the others cannot lead with j votes, so that theirs do not matter
        rest = either[n - sum(m * times[m] for m in able)] * pull
        fewer = rest * np.prod([up_to[m][j - 1] ** times[m] for m in able], axis=0)
        at_most[j - 1] = fewer.sum().real
        t, weights = _nodes(min(sum(times[m] for m in able) - 1, (k - j) // j) // 2 + 1)
        for own in (m for m in able if share[m]):
            rivals = [(up_to[m][j - 1] + t * exactly[m][j]) ** (times[m] - (m == own)) for m in able]
            won = (rest * exactly[own][j] * np.prod(rivals, axis=0)).sum(axis=1).real
            right[j] += share[own] * max(float(weights @ won), 0.0)
    at_most[:-1] = np.clip(at_most[:-1], 0.0, 1.0)
    chances = np.maximum(np.diff(at_most, prepend=0.0), 0.0)
    chances.setflags(write=False)
    right.setflags(write=False)
    return chances, right


@lru_cache(maxsize=64)
def _circle(n: int, k: int) -> tuple[Array, Array]:
    """([exponent 0..n, point]: powers of p z + 1 - p; [point]: what makes a sum over points the chance of k). Points
    are the upper half of the circle; the lower mirrors it."""
    points = np.arange((n + 1) // 2 + 1)
    roots = np.exp(2j * np.pi / (n + 1) * np.arange(n + 1))
    doubled = np.where((points == 0) | (2 * points == n + 1), 1.0, 2.0)
    pull = doubled * roots[k * points % (n + 1)].conj() / ((n + 1) * _successes(n, k / n)[k])
    return (k / n * roots[points] + (1 - k / n)) ** np.arange(n + 1)[:, None], pull


@lru_cache(maxsize=1_024)
def _terms(m: int, n: int, k: int) -> tuple[Array, Array]:
    """[votes, point]: the terms of an answer with m of n samples that gets just so many votes, and at most so many."""
    points = np.arange((n + 1) // 2 + 1)
    roots = np.exp(2j * np.pi / (n + 1) * np.arange(n + 1))
    exactly = _successes(m, k / n)[: k + 1, None] * roots[np.outer(np.arange(min(m, k) + 1), points) % (n + 1)]
    return exactly, exactly.cumsum(axis=0)


@lru_cache(maxsize=4_096)
def _successes(m: int, p: float) -> Array:
    """[0..m]: the binomial distribution, by logarithms, so that nothing overflows."""
    if p == 1:
        return np.append(np.zeros(m), 1.0)
    return np.array([exp(log(comb(m, i)) + i * log(p) + (m - i) * log(1 - p)) for i in range(m + 1)])


@lru_cache(maxsize=256)
def _nodes(count: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes, [node, 1], and weights on 0..1: exact for polynomials of degree 2 count - 1."""
    x, w = np.polynomial.legendre.leggauss(count)
    return (x[:, None] + 1) / 2, w / 2
