"""Generations of NeMo-Skills. The rows have the fields that its source writes (nemo_skills/inference/generate.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nasty import survives, written

from ttc_bench.interchange.formats import detect
from ttc_bench.interchange.records import Hole, Record
from ttc_bench.interchange.sources.nemo_skills import NemoSkills
from ttc_bench.problems.rows import Broken

ROW: dict[str, Any] = {
    "num_generated_tokens": 120,
    "finish_reason": "length",
    "logprobs": [-0.5, -1.5],
    "tokens": ["a", "b"],
    "reasoning_content": "two and three",
    "num_reasoning_tokens": 90,
    "generation_time": 1.5,
    "generation": "so \\boxed{5}",
    "id": "aime24-3",
    "problem": "What is 2 + 3?",
    "expected_answer": 5,
    "level": "Level 2",
    "predicted_answer": "5",
    "symbolic_correct": True,
}


def read(tmp_path: Path, *rows: Any) -> list[Any]:
    path = written(tmp_path / "output-rs0.jsonl", *rows)
    return list(NemoSkills().read(path))


def one(tmp_path: Path, row: dict[str, Any]) -> Record:
    (record,) = read(tmp_path, row)
    assert isinstance(record, Record)
    return record


def test_a_row(tmp_path: Path) -> None:
    record = one(tmp_path, ROW)
    assert record == Record(
        place="line 1",
        text="so \\boxed{5}",
        id="aime24-3",
        question="What is 2 + 3?",
        gold="5",
        reasoning="two and three",
        length=True,
        completion=120,
        thought=90,
        signals={"logprob": -1.0},
        recorded=True,
        answer="5",
        difficulty=2.0,
    )


def test_seeds_are_samples_of_the_same_problems(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"output-rs{seed}.jsonl", ROW | {"generation": str(seed)}) for seed in (0, 1)]
    read = [record for path in paths for record in detect(path).read(path)]
    assert [record.text for record in read if isinstance(record, Record)] == ["0", "1"]
    assert {record.id for record in read if isinstance(record, Record)} == {"aime24-3"}
    assert detect(paths[0]).name == "nemo-skills"


def test_the_fields_before_a_judgement_are_of_the_judges_call(tmp_path: Path) -> None:
    """A judge's run writes its own tokens, stop reason and thinking over those of the sample, and says so by their order:
    nemo_skills/inference/generate.py puts the keys of the call before those of the row that it keeps."""
    judge = {"finish_reason": "stop", "reasoning_content": "is it?", "judgement": "Reasoning: no.\nJudgement: No"}
    kept = {name: value for name, value in ROW.items() if name not in judge}
    record = one(tmp_path, judge | kept)
    assert (record.length, record.reasoning, record.recorded) == (None, "", False)
    assert (record.completion, record.signals) == (120, {"logprob": -1.0})  # add_generation_stats: False in the judge
    older = one(tmp_path, {"num_generated_tokens": 7} | judge | {k: v for k, v in kept.items() if "num_" not in k})
    assert older.completion is None
    path = written(tmp_path / "output.jsonl", judge | kept)
    assert "judge model" in NemoSkills().facts(path).remarks[0]


@pytest.mark.parametrize(
    ("judgement", "recorded"),
    [
        ("Judgement: Yes", True),
        ("**Judgement**: no", False),
        ("Reasoning...\njudgement: **Yes**", True),
        ("it is right", True),
        ("Judgement: maybe", True),
        (None, True),
        (3, True),
    ],
)
def test_judgements(tmp_path: Path, judgement: Any, recorded: bool) -> None:
    """One that cannot be read leaves the symbolic verdict."""
    assert one(tmp_path, ROW | {"judgement": judgement}).recorded is recorded


def test_before_2025_the_verdict_was_is_correct(tmp_path: Path) -> None:
    older = {name: value for name, value in ROW.items() if name != "symbolic_correct"}
    assert one(tmp_path, older).recorded is None
    assert one(tmp_path, older | {"is_correct": False}).recorded is False


@pytest.mark.parametrize(
    ("whole", "said", "thinking"),
    [
        ("<think>two</think>\n\n5", "5", "two"),
        ("two, three", "", "two, three"),
        ("5", "5", ""),
        ("other", "5", ""),
        (7, "5", ""),
    ],
    ids=["cut off", "never ended", "untouched", "unrelated", "no text"],
)
def test_parse_reasoning(tmp_path: Path, whole: Any, said: str, thinking: str) -> None:
    apart = {name: value for name, value in ROW.items() if name != "reasoning_content"}
    record = one(tmp_path, apart | {"generation": said, "_full_generation": whole})
    assert (record.text, record.reasoning) == (said, thinking)


def test_a_reward_model_is_a_signal(tmp_path: Path) -> None:
    assert one(tmp_path, ROW | {"reward_model_score": 0.25, "logprobs": None}).signals == {"reward": 0.25}


def test_rows_that_are_no_samples(tmp_path: Path) -> None:
    hole, broken, cut_off = read(tmp_path, {}, ROW | {"generation": ["turn 1", "turn 2"]}, '{"generation": "a')
    assert isinstance(hole, Hole)
    assert isinstance(broken, Broken)
    assert (broken.place, broken.reason) == ("line 2", "expected a text in 'generation'")
    assert isinstance(cut_off, Broken)
    assert cut_off.place == "line 3"


def test_nothing_in_a_row_trips_it(tmp_path: Path) -> None:
    survives(NemoSkills(), tmp_path, ROW | {"judgement": "Judgement: Yes", "_full_generation": "a"})
