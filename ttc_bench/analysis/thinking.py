"""How a model uses its thinking budget: the three figures of s1, and overthinking.

Control, Scaling and Performance are those of Muennighoff et al. 2025 (arXiv:2501.19393, section 3), with the slope
taken per doubling of the tokens, since accuracy grows with their logarithm. Pure: graded pools in, rows out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import log2

import numpy as np

from ttc_bench.analysis.graded import Graded, GradedPool
from ttc_bench.analysis.stats import mean
from ttc_bench.core import CurvePoint

FORCED = "forced exit"
ANNOUNCED = "announced"


@dataclass(frozen=True)
class BudgetFigures:
    """One row of budgets.csv: a model's traces on one task, under one prompt and effort."""

    task: str
    model: str
    prompt: str
    effort: str
    mode: str  # how budgets were kept: FORCED or ANNOUNCED
    budgets: int
    control: float  # share of samples whose thinking stayed within its budget
    scaling: float | None  # mean slope over all pairs of budgets: accuracy per doubling of the tokens spent
    performance: float  # best accuracy over the budgets
    performance_at: int  # the smallest budget that reaches it
    finished: float  # share of the full traces that were not cut at the token limit
    overthought: float | None  # share of full traces that are wrong, but were right when stopped earlier
    idle_tokens: float | None  # mean tokens spent after the answer was right for good, over traces that end right
    idle_share: float | None  # the same as a share of those traces' tokens


def figures(pools: Sequence[GradedPool]) -> list[BudgetFigures]:
    """A row for every pool with at least two budgets."""
    rows = []
    for pool in (p for p in pools if not p.change):
        steps = sorted(
            (p for p in pool.changed(pools) if p.change.kind == "budget"), key=lambda step: step.change.amount
        )
        if len(steps) < 2 or not all(step.depth for step in steps):
            continue
        announced = steps[0].change.announced
        curve = [(_tokens(step), _accuracy(step)) for step in steps]
        best = max(accuracy for _, accuracy in curve)
        over = None if announced else _overthinking(pool, steps)
        rows.append(
            BudgetFigures(
                task=pool.task.name,
                model=pool.model,
                prompt=pool.prompt,
                effort=pool.effort or "",
                mode=ANNOUNCED if announced else FORCED,
                budgets=len(steps),
                control=mean([_within_budget(step) for step in steps]) if announced else 1.0,
                scaling=scaling(curve),
                performance=best,
                performance_at=next(s.change.amount for s, (_, a) in zip(steps, curve, strict=True) if a == best),
                finished=1 - float(pool.column("length").mean()),
                overthought=over[0] if over else None,
                idle_tokens=over[1] if over else None,
                idle_share=over[2] if over else None,
            )
        )
    return rows


def scaling(curve: Sequence[tuple[float, float]]) -> float | None:
    """Mean over all pairs of (tokens, accuracy) of the slope per doubling; None where no two have different tokens."""
    slopes = [(b[1] - a[1]) / log2(b[0] / a[0]) for a, b in combinations(sorted(curve), 2) if b[0] > a[0] > 0]
    return mean(slopes) if slopes else None


def sequential_or_parallel(points: Sequence[CurvePoint]) -> list[str]:
    """Sentences that compare longer thinking, votes and revision at the tokens of each vote. One is clearly ahead if
    its interval lies above the others' accuracy. Accuracy between two points of a curve is interpolated linearly in log
    tokens; a curve is not extrapolated beyond its ends."""
    sentences = []
    for task, model, effort in dict.fromkeys((p.task, p.model, p.effort) for p in points):
        of_group = [p for p in points if (p.task, p.model, p.effort) == (task, model, effort) and _kind(p)]
        of_group = [p for p in of_group if p.tokens is not None]
        votes = sorted({p.spent for p in of_group if _kind(p) == VOTES})
        comparisons = [text for tokens in votes if (text := _compared(of_group, tokens))]
        if comparisons:
            sentences.append(f"{task}, {model}: " + "; ".join(comparisons))
    return sentences


VOTES, LONGER, REVISION = "votes", "longer thinking", "revision"


def _kind(p: CurvePoint) -> str | None:
    """VOTES, LONGER or REVISION, by what a point spends its tokens on; None for any other point."""
    if p.change.kind == "refine":
        return REVISION
    if p.method == "self-consistency":
        return None if p.change else VOTES
    return LONGER if p.change else None


def _compared(points: Sequence[CurvePoint], tokens: float) -> str | None:
    """The comparison of the best curve of each kind at `tokens` in words; None if fewer than two kinds reach it."""
    best: dict[str, tuple[float, float]] = {}
    for kind, line in dict.fromkeys((str(_kind(p)), p.line) for p in points):
        at = _at(sorted((p for p in points if p.line == line), key=lambda p: p.spent), tokens)
        if at is not None:
            best[kind] = max(at, best.get(kind, at))
    if len(best) < 2:
        return None
    first, *others = sorted(best, key=lambda kind: best[kind], reverse=True)
    clear = all(best[first][1] > best[other][0] for other in others)
    rivals = ", ".join(f"{kind} {best[kind][0]:.2f}" for kind in others)
    return f"at {tokens:,.0f} tokens {first} {best[first][0]:.2f}, {rivals}{'' if clear else ' (none clearly ahead)'}"


def _at(curve: Sequence[CurvePoint], tokens: float) -> tuple[float, float] | None:
    """(accuracy, lower end of its interval) of a curve at `tokens`; None beyond its ends."""
    for a, b in pairwise(curve):
        if 0 < a.spent <= tokens <= b.spent and a.spent < b.spent:
            share = log2(tokens / a.spent) / log2(b.spent / a.spent)
            return a.accuracy + share * (b.accuracy - a.accuracy), a.low + share * (b.low - a.low)
    return next(((p.accuracy, p.low) for p in curve if p.spent == tokens), None)


def _overthinking(pool: GradedPool, steps: Sequence[GradedPool]) -> tuple[float, float | None, float | None]:
    """(share right earlier and wrong at the end, mean idle tokens and their share of the traces that end right)."""
    over, idle, spent = [], [], []
    for i, graded in enumerate(pool.problems):
        earlier = [(step.change.amount, _by_index(step.problems[i])) for step in steps]
        samples = graded.samples
        traces = np.where(samples.reasoning > 0, samples.reasoning, samples.completion)
        rows = zip(samples.index.tolist(), samples.correct.tolist(), traces.tolist(), strict=True)
        for index, right, tokens in rows:
            stops = [(b, right_at[index]) for b, right_at in earlier if index in right_at and b < tokens]
            if not right:
                over.append(float(any(r for _, r in stops)))
                continue
            over.append(0.0)
            settled = tokens
            for budget, was_right in reversed(stops):
                if not was_right:
                    break
                settled = budget
            idle.append(float(tokens - settled))
            spent.append(float(tokens))
    return mean(over), mean(idle) if idle else None, sum(idle) / sum(spent) if spent else None


def _by_index(g: Graded) -> dict[int, bool]:
    return dict(zip(g.samples.index.tolist(), g.samples.correct.tolist(), strict=True))


def _accuracy(pool: GradedPool) -> float:
    return float(pool.mean("correct").mean())


def _tokens(pool: GradedPool) -> float:
    return float(pool.mean("completion").mean())


def _within_budget(pool: GradedPool) -> float:
    """Share of the samples whose thinking stayed within the budget that was announced."""
    reasoning, completion = pool.column("reasoning"), pool.column("completion")
    return float((np.where(reasoning > 0, reasoning, completion) <= pool.change.amount).mean())
