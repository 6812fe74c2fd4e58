"""Rows of data files and hub data sets. Files are read one row at a time, so they may be of any size, and a broken row
is named by its place.

Hugging Face `datasets` reads the hub alone: it wants every column to have one type (a gold of 18 in one row and "18" in
the next is refused, "007" in a CSV file becomes 7), and cannot say which line is broken."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_bench.errors import TaskError

PlacedRow = tuple[str, dict[str, Any]]  # its place in the file ("line 7"), and its columns
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")
BATCH = 256  # rows of a Parquet file in memory
BOM = b"\xef\xbb\xbf"  # that Windows puts before a text
WHOLE = 256 << 20  # bytes of a JSON file that may be read at once
LONGEST_CELL = 1 << 30  # characters of a CSV cell


@dataclass(frozen=True)
class Broken:
    """A row that cannot be read."""

    place: str
    reason: str  # "not JSON (Expecting value at column 3)"


def read_rows(path: Path) -> list[PlacedRow]:
    """All rows of a data file, each with its place. Raises TaskError with file and line for a file that is missing,
    empty, not UTF-8, or broken."""
    rows = []
    for row in stream_rows(path):
        if isinstance(row, Broken):
            raise TaskError(f"{path}, {row.place}: {row.reason}")
        rows.append(row)
    if not rows:
        raise TaskError(f"{path}: the data set is empty")
    return rows


def stream_rows(path: Path) -> Iterator[PlacedRow | Broken]:
    """The rows of a file, one at a time, by its ending: JSONL, a list of rows in JSON, CSV or Parquet. A row that
    cannot be read is Broken. Raises TaskError for a file that cannot be read at all."""
    if path.suffix not in SUFFIXES:
        raise TaskError(f"{path}: unknown kind '{path.suffix}'; expected {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise TaskError(f"{path}: no such data file; expected JSONL, JSON, CSV or Parquet")
    readers = {".json": _json, ".csv": _csv, ".parquet": _parquet}
    try:
        for row in readers.get(path.suffix, _jsonl)(path):
            yield row if isinstance(row, Broken) else (row[0], {key: _whole(value) for key, value in row[1].items()})
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror or error})") from None


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


def _jsonl(path: Path) -> Iterator[PlacedRow | Broken]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            line = line.removeprefix(BOM) if number == 1 else line
            if line.strip():
                yield _object(f"line {number}", line)


def _object(place: str, line: bytes) -> PlacedRow | Broken:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Broken(place, f"not UTF-8 ({error.reason} at byte {error.start + 1})")
    except json.JSONDecodeError as error:
        return Broken(place, f"not JSON ({error.msg} at column {error.colno})")
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists within lists without end
        return Broken(place, f"cannot be read ({str(error)[:200]})")
    return _named(place, row)


def _named(place: str, row: Any) -> PlacedRow | Broken:
    return (place, row) if isinstance(row, dict) else Broken(place, "expected a JSON object with named fields")


def _whole(value: Any) -> Any:
    """A text in which halves of surrogate pairs, which no encoding can write, are question marks."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value


def _json(path: Path) -> Iterator[PlacedRow | Broken]:
    import ijson

    done = 0
    with path.open("rb") as file:
        try:
            for row in ijson.items(file, "item", use_float=True):
                done += 1
                yield _named(f"row {done}", row)
            return
        except (ijson.JSONError, ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())[:200]
    rows = _lenient(path) if path.stat().st_size <= WHOLE else None
    if not isinstance(rows, list):
        raise TaskError(f"{path}: not a list of rows in JSON ({reason})")
    yield from (_named(f"row {number}", row) for number, row in enumerate(rows[done:], done + 1))


def _lenient(path: Path) -> Any:
    """What Python's own json makes of a file: it writes NaN, which JSON does not have, and reads it."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def _csv(path: Path) -> Iterator[PlacedRow | Broken]:
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        line = 1
        try:
            names = reader.fieldnames or ()
            for row in reader:
                line = reader.line_num  # the last of its lines
                if None in row or None in row.values():
                    yield Broken(f"line {line}", f"expected {len(names)} cells, as the first line has")
                else:
                    yield f"line {line}", row
        except (csv.Error, UnicodeDecodeError) as error:
            raise TaskError(f"{path}, after line {line}: not CSV in UTF-8 ({error})") from None


def _parquet(path: Path) -> Iterator[PlacedRow | Broken]:
    import pyarrow as pa
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
    except (pa.ArrowException, ValueError) as error:
        raise TaskError(f"{path}: not a Parquet file ({' '.join(str(error).split())[:200]})") from None
