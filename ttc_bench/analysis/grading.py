"""Stored samples -> graded pools -> pools with scores. Each step returns a value; nothing is sampled.

Texts are read for what is not graded yet, and are not kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ttc_bench.analysis.graded import Graded, GradedPool, Scores
from ttc_bench.core import Completion, Problem, Verifier
from ttc_bench.grading.columns import Columns
from ttc_bench.grading.identity import grading_key, version
from ttc_bench.grading.many import Elsewhere, Work, grade_many
from ttc_bench.sampling.changes import TraceChange, extended
from ttc_bench.sampling.grades import Grades, Key
from ttc_bench.sampling.plan import Plan, Planned
from ttc_bench.sampling.pool import SILENT, Watch
from ttc_bench.sampling.store import Store


def grade(plan: Plan, store: Store, watch: Watch = SILENT, elsewhere: Elsewhere | None = None) -> list[GradedPool]:
    """Every pool of a run with its stored samples, graded: each as it was sampled, and after each of its changes. What
    was graded before is taken from beside the samples, what is new is kept there. `elsewhere`: see grade_many."""
    grading = _Grading(plan, store, watch)
    columns = grading.columns(elsewhere)
    compared = len(plan.config.model) > 1
    pools = []
    for group, change in grading.groups:
        graded = tuple(Graded(p.problem, next(columns), request=p.request) for p in group)
        first = group[0]
        after = change.change if change else first.change
        asked = plan.config.samples
        holes = None if plan.imported is None else plan.imported.get(first.prompt, 0)
        pools.append(
            GradedPool(first.task, first.prompt, first.effort, asked, graded, after, plan.name, compared, change, holes)
        )
    return pools


class _Grading:
    """Which columns a run needs, which of them are kept, and how the rest are made."""

    def __init__(self, plan: Plan, store: Store, watch: Watch) -> None:
        self._store, self._n, self._watch = store, plan.config.samples, watch
        self._grades = Grades(store, version())
        self.groups: list[tuple[list[Planned], TraceChange | None]] = [
            (group, change)
            for group in plan.groups
            for change in (None, *(plan.changes(group[0].prompt) if not group[0].change else ()))
        ]
        self._wanted = [(planned, change) for group, change in self.groups for planned in group]
        self._keys = [_key(planned, change) for planned, change in self._wanted]
        self._kept = self._grades.kept({key for key in self._keys if key.grading})
        self._counts = self._grades.counts({p.request.address for p, change in self._wanted if not change}, self._n)
        self._read: dict[Key, Columns] = {}
        self._present: dict[int, list[int]] = {}  # place in `_wanted` -> indices, where texts had to be read
        self._lacking = 0  # requests to grade, an upper bound
        self._made: dict[int, bytes] = {}  # place in `_wanted` -> columns that are not kept in the store

    def columns(self, elsewhere: Elsewhere | None) -> Iterator[Columns]:
        """The columns of every request and change, in the order of the groups."""
        for key, packed in self._grades.keep(self._new(elsewhere)):
            self._kept[key] = packed
            self._read.pop(key, None)
        for place in range(len(self._wanted)):
            columns = self._before(place)
            if columns is None:
                columns = Columns.unpack(self._made.pop(place))
            present = self._present.get(place)
            kept = columns.index < self._n if present is None else np.isin(columns.index, present)
            yield columns if kept.all() else columns.only(kept)

    def _new(self, elsewhere: Elsewhere | None) -> Iterator[tuple[Key, bytes]]:
        """Grades what is not graded yet. Rows that may be kept are passed on, others stay here."""
        for done, (place, packed) in enumerate(grade_many(self._work(), elsewhere), 1):
            self._watch.on_grade(done, self._lacking)
            if self._keys[place].grading:
                yield self._keys[place], packed
            else:
                self._made[place] = packed

    def _work(self) -> Iterator[Work]:
        lacking = [place for place in range(len(self._wanted)) if not self._complete(place)]
        self._lacking = len(lacking)
        for place in lacking:
            planned, change = self._wanted[place]
            before = self._before(place)
            completions = extended(self._store, planned.task, planned.request, change, self._n)
            self._present[place] = list(completions)
            if before is None or (completions := before.unlike(completions)):
                packed = self._kept.get(self._keys[place]) if before is not None else None
                yield Work(place, planned.task.grader, planned.problem, completions, packed)

    def _before(self, place: int) -> Columns | None:
        """The kept columns of a request, None where there are none that can be read."""
        key = self._keys[place]
        if key in self._kept and key not in self._read:
            with contextlib.suppress(ValueError):
                self._read[key] = Columns.unpack(self._kept[key])
        return self._read.get(key)

    def _complete(self, place: int) -> bool:
        """Whether the kept columns are of just the samples that are stored: one that is stored never changes, so their
        numbers tell without a look at their texts. A changed sample is put together from several."""
        planned, change = self._wanted[place]
        before = self._before(place)
        if before is None or change is not None:
            return False
        index = before.index[before.index < self._n]
        return (len(index), int(index.sum())) == self._counts[planned.request.address]


def _key(planned: Planned, change: TraceChange | None) -> Key:
    """`grading` is empty where nothing may be kept."""
    grading = grading_key(planned.task.grader, planned.problem)
    return Key(planned.request.address, change.key if change else "", grading or "")


async def score(
    plan: Plan, store: Store, pools: Sequence[GradedPool], verifiers: Mapping[str, Sequence[Verifier]]
) -> list[GradedPool]:
    """The same pools, with scores where a verified method chooses from their samples. Each verifier is asked once for
    all samples that it has no score of, so that a model is loaded once and can batch samples of different problems.
    `verifiers`: by name of the task."""
    chosen_from = [p for p in pools if p.prompt in plan.config.verified_prompts and not p.change]
    # in the order in which the user named them
    scores: dict[int, dict[str, Scores]] = {id(g): {} for p in chosen_from for g in p.problems}
    served: dict[int, tuple[Verifier, list[tuple[GradedPool, Graded]]]] = {}
    for pool in chosen_from:
        for verifier in verifiers[pool.task.name]:
            served.setdefault(id(verifier), (verifier, []))[1].extend((pool, g) for g in pool.problems)
    for verifier, graded in served.values():
        for (_, g), verdicts in zip(graded, await _verdicts(store, verifier, graded), strict=True):
            scores[id(g)][verifier.name] = verdicts
    names = {task: [verifier.name for verifier in of_task] for task, of_task in verifiers.items()}

    def scored(pool: GradedPool, g: Graded) -> Graded:
        return replace(
            g, scores={name: scores[id(g)][name] for name in names[pool.task.name]} if id(g) in scores else {}
        )

    return [replace(p, problems=tuple(scored(p, g) for g in p.problems)) for p in pools]


async def _verdicts(store: Store, verifier: Verifier, graded: Sequence[tuple[GradedPool, Graded]]) -> list[Scores]:
    """The scores of each of these, from what was recorded or stored where that is enough."""
    if verifier.signal:
        nothing, cost = np.full(0, np.nan), Scores.unpriced if verifier.elsewhere else Scores.free
        recorded = [g.samples.signals.get(verifier.signal, nothing) for _, g in graded]
        return [
            cost(values if len(values) else np.full(len(g), np.nan))
            for values, (_, g) in zip(recorded, graded, strict=True)
        ]
    if verifier.grades:
        return [Scores.free(g.samples.correct.astype(float)) for _, g in graded]
    known = [verifier.known([content.tobytes().hex() for content in g.samples.content]) for _, g in graded]
    asked: list[tuple[Problem, Completion]] = []
    for (pool, g), of_problem in zip(graded, known, strict=True):
        if None in of_problem:
            completions = pool.completions(store, g)
            asked += [(g.problem, c) for c, score in zip(completions, of_problem, strict=True) if score is None]
    given = iter(await verifier.score(asked) if asked else ())
    return [Scores.of([next(given) if score is None else score for score in of_problem]) for of_problem in known]
