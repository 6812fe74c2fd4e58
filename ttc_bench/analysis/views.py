"""Problems with their samples, as the report's browser and an export show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ttc_bench.analysis.graded import Graded, GradedPool
from ttc_bench.core import Completion


@dataclass(frozen=True)
class SampleView:
    """One sample as the browser of the report shows it. `answer` None: none could be read from the text."""

    prompt: str
    index: int
    text: str
    reasoning: str
    answer: str | None
    correct: bool
    tokens: int
    stop_reason: Literal["stop", "length"]
    rung: str  # of the extraction ladder
    scores: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class ProblemView:
    """One problem and all its samples, of every prompt."""

    task: str
    id: str
    question: str
    gold: str | None  # None where only a check can judge
    difficulty: float | None
    samples: tuple[SampleView, ...]


def views(pools: Sequence[GradedPool]) -> list[ProblemView]:
    """Problems with their samples of every prompt, as the report's browser shows them."""
    problems = []
    for task in dict.fromkeys(p.task.name for p in pools):
        of_task = [p for p in pools if p.task.name == task]
        for row in zip(*(p.problems for p in of_task), strict=True):
            shown: dict[tuple[str, str | None, int], Completion] = {}
            samples = []
            for p, g in zip(of_task, row, strict=True):
                for i, (index, c) in enumerate(zip(g.indices, g.completions, strict=True)):
                    if p.change and shown.get((p.prompt, p.effort, index)) == c:
                        continue  # samples that a change left as they were are shown once
                    shown.setdefault((p.prompt, p.effort, index), c)
                    samples.append(_view(p, g, i))
            problem = row[0].problem
            problems.append(
                ProblemView(task, problem.id, problem.question, problem.answer, problem.difficulty, tuple(samples))
            )
    return problems


def _view(pool: GradedPool, g: Graded, i: int) -> SampleView:
    c = g.completions[i]
    scores = {name: s[i].value for name, s in g.scores.items()}
    return SampleView(
        prompt=pool.label(),
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
