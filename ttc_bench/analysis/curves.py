"""Graded pools -> curves: one value per problem, every k from the same pool. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np

from ttc_bench.analysis.costs import Rates, prompt_tokens
from ttc_bench.analysis.graded import Graded, GradedPool
from ttc_bench.analysis.quality import Quality, quality
from ttc_bench.analysis.stats import draws_variance, mean, mean_interval, pass_at_k
from ttc_bench.core import Change, CurvePoint, Kind, Score, Strategy
from ttc_bench.strategies.candidates import Candidates
from ttc_bench.strategies.methods import Method
from ttc_bench.strategies.subsets import SubsetVote, draws_needed

PASS = "pass@k"


@dataclass(frozen=True)
class Measured:
    """A point of a curve, and the values behind its means: the chance that the answer is right, and the generated
    tokens, both [problem], in the order of the pool's problems."""

    point: CurvePoint
    pool: GradedPool
    values: tuple[float, ...]
    tokens: tuple[float, ...]


@dataclass
class _Tally:
    """Collects the values of a method at one k; all lists are [problem]."""

    method: str
    k: int
    shares: Quality  # of the pool
    verifier: str = ""
    values: list[float] = field(default_factory=list)  # chance that the answer is right
    tokens: list[float] = field(default_factory=list)  # generated
    totals: list[float] = field(default_factory=list)  # read and generated
    variance: float = 0.0  # of the estimator, summed over problems
    reach: float = 0.0  # pass@k, summed over problems; 0 where nothing is estimated

    def add(self, g: Graded, value: float, tokens: float) -> None:
        self.values.append(value)
        self.tokens.append(tokens)
        self.totals.append(tokens + prompt_tokens(g, self.k, self.verifier))

    def measured(self, pool: GradedPool, rates: Rates, bound: bool = False) -> Measured:
        accuracy, low, high = mean_interval(self.values)
        shares = self.shares
        read, generated = mean(self.totals) - mean(self.tokens), mean(self.tokens)
        point = CurvePoint(
            task=pool.task.name,
            model=pool.model,
            method=self.method,
            verifier=self.verifier,
            prompt=pool.prompt,
            effort=pool.effort or "",
            change=pool.change,
            k=self.k,
            accuracy=accuracy,
            low=low,
            high=high,
            tokens=generated,
            total_tokens=mean(self.totals),
            dollars=rates.dollars(pool, self.k, self.verifier, read, generated),
            flops=rates.flops(pool, self.k, self.verifier, self.totals),
            parameters=rates.parameters,
            problems=len(pool.problems),
            samples=pool.depth,
            guess=pool.task.guess,
            bound=bound,
            mc_error=sqrt(self.variance) / len(self.values),
            truncated=shares.truncated,
            unextracted=shares.unextracted,
            duplicated=shares.duplicated,
            failed=shares.failed,
            estimated=shares.estimated,
            values=tuple(self.values),
        )
        return Measured(point, pool, tuple(self.values), tuple(self.tokens))


def draws(largest: int) -> list[int]:
    """The values of k for a pool of `largest` samples: 1, 2, 4, ... and `largest`."""
    return sorted({2**i for i in range(largest.bit_length())} | {largest}) if largest else []


def curve(method: Method, verifier: str, pool: GradedPool, rates: Rates) -> list[Measured]:
    """One point per k, all from the same pool: accuracy is the mean over problems of weights @ correct. Where a
    strategy draws subsets at random, `mc_error` is the resulting standard error: sqrt(sum of variances) / Q. If that is
    too large beside the interval, the point is computed again from more subsets. `verifier`: "" for a method without
    one."""
    ks, strategy = draws(pool.depth) if method.votes else draws(min(pool.depth, 1)), method.strategy
    if not ks:
        return []
    points = _points(method, strategy, ks, verifier, pool, rates)
    if isinstance(strategy, SubsetVote):
        for i, k in enumerate(ks):
            vote, p = strategy, points[i].point
            while (needed := draws_needed(p.mc_error, (p.high - p.low) / 2, vote.draws)) > vote.draws:
                vote = vote.with_draws(needed)
                (points[i],) = _points(method, vote, [k], verifier, pool, rates)
                p = points[i].point
    return points


def _points(
    method: Method, strategy: Strategy, ks: Sequence[int], verifier: str, pool: GradedPool, rates: Rates
) -> list[Measured]:
    shares = quality(pool)
    rows = [_Tally(method.name, k, shares, verifier) for k in ks]
    for g in pool.problems:
        for row, outcome in zip(rows, strategy.outcomes(candidates_of(g, verifier), ks), strict=True):
            value = min(float(np.dot(outcome.weights, g.correct)), 1.0)
            if outcome.draws:
                row.reach += pass_at_k(len(g.correct), sum(g.correct), row.k)
                row.variance += draws_variance(value, outcome.draws)
            row.add(g, value, outcome.tokens)
    for row in rows:
        if (
            0 < row.reach < sum(row.values)
        ):  # estimates are cut to pass@k together: cut one by one, their mean is too low
            row.values = [value * row.reach / sum(row.values) for value in row.values]
    return [row.measured(pool, rates) for row in rows]


def along_changes(method: Method, pool: GradedPool, changed: Sequence[GradedPool], rates: Rates) -> Iterator[Measured]:
    """Points along changes of the thinking at a fixed k (votes: the largest k): by budget, number of waits or rounds of
    revision. The last two begin with the pool as it was sampled."""
    if method.verified:
        return
    kinds: tuple[Kind, ...] = ("refine",) if method.revises else ("budget", "wait")
    for kind in kinds:
        steps = [p for p in changed if p.change.kind == kind]
        if steps and kind != "budget":
            steps.insert(0, replace(pool, change=Change(kind)))
        for step in steps:
            yield from curve(method, "", step, rates)[-1:]


def bound(pool: GradedPool, rates: Rates) -> list[Measured]:
    """pass@k: what a perfect verifier would reach with the same samples."""
    points, shares = [], quality(pool)
    for k in draws(pool.depth):
        row = _Tally(PASS, k, shares)
        for g in pool.problems:
            tokens = k * sum(c.usage.completion for c in g.completions) / len(g.completions)
            row.add(g, pass_at_k(len(g.correct), sum(g.correct), k), tokens)
        points.append(row.measured(pool, rates, bound=True))
    return points


def candidates_of(g: Graded, verifier: str) -> Candidates:
    """The samples of a problem as a strategy sees them, with the scores and tokens of a verifier ("": none)."""
    scores = g.scores[verifier] if verifier else (Score(None),) * len(g.completions)
    names = sorted({answer for answer in g.answers if answer is not None})
    code = {None: -1} | {name: i for i, name in enumerate(names)}
    return Candidates(
        np.array([code[answer] for answer in g.answers], int),
        names,
        np.array([c.usage.completion + s.usage.completion for c, s in zip(g.completions, scores, strict=True)]),
        np.array([np.nan if s.value is None else s.value for s in scores]),
    )
