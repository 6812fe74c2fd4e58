"""Which model meets which, and which of their lines are the same method. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttc_bench.analysis.graded import GradedPool
from ttc_bench.core import CurvePoint
from ttc_bench.core import Line as Key
from ttc_bench.errors import TtcError
from ttc_bench.model_names import short
from ttc_bench.policies.common import Shared

Line = tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Run:
    """A results folder as it was analysed again over the problems that it has in common with others."""

    name: str
    points: Sequence[CurvePoint]
    pools: Sequence[GradedPool]


@dataclass(frozen=True, eq=False)
class Side:
    """One model of a run on one task. `name`: the run, and the model where it has several; `lines`: its methods, not
    bounds; `pools`: what they were computed from."""

    name: str
    run: str
    model: str
    lines: Mapping[Key, Line]
    pools: tuple[GradedPool, ...]

    @property
    def named(self) -> str:
        """For a sentence about the model itself."""
        return f"{self.model} of {self.run}"

    def shares(self, other: Side) -> bool:
        """Whether both were computed from samples of one request."""
        addresses = [
            {g.request.address for pool in side.pools for g in pool.problems if g.request} for side in (self, other)
        ]
        return bool(addresses[0] & addresses[1])

    def pool(self, p: CurvePoint) -> GradedPool:
        """That a point of this side was computed from."""
        key = (p.prompt, p.effort, p.change)
        return next(pool for pool in self.pools if (pool.prompt, pool.effort or "", pool.change) == key)


@dataclass(frozen=True)
class Match:
    """Two lines of one method. `names`: what each is called, the same for both unless they differ in prompt, verifier
    or effort."""

    what: str
    names: tuple[str, str]
    first: Line
    second: Line


def distinct(folders: Sequence[Path]) -> dict[str, Path]:
    """The folders by a name for each: the last part of the path, or all of it where that is not enough. Raises TtcError
    where there are not two."""
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise TtcError(f"{folder} is given twice; compare it with the results folder of another run")
    if len(folders) < 2:
        given = ", ".join(map(str, folders)) or "none"
        raise TtcError(f"compare needs at least two results folders, got {given}; add that of another run")
    last = [place.name for place in places]
    return {
        place.name if last.count(place.name) == 1 else str(folder): folder
        for folder, place in zip(folders, places, strict=True)
    }


def pairs(runs: Sequence[Run], shared: Shared, notes: list[str]) -> Iterator[tuple[Side, Side]]:
    """The models of the first run that has the task, each with a model of every other run: with its namesake, or, of
    those without one, with all."""
    of_task = [sides(run, shared.names[run.name], notes) for run in runs if run.name in shared.names]
    first, *others = of_task
    for other in others:
        namesakes = {side.model for side in first} & {side.model for side in other}
        met = [(a, b) for a in first for b in other if a.model == b.model or not {a.model, b.model} & namesakes]
        yield from met
        alone = [side.named for side in (*first, *other) if side not in itertools.chain.from_iterable(met)]
        if met and alone:
            notes.append(f"{' and '.join(alone)} is not compared, as every model of the other run has a namesake")


def sides(run: Run, task: str, notes: list[str]) -> list[Side]:
    """The models of a run that have a point on a task; a note on each that has none."""
    found = []
    models = list(dict.fromkeys(pool.model for pool in run.pools if pool.task.name == task))
    for model in models:
        lines: dict[Key, list[CurvePoint]] = {}
        for p in run.points:
            if (p.task, p.model) == (task, model) and not p.bound:
                lines.setdefault(p.line, []).append(p)
        if not lines:
            notes.append(f"{model} of {run.name} has no sample of some problems of {task}, and is not compared on it")
            continue
        name = f"{run.name}, {short(model)}" if len(models) > 1 else run.name
        pools = tuple(pool for pool in run.pools if (pool.task.name, pool.model) == (task, model))
        found.append(Side(name, run.name, model, {key: tuple(line) for key, line in lines.items()}, pools))
    return found


def matches(first: Side, second: Side) -> list[Match]:
    """The lines of one method: those that agree in everything, and then a method's only other line on both sides, which
    may have another prompt, verifier or effort."""
    found = {key: key for key in first.lines if key in second.lines}
    rest = [[key for key in side.lines if key not in found] for side in (first, second)]
    kinds = [[(*key[:1], *key[4:]) for key in keys] for keys in rest]
    for key, kind in zip(rest[0], kinds[0], strict=True):
        if kinds[0].count(kind) == kinds[1].count(kind) == 1:
            found[key] = rest[1][kinds[1].index(kind)]
    return [_match(first, second, key, found[key]) for key in first.lines if key in found]


def _match(first: Side, second: Side, key: Key, other: Key) -> Match:
    a, b = _name(first, key), _name(second, other)
    if a == b and key != other:  # what differs is the prompt
        a, b = f"{a}, {first.lines[key][0].prompt}", f"{b}, {second.lines[other][0].prompt}"
    return Match(a if a == b else f"{a} / {b}", (a, b), first.lines[key], second.lines[other])


def _name(side: Side, key: Key) -> str:
    """The label of a line, with its prompt where another line of the side has the same."""
    label = side.lines[key][0].label()
    alike = sum(line[0].label() == label for line in side.lines.values())
    return f"{label}, {side.lines[key][0].prompt}" if alike > 1 else label
