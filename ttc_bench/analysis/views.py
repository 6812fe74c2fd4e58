"""Problems with their samples, as the report's browser and an export show them: read from the store one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Literal

from ttc_bench.analysis.graded import Graded, GradedPool
from ttc_bench.core import Completion
from ttc_bench.sampling.store import Store


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


class Views(Sequence[ProblemView]):
    """The problems of graded pools, by task; each once, with the samples of every prompt and model. The texts of one
    problem at a time are read from the store's file, whenever it is asked for."""

    def __init__(self, path: Path | None = None, pools: Sequence[GradedPool] = ()) -> None:
        self._path, self._pools = path, list(pools)
        tasks = dict.fromkeys(p.task.name for p in pools)
        self._of_task = {task: [p for p in pools if p.task.name == task] for task in tasks}
        self._places = [(task, i) for task, of in self._of_task.items() for i in range(len(of[0].problems))]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        places = self._places[place]
        if isinstance(place, slice):
            return list(self._read(places))
        return next(self._read([places]))

    def __iter__(self) -> Iterator[ProblemView]:
        return self._read(self._places)

    def __add__(self, other: Views) -> Views:
        """The same with the samples of other models of the same run."""
        return Views(self._path or other._path, [*self._pools, *other._pools])

    @property
    def samples(self) -> int:
        """How many there are, those included that a change left as they were."""
        return sum(int(p.sizes.sum()) for p in self._pools)

    def _read(self, places: Sequence[tuple[str, int]]) -> Iterator[ProblemView]:
        if self._path is None:
            return
        with closing(Store(self._path, read_only=True)) as store:
            for task, i in places:
                yield _problem(store, [(p, p.problems[i]) for p in self._of_task[task]])


def _problem(store: Store, graded: Sequence[tuple[GradedPool, Graded]]) -> ProblemView:
    shown: dict[tuple[str, str, str | None, int], Completion] = {}
    samples = []
    for p, g in graded:
        for i, c in enumerate(p.completions(store, g)):
            index = int(g.samples.index[i])
            key = (p.model, p.prompt, p.effort, index)
            if p.change and shown.get(key) == c:
                continue  # samples that a change left as they were are shown once
            shown.setdefault(key, c)
            samples.append(_view(p, g, i, c))
    pool, first = graded[0]
    problem = first.problem
    return ProblemView(pool.task.name, problem.id, problem.question, problem.answer, problem.difficulty, tuple(samples))


def _view(pool: GradedPool, g: Graded, i: int, c: Completion) -> SampleView:
    columns = g.samples
    vote = int(columns.votes[i])
    scores = {name: float(s.value[i]) for name, s in g.scores.items()}
    return SampleView(
        prompt=pool.label(),
        index=int(columns.index[i]),
        text=c.text,
        reasoning=c.reasoning,
        answer=None if vote < 0 else columns.answers[vote],
        correct=bool(columns.correct[i]),
        tokens=c.usage.completion,
        stop_reason=c.stop_reason,
        rung=columns.rungs[columns.rung[i]],
        scores={name: value for name, value in scores.items() if not isnan(value)},
    )
