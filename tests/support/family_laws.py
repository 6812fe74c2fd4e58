"""What holds for every family of generated problems; the test files of the families run these."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from ttc_bench.core import Problem
from ttc_bench.grading.graders import GRADERS
from ttc_bench.problems.generators.base import Family, problems

TASKS = Path(__file__).parents[2] / "tasks"
SENTENCE = "The answer is "


def spread(family: Family, n: int, seed: int = 11) -> tuple[Problem, ...]:
    """n problems over all difficulties."""
    return problems(family, n, seed=seed)


def final(problem: Problem) -> str:
    """The answer that the worked solution ends in."""
    assert problem.solution is not None
    sentence = problem.solution.rsplit(SENTENCE, 1)
    assert len(sentence) == 2, problem.solution
    assert sentence[1].endswith("."), problem.solution
    return sentence[1][:-1]


def right(family: Family, problem: Problem, answer: str) -> bool:
    return family.check(answer, problem) if family.check else answer == problem.answer


def gold_and_only(family: Family, solver: Callable[[str], list[str]], n: int) -> None:
    """A solver that reads nothing but the question finds the gold, and nothing else."""
    for problem in spread(family, n):
        assert solver(problem.question) == [problem.answer], problem.question


def reference_and_solution(family: Family, n: int) -> None:
    """The reference solver is right on every problem, and so is the last sentence of every worked solution."""
    for problem in spread(family, n):
        assert right(family, problem, family.solve(problem)), problem.question
        assert right(family, problem, final(problem)), problem.solution
        assert 0 < family.guess(problem) <= 0.5, problem.question


def stable(family: Family, digest: str) -> None:
    """Another Python, machine or hash seed gives the very same problems: their digest is written down here.
    A digest that changes on purpose moves every stored sample of the family: say so in the changelog."""
    text = "\n".join(f"{p.id} {p.question} {p.answer} {p.solution}" for p in problems(family, 40, seed=7))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


def enough_and_fast(family: Family, seconds: float, share: int = 4) -> None:
    """A thousand problems, all different, take so many seconds of processor time; 1 / share of them is made here, and
    allowed twice that time, for machines are busy."""
    start = time.process_time()
    made = problems(family, 1000 // share)
    assert time.process_time() - start < 2 * seconds / share
    assert len({p.question for p in made}) == 1000 // share


def every_level(family: Family, n: int = 20) -> None:
    """Every level has problems for itself alone; easy levels of small families run dry first."""
    for level in range(1, family.levels + 1):
        assert {p.difficulty for p in problems(family, n, low=level, high=level)} == {level}


def task_file(family: Family) -> None:
    """The task file names the family, all of its levels, and a grader that fits."""
    task = yaml.safe_load((TASKS / f"{family.name}.yaml").read_text())
    assert task["name"] == task["source"]["generator"] == family.name
    assert task["source"]["difficulty"] == [1, family.levels]
    assert task["source"]["examples"] == 3
    assert (task["grader"] == "check") == (family.check is not None)
    assert re.search(r'End with "The answer is .+\."', task["answer_format"])


def graded(family: Family, n: int) -> None:
    """The grader of the family's task reads the answer sentence of a worked solution, and marks it right."""
    name = yaml.safe_load((TASKS / f"{family.name}.yaml").read_text())["grader"]
    grader = GRADERS[name](family.check) if family.check else GRADERS[name]()
    for problem in spread(family, n):
        found = grader.extract(problem.solution or "")
        assert found.rung == "format", problem.solution
        assert grader.correct(found.answer, problem), (found, problem)
        assert grader.correct(grader.extract(f"The answer is {family.solve(problem)}").answer, problem)
