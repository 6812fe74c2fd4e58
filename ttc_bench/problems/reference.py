"""Runs the reference solvers of generated tasks and grades them like a model.

A full score proves that each problem can be solved from its question, in the answer format of its task.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ttc_bench.config import Config
from ttc_bench.core import Task
from ttc_bench.errors import TaskError
from ttc_bench.problems import tasks
from ttc_bench.problems.generators import FAMILIES
from ttc_bench.problems.generators.base import Family


@dataclass(frozen=True)
class Solved:
    """How a reference solver did at a task. `missed`: ids of the problems that it did not solve."""

    task: str
    problems: int
    missed: tuple[str, ...]

    @property
    def line(self) -> str:
        """Such as "chain-arithmetic: 200 of 200 solved (100.0 %)", with the first problem that was missed, if any."""
        solved = self.problems - len(self.missed)
        first = f"; the first that was missed: {self.missed[0]}" if self.missed else ""
        return f"{self.task}: {solved:,} of {self.problems:,} solved ({100 * solved / self.problems:.1f} %){first}"


def generated() -> list[str]:
    """The names of all shipped tasks that a generator makes."""
    names = dict.fromkeys(tasks.read(path)["name"] for path in tasks.known().values())
    specs = [spec for name in names for spec, _ in tasks.specs(name)]
    return [spec.name for spec in specs if isinstance(spec.source, tasks.GeneratorSource)]


def solve(config: Config) -> Iterator[Solved]:
    """The tasks of a configuration (its task, limit and difficulty), each answered by the solver of its family.
    Raises TaskError for a task that has none."""
    for name in config.task:
        sources = {spec.name: spec.source for spec, _ in tasks.specs(name)}
        for task_name, source in sources.items():
            if not isinstance(source, tasks.GeneratorSource):
                raise TaskError(
                    f"{task_name} has no reference solver: its problems come from data; "
                    f"--solve is for generated tasks, such as {next(iter(FAMILIES))}"
                )
        for task in tasks.load(name, limit=config.limit, difficulty=config.difficulty):
            source = sources[task.name]
            assert isinstance(source, tasks.GeneratorSource)
            yield graded(task, FAMILIES[source.generator])


def graded(task: Task, family: Family) -> Solved:
    """Every problem of the task, solved without its gold or worked solution, stated in the task's own answer format,
    read and judged by the task's grader."""
    missed = []
    for problem in task.problems:
        answer = family.solve(replace(problem, answer=None, solution=None))
        extracted = task.grader.extract(stated(answer, task.answer_format)).answer
        if not task.grader.correct(extracted, problem):
            missed.append(problem.id)
    return Solved(task.name, len(task.problems), tuple(missed))


def stated(answer: str, answer_format: str) -> str:
    r"""The answer in the words that an answer format asks for: "The answer is 7." or "\boxed{7}"."""
    if r"\boxed" in answer_format:
        return rf"\boxed{{{answer}}}"
    words = re.search(r'"([^"]*(?:\bis\b|:)) ', answer_format)  # the text before the placeholder
    return f"{words[1] if words else 'The answer is'} {answer.rstrip('.')}."
