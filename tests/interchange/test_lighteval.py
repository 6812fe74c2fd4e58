"""Details of lighteval: read from what lighteval 0.13.0 itself wrote (fixtures/lighteval/README.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nasty import written

from ttc_bench.interchange.formats import detect
from ttc_bench.interchange.records import Record
from ttc_bench.interchange.sources.lighteval import Lighteval, token_counts
from ttc_bench.problems.rows import Broken

DETAILS = Path(__file__).parent / "fixtures" / "lighteval" / "details"


def details(model: str, task: str) -> Path:
    return next((DETAILS / model).glob(f"*/details_{task}|0_*.parquet"))


def records(path: Path) -> list[Record]:
    source = detect(path)
    assert source.name == "lighteval"
    rows = list(source.read(path))
    assert all(isinstance(row, Record) for row in rows)
    return [row for row in rows if isinstance(row, Record)]


def test_four_samples_of_three_questions() -> None:
    rows = records(details("words", "sums"))
    assert [row.id for row in rows] == ["1"] * 4 + ["0"] * 4 + ["2"] * 4
    first, fourth = rows[4], rows[7]
    assert first.place == "row 2, sample 1"
    assert (first.question, first.gold) == ("Question: What is 2 + 3?\nAnswer:", "5")
    assert (first.text, first.reasoning) == ("no, it is 5", "")
    assert (fourth.text, fourth.reasoning) == ("5", "add them")
    assert [row.completion for row in rows[4:8]] == [11, 10, 1, 1]
    assert [row.prompt for row in rows[4:8]] == [32, 0, 0, 0]
    assert all(row.shares_prompt and row.recorded is None for row in rows)


def test_cut_is_what_reached_the_limit() -> None:
    assert [row.length for row in records(details("words", "sums"))[:4]] == [True, False, False, False]


def test_one_sample_has_the_verdict_of_its_metric() -> None:
    rows = records(details("words", "sums1"))
    assert [row.recorded for row in rows] == [False, True, True]
    assert not any(row.shares_prompt for row in rows)


def test_padded_lists_of_tokens_are_no_counts() -> None:
    """The transformers backend pads: texts of 2 and of 12 characters have lists of 12 tokens."""
    rows = records(details("tiny", "sums"))
    assert {len(row.text) for row in rows} >= {2, 12}
    assert {(row.completion, row.prompt, row.length) for row in rows} == {(None, None, None)}


def test_facts() -> None:
    path = details("words", "sums")
    facts = Lighteval().facts(path)
    assert (facts.model, facts.task, facts.max_tokens, facts.tool) == ("words", "sums|0", 12, "lighteval")
    assert "one score for all samples" in facts.remarks[0]
    assert Lighteval().facts(details("words", "sums1")).remarks == ()


@pytest.mark.parametrize(
    ("texts", "tokens", "counts"),
    [
        (["a", "b"], [[1, 2], [3]], [2, 1]),
        (["a", "b"], [[1, 0], [3, 0]], [None, None]),
        (["a", "a"], [[1, 2], [1, 2]], [2, 2]),
        (["a"], [[1, 2, 0, 0]], [None]),
        (["a"], [5, 6, 7], [3]),
        (["a"], [[]], [None]),
        (["a", "b"], [[1]], [None, None]),
        (["a", "b"], [[1], None], [None, None]),
        (["a"], None, [None]),
        (["a"], "abc", [None]),
    ],
    ids=["lengths", "equal", "same", "tail", "flat", "empty", "fewer", "none", "missing", "text"],
)
def test_token_counts(texts: list[Any], tokens: Any, counts: list[int | None]) -> None:
    assert token_counts(texts, tokens) == counts


def one(tmp_path: Path, response: Any, doc: Any = None, metric: Any = None) -> list[Any]:
    doc = doc if doc is not None else {"id": "7", "query": "q", "choices": ["a", "b"], "gold_index": 1}
    path = written(tmp_path / "d.jsonl", {"doc": doc, "model_response": response, "metric": metric})
    return list(Lighteval().read(path))


def test_thinking_that_lighteval_took_away_is_reasoning(tmp_path: Path) -> None:
    (row,) = one(tmp_path, {"text": ["<think>\nhm</think>so 5"], "text_post_processed": ["so 5"]})
    assert (row.text, row.reasoning, row.gold) == ("so 5", "\nhm", "b")


def test_logprobs_of_one_sample_are_averaged(tmp_path: Path) -> None:
    response = {"text": ["ab"], "output_tokens": [[1, 2]], "logprobs": [-1.0, -2.0]}
    assert one(tmp_path, response)[0].signals == {"logprob": -1.5}
    assert one(tmp_path, response | {"logprobs": [-1.0]})[0].signals == {}


@pytest.mark.parametrize("index", [[0], [0, 1], 5, -1, None, "0", True])
def test_gold_index(tmp_path: Path, index: Any) -> None:
    (row,) = one(tmp_path, {"text": ["x"]}, {"query": "q", "choices": ["a", "b"], "gold_index": index})
    assert row.gold == {"[0]": "a", "True": "b"}.get(str(index))


def test_metrics_that_disagree_or_are_shares_are_no_verdict(tmp_path: Path) -> None:
    assert one(tmp_path, {"text": ["x"]}, metric={"em": 1.0, "f1": 1})[0].recorded is True
    assert one(tmp_path, {"text": ["x"]}, metric={"em": 1.0, "pem": 0.0})[0].recorded is None
    assert one(tmp_path, {"text": ["x"]}, metric={"f1": 0.5})[0].recorded is None


def test_scored_choices_have_no_samples(tmp_path: Path) -> None:
    (row,) = one(tmp_path, {"text": [], "logprobs": [-1.0, -2.0]})
    assert isinstance(row, Broken)
    assert "log-likelihood" in row.reason


def test_a_file_cut_off_is_one_line(tmp_path: Path) -> None:
    from ttc_bench.errors import TaskError

    path = tmp_path / "details_x_2025.parquet"
    path.write_bytes(details("words", "sums").read_bytes()[:4000])
    with pytest.raises(TaskError, match="not a Parquet file"):
        list(Lighteval().read(path))
