"""Reference solvers graded as if they were models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ttc_bench.config import Config
from ttc_bench.errors import TaskError
from ttc_bench.problems import reference, tasks
from ttc_bench.problems.generators import FAMILIES


def asked(*names: str, **changes: object) -> Config:
    return Config(**{"model": ("none",), "task": names, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", reference.generated())
def test_every_generated_task_can_be_solved_as_it_is_asked(name: str) -> None:
    """A format that the grader cannot read, or a grader that rejects a right answer, would cap every model below 1."""
    (solved,) = reference.solve(asked(name, limit=16))
    assert solved.line == f"{name}: 16 of 16 solved (100.0 %)"


def test_all_generated_tasks_are_found() -> None:
    assert set(reference.generated()) >= {"chain-arithmetic", "zebra", "countdown"}
    assert len(reference.generated()) == len(FAMILIES)


def test_a_wrong_answer_is_counted_and_named() -> None:
    """A count that cannot fall short would prove nothing."""
    (task,) = tasks.load("chain-arithmetic", limit=8)
    family = FAMILIES["chain-arithmetic"]
    wrong = replace(
        family, solve=lambda p: "500" if p.id in (task.problems[2].id, task.problems[5].id) else family.solve(p)
    )
    solved = reference.graded(task, wrong)
    assert solved.line == (
        f"chain-arithmetic: 6 of 8 solved (75.0 %); the first that was missed: {task.problems[2].id}"
    )


def test_the_solver_sees_neither_gold_nor_solution() -> None:
    (task,) = tasks.load("chain-arithmetic", limit=8)
    peeking = replace(FAMILIES["chain-arithmetic"], solve=lambda p: p.answer or p.solution or "nothing")
    assert len(reference.graded(task, peeking).missed) == 8


@pytest.mark.parametrize(
    ("answer_format", "said"),
    [
        ('End with "The answer is N.", N a whole number.', "The answer is 7."),
        ("Put your final answer within \\boxed{}.", "\\boxed{7}"),
        ('Finish by writing "Solution: N"', "Solution: 7."),
        ("State the number.", "The answer is 7."),
    ],
)
def test_an_answer_is_stated_as_the_task_asks(answer_format: str, said: str) -> None:
    assert reference.stated("7", answer_format) == said


def test_tasks_of_your_own(tmp_path: Path) -> None:
    """A generated task in a file of your own, variants included; and one line for a task from data."""
    fields = {"name": "mine", "grader": "number", "answer_format": 'End with "The answer is N."'}
    source = {"generator": "chain-arithmetic", "difficulty": [1, 2], "count": 20}
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({**fields, "source": source, "variants": {"a": {}, "b": {"grader": "yes-no"}}}))
    lines = [solved.line for solved in reference.solve(asked(str(path)))]
    assert lines[0] == "mine-a: 20 of 20 solved (100.0 %)"
    assert lines[1].startswith("mine-b: 0 of 20 solved (0.0 %)")
    path.write_text(json.dumps({**fields, "source": {"file": "gone.jsonl"}}))
    with pytest.raises(TaskError, match="mine has no reference solver"):
        list(reference.solve(asked(str(path))))
