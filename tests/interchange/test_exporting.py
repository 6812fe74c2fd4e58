"""A run's samples as files that other tools read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
RUN = ("run", "--model", "scripted:", "--task", "chain-arithmetic", "--limit", "6", "--samples", "4", "--name", "a")


@pytest.fixture
def ran(ttc: Run) -> Run:
    assert ttc(*RUN)[0] == 0
    return ttc


def rows(path: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_tables_hold_the_same_rows(ran: Run) -> None:
    for kind in ("jsonl", "csv", "parquet"):
        code, out, _ = ran("export", "results/a", "--to", kind)
        assert (code, out) == (0, f"written to results/a/export/{kind}/samples.{kind}\n")
    with open("results/a/export/csv/samples.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    from pyarrow import parquet

    lines = rows("results/a/export/jsonl/samples.jsonl")
    assert len(table) == len(lines) == 48
    assert parquet.read_table("results/a/export/parquet/samples.parquet").to_pylist() == lines
    assert [row["text"] for row in table] == [row["text"] for row in lines]
    assert [row["correct"] for row in table] == [str(row["correct"]) for row in lines]


def test_a_data_set_is_one_that_its_library_loads(ran: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    assert ran("export", "results/a", "--to", "hf-dataset", "--out", "mine")[0] == 0
    assert ran("export", "results/a", "--to", "s.jsonl")[0] == 0
    loaded = datasets.load_dataset(str(tmp_path / "mine"), split="test", cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == rows("s.jsonl")
    card = Path("mine/README.md").read_text(encoding="utf-8")
    assert "Samples of scripted on chain-arithmetic" in card


def test_exports_that_cannot_be_written_are_one_line(ran: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words, message in (
        (("--to", "inspekt"), "--to unknown format 'inspekt'"),
        (("--to", "x.xls"), "or a file that ends in .jsonl, .csv, .parquet"),
        (("--to", "csv", "--out", "file/folder"), "file/folder cannot be written"),
    ):
        code, _, err = ran("export", "results/a", *words)
        assert code == 2
        assert message in err
        assert err.count("\n") == 1
