"""Graded pools -> curves: one value per problem, every k from the same pool. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite, sqrt

import numpy as np

from ttc_bench.analysis.costs import Rates, prompt_tokens
from ttc_bench.analysis.graded import Array, Graded, GradedPool
from ttc_bench.analysis.quality import Quality, quality
from ttc_bench.analysis.stats import draws_variance, mean_interval, pass_at_k
from ttc_bench.core import Change, CurvePoint, Kind, Strategy
from ttc_bench.parallel import processes
from ttc_bench.strategies.candidates import Candidates
from ttc_bench.strategies.methods import Method
from ttc_bench.strategies.subsets import SubsetVote, draws_needed

PASS = "pass@k"
MANY = 200_000  # samples, above which several processes are worth their start
AT_ONCE = 50  # problems that a process is given


@dataclass(frozen=True)
class Measured:
    """A point of a curve, and the values behind its means: the chance that the answer is right, and the generated
    tokens, both [problem], in the order of the pool's problems."""

    point: CurvePoint
    pool: GradedPool
    values: tuple[float, ...]
    tokens: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Chances:
    """What a strategy comes to at one k. Arrays are [problem]."""

    values: Array  # chance that the answer is right
    tokens: Array  # expected tokens, generated
    variance: float = 0.0  # of the estimator, summed over problems


def draws(largest: int) -> list[int]:
    """The values of k for a pool of `largest` samples: 1, 2, 4, ... and `largest`."""
    return sorted({2**i for i in range(largest.bit_length())} | {largest}) if largest else []


def chances(pool: GradedPool, strategy: Strategy, verifier: str, ks: Sequence[int]) -> dict[int, Chances]:
    """What the strategy comes to at each k. Strategies that draw subsets at random draw as many as the interval over
    problems asks for: their own error is at most a tenth of its half-width. Computed once for a pool."""
    known = pool.computed.setdefault((strategy, verifier), {})
    if missing := [k for k in ks if k not in known]:
        known |= _chances(pool, strategy, verifier, missing)
        if isinstance(strategy, SubsetVote):
            known |= {k: _enough_draws(pool, strategy, verifier, k, known[k]) for k in missing}
    return {k: known[k] for k in ks}


def _enough_draws(pool: GradedPool, vote: SubsetVote, verifier: str, k: int, found: Chances) -> Chances:
    """The same chances from as many random subsets as their error asks for."""
    while True:
        _, low, high = mean_interval(found.values.tolist())
        error = sqrt(found.variance) / len(found.values)
        needed = draws_needed(error, (high - low) / 2, vote.draws)
        if needed == vote.draws:
            return found
        vote = vote.with_draws(needed)
        found = _chances(pool, vote, verifier, [k])[k]


