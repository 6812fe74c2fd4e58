"""imported.parquet: what the source of imported samples said of each of them, beside the samples in a results folder.

A store holds what a model wrote. What another tool made of it (its verdict, the answer that it read, the gold that it
compared with, its own number of the sample, its counts as it gave them) is no fact about the sample, and is kept here
for the audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ttc_bench.errors import TtcError
from ttc_bench.interchange.records import Record

Array = np.ndarray[Any, np.dtype[Any]]
FILE = "imported.parquet"
KINDS = {
    **dict.fromkeys(("task", "problem", "prompt"), "string"),
    "index": "int64",
    "place": "string",
    "recorded": "bool",
    **dict.fromkeys(("answer", "gold"), "string"),
    **dict.fromkeys(("repeat", "tokens", "thought"), "int64"),
}
LATER = ("repeat", "tokens", "thought")  # columns that files of earlier versions do not have
REPEATED = ("task", "problem", "prompt", "gold")  # many rows share these values
GROUP = 8 << 20  # characters in a row group
ROW = 100  # characters that a row counts besides its texts
UNKNOWN = -1  # of numbers in `Verdicts`: the source does not say


class RecordedWriter:
    """Writes imported.parquet row by row, a row group at a time. A context manager; the file is whole at its end.
    Raises OSError where it cannot be written."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in KINDS.items()])
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=list(REPEATED))
        self._columns: dict[str, list[Any]] = {name: [] for name in KINDS}
        self._size = 0

    def __enter__(self) -> RecordedWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()

    def add(self, task: str, problem: str, prompt: str, index: int, record: Record) -> None:
        """Appends what the source says of the sample that is stored at `index` of this problem and prompt."""
        row = (
            *(task, problem, prompt, index, record.place, record.recorded, record.answer, record.gold),
            *map(_count, (record.repeat, record.completion, record.thought)),
        )
        for values, value in zip(self._columns.values(), row, strict=True):
            values.append(_whole(value) if isinstance(value, str) else value)
        self._size += ROW + len(record.place) + len(record.answer or "") + len(record.gold or "")
        if self._size >= GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._size:
            self._writer.write_table(pa.table(self._columns, schema=self._schema))
            self._columns = {name: [] for name in KINDS}
            self._size = 0


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What the source says of the samples of one problem. All are [sample]."""

    index: Array
    recorded: Array  # 1: held right, 0: held wrong, UNKNOWN: no verdict
    repeat: Array  # its own number of the sample, from 0; UNKNOWN: it does not number them
    tokens: Array  # generated, as it counted them, UNKNOWN where it did not
    thought: Array  # of these for thinking
    row: Array  # rank among all samples of the task and prompt, in the order of the files; UNKNOWN: not imported
    answer: Sequence[str | None]  # that the source read
    gold: Sequence[str | None]  # as the source writes it
    place: Sequence[str]  # in the file, for people; "" where the sample was not imported

    def at(self, index: Array) -> Verdicts:
        """The same in the order of these sample indices; one that the source does not have is all unknown."""
        where = {i: row for row, i in enumerate(self.index.tolist())}
        rows = [where.get(i) for i in index.tolist()]

        def numbers(values: Array) -> Array:
            return np.array([UNKNOWN if row is None else values[row] for row in rows], dtype=np.int64)

        return Verdicts(
            index=index,
            recorded=numbers(self.recorded),
            repeat=numbers(self.repeat),
            tokens=numbers(self.tokens),
            thought=numbers(self.thought),
            row=numbers(self.row),
            answer=[None if row is None else self.answer[row] for row in rows],
            gold=[None if row is None else self.gold[row] for row in rows],
            place=["" if row is None else self.place[row] for row in rows],
        )


_NONE: Array = np.zeros(0, np.int64)
NOTHING = Verdicts(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, (), (), ())


class Recorded:
    """Reads imported.parquet."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @staticmethod
    def of(folder: Path) -> Recorded | None:
        """That of a results folder; None where its samples were not imported."""
        path = folder / FILE
        return Recorded(path) if path.exists() else None

    def verdicts(self, task: str, prompt: str) -> Mapping[str, Verdicts]:
        """What the source says of the samples of a task under a prompt, by problem. Raises TtcError for a file that
        cannot be read."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            table = parquet.read_table(self._path, filters=[("task", "=", task), ("prompt", "=", prompt)])
            table = table.append_column("row", pa.array(range(len(table)), "int64"))
            for name in (name for name in LATER if name not in table.column_names):
                table = table.append_column(name, pa.nulls(len(table), "int64"))
            table = table.select([*KINDS, "row"]).sort_by([("problem", "ascending"), ("index", "ascending")])
        except (pa.ArrowException, KeyError, ValueError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise TtcError(f"{self._path}: cannot be read ({reason}); import the samples again") from None
        return dict(_by_problem(table))


def _by_problem(table: Any) -> Iterator[tuple[str, Verdicts]]:
    """The rows of each problem, from a table in the order of the problems."""
    names = table["problem"].to_pylist()
    said = {
        name: table[name].cast("int64").fill_null(UNKNOWN).to_numpy()
        for name in ("recorded", "repeat", "tokens", "thought", "row")
    }
    starts = [i for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
    for start, end in pairwise([*starts, len(names)]):
        part = table.slice(start, end - start)
        texts = {name: part[name].to_pylist() for name in ("answer", "gold", "place")}
        numbers = {name: values[start:end] for name, values in said.items()}
        yield names[start], Verdicts(index=part["index"].to_numpy(), **numbers, **texts)


def _count(number: int | None) -> int | None:
    """A number that a column can hold; a stranger's may be of any size."""
    return number if number is not None and 0 <= number < 1 << 63 else None


def _whole(text: str) -> str:
    """Arrow refuses a lone surrogate, which a model can write: it becomes a question mark."""
    return text if text.isascii() else text.encode(errors="replace").decode()
