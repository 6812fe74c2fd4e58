"""Graded pools -> what each verifier is worth, beside majority. Pure; diagnostics.py has the formulas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isnan

import numpy as np

from ttc_bench.analysis.curves import Pools, candidates_of, draws, prompt_tokens
from ttc_bench.analysis.stats import paired_difference, pass_at_k
from ttc_bench.analysis.verifier_quality import (
    Choice,
    Diagnosis,
    Interval,
    Scored,
    calibration,
    pooled_auroc,
    recovered,
    within_auroc,
)
from ttc_bench.core import Strategy
from ttc_bench.strategies.exact import BestOfN, MajorityVote

MAJORITY = "majority"
SEED = 0  # of the bootstraps: equal samples, equal intervals


def judge(model: str, pool: Pools) -> list[Diagnosis]:
    """Majority, then every verifier that scored the pool. Empty where some problem has no two samples to choose from."""
    if pool.depth < 2:
        return []
    label = pool.name.removeprefix(f"{pool.task.name}, ")
    found = []
    for verifier in (None, *pool.problems[0].scores):
        choices = tuple(_choice(pool, verifier, k) for k in draws(pool.depth) if k > 1)
        one = Diagnosis(pool.task.name, model, label, verifier or MAJORITY, len(pool.problems), choices=choices)
        found.append(_judged(one, pool, verifier) if verifier else one)
    return found


def _judged(one: Diagnosis, pool: Pools, verifier: str) -> Diagnosis:
    """The same with what only a verifier has: AUROC, calibration, costs."""
    scored: list[Scored] = []
    for g in pool.problems:
        rows = zip(g.scores[verifier], g.answers, g.correct, strict=True)
        # that an answer cannot be read is seen without a verifier
        known = [(s.value, right) for s, answer, right in rows if answer is not None and s.value is not None]
        known = [(value, right) for value, right in known if not isnan(value)]
        scored.append(([value for value, _ in known], [right for _, right in known]))
    within, mixed = within_auroc(scored)
    fit = calibration([v for of, _ in scored for v in of], [r for _, of in scored for r in of])
    every = [s for g in pool.problems for s in g.scores[verifier]]
    unknown = any(s.parameters is None and (s.usage.prompt or s.usage.completion) for s in every)
    flops = [2.0 * (s.parameters or 0) * (s.usage.prompt + s.usage.completion) for s in every]
    return replace(
        one,
        judged=sum(len(of) for of, _ in scored),
        auroc=pooled_auroc(scored, np.random.default_rng(SEED)),
        within=within,
        mixed=mixed,
        ece=fit[0] if fit else None,
        bins=fit[1] if fit else (),
        generated=_mean([s.usage.completion for s in every]),
        read=_mean([s.usage.prompt for s in every]),
        flops=None if unknown else _mean(flops),
    )


def _choice(pool: Pools, verifier: str | None, k: int) -> Choice:
    strategy: Strategy = BestOfN() if verifier else MajorityVote()
    chosen, tokens = _accuracies(pool, strategy, verifier, k), _tokens(pool, verifier, k)
    one = [sum(g.correct) / len(g.correct) for g in pool.problems]
    reach = [pass_at_k(len(g.correct), sum(g.correct), k) for g in pool.problems]
    votes = max((j for j in range(1, pool.depth + 1) if _tokens(pool, None, j) <= tokens * (1 + 1e-9)), default=1)
    rival = _accuracies(pool, MajorityVote(), None, votes) if verifier else chosen
    paired = verifier is not None and len(chosen) > 1
    return Choice(
        k=k,
        accuracy=_mean(chosen),
        one=_mean(one),
        reach=_mean(reach),
        tokens=tokens,
        recovered=recovered(chosen, one, reach, np.random.default_rng(SEED)),
        rival_k=votes,
        rival=_mean(rival),
        ahead=Interval(*paired_difference(rival, chosen)) if paired else None,
    )


def _accuracies(pool: Pools, strategy: Strategy, verifier: str | None, k: int) -> list[float]:
    """One value per problem."""
    weights = [strategy.outcome(candidates_of(g, verifier), k).weights for g in pool.problems]
    return [float(np.dot(w, g.correct)) for w, g in zip(weights, pool.problems, strict=True)]


def _tokens(pool: Pools, verifier: str | None, k: int) -> float:
    """Mean over problems of the tokens read and generated for k samples, the verifier's included."""
    generated = [sum(c.tokens for c in candidates_of(g, verifier)) / len(g.completions) for g in pool.problems]
    return _mean([k * t + prompt_tokens(g, k, verifier) for t, g in zip(generated, pool.problems, strict=True)])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
