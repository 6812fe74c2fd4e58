"""Weighted votes, which have no closed form: subsets are drawn and the winner of each is counted. Arrays are
[sample, draw].

Where there are few of the C(n, k) subsets, all are used and the weights are exact; otherwise a seeded random choice of
them is used, and the curve reports its Monte-Carlo error."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import combinations
from math import ceil, comb, isnan
from typing import Any

import numpy as np

from ttc_bench.core import Candidate, Outcome
from ttc_bench.strategies.exact import expected_tokens, pool_size

DrawArray = np.ndarray[Any, np.dtype[Any]]
LARGEST = 1e100  # scores beyond it are cut to it, so that differences and squares stay finite
Weigh = Callable[
    [DrawArray, DrawArray], DrawArray
]  # scores [sample, 1], who votes [sample, draw] -> weights [sample, draw]
SETS = 32  # different sets of random subsets
FAR = 600.0  # exp of it is finite, exp of its negative is not 0
TIE = 1e-9  # relative difference below which two totals (sums of floats) are a tie


@dataclass(frozen=True, kw_only=True)
class SubsetVote:
    """Base of the weighted votes. Up to `draws` subsets are enumerated (exact); if there are more, `draws` of them are
    drawn at random with `seed`. vote_weights explains who votes and how ties are split. A vote of your own is a
    subclass with `weigh`."""

    draws: int = 2_000
    seed: int = 0

    def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome:
        pool_size(candidates, k)
        weigh = partial(self.weigh, k)
        weights, draws = vote_weights(candidates, k, self.draws, self.seed, weigh)
        return Outcome(weights, expected_tokens(candidates, k), draws)

    def weigh(self, k: int, scores: DrawArray, voting: DrawArray) -> DrawArray:
        """Weights >= 0, [sample, draw] or [sample, 1], from scores [sample, 1] and who votes in which draw [sample,
        draw]. Weights of samples that do not vote are ignored."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class WeightedVote(SubsetVote):
    """Every sample votes with its verifier score and the answer with the largest sum wins ("best-of-n weighted": Li et
    al. 2023, arXiv:2206.02336; Snell et al. 2024, arXiv:2408.03314).

    Weights must not be negative, so in a draw that holds a negative score the weights are exp(score): of a mean
    log-probability that is the probability per token, the "normalised weighted sum" of Wang et al. (2022,
    arXiv:2203.11171); of a reward's logit, its odds. Both maps keep the order of the scores."""

    def weigh(self, k: int, scores: DrawArray, voting: DrawArray) -> DrawArray:
        if scores.min() >= 0:
            return scores
        negative = (voting & (scores < 0)).any(axis=0)
        return np.where(negative, _scaled_exp(scores, voting), np.maximum(scores, 0.0))


@dataclass(frozen=True, kw_only=True)
class ConfidenceVote(SubsetVote):
    """CISC, confidence-informed self-consistency (Taubenfeld et al. 2025, arXiv:2502.06233): weights are the softmax of
    the drawn samples' scores at a temperature T.

    T to infinity is the plain majority, T to 0 best-of-k. The paper tunes T for each model and kind of score on
    questions held out. Nothing is held out here: without a `temperature`, T is the standard deviation of the scores in
    the draw, so that one rule serves every scale of score."""

    temperature: float | None = None

    def weigh(self, k: int, scores: DrawArray, voting: DrawArray) -> DrawArray:
        if self.temperature is not None:
            return _scaled_exp(scores / self.temperature, voting)
        count = np.maximum(voting.sum(axis=0), 1)
        away = scores - scores.T @ voting / count
        spread = np.sqrt((away**2 * voting).sum(axis=0) / count)
        # samples that vote are at most sqrt(n) standard deviations from their mean
        return np.asarray(np.exp(np.clip(away / np.where(spread > 0, spread, 1.0), -FAR, FAR)))


@dataclass(frozen=True, kw_only=True)
class FilteredVote(SubsetVote):
    """Majority among the best `share` of the k drawn samples by score, at least one of them: the filter of DeepConf (Fu
    et al. 2025, arXiv:2508.15260), which keeps 0.1 or 0.9 and moreover weighs the votes that are left.

    Samples that tie with the last one kept are kept too. All k are paid for."""

    share: float = 0.5

    def weigh(self, k: int, scores: DrawArray, voting: DrawArray) -> DrawArray:
        kept_count = max(1, ceil(self.share * k - 1e-9))  # 0.1 * 30 is slightly more than 3 in floating point
        order = np.argsort(-scores[:, 0], kind="stable")
        ranked = voting[order]
        before = np.cumsum(ranked, axis=0) - ranked
        falling = -scores[order, 0]
        better = before[np.searchsorted(falling, falling)]  # number of voters with a strictly higher score
        weights = np.empty(voting.shape)
        weights[order] = better < kept_count
        return weights


