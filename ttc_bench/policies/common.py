"""The problems that several runs have in common. Pure.

Runs are compared on problems that all of them have, and a name is not enough: a problem is the same where its id and
the text of its question are. Samples that came from two files have ids of these files, so where no id agrees the
questions alone decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ttc_bench.core import Problem, Task
from ttc_bench.errors import TtcError, counted, nearest

FEWEST = 2  # problems that a paired comparison needs
NAMED = 3  # problems that a note names

Keyed = Mapping[str, Mapping[object, Problem]]  # the problems of each run, by what makes them the same


@dataclass(frozen=True)
class Shared:
    """A task that several runs have. `names`: what each run calls it; `problems`: those that all of them have, in one
    order, as each run has them (their golds may differ). The first run comes first."""

    task: str
    names: Mapping[str, str]
    problems: Mapping[str, tuple[Problem, ...]]


def shared(tasks: Mapping[str, Sequence[Task]], only: Collection[str] = ()) -> tuple[list[Shared], list[str]]:
    """What runs (by name, in the order to compare them) have in common, and notes on what a reader has to know of it.
    `only`: names of tasks to compare. Raises TtcError where there is nothing to compare."""
    known = list(dict.fromkeys(task.name for of_run in tasks.values() for task in of_run))
    for name in only:
        if name not in known:
            raise TtcError(f"--task: {nearest(name, known, 'task')}")
    found, notes = [], []
    for group in _groups(tasks):
        name = next(iter(group.values())).name
        if len(group) < 2 or (only and not {t.name for t in group.values()} & set(only)):
            continue
        common = _common(group)
        if len(common.problems[next(iter(group))]) < FEWEST:
            notes.append(
                f"{name} is not compared: {' and '.join(group)} have fewer than {FEWEST} of its problems in common"
            )
            continue
        found.append(common)
        notes += _notes(group, common)
    if not found:
        raise TtcError(
            f"{' and '.join(tasks)} have fewer than {FEWEST} problems in common: {'; '.join(_listed(tasks))}; compare "
            "runs of one task with the same --difficulty, and import samples of one benchmark with the same --task"
        )
    return found, notes


def _listed(tasks: Mapping[str, Sequence[Task]]) -> Iterator[str]:
    for run, of_run in tasks.items():
        held = [f"{counted(len(task.problems), 'problem')} of {task.name}" for task in of_run]
        yield f"{run} has {', '.join(held) or 'none'}"


def _groups(tasks: Mapping[str, Sequence[Task]]) -> list[dict[str, Task]]:
    """The tasks of all runs, those together that are one: of one name, or else with the most questions in common."""
    groups: list[dict[str, Task]] = []
    for run, of_run in tasks.items():
        homeless = []
        for task in of_run:
            named = [g for g in groups if run not in g and next(iter(g.values())).name == task.name]
            if named:
                named[0][run] = task
            else:
                homeless.append(task)
        for task in homeless:
            asked = {_question(p) for p in task.problems}
            alike = {
                i: len(asked & {_question(p) for p in next(iter(g.values())).problems})
                for i, g in enumerate(groups)
                if run not in g
            }
            best = max(alike, key=lambda i: alike[i], default=-1)
            if alike.get(best, 0):
                groups[best][run] = task
            else:
                groups.append({run: task})
    return groups


def _common(group: Mapping[str, Task]) -> Shared:
    keyed: Keyed = {run: {(p.id, _question(p)): p for p in task.problems} for run, task in group.items()}
    asked: Keyed = {run: _by_question(task) for run, task in group.items()}
    if len(_in_all(asked)) > len(_in_all(keyed)):  # ids that are row numbers agree by chance where the order is another
        keyed = asked
    keys = _in_all(keyed)
    problems = {run: tuple(of_run[key] for key in keys) for run, of_run in keyed.items()}
    return Shared(next(iter(group.values())).name, {run: task.name for run, task in group.items()}, problems)


def _in_all(keyed: Keyed) -> list[object]:
    """The keys that every run has, in the order of the first."""
    first, *others = keyed.values()
    return [key for key in first if all(key in other for other in others)]


def _by_question(task: Task) -> dict[object, Problem]:
    """Those whose question is asked once: of two the answers could not be told apart."""
    times = Counter(_question(p) for p in task.problems)
    return {_question(p): p for p in task.problems if times[_question(p)] == 1}


def _question(p: Problem) -> str:
    return " ".join(p.question.split())


def _notes(group: Mapping[str, Task], common: Shared) -> Iterator[str]:
    (first, task), *others = group.items()
    for run, other in others:
        mine, theirs = common.problems[first], common.problems[run]
        if other.name != task.name:
            same = f"{counted(len(mine), 'question')} are the same"
            yield f"{other.name} of {run} is taken for {task.name} of {first}: {same}"
        asked = {p.id: _question(p) for p in task.problems}
        changed = [p.id for p in other.problems if p.id in asked and asked[p.id] != _question(p)]
        if changed and any(p.id == q.id for p, q in zip(mine, theirs, strict=True)):
            what = f"{counted(len(changed), 'problem')} of {task.name} ({_few(changed)})"
            yield f"left out, as the question in {run} is another than in {first}: {what}"
        if type(task.grader) is not type(other.grader):
            graders = f"{type(task.grader).__name__.lower()} in {first}, {type(other.grader).__name__.lower()} in {run}"
            yield f"the answers to {task.name} are read by different graders: {graders}"
        golds = [p.id for p, q in zip(mine, theirs, strict=True) if not _same_gold(task, p, q)]
        if golds:
            what = f"{counted(len(golds), 'problem')} of {task.name} ({_few(golds)})"
            yield f"with another gold answer in {run} than in {first}, each run marked by its own: {what}"


def _same_gold(task: Task, p: Problem, q: Problem) -> bool:
    if p.answer is None or q.answer is None or p.answer == q.answer:
        return p.answer == q.answer
    return task.grader.same(p.answer, q.answer)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
