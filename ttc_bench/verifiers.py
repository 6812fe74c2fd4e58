"""Verifiers: how good does a sample look, without the gold? Their tokens are counted and charged to the strategy.

To add one: a class with `score` here and a line in VERIFIERS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ttc_bench.core import Backend, Completion, Problem, Score, Task, Verifier
from ttc_bench.errors import TaskError, nearest


@dataclass(frozen=True)
class Signal:
    """A number that the backend recorded while it sampled, so it costs nothing."""

    name: str
    signal: str

    async def score(self, items: Sequence[tuple[Problem, Completion]]) -> list[Score]:
        return [Score(completion.signals.get(self.signal)) for _, completion in items]


@dataclass(frozen=True)
class Checker:
    """The task's own exact check: 1.0 for an answer that satisfies the problem's statement, 0.0 otherwise."""

    name: str
    task: Task

    async def score(self, items: Sequence[tuple[Problem, Completion]]) -> list[Score]:
        grader = self.task.grader
        return [Score(float(grader.correct(grader.extract(c.text).answer, problem))) for problem, c in items]


def _checker(name: str, task: Task, signals: frozenset[str]) -> Verifier | str:
    if not task.grader.checks:
        return f"task {task.name} has no check that works without the gold answer"
    return Checker(name, task)


def _signal(signal: str) -> Callable[[str, Task, frozenset[str]], Verifier | str]:
    def make(name: str, task: Task, signals: frozenset[str]) -> Verifier | str:
        if signal not in signals:
            return f"this model's backend records no {name}"
        return Signal(name, signal)

    return make


# name -> what makes it for a task and a backend's signals: a verifier, or why there can be none
VERIFIERS: dict[str, Callable[[str, Task, frozenset[str]], Verifier | str]] = {
    "logprob": _signal("logprob"),  # mean token log-probability
    "self-certainty": _signal("self_certainty"),  # Kang et al. 2025, arXiv:2502.18581
    "tail-confidence": _signal("tail_confidence"),  # of the last tokens: Fu et al. 2025, arXiv:2508.15260
    "lowest-group-confidence": _signal("lowest_group_confidence"),  # of the least confident stretch: the same
    "checker": _checker,
}
DEFAULTS = ("self-certainty", "logprob")  # "auto": the first of these that the backend records


def make(names: Sequence[str], tasks: Sequence[Task], backend: Backend) -> dict[str, list[Verifier]]:
    """The verifiers of each task by the task's name. One that serves some of the tasks is used there; one that serves
    none of them, or is unknown, raises TaskError with the reason and those that would do."""
    if tuple(names) == ("auto",):
        able = [n for n in DEFAULTS if not isinstance(VERIFIERS[n](n, tasks[0], backend.signals), str)]
        names = able[:1] or DEFAULTS[:1]
    out: dict[str, list[Verifier]] = {task.name: [] for task in tasks}
    for name in names:
        if name not in VERIFIERS:
            raise TaskError(nearest(name, list(VERIFIERS), "verifier"))
        made = {task.name: VERIFIERS[name](name, task, backend.signals) for task in tasks}
        reasons = [reason for reason in made.values() if isinstance(reason, str)]
        if len(reasons) == len(made):
            able = [n for n, other in VERIFIERS.items() if not isinstance(other(n, tasks[0], backend.signals), str)]
            instead = f"use --verifier {' or '.join(able)}" if able else "leave best-of-n out"
            raise TaskError(f"verifier {name}: {reasons[0]}; {instead}")
        for task, verifier in made.items():
            if not isinstance(verifier, str):
                out[task].append(verifier)
    return out
