"""Graded and scored pools -> the results that reports show. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path

from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.curves import Measured, along_changes, bound, curve
from ttc_bench.analysis.difficulty import DifficultyPoint, by_difficulty
from ttc_bench.analysis.graded import GradedPool
from ttc_bench.analysis.outlook import Outlook
from ttc_bench.analysis.quality import Quality, notes, quality
from ttc_bench.analysis.selection import diagnose
from ttc_bench.analysis.stats import mark_pareto
from ttc_bench.analysis.stopped import Stopped
from ttc_bench.analysis.thinking import BudgetFigures, figures, sequential_or_parallel
from ttc_bench.analysis.verifier_quality import Diagnosis
from ttc_bench.analysis.views import ProblemView, Views
from ttc_bench.core import CurvePoint
from ttc_bench.sampling.plan import Plan
from ttc_bench.strategies.methods import METHODS


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """The results of a run. `notes`: reservations that a reader must know."""

    points: list[CurvePoint]
    quality: list[Quality]
    problems: Sequence[ProblemView]  # read from the store as they are asked for
    notes: list[str]
    difficulty: list[DifficultyPoint]  # for tasks whose problems have several difficulties
    budgets: list[BudgetFigures]
    findings: list[str]  # sentences that compare longer thinking with more samples
    diagnoses: list[Diagnosis]  # majority and every verifier, by task and pool
    stopping: list[Stopped] = field(default_factory=list)  # policies/ adds them
    outlooks: list[Outlook] = field(default_factory=list)  # forecasts, which policies/extrapolation.py makes


def measure(
    plan: Plan, pools: Sequence[GradedPool], parameters: int | None, samples: Path, likely_reason: str = ""
) -> Analysis:
    """Every curve of one model of a run, from its graded and scored pools. The model's `parameters` give the curves
    their FLOPs; `samples` is the file that texts are read from; `likely_reason` says why samples might all be the same
    text."""
    rates = Rates(plan.config.tariff(plan.model), parameters)
    measured: list[Measured] = []
    diagnoses: list[Diagnosis] = []
    for task in plan.tasks:
        of_task = [p for p in pools if p.task is task]
        measured += methods(plan, of_task, rates)
        for pool in (p for p in of_task if p.prompt in plan.voted and not p.change):
            measured += bound(pool, rates)
            diagnoses += diagnose(pool)
    points = mark_pareto([m.point for m in measured])
    return Analysis(
        points=points,
        quality=[quality(pool) for pool in pools],
        problems=Views(samples, pools),
        notes=notes(plan, pools, likely_reason),
        difficulty=[
            row
            for m in measured
            for row in by_difficulty(m.point, [g.problem for g in m.pool.problems], m.values, m.tokens)
        ],
        budgets=figures(pools),
        findings=sequential_or_parallel(points),
        diagnoses=diagnoses,
    )


def methods(plan: Plan, pools: Sequence[GradedPool], rates: Rates) -> list[Measured]:
    """The curves of every method on one task: over k for each verifier, and along changes of the thinking."""
    measured: list[Measured] = []
    for method in (METHODS[name] for name in plan.config.method):
        sampled = [p for p in pools if p.prompt == plan.config.prompt_of(method) and not p.change]
        if not method.revises:
            verifiers = dict.fromkeys(v for pool in sampled for v in pool.problems[0].scores)
            for verifier in verifiers if method.verified else ("",):
                measured += [m for pool in sampled for m in curve(method, verifier, pool, rates)]
        for pool in sampled:
            measured += along_changes(method, pool, pool.changed(pools), rates)
    return measured


def merged(parts: Sequence[Analysis]) -> Analysis:
    """The analyses of several models as one, ordered by task; each problem is listed once, with the samples of all
    models."""
    points = [p for part in parts for p in part.points]
    order = list(dict.fromkeys(p.task for p in points))
    return Analysis(
        points=sorted(points, key=lambda p: order.index(p.task)),
        quality=[row for part in parts for row in part.quality],
        problems=reduce(add, (part.problems for part in parts)),
        notes=[note for part in parts for note in part.notes],
        difficulty=[row for part in parts for row in part.difficulty],
        budgets=[row for part in parts for row in part.budgets],
        findings=[sentence for part in parts for sentence in part.findings],
        diagnoses=[row for part in parts for row in part.diagnoses],
        stopping=[row for part in parts for row in part.stopping],
        outlooks=sorted((row for part in parts for row in part.outlooks), key=lambda row: row.task),
    )
