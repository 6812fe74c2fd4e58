"""Weighted votes, which have no closed form: subsets are drawn and the winner of each is counted. Arrays are
[draw, drawn]: the k samples of each draw.

Where there are few of the C(n, k) subsets, all are used and the weights are exact; otherwise a seeded random choice of
them is used, and the curve reports its Monte-Carlo error."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from math import ceil, comb
from typing import Self

import numpy as np

from ttc_bench.core import Candidate, Outcome
from ttc_bench.strategies.candidates import Array, Candidates
from ttc_bench.strategies.exact import ColumnStrategy, pool_size

EXACT = 2_000  # of at most so many subsets all are used
MOST = 2_048  # random subsets for one point, whatever its error
BEARABLE = 0.1  # Monte-Carlo error of an accuracy, as a share of half the width of its interval
FAR = 600.0  # exp of it is finite, exp of its negative is not 0
DEALT = 1_024  # positions in all sets of subsets: one set can be luckier than it says by sqrt(2 / n) in its variance
TOGETHER = 4_096  # elements of the arrays that are worked on: larger ones cost more in memory than they save in calls
TIE = 1e-9  # relative difference below which two totals (sums of floats) are a tie


def draws_needed(mc_error: float, half_width: float, draws: int) -> int:
    """The number of random subsets with which an accuracy has a Monte-Carlo standard error of at most BEARABLE times
    the half-width of its interval, when `draws` of them gave `mc_error`: `draws` doubled as often as that takes, but
    MOST at the most. The error falls with sqrt(draws - 1)."""
    needed = draws
    while needed < MOST and mc_error * ((draws - 1) / (needed - 1)) ** 0.5 > BEARABLE * half_width:
        needed *= 2
    return needed if needed == draws else min(needed, MOST)


@dataclass(frozen=True, kw_only=True)
class SubsetVote(ColumnStrategy):
    """Base of the weighted votes. Up to EXACT subsets are enumerated; if there are more, `draws` of them (at least 2)
    are drawn at random with `seed`. A vote of your own is a subclass with `weigh`.

    The answer with the largest total weight wins; tied answers share, and an answer's chance is split evenly over its
    samples of positive weight. A sample without an answer never votes. One without a score votes only in draws where no
    sample with an answer has one; there, and where all weights are 0, every vote counts 1. The chance of draws without
    any answer stays on their samples, which are never correct."""

    draws: int = 32
    seed: int = 0

    def with_draws(self, draws: int) -> Self:
        """The same vote over another number of random subsets."""
        return replace(self, draws=draws)

    @abstractmethod
    def weigh(self, k: int, scores: Array, voting: Array) -> Array:
        """Weights >= 0 [draw, drawn] from the scores and who votes, both [draw, drawn]. A sample that does not vote has
        any score, 0 if none, and its weight is ignored as long as it is finite."""

    def outcomes(self, candidates: Sequence[Candidate], ks: Sequence[int]) -> list[Outcome]:
        pool = Candidates.of(candidates)
        n = len(pool)
        for k in ks:
            pool_size(pool, k)
        order, starts, digest = pool.by_content  # the result must not depend on the order of the pool
        exact = [k == 1 or comb(n, k) <= EXACT for k in ks]
        draws: list[Array] = []  # of every k > 1: its samples [drawn, draw]
        most = max((k for k, all_of in zip(ks, exact, strict=True) if not all_of), default=0)
        if most:
            # A problem takes one of few sets of subsets of positions, and deals its samples onto the positions by
            # itself, so that the errors of different problems are independent.
            key = hashlib.sha256(digest + str(self.seed).encode()).digest()[:16]
            deal = np.random.Generator(np.random.Philox(key=int.from_bytes(key))).permutation(n)
            random = order[deal][_random_draws(n, self.draws, self.seed, key[0] % max(DEALT // n, 1))[:most]]
        for k, all_of in zip(ks, exact, strict=True):
            if k > 1:
                draws.append(order[_all_draws(n, k)] if all_of else random[:k])
        estimates = (row for group in _groups(draws) for row in self._chances(pool, group))
        held = np.diff(starts, append=n)
        outcomes = []
        for k, all_of in zip(ks, exact, strict=True):
            weights = next(estimates) if k > 1 else np.full(n, 1 / n)  # of one there is nothing to choose
            # samples of one content are exchangeable: their exact chances are equal, so their estimates are made equal
            if len(held) < n:
                weights[order] = np.repeat(np.add.reduceat(weights[order], starts) / held, held)
            outcomes.append(Outcome(weights, k * pool.mean_tokens, None if all_of else self.draws))
        return outcomes

    def _chances(self, pool: Candidates, draws: Sequence[Array]) -> Array:
        """[k, sample]: the chance to be the answer, mean over the draws of each k; `draws`: their samples
        [drawn, draw]. Several k are worked on together, in flat arrays, as most of the time is that of calls."""
        classes, n = len(pool.votes) + 1, len(pool)
        shapes = tuple((len(of), of.shape[1]) for of in draws)
        row, which = _rows(shapes)  # which draw and which k an element belongs to
        samples = np.concatenate([of.ravel() for of in draws])
        scores, answered = pool.cut_scores[samples], (pool.codes >= 0)[samples]
        scored = (~np.isnan(pool.scores))[samples] & answered
        slot = np.where(pool.codes < 0, classes - 1, pool.codes)[samples] + classes * row

        def by_answer(values: Array) -> Array:
            """Sums [draw, class]; the last class is no answer."""
            sums = np.bincount(slot, values, classes * (int(row[-1]) + 1))
            return sums.reshape(-1, classes)

        weights, voting, end = np.empty(len(samples)), answered, 0
        if (scored != answered).any():  # some have no score: they vote where nobody has one
            voting = np.where((np.bincount(row, scored) > 0)[row], scored, answered)
        for k, count in shapes:
            of_k = slice(end, end := end + k * count)
            score, votes, weight = (of[of_k].reshape(k, count) for of in (scores, voting, weights))
            weight[:] = np.where(scored[of_k].reshape(k, count), self.weigh(k, score.T, votes.T).T, 1.0) * votes
            if k <= pool.silent:  # where nobody votes, the drawn samples share
                weight[:, ~votes.any(axis=0)] = 1.0
        totals = by_answer(weights)
        best = totals.max(axis=1)
        if not best.all():  # where all weights are 0, all votes count 1
            weights = np.where((best == 0)[row], voting, weights)
            totals = by_answer(weights)
            best = totals.max(axis=1)
        won = (totals > 0) & (totals >= best[:, None] * (1 - TIE))
        positive = weights > 0
        each = won / (np.maximum(by_answer(positive), 1) * won.sum(axis=1, keepdims=True))
        shares = each.ravel()[slot] * positive
        sums = np.bincount(samples + n * which, shares, n * len(shapes)).reshape(len(shapes), n)
        return np.asarray(sums / np.array([[count] for _, count in shapes]))


@dataclass(frozen=True, kw_only=True)
class WeightedVote(SubsetVote):
    """Every sample votes with its verifier score and the answer with the largest sum wins ("best-of-n weighted": Li et
    al. 2023, arXiv:2206.02336; Snell et al. 2024, arXiv:2408.03314).

    Weights must not be negative, so in a draw that holds a negative score the weights are exp(score): of a mean
    log-probability that is the probability per token, the "normalised weighted sum" of Wang et al. (2022,
    arXiv:2203.11171); of a reward's logit, its odds. Both maps keep the order of the scores."""

    def weigh(self, k: int, scores: Array, voting: Array) -> Array:
        if scores.min() >= 0:
            return scores
        negative = (voting & (scores < 0)).any(axis=1, keepdims=True)
        return np.where(negative, _scaled_exp(scores, voting), np.maximum(scores, 0.0))