def _scaled_exp(scores: DrawArray, voting: DrawArray) -> DrawArray:
    """exp(score) up to a factor for each draw, so that it neither overflows nor vanishes."""
    if scores.max() - scores.min() <= FAR:  # one factor is enough for all draws, and faster
        return np.asarray(np.exp(scores - scores.max()))
    best = np.where(voting, scores, -np.inf).max(axis=0)
    return np.asarray(np.exp(np.clip(scores - np.where(voting.any(axis=0), best, 0.0), -FAR, 0.0)))


def vote_weights(
    candidates: Sequence[Candidate], k: int, draws: int, seed: int, weigh: Weigh
) -> tuple[tuple[float, ...], int | None]:
    """(chance of each candidate to be the answer when k of the n are drawn, random subsets behind it; None: exact).

    `weigh` gives the weights >= 0 of the votes; those of samples that do not vote are ignored. The answer
    with the largest total wins; tied answers share, and an answer's chance is split evenly over its samples of positive
    weight. A sample without an answer never votes. One without a score votes only in draws where no sample with an
    answer has one; there, and where all weights are 0, every vote counts 1. The chance of draws without any answer
    stays on their samples, which are never correct."""
    n = len(candidates)
    if k == 1:  # nothing to choose
        return (1 / n,) * n, None
    keys = [_content(c) for c in candidates]
    order = sorted(range(n), key=keys.__getitem__)  # the result must not depend on the order of the pool
    exact = comb(n, k) <= draws
    if exact:
        drawn = _all_subsets(n, k)
    else:  # a problem takes one of few sets of subsets, for speed, and deals its samples onto it: errors of different
        # problems are independent
        digest = hashlib.sha256(repr((seed, k, [keys[i] for i in order])).encode()).digest()
        drawn = _some_subsets(n, k, draws, seed, digest[0] % SETS)
        order = [order[i] for i in np.random.default_rng(int.from_bytes(digest)).permutation(n)]
    chances: dict[tuple[Any, ...], list[float]] = {}
    for i, chance in zip(order, _chances([candidates[i] for i in order], drawn, weigh), strict=True):
        chances.setdefault(keys[i], []).append(float(chance))
    # samples of one content are exchangeable: their exact chances are equal, so their estimates are made equal
    means = {key: sum(values) / len(values) for key, values in chances.items()}
    return tuple(means[key] for key in keys), None if exact else draws


def _content(c: Candidate) -> tuple[Any, ...]:
    """Everything that a vote uses of a sample, as a sortable key."""
    score = _score(c)
    return (c.answer is None, c.answer or "", score is None, score or 0.0)


def _score(c: Candidate) -> float | None:
    return None if c.score is None or isnan(c.score) else max(-LARGEST, min(LARGEST, c.score))


@lru_cache(maxsize=64)
def _all_subsets(n: int, k: int) -> DrawArray:
    return _marked(n, np.array(list(combinations(range(n), k))))


@lru_cache(maxsize=4 * SETS)
def _some_subsets(n: int, k: int, draws: int, *seed: int) -> DrawArray:
    return _marked(n, np.random.default_rng((*seed, n, k)).random((draws, n)).argsort(axis=1)[:, :k])


def _marked(n: int, members: DrawArray) -> DrawArray:
    """bool [sample, draw]: whether a sample is drawn, from the members [draw, k] of each draw."""
    drawn = np.zeros((n, len(members)), dtype=bool)
    np.put_along_axis(drawn, members.T, True, axis=0)
    drawn.setflags(write=False)
    return drawn


def _chances(candidates: Sequence[Candidate], drawn: DrawArray, weigh: Weigh) -> DrawArray:
    """[sample]: the chance to be the answer, mean over the draws."""
    values = [_score(c) for c in candidates]
    answered = np.array([[c.answer is not None] for c in candidates])
    scored = answered & np.array([[s is not None] for s in values])
    scores = np.array([[0.0 if s is None else s] for s in values])
    judged = (drawn & scored).any(axis=0)
    voting = drawn & np.where(judged, scored, answered)
    weights = np.where(judged, weigh(scores, voting), 1.0) * voting
    total = weights.sum(axis=0)
    if not total.all():
        weights = np.where(total > 0, weights, voting)

    number = {a: i for i, a in enumerate(dict.fromkeys(c.answer for c in candidates))}
    code = np.array([number[c.answer] for c in candidates])
    of_answer = np.eye(len(number))[:, code]  # [answer, sample]
    totals = of_answer @ weights
    won = (totals > 0) & (totals >= totals.max(axis=0) * (1 - TIE))
    voters = (weights > 0).astype(float)
    per_voter = won / np.maximum(of_answer @ voters, 1) / np.maximum(won.sum(axis=0), 1)  # [answer, draw]
    shares = (per_voter @ voters.T)[code, np.arange(len(code))]
    silent = drawn[:, ~voting.any(axis=0)]
    return np.asarray((shares + (silent / silent.sum(axis=0)).sum(axis=1)) / drawn.shape[1])
