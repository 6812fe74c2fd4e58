"""Rows of data files: one at a time, values as they are written, broken rows by their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttc_bench.errors import TaskError
from ttc_bench.problems.rows import Broken, read_rows, stream_rows


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_every_kind_gives_the_same_rows(tmp_path: Path) -> None:
    from pyarrow import Table, parquet

    rows = [{"q": "1?", "a": "007"}, {"q": 'two\nlines, "quoted"', "a": "x"}]
    parquet.write_table(Table.from_pylist(rows), tmp_path / "d.parquet")
    files = {
        "d.jsonl": '{"q": "1?", "a": "007"}\n\n{"q": "two\\nlines, \\"quoted\\"", "a": "x"}\n',
        "d.json": '[{"q": "1?", "a": "007"}, {"q": "two\\nlines, \\"quoted\\"", "a": "x"}]',
        "d.csv": '\ufeffq,a\n1?,007\n"two\nlines, ""quoted""",x\n',
    }
    for name, text in files.items():
        written(tmp_path, name, text)
    for name in (*files, "d.parquet"):
        assert [row for _, row in read_rows(tmp_path / name)] == rows, name
    assert [place for place, _ in read_rows(tmp_path / "d.jsonl")] == ["line 1", "line 3"]
    assert [place for place, _ in read_rows(tmp_path / "d.csv")] == ["line 2", "line 4"]


def test_what_windows_and_python_write_is_read(tmp_path: Path) -> None:
    assert read_rows(written(tmp_path, "bom.jsonl", '\ufeff{"a": 1}\n')) == [("line 1", {"a": 1})]
    rows = read_rows(written(tmp_path, "nan.json", '[{"a": 1}, {"a": NaN}, {"a": -Infinity}]'))
    assert [place for place, _ in rows] == ["row 1", "row 2", "row 3"]
    assert rows[1][1]["a"] != rows[1][1]["a"]


def test_numbers_keep_their_kind(tmp_path: Path) -> None:
    for name, text in (("n.json", '[{"a": 1, "b": 0.5, "c": null}]'), ("n.jsonl", '{"a": 1, "b": 0.5, "c": null}')):
        ((_, row),) = read_rows(written(tmp_path, name, text))
        assert row == {"a": 1, "b": 0.5, "c": None}
        assert [type(value) for value in row.values()] == [int, float, type(None)]


@pytest.mark.parametrize(
    ("name", "text", "places"),
    [
        ("x.jsonl", b'{"a": 1}\nnonsense\n{"a": 2}\n[3]\n\xff\n', ["line 2", "line 4", "line 5"]),
        ("x.json", b'[{"a": 1}, 7, {"a": 2}]', ["row 2"]),
        ("x.csv", b"a,b\n1,2\n3\n4,5,6\n7,8\n", ["line 3", "line 4"]),
    ],
)
def test_a_broken_row_is_named_and_the_others_are_read(
    tmp_path: Path, name: str, text: bytes, places: list[str]
) -> None:
    rows = list(stream_rows(written(tmp_path, name, text)))
    assert [row.place for row in rows if isinstance(row, Broken)] == places
    assert sum(not isinstance(row, Broken) for row in rows) == 2
    with pytest.raises(TaskError, match=rf"{name}, {places[0]}: "):
        read_rows(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.xlsx", b"", "unknown kind '.xlsx'; expected .jsonl"),
        ("x.jsonl", b"", "the data set is empty"),
        ("x.csv", b"a,b\n", "the data set is empty"),
        ("x.csv", b'a\n"never closed\n', "not CSV in UTF-8"),
        ("x.csv", b"a\n\xff\xfe\n", "not CSV in UTF-8"),
        ("x.json", b'{"a": 1}', "the data set is empty"),
        ("x.json", b'[{"a": 1}, {"a"', "not a list of rows in JSON"),
        ("x.parquet", b"PAR1 but not really", "not a Parquet file"),
    ],
)
def test_a_file_that_is_none_is_one_line(tmp_path: Path, name: str, text: bytes, message: str) -> None:
    with pytest.raises(TaskError, match=message) as error:
        read_rows(written(tmp_path, name, text))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no such data file"):
        read_rows(tmp_path / "x.jsonl")
