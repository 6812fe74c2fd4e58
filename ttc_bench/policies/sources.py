"""The models of one or several results folders, brought together over the problems that they have in common. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ttc_bench.analysis.analyse import methods
from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.curves import Measured
from ttc_bench.analysis.graded import GradedPool
from ttc_bench.core import Problem
from ttc_bench.errors import TtcError
from ttc_bench.model_names import labels
from ttc_bench.sampling.plan import Plan
from ttc_bench.strategies.methods import METHODS


@dataclass(frozen=True, eq=False)
class Source:
    """One model of a results folder, as it was replayed."""

    folder: str
    plan: Plan
    rates: Rates
    pools: tuple[GradedPool, ...]


@dataclass(frozen=True, eq=False)
class Contender:
    """One model on one task, over the problems that all contenders share. `name`: as people know it."""

    name: str
    plan: Plan
    rates: Rates
    pools: tuple[GradedPool, ...]

    @property
    def problems(self) -> list[Problem]:
        """In the order of the first pool, which is that of all."""
        return [g.problem for g in self.pools[0].problems]

    def measured(self) -> list[Measured]:
        """The curves of every method that the run asked for."""
        return methods(self.plan, self.pools, self.rates)

    def voting(self) -> GradedPool:
        """The samples that votes and verifiers choose from, as they were sampled; of several pools the first of those
        with the most samples per problem."""
        config = self.plan.config
        prompts = {config.prompt_of(METHODS[name]) for name in config.method if METHODS[name].votes}
        return max((p for p in self.pools if not p.change), key=lambda p: (p.prompt in prompts, p.depth))


def contenders(sources: Sequence[Source]) -> dict[str, list[Contender]]:
    """By task: its models, over the problems that have the same id and question, and at least one sample, in all.
    Raises TtcError where a task that several folders have has no such problem, or where several folders share no
    task."""
    names = _names(sources)
    tasks = dict.fromkeys(pool.task.name for s in sources for pool in s.pools)
    found = {}
    for task in tasks:
        having = [(s, name) for s, name in zip(sources, names, strict=True) if _of(s, task)]
        places = _common(task, [s for s, _ in having])
        found[task] = [
            Contender(name, s.plan, s.rates, tuple(_only(pool, places) for pool in _of(s, task))) for s, name in having
        ]
    folders = dict.fromkeys(s.folder for s in sources)
    if len(folders) > 1 and all(len({s.folder for s in sources if _of(s, task)}) == 1 for task in tasks):
        own = "; ".join(
            f"{folder}: {', '.join(dict.fromkeys(p.task.name for s in sources if s.folder == folder for p in s.pools))}"
            for folder in folders
        )
        raise TtcError(
            f"the folders have no task in common ({own}); give runs of the same task, or import with the same --task"
        )
    return found


def _names(sources: Sequence[Source]) -> list[str]:
    """Short names of the models; with their folder where several folders have one of that name."""
    short = labels(list(dict.fromkeys(s.plan.name for s in sources)))
    times = Counter(short[s.plan.name] for s in sources)
    names = [short[s.plan.name] for s in sources]
    return [n if times[n] == 1 else f"{n} ({s.folder})" for n, s in zip(names, sources, strict=True)]


def _of(source: Source, task: str) -> list[GradedPool]:
    return [pool for pool in source.pools if pool.task.name == task]


def _common(task: str, sources: Sequence[Source]) -> dict[tuple[str, str], int]:
    """(id, question) -> place, of the problems that have samples in every pool."""
    every = [{(g.problem.id, g.problem.question) for g in p.problems if len(g)} for s in sources for p in _of(s, task)]
    shared = set.intersection(*every)
    if not shared:
        where = ", ".join(dict.fromkeys(s.folder for s in sources))
        raise TtcError(
            f"{task}: no problem with the same id and question has samples everywhere in {where}; "
            "give runs over the same problems, or finish the runs"
        )
    ordered = [(g.problem.id, g.problem.question) for g in _of(sources[0], task)[0].problems]
    return {key: place for place, key in enumerate(key for key in ordered if key in shared)}


def _only(pool: GradedPool, places: dict[tuple[str, str], int]) -> GradedPool:
    """The pool with these problems, in this order: the pool itself if it is so already."""
    kept = [g for g in pool.problems if (g.problem.id, g.problem.question) in places]
    kept.sort(key=lambda g: places[g.problem.id, g.problem.question])
    same = len(kept) == len(pool.problems) and all(a is b for a, b in zip(kept, pool.problems, strict=True))
    return pool if same else replace(pool, problems=tuple(kept))
