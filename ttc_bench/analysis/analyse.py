"""From stored samples to curve points, quality shares and the samples as a report shows them. Samples nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ttc_bench.analysis.curves import Graded, Measured, Pools, along_variants, bound, curve, variants_of
from ttc_bench.analysis.difficulty import DifficultyPoint, by_difficulty
from ttc_bench.analysis.selection import judge
from ttc_bench.analysis.stats import mark_pareto
from ttc_bench.analysis.thinking import BudgetFigures, figures, sequential_or_parallel
from ttc_bench.analysis.verifier_quality import Diagnosis
from ttc_bench.analysis.views import ProblemView, views
from ttc_bench.config import Config
from ttc_bench.core import Completion, CurvePoint, Problem, Score, Task, Verifier
from ttc_bench.grading.graders import group
from ttc_bench.sampling.changes import extended
from ttc_bench.sampling.plan import Planned, changes, plan
from ttc_bench.sampling.store import Store
from ttc_bench.strategies.methods import METHODS

SAME_TEXT = "the server probably ignores the temperature or the seed"


@dataclass(frozen=True)
class Analysis:
    points: list[CurvePoint]
    quality: dict[str, dict[str, float]]  # by "task, prompt"
    problems: list[ProblemView]
    notes: list[str]  # what a reader must know before believing the numbers
    difficulty: list[DifficultyPoint]  # of the tasks whose problems have several difficulties
    budgets: list[BudgetFigures]
    findings: list[str]  # sentences that the curves allow
    judged: list[Diagnosis]  # majority and every verifier, by task and pool


async def analyse(
    config: Config,
    tasks: Sequence[Task],
    name: str,
    model: str,
    store: Store,
    verifiers: dict[str, list[Verifier]],
    likely_reason: str = SAME_TEXT,
    parameters: int | None = None,
) -> Analysis:
    """Grades what the store holds of one model of a run and computes every curve. `name` is one of config.model,
    `model` the identity in the requests; `likely_reason` says why samples might all be the same text; the
    model's `parameters` give the curve its FLOPs."""
    rate = config.tariff(model)
    groups: dict[tuple[str, str, str | None, str], list[Planned]] = {}
    for one in plan(config, tasks, model):
        groups.setdefault((one.task.name, one.prompt, one.effort, one.variant), []).append(one)
    pools = []
    label = name if len(config.model) > 1 else ""
    for together in groups.values():
        task, prompt, effort, variant = (getattr(together[0], f) for f in ("task", "prompt", "effort", "variant"))
        for change in (None, *(changes(config, prompt) if not variant else ())):
            graded = [
                _grade(task, one.problem, extended(store, task, one.request, change, config.samples))
                for one in together
            ]
            after = change.name if change else variant
            pools.append(Pools(task, prompt, effort, config.samples, tuple(graded), after, label))
    chosen_from = config.verified_prompts
    await _score([p for p in pools if p.prompt in chosen_from and not p.variant], verifiers)
    measured: list[Measured] = []
    by_effort: list[CurvePoint] = []
    judged: list[Diagnosis] = []
    for task in tasks:
        for method in (METHODS[name] for name in config.method):
            of_method = [p for p in pools if p.task is task and p.prompt == config.prompt_of(method) and not p.variant]
            for verifier in [v.name for v in verifiers[task.name]] if method.verified else [None]:
                curves = [curve(name, method, verifier, pool, rate, parameters) for pool in of_method]
                measured += [m for c in curves for m in c] if not method.revises else []
                if not method.votes and len(config.efforts) > 1:
                    by_effort += [replace(m.point, method=f"{method.name} by effort") for c in curves for m in c]
            for pool in of_method:
                measured += along_variants(name, method, pool, variants_of(pool, pools), rate, parameters)
        voted = dict.fromkeys(config.prompt_of(METHODS[name]) for name in config.method if METHODS[name].votes)
        for pool in (p for p in pools if p.task is task and p.prompt in voted and not p.variant):
            measured += bound(name, pool, rate, parameters)
            judged += judge(name, pool)
    points = mark_pareto([*(m.point for m in measured), *by_effort])
    levels = [
        row
        for m in measured
        for row in by_difficulty(m.point, [g.problem for g in m.pool.problems], m.values, m.tokens)
    ]
    return Analysis(
        points,
        {p.name: p.quality for p in pools},
        views(pools),
        notes(config, pools, likely_reason),
        levels,
        figures(name, pools),
        sequential_or_parallel(points),
        judged,
    )


