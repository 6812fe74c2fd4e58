"""Which problems two runs have in common: those of one id and one question, or one question where no id agrees."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ttc_bench.core import Problem, Task
from ttc_bench.errors import TtcError
from ttc_bench.grading.graders import GRADERS
from ttc_bench.policies.common import shared


def task(name: str = "sums", *numbers: int, prefix: str = "p", grader: str = "number") -> Task:
    problems = tuple(Problem(f"{prefix}{i}", f"{i} + {i}?", str(2 * i)) for i in numbers or range(4))
    return Task(name, problems, "", GRADERS[grader]())


def changed(given: Task, at: int, **fields: str) -> Task:
    problems = [replace(p, **fields) if i == at else p for i, p in enumerate(given.problems)]
    return replace(given, problems=tuple(problems))


def ids(found: object, run: str) -> list[str]:
    return [p.id for p in found.problems[run]]  # type: ignore[attr-defined]


def test_those_that_both_have_in_the_order_of_the_first() -> None:
    ((common,), notes) = shared({"a": [task("sums", 1, 2, 3, 4)], "b": [task("sums", 5, 4, 2)]})
    assert (ids(common, "a"), ids(common, "b"), notes) == (["p2", "p4"], ["p2", "p4"], [])


def test_an_id_with_another_question_is_another_problem() -> None:
    ((common,), notes) = shared({"a": [task()], "b": [changed(task(), 1, question="7 + 7?")]})
    assert ids(common, "a") == ["p0", "p2", "p3"]
    assert notes == ["left out, as the question in b is another than in a: 1 problem of sums (p1)"]


def test_blanks_in_a_question_mean_nothing() -> None:
    ((common,), _) = shared({"a": [task()], "b": [changed(task(), 1, question=" 1  +\n1? ")]})
    assert len(ids(common, "a")) == 4


def test_other_golds_are_said_unless_they_are_equal() -> None:
    (_, notes) = shared({"a": [task()], "b": [changed(changed(task(), 1, answer="3"), 2, answer="4.0")]})
    assert notes == ["with another gold answer in b than in a, each run marked by its own: 1 problem of sums (p1)"]


def test_other_graders_are_said() -> None:
    (_, notes) = shared({"a": [task()], "b": [task(grader="text")]})
    assert notes == ["the answers to sums are read by different graders: number in a, text in b"]


def test_samples_of_two_files_are_joined_by_their_questions() -> None:
    """Two imports have their files' names and ids; a question that is asked twice could be either of two problems."""
    mine, yours = task("gold", 1, 2, 3, 3), task("runs", 3, 2, 1, prefix="line ")
    ((common,), notes) = shared({"a": [mine], "b": [yours]})
    assert common.names == {"a": "gold", "b": "runs"}
    assert (ids(common, "a"), ids(common, "b")) == (["p1", "p2"], ["line 1", "line 2"])
    assert notes == ["runs of b is taken for gold of a: 2 questions are the same"]


def test_row_numbers_that_agree_by_chance_are_no_ids() -> None:
    """The same questions in another order: one keeps its number, and four are the same."""
    mine, yours = task("sums", 1, 2, 3, 4), task("sums", 1, 3, 4, 2)
    ((common,), _) = shared({run: [replace(t, problems=renumbered(t))] for run, t in (("a", mine), ("b", yours))})
    assert (ids(common, "a"), ids(common, "b")) == (["p0", "p1", "p2", "p3"], ["p0", "p3", "p1", "p2"])


def renumbered(of: Task) -> tuple[Problem, ...]:
    return tuple(replace(p, id=f"p{i}") for i, p in enumerate(of.problems))


def test_of_several_tasks_each_meets_its_own() -> None:
    one, two = task("one", 1, 2, 3), task("two", 4, 5, 6)
    (found, notes) = shared({"a": [one, two], "b": [two, one]})
    assert [(s.task, s.names["b"]) for s in found] == [("one", "one"), ("two", "two")]
    assert notes == []
    (only, _) = shared({"a": [one, two], "b": [two, one]}, ["two"])
    assert [s.task for s in only] == ["two"]


def test_three_runs_are_compared_on_what_all_have() -> None:
    ((common,), _) = shared({"a": [task("s", 1, 2, 3)], "b": [task("s", 2, 3, 4)], "c": [task("s", 3, 2)]})
    assert ids(common, "c") == ["p2", "p3"]


def test_a_task_with_other_problems_is_said_and_left_out() -> None:
    one = task("one", 1, 2, 3)
    (found, notes) = shared({"a": [one, task("two", 4, 5)], "b": [one, task("two", 7, 8)]})
    assert [s.task for s in found] == ["one"]
    assert notes == ["two is not compared: a and b have fewer than 2 of its problems in common"]


def test_nothing_in_common_says_what_each_has() -> None:
    with pytest.raises(TtcError, match=r"a has 2 problems of x; b has 2 problems of y; compare runs of one task"):
        shared({"a": [task("x", 1, 2)], "b": [task("y", 3, 4)]})


def test_a_task_that_no_run_has() -> None:
    with pytest.raises(TtcError, match=r"--task: unknown task 'sumz': did you mean sums\?"):
        shared({"a": [task()], "b": [task()]}, ["sumz"])
