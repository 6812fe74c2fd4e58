"""Reads the rows of data sets; errors are one line and name the row that is broken.

CSV, Parquet and the hub go through Hugging Face `datasets`. JSONL is read line by line: `datasets` wants every column
to have one type (a gold of 18 in one row and "18" in the next is refused) and cannot say which line is broken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ttc_bench.errors import TaskError

PlacedRow = tuple[str, dict[str, Any]]  # its place in the file ("line 7"), and its columns
SUFFIXES = (".jsonl", ".csv", ".parquet")


def read_rows(path: Path) -> list[PlacedRow]:
    """All rows of a JSONL, CSV or Parquet file, each with its place. Raises TaskError with file and line for a file
    that is missing, empty, not UTF-8, or broken."""
    if path.suffix not in SUFFIXES:
        raise TaskError(f"{path}: unknown kind '{path.suffix}'; expected {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise TaskError(f"{path}: no such data file; expected JSONL, CSV or Parquet")
    if path.suffix == ".jsonl":
        rows = [(place, _object(path, place, line)) for place, line in _lines(path)]
    else:
        rows = _table(path)
    if not rows:
        raise TaskError(f"{path}: the data set is empty")
    return rows


def read_hub(name: str, config: str | None, split: str, revision: str) -> list[PlacedRow]:
    """All rows of a hub data set at a revision. Raises TaskError, which suggests a local copy, if they
    cannot be downloaded."""
    import logging

    import datasets

    datasets.disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # no messages about its retries
    try:
        table = datasets.load_dataset(name, config, split=split, revision=revision)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise TaskError(
            f"data set {name} cannot be had from the hub ({type(error).__name__}: {reason}); "
            f"use a local copy with --data FILE (JSONL, CSV or Parquet)"
        ) from None
    return [(f"row {i + 1}", dict(row)) for i, row in enumerate(table)]


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """(place, text) of every line that is not blank; raises TaskError for the first that is not UTF-8."""
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise TaskError(f"{path}, line {number}: not UTF-8 ({error.reason} at byte {error.start + 1})") from None
        if text.strip():
            yield f"line {number}", text


def _object(path: Path, place: str, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise TaskError(f"{path}, {place}: not JSON ({error.msg} at column {error.colno})") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists within lists without end
        raise TaskError(f"{path}, {place}: cannot be read ({str(error)[:200]})") from None
    if not isinstance(row, dict):
        raise TaskError(f"{path}, {place}: expected a JSON object with named fields")
    return {key: _whole(value) for key, value in row.items()}


def _whole(value: Any) -> Any:
    """A text in which halves of surrogate pairs, which no encoding can write, are question marks."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value


def _table(path: Path) -> list[PlacedRow]:
    import datasets

    places = [place for place, _ in _lines(path)][1:] if path.suffix == ".csv" else []  # line 1 names the columns
    if path.suffix == ".csv" and not places:
        return []
    datasets.disable_progress_bars()
    try:
        table = datasets.load_dataset(path.suffix[1:], data_files=str(path), split="train")
    except Exception as error:
        cause = error.__cause__ or error
        raise TaskError(f"{path}: cannot be read ({' '.join(str(cause).split())[:200]})") from None
    if len(places) != len(table):  # Parquet, or CSV cells that span lines
        places = [f"row {i + 1}" for i in range(len(table))]
    return list(zip(places, map(dict, table), strict=True))
