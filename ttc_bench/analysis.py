"""From stored samples to curve points, quality shares and the samples as a report shows them. Samples nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ttc_bench.config import Config
from ttc_bench.core import Completion, CurvePoint, Problem, Request, Score, Task, Verifier
from ttc_bench.curves import Graded, Pools, bound, curve
from ttc_bench.diagnostics import Diagnosis
from ttc_bench.grading import group
from ttc_bench.judging import judge
from ttc_bench.prices import Price, price
from ttc_bench.prompts import PROMPTS
from ttc_bench.report import ProblemView, SampleView
from ttc_bench.stats import mark_pareto
from ttc_bench.store import Store
from ttc_bench.strategies import METHODS

SAME_TEXT = "the server probably ignores the temperature or the seed"


@dataclass(frozen=True)
class Analysis:
    points: list[CurvePoint]
    quality: dict[str, dict[str, float]]  # by "task, prompt"
    problems: list[ProblemView]
    notes: list[str]  # what a reader must know before believing the numbers
    judged: list[Diagnosis] = field(default_factory=list)  # majority and every verifier, by task and pool


@dataclass(frozen=True)
class Planned:
    """One request of a run, and what it asks."""

    task: Task
    prompt: str
    effort: str | None
    problem: Problem
    request: Request


def plan(config: Config, tasks: Sequence[Task], model: str) -> list[Planned]:
    """Every request of a run: each problem of each task, under each prompt that the methods need, at each effort."""
    return [
        Planned(task, prompt, effort, p, config.request(model, PROMPTS[prompt].render(task, p), effort))
        for task in tasks
        for prompt in config.prompts
        for effort in config.efforts
        for p in task.problems
    ]


def tariff(config: Config, model: str) -> Price | None:
    """The price of a model (its identity), or None where neither --prices nor the shipped file names it."""
    return price(model, Path(config.prices) if config.prices else None)


async def analyse(
    config: Config,
    tasks: Sequence[Task],
    model: str,
    store: Store,
    verifiers: dict[str, list[Verifier]],
    likely_reason: str = SAME_TEXT,
) -> Analysis:
    """Grades what the store holds for a run and computes every curve. `model` is the identity in the requests;
    `likely_reason` says why samples might all be the same text."""
    rate = tariff(config, model)
    groups: dict[tuple[str, str, str | None], list[Planned]] = {}
    for one in plan(config, tasks, model):
        groups.setdefault((one.task.name, one.prompt, one.effort), []).append(one)
    pools = []
    for together in groups.values():
        task, prompt, effort = together[0].task, together[0].prompt, together[0].effort
        graded = [
            await _grade(task, one.problem, store.pool(one.request, config.samples), verifiers[task.name])
            for one in together
        ]
        pools.append(Pools(task, prompt, effort, config.samples, tuple(graded)))
    points: list[CurvePoint] = []
    judged: list[Diagnosis] = []
    for task in tasks:
        for method in (METHODS[name] for name in config.method):
            of_method = [p for p in pools if p.task is task and p.prompt == config.prompt_of(method)]
            for verifier in [v.name for v in verifiers[task.name]] if method.verified else [None]:
                curves = [curve(config.model, method, verifier, pool, rate) for pool in of_method]
                points += [p for c in curves for p in c]
                if not method.votes and len(config.efforts) > 1:
                    points += [replace(p, method=f"{method.name} by effort") for c in curves for p in c]
        voted = dict.fromkeys(config.prompt_of(METHODS[name]) for name in config.method if METHODS[name].votes)
        for pool in (p for p in pools if p.task is task and p.prompt in voted):
            points += bound(config.model, pool, rate)
            judged += judge(config.model, pool)
    quality = {p.name: p.quality for p in pools}
    return Analysis(mark_pareto(points), quality, views(pools), notes(config, pools, likely_reason), judged)


def notes(config: Config, pools: Sequence[Pools], likely_reason: str) -> list[str]:
    """Plain sentences about holes, and about pools whose samples are suspiciously alike."""
    out = []
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


def views(pools: Sequence[Pools]) -> list[ProblemView]:
    """Problems with their samples of every prompt, as the report's browser shows them."""
    out = []
    for task in dict.fromkeys(p.task.name for p in pools):
        mine = [p for p in pools if p.task.name == task]
        for row in zip(*(p.problems for p in mine), strict=True):
            samples = [_view(p, g, i) for p, g in zip(mine, row, strict=True) for i in range(len(g.completions))]
            problem = row[0].problem
            view = ProblemView(task, problem.id, problem.question, problem.answer, problem.difficulty, tuple(samples))
            out.append(view)
    return out


def _view(pool: Pools, g: Graded, i: int) -> SampleView:
    c = g.completions[i]
    scores = {name: s[i].value for name, s in g.scores.items()}
    return SampleView(
        prompt=f"{pool.prompt}, effort {pool.effort}" if pool.effort else pool.prompt,
        index=g.indices[i],
        text=c.text,
        reasoning=c.reasoning,
        answer=g.answers[i],
        correct=g.correct[i],
        tokens=c.usage.completion,
        stop_reason=c.stop_reason,
        rung=g.rungs[i],
        scores={name: value for name, value in scores.items() if value is not None},
    )


async def _grade(task: Task, problem: Problem, pool: dict[int, Completion], verifiers: Sequence[Verifier]) -> Graded:
    completions = tuple(pool.values())
    found = [task.grader.extract(c.text) for c in completions]
    answers = group([f.answer for f in found], task.grader)
    right = {answer: task.grader.correct(answer, problem) for answer in set(answers)}
    scores = {v.name: tuple(await v.score([(problem, c) for c in completions])) for v in verifiers}
    return Graded(
        problem,
        tuple(pool),
        completions,
        tuple(answers),
        tuple(f.rung for f in found),
        tuple(right[a] for a in answers),
        scores,
    )
