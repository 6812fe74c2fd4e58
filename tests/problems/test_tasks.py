"""Task files and data: what is read, and one clear line for everything that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ttc_bench.errors import TaskError
from ttc_bench.problems import tasks
from ttc_bench.problems.generators.base import is_test
from ttc_bench.prompts import PROMPTS

GENERATED = [name for name, path in tasks.known().items() if "generator:" in path.read_text(encoding="utf-8")]
MINE = {
    "name": "mine",
    "source": {"file": "data.jsonl"},
    "grader": "number",
    "answer_format": 'End with "The answer is N."',
}


def write(folder: Path, rows: str, **changes: object) -> str:
    fields = {k: v for k, v in {**MINE, **changes}.items() if v is not None}
    (folder / "data.jsonl").write_text(rows, encoding="utf-8")
    (folder / "mine.yaml").write_text(json.dumps(fields), encoding="utf-8")  # JSON is YAML
    return str(folder / "mine.yaml")


ROWS = '{"question": "1 + 1?", "answer": "2"}\n\n{"question": "2 + 2?", "answer": 4}\n'


@pytest.mark.parametrize("name", GENERATED)
def test_gold_answers_are_correct_by_their_own_grader(name: str) -> None:
    """Law 10, and the reference solution of every few-shot example can be read as its own answer."""
    (task,) = tasks.load(name, limit=24)
    for problem in (*task.problems, *task.examples):
        answer = task.grader.extract(problem.solution or "").answer
        assert task.grader.correct(answer, problem), problem
    assert len({p.question for p in task.problems}) == 24


@pytest.mark.parametrize("name", [n for n in tasks.known() if n not in GENERATED])
def test_worked_examples_of_hub_tasks_read_as_their_answers(name: str) -> None:
    for spec, path in tasks.specs(name):
        assert spec.examples, spec.name
        grader = tasks._grader(spec, path)
        for example in spec.examples:
            assert grader.extract(example.solution).answer == grader.read(example.answer), example


@pytest.mark.parametrize("name", GENERATED)
def test_examples_are_never_test_problems(name: str) -> None:
    (task,) = tasks.load(name, limit=100)
    assert all(is_test(p.question) for p in task.problems)
    assert not any(is_test(p.question) for p in task.examples)


def test_training_and_test_problems_do_not_overlap() -> None:
    """The built-in model never saw a test question: the trainer's own maker of problems against every test task."""
    import sys

    sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
    from training_data import MIX, training_problem

    from ttc_bench.problems.generators.base import Rng

    rng = Rng("overlap")
    for name in MIX:
        seen = {training_problem(name, rng).question for _ in range(1_000)}
        (task,) = tasks.load(name, limit=400)
        assert not seen & {p.question for p in task.problems}
        assert len(seen) > 300


def test_a_file_task(tmp_path: Path) -> None:
    (task,) = tasks.load(write(tmp_path, ROWS))
    assert [(p.id, p.question, p.answer) for p in task.problems] == [
        ("mine-0", "1 + 1?", "2"),
        ("mine-1", "2 + 2?", "4"),
    ]
    (message,) = PROMPTS["cot"].render(task, task.problems[0])
    assert message.content == '1 + 1?\n\nThink step by step. End with "The answer is N."'


def test_csv_and_parquet(tmp_path: Path) -> None:
    import datasets

    table = datasets.Dataset.from_list([{"question": "1 + 1?", "answer": "2"}])
    table.to_csv(str(tmp_path / "d.csv"))
    table.to_parquet(str(tmp_path / "d.parquet"))
    for kind in ("csv", "parquet"):
        (task,) = tasks.load(write(tmp_path, ROWS, source={"file": f"d.{kind}"}))
        assert [p.answer for p in task.problems] == ["2"]


def test_columns_and_the_mark_before_the_gold(tmp_path: Path) -> None:
    columns = {"question": "q", "answer": "a", "after": "####", "id": "n", "difficulty": "level"}
    path = write(tmp_path, '{"q": "6 * 3?", "a": "six threes #### 18", "n": "x7", "level": 2}\n', source={
        "file": "data.jsonl", "columns": columns,
    })  # fmt: skip
    (task,) = tasks.load(path)
    (problem,) = task.problems
    assert (problem.id, problem.answer, problem.difficulty) == ("mine-x7", "18", 2.0)


def test_unreadable_golds_can_be_left_out_and_are_counted(tmp_path: Path) -> None:
    rows = "".join(f'{{"question": "{i}?", "answer": "{gold}"}}\n' for i, gold in enumerate(["1", "many", "3", "?"]))
    path = write(tmp_path, rows)
    with pytest.raises(TaskError, match=r"line 2: gold answer 'many' .*--skip-bad-problems"):
        tasks.load(path)
    (task,) = tasks.load(path, skip_bad=True)
    assert ([p.id for p in task.problems], task.skipped) == (["mine-0", "mine-2"], 2)
    (task,) = tasks.load(path, skip_bad=True, limit=2)
    assert (len(task.problems), task.skipped) == (2, 1)
    with pytest.raises(TaskError, match="all 1 were skipped"):
        tasks.load(write(tmp_path, '{"question": "1?", "answer": "many"}\n'), skip_bad=True)


