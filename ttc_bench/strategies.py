"""The menu of strategies that choose among samples, and the methods that users name. Pure; gold never comes here.

A strategy is a frozen value with one method. `outcome(candidates, k)` gives each of the n candidates its chance to
become the answer when k of the n are drawn without replacement: no "first k of n", and no Monte Carlo where a closed
form exists (the weighted votes have none).
To add one: a class with `outcome` here and a line in METHODS; the law tests pick it up unasked.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, comb

import numpy as np

from ttc_bench.core import Candidate, Outcome, Strategy
from ttc_bench.errors import NotEnoughSamples
from ttc_bench.votes import Array, vote_weights

FAR = 600.0  # exp of it is finite, exp of its negative is not 0


def _check(candidates: Sequence[Candidate], k: int) -> int:
    n = len(candidates)
    if k < 1:
        raise ValueError(f"k = {k}: a draw needs at least one sample")
    if k > n:
        raise NotEnoughSamples(k, n)
    return n


def _tokens(candidates: Sequence[Candidate], k: int) -> float:
    """Expected tokens of k candidates drawn from n: each is drawn with chance k/n."""
    return k * sum(c.tokens for c in candidates) / len(candidates)


@dataclass(frozen=True)
class Single:
    """The first drawn sample is the answer; the other k - 1 are paid for and ignored. Only k = 1 is sensible."""

    def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome:
        n = _check(candidates, k)
        return Outcome((1 / n,) * n, _tokens(candidates, k))


@dataclass(frozen=True)
class MajorityVote:
    """maj@k, also called self-consistency (Wang et al. 2022, arXiv:2203.11171).

    Ties are split evenly between the tied answers. A sample without an extractable answer never votes; a draw in
    which no sample has an answer gives none, and its weight stays on those samples (which are never correct)."""

    def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome:
        n = _check(candidates, k)
        votes = Counter(c.answer for c in candidates if c.answer is not None)
        silent = n - votes.total()
        chance = _vote_chances(tuple(sorted(votes.values())), silent, k)
        nothing = comb(silent, k) / comb(n, k)
        weights = tuple(
            nothing / silent if c.answer is None else chance[votes[c.answer]] / votes[c.answer] for c in candidates
        )
        return Outcome(weights, _tokens(candidates, k))


@functools.lru_cache(maxsize=65_536)
def _vote_chances(votes: tuple[int, ...], silent: int, k: int) -> dict[int, float]:
    """Chance that one answer with m votes in the pool wins a draw of k, for each m that occurs in `votes`.

    Sum over the j votes it gets in the draw of C(m, j) times the ways in which every rival gets at most j, divided by
    1 + the number of rivals that tie. Ways are counted in exact integers by a dynamic programme over the rivals."""
    total = comb(sum(votes) + silent, k)
    chances = {}
    for m in set(votes):
        rivals = list(votes)
        rivals.remove(m)
        won = 0.0
        for j in range(1, min(m, k) + 1):
            ways = _ways(tuple(rivals), silent, k - j, j)
            won += comb(m, j) * sum(w / (1 + ties) for ties, w in enumerate(ways)) / total
        chances[m] = won
    return chances


def _ways(rivals: tuple[int, ...], silent: int, room: int, j: int) -> list[int]:
    """In how many ways `room` samples come from the rivals, each giving at most j, and from the silent ones:
    entry t counts those in which exactly t rivals give j."""
    most_ties = room // j
    # table[t][v]: ways in which v samples come from the rivals seen so far, t of them giving j
    table = [[0] * (room + 1) for _ in range(most_ties + 1)]
    table[0][0] = 1
    for size, times in Counter(rivals).items():
        below = [comb(size, i) for i in range(min(size + 1, j))]
        tie = comb(size, j)
        for _ in range(times):
            table = [
                [
                    sum(below[i] * row[v - i] for i in range(min(len(below), v + 1)))
                    + (tie * table[t - 1][v - j] if tie and t and v >= j else 0)
                    for v in range(room + 1)
                ]
                for t, row in enumerate(table)
            ]
    return [sum(w * comb(silent, room - v) for v, w in enumerate(row)) for row in table]


@dataclass(frozen=True)
class BestOfN:
    """best-of-k: the drawn sample with the highest verifier score; equal scores share.

    Samples without a score rank below all that have one, and samples without an extractable answer below those: that
    an answer cannot be read is seen without the gold."""

    def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome:
        n = _check(candidates, k)
        ranks = [_rank(c) for c in candidates]
        total = comb(n, k)
        chance, below = {}, 0
        for rank, m in sorted(Counter(ranks).items()):
            chance[rank] = (comb(below + m, k) - comb(below, k)) / total / m
            below += m
        return Outcome(tuple(chance[r] for r in ranks), _tokens(candidates, k))


def _rank(c: Candidate) -> tuple[bool, bool, float]:
    return (c.answer is not None, c.score is not None, c.score if c.score is not None else 0.0)


@dataclass(frozen=True, kw_only=True)
class SubsetVote:
    """What the weighted votes share. They have no closed form: up to `draws` subsets are looked at one by one (exact);
    where there are more, so many are drawn at random with `seed`. votes.py says who votes and how ties are split. A
    vote of your own is a subclass with `weigh`."""

    draws: int = 2_000
    seed: int = 0

    def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome:
        _check(candidates, k)
        weigh = functools.partial(self.weigh, k)
        weights, draws = vote_weights(candidates, k, self.draws, self.seed, weigh)
        return Outcome(weights, _tokens(candidates, k), draws)

    def weigh(self, k: int, scores: Array, voting: Array) -> Array:
        """Weights >= 0, [sample, draw] or [sample, 1], from scores [sample, 1] and who votes in which draw [sample,
        draw]. What it says of samples that do not vote is not looked at."""
        raise NotImplementedError


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
        negative = (voting & (scores < 0)).any(axis=0)
        return np.where(negative, _exp(scores, voting), np.maximum(scores, 0.0))


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
            return _exp(scores / self.temperature, voting)
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

    def weigh(self, k: int, scores: Array, voting: Array) -> Array:
        kept = max(1, ceil(self.share * k - 1e-9))  # 0.1 * 30 is a little more than 3
        order = np.argsort(-scores[:, 0], kind="stable")
        ranked = voting[order]
        before = np.cumsum(ranked, axis=0) - ranked
        falling = -scores[order, 0]
        better = before[np.searchsorted(falling, falling)]  # those before the first of equals
        weights = np.empty(voting.shape)
        weights[order] = better < kept
        return weights


def _exp(scores: Array, voting: Array) -> Array:
    """exp(score) up to a factor for each draw, so that it neither overflows nor vanishes."""
    if scores.max() - scores.min() <= FAR:  # one factor does for all draws, and spares most of the work
        return np.asarray(np.exp(scores - scores.max()))
    best = np.where(voting, scores, -np.inf).max(axis=0)
    return np.asarray(np.exp(np.clip(scores - np.where(voting.any(axis=0), best, 0.0), -FAR, 0.0)))


@dataclass(frozen=True)
class Method:
    """What a user names: a prompt and a strategy. `verified`: one curve per verifier; `votes`: k grows beyond 1."""

    name: str
    prompt: str  # a name in prompts.PROMPTS
    strategy: Strategy
    about: str
    votes: bool = False
    verified: bool = False
    revises: bool = False  # a point per round of revision


METHODS = {
    m.name: m
    for m in (
        Method("direct", "direct", Single(), "the answer alone, no working"),
        Method("cot", "cot", Single(), "zero-shot chain-of-thought"),
        Method("cot-few-shot", "cot-few-shot", Single(), "chain-of-thought after the task's worked examples"),
        Method("self-consistency", "cot", MajorityVote(), "majority over k chains of thought", votes=True),
        Method("best-of-n", "cot", BestOfN(), "the highest verifier score of k", votes=True, verified=True),
        Method("refine", "cot", Single(), "the model checks and revises its answer, round after round", revises=True),
        Method("weighted-vote", "cot", WeightedVote(), "votes weigh their verifier score", votes=True, verified=True),
        Method("cisc", "cot", ConfidenceVote(), "votes weigh the softmax of the scores", votes=True, verified=True),
        Method("filtered-vote", "cot", FilteredVote(), "majority of the better-scored half", votes=True, verified=True),
    )
}
