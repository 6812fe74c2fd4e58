"""Weighted votes, which have no closed form: subsets are drawn and the winner of each is counted. Arrays are
[draw, drawn]: the k samples of each draw.

Where there are few of the C(n, k) subsets, all are used and the weights are exact; otherwise a seeded random choice of
them is used, and the curve reports its Monte-Carlo error."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from math import ceil, comb
from typing import NamedTuple, Self

import numpy as np

from ttc_bench.core import Candidate, Outcome
from ttc_bench.strategies.candidates import Array, Candidates
from ttc_bench.strategies.exact import ColumnStrategy, pool_size

EXACT = 2_000  # of at most so many subsets all are used
MOST = 2_048  # random subsets for one point, whatever its error
BEARABLE = 0.1  # Monte-Carlo error of an accuracy, as a share of half the width of its interval
LARGEST = 1e100  # scores beyond it are cut to it, so that differences and squares stay finite
FAR = 600.0  # exp of it is finite, exp of its negative is not 0
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

    draws: int = 64
    seed: int = 0

    def with_draws(self, draws: int) -> Self:
        """The same vote over another number of random subsets."""
        return replace(self, draws=draws)

    @abstractmethod
    def weigh(self, k: int, scores: Array, voting: Array) -> Array:
        """Weights >= 0 [draw, drawn] from the scores and who votes, both [draw, drawn]. A sample that does not vote can
        have any score and any weight."""

    def outcomes(self, candidates: Sequence[Candidate], ks: Sequence[int]) -> list[Outcome]:
        pool = Candidates.of(candidates)
        n = len(pool)
        for k in ks:
            pool_size(pool, k)
        order, starts, digest = pool.by_content  # the result must not depend on the order of the pool
        exact = {k: k == 1 or comb(n, k) <= EXACT for k in ks}
        most = max((k for k in ks if not exact[k]), default=0)
        if most:
            # Subsets of positions are drawn once. Each problem deals its samples onto the positions by itself, so that
            # the errors of different problems are independent.
            deal = np.random.default_rng((self.seed, int.from_bytes(digest[:16]))).permutation(n)
            dealt = _Drawn.of(pool, order[deal], _random_draws(n, self.draws, self.seed)[:most])
        held = np.diff(starts, append=n)
        outcomes = []
        for k in ks:
            if k == 1:  # nothing to choose
                weights = np.full(n, 1 / n)
            else:
                drawn = _Drawn.of(pool, order, _all_draws(n, k)) if exact[k] else dealt.first(k)
                weights = self._chances(k, drawn, n)
                # samples of one content are exchangeable: their exact chances are equal, so their estimates are made so
                if len(held) < n:
                    weights[order] = np.repeat(np.add.reduceat(weights[order], starts) / held, held)
            outcomes.append(Outcome(weights, k * pool.mean_tokens, None if exact[k] else self.draws))
        return outcomes

    def _chances(self, k: int, drawn: _Drawn, n: int) -> Array:
        """[sample]: the chance to be the answer, mean over the draws."""
        voting = drawn.answered
        if drawn.judged is None:
            weights = self.weigh(k, drawn.scores.T, voting.T).T * voting
        else:
            some = drawn.judged.any(axis=0)
            voting = np.where(some, drawn.judged, voting)
            weights = np.where(some, self.weigh(k, drawn.scores.T, voting.T).T, 1.0) * voting
        totals = drawn.by_answer(weights)
        best = totals.max(axis=1)
        if not best.all():
            weights = np.where(best > 0, weights, voting)
            totals = drawn.by_answer(weights)
            best = totals.max(axis=1)
        won = (totals >= best[:, None] * (1 - TIE)) & (totals > 0)
        positive = weights > 0
        each = won / np.maximum(drawn.by_answer(positive), 1) / np.maximum(won.sum(axis=1, keepdims=True), 1)
        shares = each.ravel()[drawn.slot] * positive
        shares[:, best == 0] = 1 / k  # nobody votes
        return np.asarray(np.bincount(drawn.samples.ravel(), shares.ravel(), n) / len(best))


class _Drawn(NamedTuple):
    """What a vote needs to know of the samples of each draw: arrays [drawn, draw], so that the first k of each draw,
    which are a draw of k, are the first k rows."""

    samples: Array
    scores: Array  # 0 where there is none
    answered: Array
    judged: Array | None  # answered and scored; None where that is the same
    slot: Array  # in a flat array [draw, class]; the last class is no answer
    classes: int

    @classmethod
    def of(cls, pool: Candidates, place: Array, members: Array) -> _Drawn:
        """`place` [position]: the sample at each position; `members`: positions."""
        codes, scores = pool.codes[place], pool.scores[place]
        answered, scored = codes >= 0, ~np.isnan(scores)
        classes = len(pool.votes) + 1
        return cls(
            place[members],
            np.where(scored, scores, 0.0).clip(-LARGEST, LARGEST)[members],
            answered[members],
            None if scored[answered].all() else (answered & scored)[members],
            np.where(answered, codes, classes - 1)[members] + classes * np.arange(members.shape[1]),
            classes,
        )

    def first(self, k: int) -> _Drawn:
        judged = None if self.judged is None else self.judged[:k]
        return _Drawn(self.samples[:k], self.scores[:k], self.answered[:k], judged, self.slot[:k], self.classes)

    def by_answer(self, values: Array) -> Array:
        """Sums [draw, class]."""
        draws = self.slot.shape[1]
        return np.bincount(self.slot.ravel(), values.ravel(), draws * self.classes).reshape(draws, self.classes)


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
        away = scores - (scores * voting).sum(axis=1, keepdims=True) / count
        spread = np.sqrt((away**2 * voting).sum(axis=1, keepdims=True) / count)
        # samples that vote are at most sqrt(k) standard deviations from their mean
        return np.asarray(np.exp(np.clip(away / np.where(spread > 0, spread, 1.0), -FAR, FAR)))


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


@lru_cache(maxsize=32)
def _random_draws(n: int, draws: int, seed: int) -> Array:
    """[drawn, draw]: random orders of the positions. Smaller k and fewer draws are the beginnings of larger ones, so
    that two points of a curve do not differ by the luck of the draw. Read-only."""
    return _fixed(np.random.default_rng((seed, n)).random((draws, n)).argsort(axis=1).T)


def _fixed(members: Array) -> Array:
    members = np.ascontiguousarray(members)
    members.setflags(write=False)
    return members
