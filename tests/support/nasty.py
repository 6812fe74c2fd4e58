"""Rows of strangers: what no reader of a format may trip over."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ttc_bench.interchange.records import Hole, Record, Source
from ttc_bench.problems.rows import Broken

VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 10**400, float("nan"), float("inf"), 0.5, "", "text", "\ud800", "[1, ", "9" * 400),
    *([], [None], [[]], [{}], ["a", 1], [["a"], []], {}, {"a": None}, {"content": 3}, [{"role": "user"}]),
)


def written(path: Path, *rows: Any) -> Path:
    """A JSONL file of rows; a text is a line as it is."""
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def spoilt(row: Mapping[str, Any]) -> Iterator[Any]:
    """Copies of a row in which one value, at any depth, is gone or is one of VALUES."""
    for key, value in row.items():
        yield {k: v for k, v in row.items() if k != key}
        for other in VALUES:
            yield {**row, key: other}
        for inner in spoilt(value) if isinstance(value, Mapping) else ():
            yield {**row, key: inner}
        if isinstance(value, list):
            yield {**row, key: value[:-1]}
            for i, entry in enumerate(value):
                for changed in (*VALUES, *(spoilt(entry) if isinstance(entry, Mapping) else ())):
                    yield {**row, key: [*value[:i], changed, *value[i + 1 :]]}


def survives(source: Source, folder: Path, row: Mapping[str, Any], suffix: str = ".jsonl") -> None:
    """A source reads every spoilt copy of a row: into records that can be stored, or broken rows with a place."""
    rows = list(spoilt(row))
    path = written(folder / f"spoilt{suffix}", *rows)
    source.facts(path)
    read = list(source.read(path))
    assert len(read) >= len(rows) * 0.9  # some are passed over, such as what has become a request
    for found in read:
        assert found.place.startswith("line ")
        if isinstance(found, Record):
            stored(found)
        else:
            assert isinstance(found, Broken | Hole)
            assert found.reason
            assert "\n" not in found.reason


def stored(record: Record) -> None:
    """The values of a record have the types that it says, and can be written to a database and as JSON."""
    texts = (record.text, record.id, record.question, record.gold, record.reasoning, record.answer)
    for said in texts:
        assert said is None or isinstance(said, str)
        (said or "").encode("utf-8")
    for tokens in (record.prompt, record.cached, record.completion, record.thought):
        assert tokens is None or (type(tokens) is int and 0 <= tokens <= 10**9)
    assert record.recorded in (None, True, False)
    assert record.length in (None, True, False)
    numbers = [*record.signals.values(), *([] if record.difficulty is None else [record.difficulty])]
    assert all(type(value) is float for value in numbers)
    json.dumps(numbers, allow_nan=False)
