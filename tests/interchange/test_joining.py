"""Which problem a sample answers: by question first, by id only where nothing contradicts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttc_bench.core import Problem, Task
from ttc_bench.errors import TtcError
from ttc_bench.grading.graders import GRADERS
from ttc_bench.interchange.joining import OfFile, OfTask, Unfit
from ttc_bench.interchange.records import Record
from ttc_bench.problems import tasks

QUESTIONS = ("What is 2 + 3?", "What is 2 + 3? And what is\ntwice that?", "Ann has 4 apples. How many has she?")
TASK = Task(
    "sums",
    tuple(Problem(f"sums-{i}", q, a) for i, (q, a) in enumerate(zip(QUESTIONS, ("5", "10", "4"), strict=True))),
    "",
    GRADERS["number"](),
)


def joined(**fields: str) -> str:
    return OfTask(TASK).problem(Record("line 1", "", **fields)).id  # type: ignore[arg-type]


def unfit(**fields: str) -> str:
    with pytest.raises(Unfit) as error:
        joined(**fields)
    return error.value.reason


def test_a_question_joins_by_itself_whatever_its_white_space_and_its_id() -> None:
    assert joined(question=QUESTIONS[0]) == "sums-0"
    assert joined(question="  What is 2 + 3?\n And what is twice that?", id="77") == "sums-1"


def test_a_whole_prompt_joins_by_the_question_that_ends_last_in_it() -> None:
    shots = f"Q: {QUESTIONS[2]}\nA: 4\n\nQ: {QUESTIONS[0]}\nA:"
    assert joined(question=shots) == "sums-0"
    assert joined(question=f"Q: {QUESTIONS[0]}\nA: 5\n\nQ: {QUESTIONS[1]} Think!") == "sums-1"


def test_an_example_in_a_prompt_is_not_what_was_asked() -> None:
    """Neither one whose answer and another question come after it, nor a part of another question."""
    foreign = f"Q: {QUESTIONS[0]}\nA: {'So 2 and 3 make 5. ' * 20}\n\nQ: What is 9 + 9?\nA:"
    assert "a question that the task does not have" in unfit(question=foreign)
    assert "a question that the task does not have" in unfit(question="Not what is 2 + 3?".replace("what", "What"))
    assert "another gold answer than that" in unfit(question=f"Hint: {QUESTIONS[0]} No, what is 1 + 1?", gold="2")


def test_an_id_joins_where_there_is_no_question() -> None:
    assert joined(id="2") == joined(id="sums-2") == joined(id="2", gold="4.0") == "sums-2"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": "2", "gold": "5"}, "another gold answer than the problem of that id"),
        ({"id": "9"}, "an id that the task does not have"),
        ({"question": "What is 7 + 7?", "id": "0"}, "a question that the task does not have"),
        ({}, "an id that the task does not have"),
    ],
)
def test_what_contradicts_its_problem_joins_none(fields: dict[str, str], reason: str) -> None:
    assert reason in unfit(**fields)


def test_equal_questions_are_told_apart_by_their_ids() -> None:
    twins = Task("t", (Problem("t-0", "Same?", "1"), Problem("t-1", "Same?", "2")), "", GRADERS["number"]())
    assert OfTask(twins).problem(Record("", "", id="1", question="Same?")).id == "t-1"
    with pytest.raises(Unfit, match="several problems"):
        OfTask(twins).problem(Record("", "", question="Same?"))


def test_gold_answers_that_differ_are_counted_and_the_tasks_own_counts() -> None:
    joiner = OfTask(TASK)
    for gold in ("5", "5.0", "6", "so 2 + 3 is 5. The answer is 5."):
        assert joiner.problem(Record("", "", question=QUESTIONS[0], gold=gold)).answer == "5"
    assert joiner.golds == 1


def test_joins_by_an_id_that_nothing_checks_are_counted() -> None:
    joiner = OfTask(TASK)
    for fields in ({"id": "0"}, {"id": "1", "gold": "10"}, {"question": QUESTIONS[0]}):
        joiner.problem(Record("", "", **fields))  # type: ignore[arg-type]
    with pytest.raises(Unfit):
        joiner.problem(Record("", "", id="1", gold="11"))
    assert (joiner.unchecked, joiner.refused) == (1, 1)


def test_different_problems_under_one_id_are_no_import() -> None:
    joiner = OfFile("mine", GRADERS["number"]())
    joiner.problem(Record("line 1", "", id="0", question="1 + 1?", gold="2"))
    with pytest.raises(TtcError, match=r"line 9: another question and gold answer under the id 0"):
        joiner.problem(Record("line 9", "", id="0", question="2 + 2?", gold="4"))


def test_problems_of_a_file_are_one_for_each_id_or_question(tmp_path: Path) -> None:
    joiner = OfFile("mine", GRADERS["number"]())
    first = joiner.problem(Record("", "", id="a", question="1 + 1?", gold="2.0"))
    assert (first.id, first.answer) == ("mine-a", "2")
    assert joiner.problem(Record("", "", id="a", question="Shot. 1 + 1?", gold="2.0")) is first
    assert joiner.reworded == 1
    assert joiner.problem(Record("", "", question="1 +  2?", gold="3")).id == "mine-1"
    assert joiner.problem(Record("", "", question="1 + 2?", gold="3")).id == "mine-1"
    joiner.write(tmp_path, "number")
    (loaded,) = tasks.load(str(tmp_path / "task.yaml"))
    assert loaded.problems == tuple(joiner.problems.values())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"question": "?"}, "no gold answer"),
        ({"gold": "1"}, "no question"),
        ({"question": "?", "gold": "a lot"}, "a gold answer that the grader cannot read"),
        ({"id": "a", "question": "1 + 1?", "gold": "7"}, "another gold answer than an earlier row"),
    ],
)
def test_a_row_that_makes_no_problem(fields: dict[str, str], reason: str) -> None:
    joiner = OfFile("mine", GRADERS["number"]())
    joiner.problem(Record("", "", id="a", question="1 + 1?", gold="2"))
    with pytest.raises(Unfit, match=reason):
        joiner.problem(Record("", "", **fields))  # type: ignore[arg-type]
