"""Graded pools -> the quality of majority and each verifier as a choice. Pure; verifier_quality.py has the formulas."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite, nan

import numpy as np

from ttc_bench.analysis.costs import prompt_tokens
from ttc_bench.analysis.curves import chances, draws, reach
from ttc_bench.analysis.graded import Array, GradedPool, Scores
from ttc_bench.analysis.stats import paired_difference
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
        scores = g.scores[verifier].value
        # unreadable answers are left out: no verifier is needed to reject them
        readable = (g.samples.answer >= 0) & ~np.isnan(scores)
        scored.append((scores[readable], g.samples.correct[readable]))
    within, mixed = within_auroc(scored)
    fit = calibration(np.concatenate([s for s, _ in scored]), np.concatenate([right for _, right in scored]))
    every = [g.scores[verifier] for g in pool.problems]
    return Diagnosis(
        task=pool.task.name,
        model=pool.model,
        pool=pool.label(),
        selector=verifier,
        problems=len(pool.problems),
        judged=sum(len(scores) for scores, _ in scored),
        auroc=pooled_auroc(scored),
        within=within,
        mixed=mixed,
        ece=fit[0] if fit else None,
        bins=fit[1] if fit else (),
        generated=float(np.concatenate([s.completion for s in every]).mean()),
        read=read if isfinite(read := float(np.concatenate([s.prompt for s in every]).mean())) else None,
        flops=_flops(every),
        choices=_selections(pool, verifier),
    )


def _flops(every: Sequence[Scores]) -> float | None:
    """Mean FLOPs of the verifier per sample; None where the parameters of its model are not known."""
    tokens = np.concatenate([s.tokens for s in every])
    parameters = np.concatenate([s.parameters for s in every])
    if (np.isnan(tokens) | np.isnan(parameters) & (tokens > 0)).any():
        return None
    return float((2.0 * np.nan_to_num(parameters) * tokens).mean())


def _selections(pool: GradedPool, verifier: str) -> tuple[Selection, ...]:
    ks = [k for k in draws(pool.depth) if k > 1]
    strategy: Strategy = BestOfN() if verifier else MajorityVote()
    chosen = {k: found.values for k, found in chances(pool, strategy, verifier, ks).items()}
    known = pool.tokens_known and pool.prompt_known
    spent = {k: float(_tokens(pool, verifier, k).mean()) if known else nan for k in ks}
    tokens = {k: tokens if isfinite(tokens) else None for k, tokens in spent.items()}
    votes = {k: k if spent is None else _votes_for(pool, spent) for k, spent in tokens.items()}
    rivals = chances(pool, MajorityVote(), "", sorted(set(votes.values()))) if verifier else {}
    single = pool.mean("correct")
    selections = []
    for k in ks:
        rival = rivals[votes[k]].values if verifier else chosen[k]
        pair = rival.tolist(), chosen[k].tolist()
        selections.append(
            Selection(
                k=k,
                accuracy=float(chosen[k].mean()),
                one=float(single.mean()),
                reach=float(reach(pool, k).mean()),
                tokens=tokens[k],
                recovered=recovered(chosen[k], single, reach(pool, k)),
                rival_k=votes[k],
                rival=float(rival.mean()),
                ahead=Interval(*paired_difference(*pair)) if verifier and len(pair[0]) > 1 else None,
            )
        )
    return tuple(selections)


def _tokens(pool: GradedPool, verifier: str, k: int) -> Array:
    """[problem]: tokens read and generated for k samples, the verifier's included."""
    generated = pool.mean("completion")
    if verifier:
        generated = generated + np.array([g.scores[verifier].means[1] for g in pool.problems])
    return k * generated + prompt_tokens(pool, k, verifier)


def _votes_for(pool: GradedPool, tokens: float) -> int:
    """The most samples of the pool that a majority vote can use for so many tokens, at least one. What j samples cost
    is a line in j: a prompt that all samples share is its beginning, everything else its slope."""
    first = float(_tokens(pool, "", 1).mean())
    slope = float(_tokens(pool, "", 2).mean()) - first
    most = 1 + floor((tokens * (1 + 1e-9) - first) / slope) if slope > 0 else pool.depth
    return min(max(most, 1), pool.depth)
