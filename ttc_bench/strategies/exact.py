"""Strategies in closed form: one sample, majority, best-of-k.

A strategy is a frozen value. `outcome(candidates, k)` gives each of the n candidates its chance to become the answer
when k of the n are drawn without replacement: no "first k of n", and no Monte Carlo.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ttc_bench.core import Candidate, Outcome, Strategy
from ttc_bench.errors import NotEnoughSamples
from ttc_bench.strategies.candidates import Array, Candidates
from ttc_bench.strategies.majority import win_chances


def pool_size(candidates: Sequence[Candidate], k: int) -> int:
    """n, the number of candidates. Raises ValueError for k < 1 and NotEnoughSamples for k > n."""
    n = len(candidates)
    if k < 1:
        raise ValueError(f"k = {k}: a draw needs at least one sample")
    if k > n:
        raise NotEnoughSamples(k, n)
    return n


@lru_cache(maxsize=256)
def within(n: int, k: int) -> Array:
    """[0..n]: the chance C(b, k)/C(n, k) that all k of n drawn samples are among b given ones. Read-only."""
    b = np.arange(n, 0, -1)
    chances = np.concatenate([[1.0], np.maximum((b - k) / b, 0).cumprod()])[::-1]
    chances.setflags(write=False)
    return chances


class ColumnStrategy(Strategy):
    """Base of the strategies here, which compute on columns: a subclass has `outcomes`."""

    def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome:
        return self.outcomes(candidates, [k])[0]

    @abstractmethod
    def outcomes(self, candidates: Sequence[Candidate], ks: Sequence[int]) -> list[Outcome]: ...


class ClosedForm(ColumnStrategy):
    """A subclass has `weights`. All k drawn samples are paid for."""

    def outcomes(self, candidates: Sequence[Candidate], ks: Sequence[int]) -> list[Outcome]:
        pool = Candidates.of(candidates)
        for k in ks:
            pool_size(pool, k)
        return [Outcome(w, k * pool.mean_tokens) for w, k in zip(self.weights(pool, ks), ks, strict=True)]

    @abstractmethod
    def weights(self, pool: Candidates, ks: Sequence[int]) -> list[Array]:
        """For each k the chances [sample] to become the answer."""


@dataclass(frozen=True)
class Single(ClosedForm):
    """The first drawn sample is the answer; the other k - 1 are paid for and ignored. Only k = 1 is sensible."""

    def weights(self, pool: Candidates, ks: Sequence[int]) -> list[Array]:
        return [np.full(len(pool), 1 / len(pool)) for _ in ks]


@dataclass(frozen=True)
class MajorityVote(ClosedForm):
    """maj@k, also called self-consistency (Wang et al. 2022, arXiv:2203.11171).

    Ties are split evenly between the tied answers. A sample without an extractable answer never votes; a draw in
    which no sample has an answer gives none, and its weight stays on those samples (which are never correct).
    Weights are within 1e-12 of the exact ones (majority.py)."""

    def weights(self, pool: Candidates, ks: Sequence[int]) -> list[Array]:
        n, silent, votes = len(pool), pool.silent, pool.votes
        answers = np.bincount(votes)  # by their number of votes
        answers[:1] = 0
        sizes = np.flatnonzero(answers)
        profile = tuple(sizes.tolist()), tuple(answers[sizes].tolist())
        of_votes = np.zeros(len(answers))  # the chance of each sample of an answer, by the answer's number of votes
        found = []
        for k in ks:
            of_votes[sizes] = np.array(win_chances(*profile, silent, k)) / sizes
            nothing = within(n, k)[silent] / max(silent, 1)
            found.append(np.append(of_votes[votes], nothing)[pool.codes])  # code -1 is the last
        return found


@dataclass(frozen=True)
class BestOfN(ClosedForm):
    """best-of-k: the drawn sample with the highest verifier score; equal scores share the win.

    Samples without a score rank below all that have one, and samples without an extractable answer below those (a
    missing answer shows without the gold). For a rank held by m samples with b samples below it, the chance that it is
    the best of the draw is [C(b+m, k) - C(b, k)] / C(n, k)."""

    def weights(self, pool: Candidates, ks: Sequence[int]) -> list[Array]:
        n, scored = len(pool), ~np.isnan(pool.scores)
        ranks = np.stack([np.where(scored, pool.scores, 0.0), scored, pool.codes >= 0])
        order = np.lexsort(ranks)
        ranks = ranks[:, order]
        starts = np.flatnonzero(np.r_[True, (ranks[:, 1:] != ranks[:, :-1]).any(axis=0)])
        held = np.diff(np.r_[starts, n])
        found = []
        for k in ks:
            chances = within(n, k)
            weights = np.empty(n)
            weights[order] = np.repeat((chances[starts + held] - chances[starts]) / held, held)
            found.append(weights)
        return found
