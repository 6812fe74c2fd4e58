"""Exports are written as they come, and other tools read them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow import parquet

from ttc_bench.analysis.views import ProblemView, SampleView
from ttc_bench.core import Usage
from ttc_bench.errors import TtcError
from ttc_bench.report import export

BILLED = Usage(prompt=20, cached=4, completion=7, reasoning=3, source="api")
A = SampleView("cot", 0, "it is 1", "hm", "1", True, 7, "stop", "boxed", {"logprob": -0.5}, "m", BILLED, True)
ODD = SampleView(
    "direct", 3, "lone \ud800, NUL \0, \u2028, ünï\ncode", "", None, False, 8, "length", "", {"v": -math.inf}
)
FIRST = ProblemView("t", "t/0", "What?", "1", 2.0, (A, ODD, replace(A, index=1)))
SECOND = ProblemView("u", "u/0", "Why?", None, None, (replace(A, scores={}),))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_datasets_reads_what_was_written(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(export, "GROUP", 1)  # a row group for every problem and prompt
    path = tmp_path / "new" / f"s.{kind}"
    assert export.write([FIRST, SECOND], path) == 4
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    name = {"jsonl": "json"}.get(kind, kind)
    table = datasets.load_dataset(name, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    rows = list(table)
    assert [(r["problem"], r["prompt"], r["index"]) for r in rows] == [
        *(("t/0", "cot", 0), ("t/0", "cot", 1), ("t/0", "direct", 3), ("u/0", "cot", 0)),
    ]
    assert rows[0] == {
        "task": "t",
        "problem": "t/0",
        "question": "What?",
        "gold": "1",
        "difficulty": 2.0,
        "prompt": "cot",
        "index": 0,
        "text": "it is 1",
        "reasoning": "hm",
        "answer": "1",
        "correct": True,
        "tokens": 7,
        "stop_reason": "stop",
        "rung": "boxed",
        "model": "m",
        "prompt_tokens": 20,
        "cached_tokens": 4,
        "reasoning_tokens": 3,
        "token_source": "api",
        "shares_prompt": True,
        "score_logprob": -0.5,
        "score_v": None,
    }
    assert rows[2]["text"] == ODD.text.replace("\ud800", "?")
    assert (rows[2]["answer"], rows[2]["score_v"]) == (None, None if kind == "jsonl" else -math.inf)
    assert (rows[3]["gold"], rows[3]["difficulty"]) == (None, None)


def test_jsonl_is_json_without_infinities(tmp_path: Path) -> None:
    export.write([FIRST], tmp_path / "s.jsonl")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    lines = (tmp_path / "s.jsonl").read_bytes().decode().split("\n")
    assert [json.loads(line, parse_constant=refuse)["index"] for line in lines[:-1]] == [0, 1, 3]


class Streamed:
    """Problems of which one at most may be alive: each looks whether those before it are gone."""

    score_names = ("logprob",)

    def __init__(self) -> None:
        self.most = self.alive = 0

    def __len__(self) -> int:
        return 60

    def __iter__(self) -> Iterator[ProblemView]:
        for number in range(len(self)):
            yield ProblemView("t", str(number), "?", "1", None, (self._counted(number),))

    def _counted(self, number: int) -> SampleView:
        import weakref

        view = replace(A, index=number)
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(view, self._gone)
        return view

    def _gone(self) -> None:
        self.alive -= 1


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_samples_are_let_go_once_written(tmp_path: Path, kind: str) -> None:
    run = Streamed()
    assert export.write(run, tmp_path / f"s.{kind}") == 60
    assert run.most <= 2  # the one being written, and the next


def test_row_groups_have_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "GROUP", 10 * (export.ROW + len(A.text) + len(A.reasoning)))
    problem = replace(FIRST, samples=tuple(replace(A, index=i) for i in range(1000)))
    export.write([problem], tmp_path / "s.parquet")
    file = parquet.ParquetFile(tmp_path / "s.parquet")
    assert file.num_row_groups == -(-1000 // export.SLICE)
    assert file.read()["index"].to_pylist() == list(range(1000))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path, kind: str) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(TtcError, match=r"cannot be written \(.+\); give another place") as raised:
        export.write([FIRST], tmp_path / "taken" / f"s.{kind}")
    assert "\n" not in str(raised.value)


def test_an_export_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    export.write([SECOND], path)
    before = path.read_bytes()

    class Broken(Streamed):
        def __iter__(self) -> Iterator[ProblemView]:
            yield FIRST
            raise KeyboardInterrupt

    for kind in ("jsonl", "parquet"):
        with pytest.raises(KeyboardInterrupt):
            export.write(Broken(), tmp_path / f"s.{kind}")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.jsonl"]


@pytest.mark.parametrize(
    ("usage", "row"),
    [
        (Usage(prompt=20, completion=7), (20, 0, 0, "tokenizer")),
        (Usage(completion=7, source="completion"), (None, None, 0, "completion")),
        (Usage(source="unknown"), (None, None, None, "unknown")),
        (None, (None, None, None, None)),
    ],
)
def test_a_count_that_is_not_known_is_none(usage: Usage | None, row: tuple[int | str | None, ...]) -> None:
    (only,) = export.rows([ProblemView("t", "t/0", "?", "1", None, (replace(A, usage=usage),))], [])
    assert tuple(only[name] for name in export.COUNTED[:4]) == row