def merged(parts: Sequence[Analysis]) -> Analysis:
    """The analyses of several models as one: task by task, and each problem once with the samples of all models."""
    points = [p for part in parts for p in part.points]
    order = list(dict.fromkeys(p.task for p in points))
    problems: dict[tuple[str, str], ProblemView] = {}
    for view in (view for part in parts for view in part.problems):
        there = problems.get((view.task, view.id))
        problems[view.task, view.id] = replace(there, samples=there.samples + view.samples) if there else view
    return Analysis(
        sorted(points, key=lambda p: order.index(p.task)),
        {name: shares for part in parts for name, shares in part.quality.items()},
        list(problems.values()),
        [note for part in parts for note in part.notes],
        [row for part in parts for row in part.difficulty],
        [row for part in parts for row in part.budgets],
        [sentence for part in parts for sentence in part.findings],
        [row for part in parts for row in part.judged],
    )


def notes(config: Config, pools: Sequence[Pools], likely_reason: str) -> list[str]:
    """Plain sentences about holes, and about pools whose samples are suspiciously alike."""
    out = [
        f"{task.name}: {task.skipped} problems were left out, because their gold answers cannot be read"
        for task in {pool.task.name: pool.task for pool in pools}.values()
        if task.skipped
    ]
    for pool in pools:
        name = pool.name
        holes = pool.asked * len(pool.problems) - sum(len(g.completions) for g in pool.problems)
        if holes:
            out.append(
                f"{name}: {holes} of {pool.asked * len(pool.problems)} samples are missing (failed, or not asked for), "
                f"so curves end at k = {pool.depth}; the same command asks for them again"
            )
        for verifier, share in _unscored(pool).items():
            out.append(f"{name}: verifier {verifier} gave no score for {share:.1%} of the samples; those rank last")
        many = [g for g in pool.problems if len(g.completions) > 1]
        if many and config.temperature > 0 and all(g.distinct == 1 for g in many):
            out.append(
                f"{name}: all samples of every problem are the same text at temperature {config.temperature:g}; "
                f"{likely_reason}; more samples buy nothing here"
            )
    return out


def _unscored(pool: Pools) -> dict[str, float]:
    """Verifier -> share of the samples that it gave no verdict on, where that is not none."""
    every: dict[str, list[Score]] = {}
    for g in pool.problems:
        for verifier, scores in g.scores.items():
            every.setdefault(verifier, []).extend(scores)
    shares = {v: sum(s.value is None for s in scores) / max(len(scores), 1) for v, scores in every.items()}
    return {verifier: share for verifier, share in shares.items() if share}


def _grade(task: Task, problem: Problem, pool: dict[int, Completion]) -> Graded:
    completions = tuple(pool.values())
    found = [task.grader.extract(c.text) for c in completions]
    right = {answer: task.grader.correct(answer, problem) for answer in {f.answer for f in found}}
    answers = group(
        [f.answer for f in found], task.grader
    )  # for votes alone: a class can join what the gold tells apart
    return Graded(
        problem,
        tuple(pool),
        completions,
        tuple(answers),
        tuple(f.rung for f in found),
        tuple(right[f.answer] for f in found),
    )


async def _score(pools: Sequence[Pools], verifiers: dict[str, list[Verifier]]) -> None:
    """Fills in the scores of every sample of the pools that verified methods choose from. One call per verifier for all that it serves, so that one which runs a model
    is loaded once and can batch samples of equal length, whatever problem they are of."""
    served: dict[int, tuple[Verifier, list[Graded]]] = {}
    for pool in pools:
        for verifier in verifiers[pool.task.name]:
            served.setdefault(id(verifier), (verifier, []))[1].extend(pool.problems)
    for verifier, graded in served.values():
        scores = iter(await verifier.score([(g.problem, c) for g in graded for c in g.completions]))
        for g in graded:
            g.scores[verifier.name] = tuple(islice(scores, len(g.completions)))
