"""Small model first, the large one where that is not sure: cascades, replayed exactly over two pools. Pure.

k samples of the small model are drawn. Where they are sure enough their answer stays, else K samples of the large model
answer; the small one is paid for in any case. Two rules say how sure a draw is:

* "votes": the share of the k that voted for the leading answer, which is kept (the vote-based decision of
  mixture-of-thought cascades, Yue et al. 2023, arXiv:2310.03094); samples without an answer stay in the denominator.
* the name of a verifier: the best score among the k, whose sample is kept (AutoMix, Madaan et al. 2023,
  arXiv:2310.12963, asks a verifier at k = 1; a recorded confidence, such as self-certainty, is a verifier here).

Draws from two pools are independent given the problem, so with s the sureness of a draw, the value of a threshold t is

    P(s >= t and right) + P(s < t) x the large model's chance to be right,

and its cost that of the small draw + P(s < t) x that of the large one. The first chances are those of all k-subsets of
the pool: policies/leading.py counts votes, the strategy best-of-n has the order statistics. Arrays are
[threshold, problem].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.curves import candidates_of, chances, draws
from ttc_bench.analysis.graded import Array, GradedPool
from ttc_bench.core import Strategy
from ttc_bench.policies.leading import leading
from ttc_bench.policies.spending import costs
from ttc_bench.strategies.exact import BestOfN, MajorityVote

VOTES = "votes"
MAJORITY = "majority"
MOST = 24  # finite thresholds of a score


@dataclass(frozen=True, eq=False)
class Sureness:
    """A rule over draws of k. Thresholds rise from -inf, which keeps every draw, to inf, which keeps none."""

    rule: str
    k: int
    thresholds: Array  # [threshold]
    kept: Array  # [threshold, problem]: chance that a draw is at least so sure
    right: Array  # [threshold, problem]: chance of that and of its answer being right


@dataclass(frozen=True, eq=False)
class Alone:
    """One model by itself. `values`: chance to be right, `costs` by unit; [problem]."""

    model: str
    method: str  # MAJORITY or the verifier that chooses
    k: int
    values: Array
    costs: dict[str, Array]

    @property
    def name(self) -> str:
        """For people: "small, majority of 4", "small, one sample"."""
        of = f"majority of {self.k}" if self.method == MAJORITY else f"best of {self.k} by {self.method}"
        return f"{self.model}, {of if self.k > 1 else 'one sample'}"


@dataclass(frozen=True, eq=False)
class Cascade:
    """A rule with the model before and behind it."""

    sureness: Sureness
    small: Alone
    large: Alone

    @property
    def escalated(self) -> Array:
        """[threshold, problem]: the chance that the large model is asked."""
        return np.asarray(1 - self.sureness.kept)

    @property
    def values(self) -> Array:
        """[threshold, problem]: the chance that the answer is right."""
        return np.asarray(self.sureness.right + self.escalated * self.large.values)

    def costs(self, unit: str) -> Array | None:
        """[threshold, problem]: both models together; None where one of them is not known in this unit."""
        if unit not in self.small.costs or unit not in self.large.costs:
            return None
        return np.asarray(self.small.costs[unit] + self.escalated * self.large.costs[unit])


def by_votes(pool: GradedPool, k: int) -> Sureness:
    """The leading answer's share of the k, at every share that there can be."""
    found = [leading(g, k) for g in pool.problems]
    kept, right = (np.stack([f[i] for f in found], axis=1) for i in (0, 1))
    thresholds = np.append(np.arange(k + 1) / k, np.inf)
    thresholds[0] = -np.inf
    never = np.zeros((1, len(pool.problems)))
    kept, right = (_from_below(np.vstack([table, never])) for table in (kept, right))
    return Sureness(VOTES, k, thresholds, kept, right)


def by_score(pool: GradedPool, verifier: str, k: int) -> Sureness:
    """The best score of the k. A draw whose best sample has no answer or no score is the least sure. Every score is a
    threshold; of more than MOST those that part the draws of all problems into about equal shares are."""
    scores, weights, right, problem = [], [], [], []
    for i, g in enumerate(pool.problems):
        candidates = candidates_of(g, verifier)
        (outcome,) = BestOfN().outcomes(candidates, [k])
        unsure = np.isnan(candidates.scores) | (candidates.codes < 0)
        scores.append(np.where(unsure, -np.inf, candidates.cut_scores))
        weights.append(outcome.weights)
        right.append(outcome.weights * g.samples.correct)
        problem.append(np.full(len(g), i))
    of_all = np.concatenate(scores)
    thresholds = _thresholds(of_all, np.concatenate(weights))
    rank = np.searchsorted(thresholds, of_all, side="right") - 1  # the highest threshold that it reaches
    shape = (len(thresholds), len(pool.problems))
    sums = []
    for part in (weights, right):
        table = np.zeros(shape)
        np.add.at(table, (rank, np.concatenate(problem)), np.concatenate(part))
        sums.append(_from_below(table))
    return Sureness(verifier, k, thresholds, *sums)


def _thresholds(scores: Array, weights: Array) -> Array:
    finite = np.isfinite(scores)
    distinct = np.unique(scores[finite])
    if len(distinct) > MOST:
        order = np.argsort(scores[finite])
        mass = weights[finite][order].cumsum()
        at = np.searchsorted(mass, np.arange(MOST) / MOST * mass[-1], side="right")
        distinct = np.unique(scores[finite][order][at])
    return np.concatenate([[-np.inf], distinct, [np.inf]])


def _from_below(table: Array) -> Array:
    """The sums of chances over all rows from each on."""
    return np.asarray(np.clip(np.cumsum(table[::-1], axis=0)[::-1], 0.0, 1.0))


def alone(name: str, pool: GradedPool, rates: Rates, ks: Sequence[int] | None = None) -> list[Alone]:
    """A model by majority, and by best-of-k under every verifier, at k = 1, 2, 4, ... and the most that the pool
    holds."""
    ks = draws(pool.depth) if ks is None else ks
    ways: list[tuple[Strategy, str]] = [(MajorityVote(), "")]
    ways += [(BestOfN(), verifier) for verifier in pool.problems[0].scores]
    return [
        Alone(name, verifier or MAJORITY, k, found.values, costs(pool, rates, k, verifier, found.tokens))
        for strategy, verifier in ways
        for k, found in chances(pool, strategy, verifier, ks).items()
    ]


def cascades(small: Sequence[Alone], small_pool: GradedPool, large: Sequence[Alone]) -> list[Cascade]:
    """Every rule at every k of the small model, with every majority of the large one behind it. A vote of one is no
    vote."""
    behind = [a for a in large if a.method == MAJORITY]
    found = []
    for first in small:
        if first.method == MAJORITY and first.k == 1:
            continue
        verifier = "" if first.method == MAJORITY else first.method
        sure = by_score(small_pool, verifier, first.k) if verifier else by_votes(small_pool, first.k)
        found += [Cascade(sure, first, last) for last in behind]
    return found
