"""Graded pools -> curves: one value per problem, every k from the same pool. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

from ttc_bench.analysis.costs import Rates, prompt_tokens
from ttc_bench.analysis.graded import Graded, GradedPool
from ttc_bench.analysis.quality import Quality, quality
from ttc_bench.analysis.stats import draws_variance, mean, mean_interval, pass_at_k
from ttc_bench.core import Candidate, Change, CurvePoint, Kind, Score
from ttc_bench.strategies.methods import Method

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
    strategy draws subsets at random, `mc_error` is the resulting standard error: sqrt(sum of variances) / Q.
    `verifier`: "" for a method without one."""
    points, shares = [], quality(pool)
    for k in draws(pool.depth) if method.votes else draws(min(pool.depth, 1)):
        row = _Tally(method.name, k, shares, verifier)
        for g in pool.problems:
            outcome = method.strategy.outcome(candidates_of(g, verifier), k)
            value = sum(w for w, correct in zip(outcome.weights, g.correct, strict=True) if correct)
            if outcome.draws:  # an estimate: capped at pass@k, and with a variance
                value = min(value, pass_at_k(len(g.correct), sum(g.correct), k))
                row.variance += draws_variance(value, outcome.draws)
            row.add(g, value, outcome.tokens)
        points.append(row.measured(pool, rates))
    return points


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


def candidates_of(g: Graded, verifier: str) -> list[Candidate]:
    """The samples of a problem as a strategy sees them, with the scores and tokens of a verifier ("": none)."""
    scores = g.scores[verifier] if verifier else (Score(None),) * len(g.completions)
    return [
        Candidate(answer, c.usage.completion + s.usage.completion, s.value)
        for answer, c, s in zip(g.answers, g.completions, scores, strict=True)
    ]
