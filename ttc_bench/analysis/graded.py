"""Stored samples -> graded pools -> pools with scores. Each step returns a value; nothing is sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from ttc_bench.core import UNCHANGED, Change, Completion, Problem, Score, Task, Verifier
from ttc_bench.grading.graders import group
from ttc_bench.sampling.changes import extended
from ttc_bench.sampling.plan import Plan
from ttc_bench.sampling.store import Store


@dataclass(frozen=True)
class Graded:
    """The samples of one problem under one prompt. All tuples have one entry per sample, in the order of the index."""

    problem: Problem
    indices: tuple[int, ...]
    completions: tuple[Completion, ...]
    answers: tuple[str | None, ...]  # equal answers are equal strings
    rungs: tuple[str, ...]
    correct: tuple[bool, ...]
    scores: Mapping[str, tuple[Score, ...]] = field(default_factory=dict)  # by verifier

    @property
    def distinct(self) -> int:
        """Different texts among the samples."""
        return len({(c.text, c.reasoning) for c in self.completions})


@dataclass(frozen=True)
class GradedPool:
    """All graded samples of one model on one task under one prompt and effort, as sampled or after a change. `asked`:
    the number of samples per problem that the run wants."""

    task: Task
    prompt: str
    effort: str | None
    asked: int
    problems: tuple[Graded, ...]
    change: Change = UNCHANGED
    model: str = ""
    compared: bool = False  # whether the run has several models, so that labels include this one

    def label(self) -> str:
        """A name for people, unique among the pools of its task: model if there are several, prompt, effort, change."""
        return f"{self.model}, {self.samples_label()}" if self.compared else self.samples_label()

    def samples_label(self) -> str:
        """The same without the model."""
        effort = f"effort {self.effort}" if self.effort else ""
        return ", ".join(part for part in (self.prompt, effort, self.change.label()) if part)

    @property
    def depth(self) -> int:
        """The number of samples that every problem has: the largest possible k."""
        return min(len(g.completions) for g in self.problems)

    @property
    def cached(self) -> float:
        """Share of the prompt tokens that were billed as cached."""
        usages = [c.usage for g in self.problems for c in g.completions]
        return sum(u.cached for u in usages) / max(sum(u.prompt for u in usages), 1)

    def changed(self, pools: Sequence[GradedPool]) -> list[GradedPool]:
        """Those of the given pools that are this one after a change."""
        key = (self.model, self.task.name, self.prompt, self.effort)
        return [p for p in pools if p.change and (p.model, p.task.name, p.prompt, p.effort) == key]


def grade(plan: Plan, store: Store) -> list[GradedPool]:
    """Every pool of a run with its stored samples, graded: each as it was sampled, and after each of its changes."""
    config, pools = plan.config, []
    for group_ in plan.groups:
        first = group_[0]
        for change in (None, *(plan.changes(first.prompt) if not first.change else ())):
            graded = tuple(
                _grade(first.task, p.problem, extended(store, first.task, p.request, change, config.samples))
                for p in group_
            )
            after = change.change if change else first.change
            compared = len(config.model) > 1
            pools.append(
                GradedPool(first.task, first.prompt, first.effort, config.samples, graded, after, plan.name, compared)
            )
    return pools


def _grade(task: Task, problem: Problem, pool: Mapping[int, Completion]) -> Graded:
    completions = tuple(pool.values())
    extractions = [task.grader.extract(c.text) for c in completions]
    right = {answer: task.grader.correct(answer, problem) for answer in {e.answer for e in extractions}}
    # for votes alone: a class can join what the gold tells apart
    answers = group([e.answer for e in extractions], task.grader)
    return Graded(
        problem,
        tuple(pool),
        completions,
        tuple(answers),
        tuple(e.rung for e in extractions),
        tuple(right[e.answer] for e in extractions),
    )


async def score(
    plan: Plan, pools: Sequence[GradedPool], verifiers: Mapping[str, Sequence[Verifier]]
) -> list[GradedPool]:
    """The same pools, with scores where a verified method chooses from their samples. Each verifier is called once for
    all of its samples, so that a model is loaded once and can batch samples of different problems. `verifiers`: by name
    of the task."""
    chosen_from = [p for p in pools if p.prompt in plan.config.verified_prompts and not p.change]
    # in the order in which the user named them
    names = {task: [verifier.name for verifier in of_task] for task, of_task in verifiers.items()}
    scores: dict[int, dict[str, tuple[Score, ...]]] = {
        id(g): dict.fromkeys(names[p.task.name], ()) for p in chosen_from for g in p.problems
    }
    served: dict[int, tuple[Verifier, list[Graded]]] = {}
    for pool in chosen_from:
        for verifier in verifiers[pool.task.name]:
            served.setdefault(id(verifier), (verifier, []))[1].extend(pool.problems)
    for verifier, graded in served.values():
        verdicts = iter(await verifier.score([(g.problem, c) for g in graded for c in g.completions]))
        for g in graded:
            scores[id(g)][verifier.name] = tuple(islice(verdicts, len(g.completions)))
    return [replace(p, problems=tuple(replace(g, scores=scores.get(id(g), {})) for g in p.problems)) for p in pools]