def _chances(pool: GradedPool, strategy: Strategy, verifier: str, ks: Sequence[int]) -> dict[int, Chances]:
    """In several processes where there are many samples."""
    if verifier not in pool.computed:  # kept, as they remember how they are sorted
        pool.computed[verifier] = [candidates_of(g, verifier) for g in pool.problems]
    every: list[Candidates] = pool.computed[verifier]
    rows = list(zip(every, (g.samples.correct for g in pool.problems), strict=True))
    compute = partial(_of_problems, strategy, ks)
    if sum(len(candidates) for candidates in every) < MANY:
        parts = [compute(rows)]
    else:
        parts = list(processes(compute, (rows[i : i + AT_ONCE] for i in range(0, len(rows), AT_ONCE))))
    values, tokens, variances = (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
    return {k: _capped(pool, k, Chances(values[i], tokens[i], float(variances[i].sum()))) for i, k in enumerate(ks)}


def _capped(pool: GradedPool, k: int, found: Chances) -> Chances:
    """Estimates are cut to pass@k together: cut one by one, their mean would be too low."""
    if not found.variance:  # nothing is estimated
        return found
    most, total = float(reach(pool, k).sum()), float(found.values.sum())
    return replace(found, values=found.values * most / total) if 0 < most < total else found


def _of_problems(
    strategy: Strategy, ks: Sequence[int], rows: Sequence[tuple[Candidates, Array]]
) -> tuple[Array, Array, Array]:
    """(chance that the answer is right, expected tokens, variance of the chance), [k, problem], from the candidates and
    which are correct."""
    values, tokens, variances = (np.zeros((len(ks), len(rows))) for _ in range(3))
    for column, (candidates, correct) in enumerate(rows):
        for row, outcome in enumerate(strategy.outcomes(candidates, ks)):
            values[row, column] = value = min(float(np.dot(outcome.weights, correct)), 1.0)
            tokens[row, column] = outcome.tokens
            if outcome.draws:
                variances[row, column] = draws_variance(value, outcome.draws)
    return values, tokens, variances


def curve(method: Method, verifier: str, pool: GradedPool, rates: Rates) -> list[Measured]:
    """One point per k, all from the same pool: accuracy is the mean over problems of weights @ correct. Where a
    strategy draws subsets at random, `mc_error` is the resulting standard error: sqrt(sum of variances) / Q.
    `verifier`: "" for a method without one."""
    ks = draws(pool.depth) if method.votes else draws(min(pool.depth, 1))
    shares = quality(pool) if ks else None
    return [
        measured(pool, rates, method.name, verifier, k, found, shares)
        for k, found in chances(pool, method.strategy, verifier, ks).items()
        if shares
    ]


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
    shares = quality(pool)
    return [
        measured(pool, rates, PASS, "", k, Chances(reach(pool, k), k * pool.mean("completion")), shares, bound=True)
        for k in draws(pool.depth)
    ]


def reach(pool: GradedPool, k: int) -> Array:
    """[problem]: pass@k."""
    pairs = zip(pool.sizes.tolist(), pool.right.tolist(), strict=True)
    return np.array([pass_at_k(n, right, k) for n, right in pairs])


def candidates_of(g: Graded, verifier: str) -> Candidates:
    """The samples of a problem as a strategy sees them, with the scores and tokens of a verifier ("": none)."""
    samples = g.samples
    if not verifier:
        return Candidates(samples.votes, samples.answers, samples.completion, np.full(len(samples), np.nan))
    scores = g.scores[verifier]
    return Candidates(samples.votes, samples.answers, samples.completion + scores.completion, scores.value)


def measured(
    pool: GradedPool,
    rates: Rates,
    method: str,
    verifier: str,
    k: int,
    found: Chances,
    shares: Quality,
    bound: bool = False,
    threshold: float | None = None,
    drawn: Array | None = None,
) -> Measured:
    """The point that these chances make. For a policy with a `threshold`, `drawn` [problem] is the expected number of
    samples, and k the most."""
    paid = k if drawn is None else drawn
    values = tuple(found.values.tolist())
    accuracy, low, high = mean_interval(values)
    totals = found.tokens + prompt_tokens(pool, paid, verifier)
    generated = float(found.tokens.mean())
    read = float(totals.mean()) - generated
    all_known = pool.tokens_known and pool.prompt_known and isfinite(read)
    point = CurvePoint(
        task=pool.task.name,
        model=pool.model,
        method=method,
        verifier=verifier,
        prompt=pool.prompt,
        effort=pool.effort or "",
        change=pool.change,
        threshold=threshold,
        k=k,
        accuracy=accuracy,
        low=low,
        high=high,
        tokens=generated if pool.tokens_known else None,
        total_tokens=float(totals.mean()) if all_known else None,
        dollars=rates.dollars(pool, paid, verifier, read, generated) if all_known else None,
        flops=rates.flops(pool, paid, verifier, totals) if all_known else None,
        parameters=rates.parameters,
        problems=len(pool.problems),
        samples=pool.depth,
        guess=pool.task.guess,
        bound=bound,
        mc_error=sqrt(found.variance) / len(values),
        truncated=shares.truncated,
        unextracted=shares.unextracted,
        duplicated=shares.duplicated,
        failed=shares.failed,
        estimated=shares.estimated,
        values=values,
    )
    return Measured(point, pool, values, tuple(found.tokens.tolist()))