@dataclass(frozen=True, kw_only=True)
class ConfidenceVote(SubsetVote):
    """CISC, confidence-informed self-consistency (Taubenfeld et al. 2025, arXiv:2502.06233): weights are the softmax of
    the drawn samples' scores at a temperature T.

    T to infinity is the plain majority, T to 0 best-of-k. The paper tunes T for each model and kind of score on
    questions held out. Nothing is held out here: without a `temperature`, T is the standard deviation of the scores in
    the draw, so that one rule serves every scale of score."""

    temperature: float | None = None

    def weigh(self, k: int, scores: Array, voting: Array) -> Array:
        if self.temperature is not None:
            return _scaled_exp(scores / self.temperature, voting)
        count = np.maximum(voting.sum(axis=1, keepdims=True), 1)
        away = (scores - (scores * voting).sum(axis=1, keepdims=True) / count) * voting
        spread = np.sqrt((away * away).sum(axis=1, keepdims=True) / count)
        spread[spread == 0] = 1.0
        return np.asarray(np.exp(away / spread))  # finite: none is more than sqrt(k) standard deviations from the mean


@dataclass(frozen=True, kw_only=True)
class FilteredVote(SubsetVote):
    """Majority among the best `share` of the k drawn samples by score, at least one of them: the filter of DeepConf (Fu
    et al. 2025, arXiv:2508.15260), which keeps 0.1 or 0.9 and moreover weighs the votes that are left.

    Samples that tie with the last one kept are kept too. All k are paid for."""

    share: float = 0.5

    def weigh(self, k: int, scores: Array, voting: Array) -> Array:
        kept = max(1, ceil(self.share * k - 1e-9))  # 0.1 * 30 is slightly more than 3 in floating point
        ranked = np.where(voting, scores, -np.inf)
        return ranked >= np.partition(ranked, k - kept, axis=1)[:, k - kept, None]


