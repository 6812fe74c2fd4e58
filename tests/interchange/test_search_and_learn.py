"""Completions of search-and-learn. The rows have the fields that its source writes (src/sal/search/best_of_n.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nasty import survives, written

from ttc_bench.interchange.formats import detect
from ttc_bench.interchange.records import Record
from ttc_bench.interchange.sources.search_and_learn import SearchAndLearn, process_scores
from ttc_bench.problems.rows import Broken

ROW: dict[str, Any] = {
    "problem": "What is 2 + 3?",
    "solution": "It is $\\boxed{5}$.",
    "answer": "5",
    "subject": "Algebra",
    "level": 2,
    "unique_id": "test/algebra/1.json",
    "completions": ["## Step 1\n\\boxed{5}", "\\boxed{6}"],
    "scores": [[0.5, 0.25, 0.75], [0.5]],
    "pred": "## Step 1\n\\boxed{5}",
    "completion_tokens": [12, 7],
}


def read(path: Path) -> list[Any]:
    return list(SearchAndLearn().read(path))


def test_a_row_is_a_problem_with_its_samples(tmp_path: Path) -> None:
    path = written(tmp_path / "best_of_n_completions.jsonl", ROW)
    first, second = read(path)
    assert detect(path).name == "search-and-learn"
    assert first == Record(
        place="line 1, sample 1",
        text="## Step 1\n\\boxed{5}",
        id="test/algebra/1.json",
        question="What is 2 + 3?",
        gold="5",
        completion=12,
        signals={"prm-last": 0.75, "prm-min": 0.25, "prm-prod": 0.09375},
        difficulty=2.0,
    )
    assert (second.place, second.completion, second.signals["prm-prod"]) == ("line 1, sample 2", 7, 0.5)


def test_parquet_reads_alike(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "train-00000-of-00001.parquet"
    parquet.write_table(pa.Table.from_pylist([ROW]), path)
    places = [row.place for row in read(path)]
    assert places == ["row 1, sample 1", "row 1, sample 2"]
    assert [row.signals["prm-last"] for row in read(path)] == [0.75, 0.5]
    assert detect(path).name == "search-and-learn"


@pytest.mark.parametrize("tokens", [[0, 0], [-1, -1], -1, 0, None, [None, None], [float("nan"), 0]])
def test_tokens_that_nobody_counted_are_unknown(tmp_path: Path, tokens: Any) -> None:
    rows = read(written(tmp_path / "a.jsonl", ROW | {"completion_tokens": tokens}))
    assert [row.completion for row in rows] == [None, None]


@pytest.mark.parametrize(
    ("steps", "scores"),
    [
        ([0.5, 2], {"prm-last": 2.0, "prm-min": 0.5, "prm-prod": 1.0}),
        ([], {}),
        (None, {}),
        ([0.5, None], {}),
        ([0.5, float("nan")], {}),
        (0.25, {"prm-last": 0.25, "prm-min": 0.25, "prm-prod": 0.25}),
        ([1e300, 1e300], {"prm-last": 1e300, "prm-min": 1e300}),
        ("abc", {}),
    ],
)
def test_process_scores(steps: Any, scores: dict[str, float]) -> None:
    assert process_scores(steps) == scores


def test_the_solution_is_the_gold_where_there_is_no_answer(tmp_path: Path) -> None:
    rows = read(written(tmp_path / "a.jsonl", {k: v for k, v in ROW.items() if k != "answer"}))
    assert rows[0].gold == "It is $\\boxed{5}$."


def test_lists_of_other_lengths_and_texts_that_are_none_are_named(tmp_path: Path) -> None:
    rows = read(
        written(
            tmp_path / "a.jsonl",
            ROW | {"scores": [[0.5]]},
            ROW | {"completions": []},
            ROW | {"completions": [None, "b"]},
        )
    )
    assert rows[0] == Broken("line 1", "2 completions, but 1 values in 'scores'")
    assert rows[1] == Broken("line 2", "expected a list of texts in 'completions'")
    assert rows[2] == Broken("line 3, sample 1", "its completion is no text")
    assert rows[3].text == "b"


@pytest.mark.parametrize(
    ("name", "tokens", "searched"),
    [
        ("best_of_n_completions.jsonl", [12, 7], False),
        ("dvts_completions.jsonl", [12, 7], True),
        ("Llama-beam-search.jsonl", [12, 7], True),
        ("a.jsonl", -1, True),
        ("a.jsonl", [0, 0], True),
        ("a.jsonl", None, False),
    ],
)
def test_completions_of_a_search_are_said_to_be_dependent(
    tmp_path: Path, name: str, tokens: Any, searched: bool
) -> None:
    path = written(tmp_path / name, ROW | {"completion_tokens": tokens})
    remarks = SearchAndLearn().facts(path).remarks
    assert "prm-last" in remarks[0]
    assert any("no independent draws" in remark for remark in remarks) is searched


def test_what_the_path_says(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "meta-llama" / "Llama-3.2-1B-Instruct"
    folder.mkdir(parents=True)
    facts = SearchAndLearn().facts(written(folder / "best_of_n_completions.jsonl", ROW))
    assert (facts.model, facts.temperature) == ("meta-llama/Llama-3.2-1B-Instruct", None)
    revision = tmp_path / "HuggingFaceH4_MATH-500--T-0.8--top_p-0.95--n-256--seed-0--agg_strategy-last"
    revision.mkdir()
    facts = SearchAndLearn().facts(written(revision / "train.jsonl", ROW))
    assert (facts.model, facts.temperature, facts.top_p) == (None, 0.8, 0.95)


def test_nothing_in_a_row_trips_it(tmp_path: Path) -> None:
    survives(SearchAndLearn(), tmp_path, ROW)
