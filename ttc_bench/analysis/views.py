"""Problems with their samples, as the report's browser and an export show them: read from the store one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

from ttc_bench.analysis.graded import Graded, GradedPool
from ttc_bench.core import Completion, StopReason, Usage
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
    tokens: int | None  # generated; None: nobody counted them
    stop_reason: StopReason
    rung: str  # of the extraction ladder
    scores: Mapping[str, float] = field(default_factory=dict, hash=False)
    model: str = ""  # as the run names it
    usage: Usage | None = None  # None: `tokens` is all that is known
    shares_prompt: bool = False  # one prompt served all samples; the first has its tokens


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
    def score_names(self) -> list[str]:
        """The names of all scores, known without a look at the samples."""
        return sorted({name for p in self._pools for g in p.problems[:1] for name in g.scores})

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
        completions = p.completions(store, g)
        if p.change or any(other.change for other, _ in graded):  # samples that a change left as they were: once
            keys = [(p.model, p.prompt, p.effort, index) for index in g.samples.index.tolist()]
            kept = [not (p.change and shown.get(key) == c) for key, c in zip(keys, completions, strict=True)]
            for key, c in zip(keys, completions, strict=True):
                shown.setdefault(key, c)
        else:
            kept = [True] * len(completions)
        samples += _views(p, g, completions, kept)
    pool, first = graded[0]
    problem = first.problem
    return ProblemView(pool.task.name, problem.id, problem.question, problem.answer, problem.difficulty, tuple(samples))


def _views(pool: GradedPool, g: Graded, completions: Sequence[Completion], kept: Sequence[bool]) -> list[SampleView]:
    """Those of the samples that are to be shown. Columns are read as lists: a million samples pass here one by one."""
    columns, label = g.samples, pool.label()
    answers = [None if vote < 0 else columns.answers[vote] for vote in columns.votes.tolist()]
    rungs = [columns.rungs[rung] for rung in columns.rung.tolist()]
    names = list(g.scores)
    scores = zip(*(g.scores[name].value.tolist() for name in names), strict=True) if names else repeat(())
    columns_read = (columns.index.tolist(), answers, columns.correct.tolist(), rungs)
    rows = zip(kept, completions, *columns_read, scores, strict=False)  # `scores` may have no end
    return [
        SampleView(
            *(label, index, c.text, c.reasoning, answer, correct, _generated(c), c.stop_reason, rung),
            {name: value for name, value in zip(names, values, strict=True) if value == value},  # NaN: no verdict
            *(pool.model, c.usage, c.shares_prompt),
        )
        for keep, c, index, answer, correct, rung, values in rows
        if keep
    ]


def _generated(c: Completion) -> int | None:
    return None if c.usage.source == "unknown" else c.usage.completion