def _scaled_exp(scores: Array, voting: Array) -> Array:
    """exp(score) up to a factor for each draw, so that it neither overflows nor vanishes."""
    if scores.max() - scores.min() <= FAR:  # one factor is enough for all draws, and faster
        return np.asarray(np.exp(scores - scores.max()))
    best = np.where(voting, scores, -np.inf).max(axis=1, keepdims=True)
    return np.asarray(np.exp(np.clip(scores - np.where(np.isfinite(best), best, 0.0), -FAR, 0.0)))


@lru_cache(maxsize=64)
def _all_draws(n: int, k: int) -> Array:
    """[drawn, draw]: the positions 0..n-1 that each of the subsets holds. Read-only."""
    return _fixed(np.array(list(combinations(range(n), k))).T)


@lru_cache(maxsize=64)
def _random_draws(n: int, draws: int, *seed: int) -> Array:
    """[drawn, draw]: random orders of the positions. Smaller k and fewer draws are the beginnings of larger ones, so
    that two points of a curve do not differ by the luck of the draw. Read-only."""
    return _fixed(np.random.default_rng((*seed, n)).random((draws, n)).argsort(axis=1).T)


def _groups(draws: Sequence[Array]) -> list[list[Array]]:
    """The draws of several k in groups of at most TOGETHER elements, or one alone."""
    groups: list[list[Array]] = []
    size = TOGETHER
    for of in draws:
        size += of.size
        if size > TOGETHER:
            groups.append([])
            size = of.size
        groups[-1].append(of)
    return groups


@lru_cache(maxsize=64)
def _rows(shapes: tuple[tuple[int, int], ...]) -> tuple[Array, Array]:
    """For arrays [drawn, draw] of these shapes, laid flat one after the other: the number of the draw that an element
    belongs to, counted through, and the number of its array. Read-only."""
    starts = np.cumsum([0, *(count for _, count in shapes)])
    rows = [np.tile(np.arange(count) + start, k) for (k, count), start in zip(shapes, starts, strict=False)]
    which = np.repeat(np.arange(len(shapes)), [k * count for k, count in shapes])
    return _fixed(np.concatenate(rows)), _fixed(which)


def _fixed(members: Array) -> Array:
    members = np.ascontiguousarray(members)
    members.setflags(write=False)
    return members