def test_variants(tmp_path: Path) -> None:
    assert [spec.name for spec, _ in tasks.specs("bbh-web-of-lies")] == ["bbh-web-of-lies"]
    assert len(tasks.specs("bbh")) == 7
    path = write(tmp_path, ROWS, variants={"plain": None, "boxed": {"answer_format": "Box it."}})
    assert [spec.answer_format for spec, _ in tasks.specs(path)] == [MINE["answer_format"], "Box it."]


def test_a_local_copy_of_a_hub_task(tmp_path: Path) -> None:
    (tmp_path / "web_of_lies.jsonl").write_text('{"input": "Does Ann lie?", "target": "No"}\n', encoding="utf-8")
    (task,) = tasks.load("bbh-web-of-lies", data=tmp_path)
    assert task.problems[0].answer == "no"
    with pytest.raises(
        TaskError, match=r"no data for bbh-boolean-expressions; expected one of boolean_expressions\.jsonl"
    ):
        tasks.load("bbh", data=tmp_path)


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (ROWS, {"grader": None}, r"mine\.yaml: grader: this field is missing"),
        (ROWS, {"grder": "number"}, r"mine\.yaml: grder: unknown field 'grder': did you mean grader"),
        (ROWS, {"grader": "nmber"}, r"mine\.yaml: grader: unknown grader 'nmber': did you mean number"),
        (ROWS, {"source": {"file": "data.jsonl", "colums": {}}}, r"source\.colums: unknown field .*did you mean columns"),
        (ROWS, {"source": {"generator": "chain-arithmetics"}}, r"unknown generator .*did you mean chain-arithmetic"),
        (ROWS, {"source": {"generator": "countdown", "count": "many"}}, r"source\.count: Input should be a valid int"),
        (ROWS, {"source": {"generator": "countdown", "difficulty": [1, 99]}}, r"difficulty 1\.\.99 .* expected within"),
        (ROWS, {"source": {"file": "gone.jsonl"}}, r"gone\.jsonl: no such data file"),
        (ROWS, {"source": {"file": "mine.yaml"}}, r"unknown kind '\.yaml'; expected \.jsonl"),
        (ROWS, {"grader": "words"}, r"answers: the grader 'words' needs the list"),
        ("", {}, r"data\.jsonl: the data set is empty"),
        ('{"question": "1?", "answer": "1"}\n{"question": "2?"}\n', {}, r"data\.jsonl, line 2: no field 'answer'"),
        ('{"question": "1?", "answer": "1"}\n\n{"answer": "2"}\n', {}, r"data\.jsonl, line 3: no field 'question'"),
        ('{"question": "1?", "answer": "many"}\n', {}, r"line 1: gold answer 'many' cannot be read by the grader"),
        ('{"question": "1?", "answer": "1"}\n{broken\n', {}, r"data\.jsonl, line 2: not JSON"),
        ('[1, 2]\n', {}, r"line 1: expected a JSON object"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, rows: str, changes: dict[str, object], message: str) -> None:
    with pytest.raises(TaskError, match=message) as error:
        tasks.load(write(tmp_path, rows, **changes))
    assert "\n" not in str(error.value)


def test_not_utf_8(tmp_path: Path) -> None:
    path = write(tmp_path, ROWS)
    (tmp_path / "data.jsonl").write_bytes(b'{"question": "a", "answer": "1"}\n{"question": "caf\xe9", "answer": "1"}\n')
    with pytest.raises(TaskError, match=r"data\.jsonl, line 2: not UTF-8 \(invalid continuation byte at byte 18\)"):
        tasks.load(path)


def test_unknown_tasks_and_files(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="unknown task 'gsm8': did you mean gsm8k"):
        tasks.load("gsm8")
    with pytest.raises(TaskError, match="cannot be read"):
        tasks.load(str(tmp_path / "no.yaml"))
    (tmp_path / "bad.yaml").write_text("name: [unclosed", encoding="utf-8")
    with pytest.raises(TaskError, match="not a YAML file"):
        tasks.load(str(tmp_path / "bad.yaml"))


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unreachable(*args: object, **kwargs: object) -> None:
        raise ConnectionError("Couldn't reach 'openai/gsm8k' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(TaskError, match=r"openai/gsm8k cannot be had from the hub .*use a local copy with --data FILE"):
        tasks.load("gsm8k")
