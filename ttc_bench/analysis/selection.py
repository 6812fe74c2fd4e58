"""Graded pools -> the quality of majority and each verifier as a choice. Pure; verifier_quality.py has the formulas."""

from __future__ import annotations

from math import isnan

import numpy as np

from ttc_bench.analysis.costs import prompt_tokens
from ttc_bench.analysis.curves import candidates_of, draws
from ttc_bench.analysis.graded import GradedPool
from ttc_bench.analysis.stats import mean, paired_difference, pass_at_k
from ttc_bench.analysis.verifier_quality import (
    Diagnosis,
    Interval,
    Scored,
    Selection,
    calibration,
    pooled_auroc,
    recovered,
    within_auroc,
)
from ttc_bench.core import Strategy
from ttc_bench.strategies.exact import BestOfN, MajorityVote

MAJORITY = "majority"
SEED = 0  # of the bootstraps, so that equal samples give equal intervals


def diagnose(pool: GradedPool) -> list[Diagnosis]:
    """Majority, then every verifier that scored the pool. Empty if some problem has fewer than two samples."""
    if pool.depth < 2:
        return []
    return [_majority(pool), *(_verifier(pool, verifier) for verifier in pool.problems[0].scores)]


def _majority(pool: GradedPool) -> Diagnosis:
    return Diagnosis(
        pool.task.name, pool.model, pool.label(), MAJORITY, len(pool.problems), choices=_selections(pool, "")
    )


def _verifier(pool: GradedPool, verifier: str) -> Diagnosis:
    """The diagnosis of a verifier: selections, AUROC, calibration and costs."""
    scored: list[Scored] = []
    for g in pool.problems:
        rows = zip(g.scores[verifier], g.answers, g.correct, strict=True)
        # unreadable answers are left out: no verifier is needed to reject them
        readable = [(s.value, right) for s, answer, right in rows if answer is not None and s.value is not None]
        readable = [(value, right) for value, right in readable if not isnan(value)]
        scored.append(([value for value, _ in readable], [right for _, right in readable]))
    within, mixed = within_auroc(scored)
    fit = calibration([v for values, _ in scored for v in values], [r for _, right in scored for r in right])
    verdicts = [s for g in pool.problems for s in g.scores[verifier]]
    unknown = any(s.parameters is None and (s.usage.prompt or s.usage.completion) for s in verdicts)
    flops = [2.0 * (s.parameters or 0) * (s.usage.prompt + s.usage.completion) for s in verdicts]
    return Diagnosis(
        task=pool.task.name,
        model=pool.model,
        pool=pool.label(),
        selector=verifier,
        problems=len(pool.problems),
        judged=sum(len(values) for values, _ in scored),
        auroc=pooled_auroc(scored, np.random.default_rng(SEED)),
        within=within,
        mixed=mixed,
        ece=fit[0] if fit else None,
        bins=fit[1] if fit else (),
        generated=mean([s.usage.completion for s in verdicts]),
        read=mean([s.usage.prompt for s in verdicts]),
        flops=None if unknown else mean(flops),
        choices=_selections(pool, verifier),
    )


def _selections(pool: GradedPool, verifier: str) -> tuple[Selection, ...]:
    return tuple(_selection(pool, verifier, k) for k in draws(pool.depth) if k > 1)


def _selection(pool: GradedPool, verifier: str, k: int) -> Selection:
    strategy: Strategy = BestOfN() if verifier else MajorityVote()
    chosen, tokens = _accuracies(pool, strategy, verifier, k), _tokens(pool, verifier, k)
    single = [sum(g.correct) / len(g.correct) for g in pool.problems]
    reach = [pass_at_k(len(g.correct), sum(g.correct), k) for g in pool.problems]
    votes = max((j for j in range(1, pool.depth + 1) if _tokens(pool, "", j) <= tokens * (1 + 1e-9)), default=1)
    rival = _accuracies(pool, MajorityVote(), "", votes) if verifier else chosen
    paired = verifier and len(chosen) > 1
    return Selection(
        k=k,
        accuracy=mean(chosen),
        one=mean(single),
        reach=mean(reach),
        tokens=tokens,
        recovered=recovered(chosen, single, reach, np.random.default_rng(SEED)),
        rival_k=votes,
        rival=mean(rival),
        ahead=Interval(*paired_difference(rival, chosen)) if paired else None,
    )


def _accuracies(pool: GradedPool, strategy: Strategy, verifier: str, k: int) -> list[float]:
    """[problem]: the chance that the chosen answer is right."""
    weights = [strategy.outcome(candidates_of(g, verifier), k).weights for g in pool.problems]
    return [float(np.dot(w, g.correct)) for w, g in zip(weights, pool.problems, strict=True)]


def _tokens(pool: GradedPool, verifier: str, k: int) -> float:
    """Mean over problems of the tokens read and generated for k samples, the verifier's included."""
    generated = [sum(c.tokens for c in candidates_of(g, verifier)) / len(g.completions) for g in pool.problems]
    return mean([k * t + prompt_tokens(g, k, verifier) for t, g in zip(generated, pool.problems, strict=True)])
