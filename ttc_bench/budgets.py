"""What a model does with its thinking budget: s1's three figures, and thinking that went too far.

Control, Scaling and Performance are those of Muennighoff et al. 2025 (arXiv:2501.19393, section 3), with the slope taken
per doubling of the tokens, since accuracy grows with their logarithm. Pure: graded pools in, rows out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log2

from ttc_bench.core import CurvePoint
from ttc_bench.curves import Graded, Pools, variants_of

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
    finished: float  # share of the full traces that came to their own end
    overthought: float | None  # share of full traces that are wrong, but were right when stopped earlier
    idle_tokens: float | None  # mean tokens spent after the answer was right for good, over traces that end right
    idle_share: float | None  # the same as a share of those traces' tokens


def figures(model: str, pools: Sequence[Pools]) -> list[BudgetFigures]:
    """A row for every pool with at least two budgets."""
    rows = []
    for pool in (p for p in pools if not p.variant):
        cut = [p for p in variants_of(pool, pools) if p.variant.startswith("budget ")]
        steps = sorted((int(p.variant.split()[1]), p) for p in cut) if len(cut) > 1 else []
        if not steps or not all(g.correct for _, p in steps for g in p.problems):
            continue
        announced = cut[0].variant.endswith(ANNOUNCED)
        curve = [(_tokens(p), _accuracy(p)) for _, p in steps]
        best = max(accuracy for _, accuracy in curve)
        over = None if announced else _overthinking(pool, steps)
        every = [c for g in pool.problems for c in g.completions]
        rows.append(
            BudgetFigures(
                task=pool.task.name,
                model=model,
                prompt=pool.prompt,
                effort=pool.effort or "",
                mode=ANNOUNCED if announced else FORCED,
                budgets=len(steps),
                control=_mean([_kept(p, budget) for budget, p in steps]) if announced else 1.0,
                scaling=scaling(curve),
                performance=best,
                performance_at=next(b for (b, _), (_, a) in zip(steps, curve, strict=True) if a == best),
                finished=_mean([float(c.stop_reason == "stop") for c in every]),
                overthought=over[0] if over else None,
                idle_tokens=over[1] if over else None,
                idle_share=over[2] if over else None,
            )
        )
    return rows


def scaling(curve: Sequence[tuple[float, float]]) -> float | None:
    """Mean over all pairs of (tokens, accuracy) of the slope per doubling; None where no two have different tokens."""
    slopes = [(b[1] - a[1]) / log2(b[0] / a[0]) for a, b in combinations(sorted(curve), 2) if b[0] > a[0] > 0]
    return _mean(slopes) if slopes else None


def sequential_or_parallel(points: Sequence[CurvePoint]) -> list[str]:
    """Sentences: at about the tokens of each vote, which of one longer thought, votes and revision is the most accurate,
    so far as their curves reach there. Between two points of a curve accuracy is taken linear in log tokens; beyond
    its ends nothing is said of it."""
    kinds = {
        "votes": lambda p: p.method.startswith("self-consistency") and not p.variant and "by budget" not in p.method,
        "longer thinking": lambda p: p.method.endswith(("by budget", "+ wait", "by budget (announced)"))
        and not p.method.startswith("self-consistency"),
        "revision": lambda p: p.method.startswith("refine"),
    }
    lines = []
    for where in dict.fromkeys((p.task, p.model, p.effort) for p in points):
        here = [p for p in points if (p.task, p.model, p.effort) == where and not p.bound]
        curves = {kind: _by_method([p for p in here if fits(p)]) for kind, fits in kinds.items()}
        if sum(bool(c) for c in curves.values()) < 2:
            continue
        said = []
        for tokens in sorted({p.tokens for p in here if kinds["votes"](p)}):
            at = {kind: max((a for c in group if (a := _at(c, tokens)) is not None), default=None) for kind, group in curves.items()}
            known = {kind: a for kind, a in at.items() if a is not None}
            if len(known) > 1:
                winner = max(known, key=lambda kind: known[kind])
                rest = ", ".join(f"{kind} {a:.2f}" for kind, a in known.items() if kind != winner)
                said.append(f"at {tokens:,.0f} tokens {winner} {known[winner]:.2f} ({rest})")
        if said:
            lines.append(f"{where[0]}, {where[1]}: " + "; ".join(said))
    return lines


def _by_method(points: Sequence[CurvePoint]) -> list[list[CurvePoint]]:
    names = dict.fromkeys((p.method, p.prompt) for p in points)
    return [sorted((p for p in points if (p.method, p.prompt) == n), key=lambda p: p.tokens) for n in names]


def _at(curve: Sequence[CurvePoint], tokens: float) -> float | None:
    for a, b in zip(curve, curve[1:], strict=False):
        if 0 < a.tokens <= tokens <= b.tokens and a.tokens < b.tokens:
            share = log2(tokens / a.tokens) / log2(b.tokens / a.tokens)
            return a.accuracy + share * (b.accuracy - a.accuracy)
    return next((p.accuracy for p in curve if p.tokens == tokens), None)


def _overthinking(pool: Pools, steps: Sequence[tuple[int, Pools]]) -> tuple[float, float | None, float | None]:
    """(share right earlier and wrong at the end, mean idle tokens and their share of the traces that end right)."""
    over, idle, spent = [], [], []
    for i, full in enumerate(pool.problems):
        earlier = [(budget, _by_index(p.problems[i])) for budget, p in steps]
        for index, right, c in zip(full.indices, full.correct, full.completions, strict=True):
            tokens = c.usage.reasoning or c.usage.completion
            seen = [(b, found[index]) for b, found in earlier if index in found and b < tokens]
            if not right:
                over.append(float(any(r for _, r in seen)))
                continue
            over.append(0.0)
            settled = tokens
            for budget, was_right in reversed(seen):
                if not was_right:
                    break
                settled = budget
            idle.append(float(tokens - settled))
            spent.append(float(tokens))
    return _mean(over), _mean(idle) if idle else None, sum(idle) / sum(spent) if spent else None


def _by_index(g: Graded) -> dict[int, bool]:
    return dict(zip(g.indices, g.correct, strict=True))


def _accuracy(pool: Pools) -> float:
    return _mean([_mean([float(c) for c in g.correct]) for g in pool.problems])


def _tokens(pool: Pools) -> float:
    return _mean([_mean([float(c.usage.completion) for c in g.completions]) for g in pool.problems])


def _kept(pool: Pools, budget: int) -> float:
    used = [c.usage.reasoning or c.usage.completion for g in pool.problems for c in g.completions]
    return _mean([float(tokens <= budget) for tokens in used])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
