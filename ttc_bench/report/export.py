"""A run's samples as JSONL, CSV or Parquet, one row a sample with its grade, written as they come.

At most one problem's samples and one row group are in memory, whatever the size of the run.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import math
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from ttc_bench.analysis.views import ProblemView, SampleView
from ttc_bench.core import PROMPT_UNKNOWN
from ttc_bench.errors import TtcError

KINDS = (".jsonl", ".csv", ".parquet")
OF_PROBLEM = {"task": "task", "problem": "id", "question": "question", "gold": "gold", "difficulty": "difficulty"}
OF_SAMPLE = ("prompt", "index", "text", "reasoning", "answer", "correct", "tokens", "stop_reason", "rung", "model")
BILLED = {"prompt_tokens": "prompt", "cached_tokens": "cached", "reasoning_tokens": "reasoning"}  # of Usage
COUNTED = (*BILLED, "token_source", "shares_prompt")
TYPES = {"difficulty": "double", "index": "int64", "correct": "bool", "tokens": "int64", "shares_prompt": "bool"}
TYPES |= dict.fromkeys(BILLED, "int64")  # of the others: string
PROSE = ("text", "reasoning")  # as a rule different in every row, so that a dictionary of values would only cost
GROUP = 16 << 20  # characters in a row group
ROW = 200  # characters that a row counts besides its text
SLICE = 64  # samples taken into a row group at a time


def by_prompt(problem: ProblemView) -> dict[str, list[SampleView]]:
    """The samples of a problem under each prompt: the order of the rows in every file."""
    groups: dict[str, list[SampleView]] = {}
    for s in problem.samples:
        groups.setdefault(s.prompt, []).append(s)
    return groups


def score_names(problems: Iterable[ProblemView]) -> list[str]:
    """The names of all scores, sorted. A sequence that knows them without reading its samples has them as
    `score_names`; any other is gone through once."""
    known = getattr(problems, "score_names", None)
    return sorted(known if known is not None else {n for p in problems for s in p.samples for n in s.scores})


def rows(problems: Iterable[ProblemView], scores: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One flat row per sample: problem, prompt, index, text, answer, correct, tokens, stop reason, rung, model, what
    else was counted, and score_NAME for each of `scores`."""
    for p in problems:
        facts = {column: getattr(p, name) for column, name in OF_PROBLEM.items()}
        for s in itertools.chain.from_iterable(by_prompt(p).values()):
            own = {name: getattr(s, name) for name in OF_SAMPLE} | dict(zip(COUNTED, _counts(s), strict=True))
            yield {**facts, **own, **{f"score_{name}": s.scores.get(name) for name in scores}}


def _counts(s: SampleView) -> tuple[int | str | bool | None, ...]:
    """The values of COUNTED; a count that is not known is None."""
    usage = s.usage
    if usage is None:
        return (*(None for _ in BILLED), None, s.shares_prompt)
    known = {"prompt": usage.source not in PROMPT_UNKNOWN, "reasoning": usage.source != "unknown"}
    known["cached"] = known["prompt"]
    counts = (getattr(usage, name) if known[name] else None for name in BILLED.values())
    return (*counts, usage.source, s.shares_prompt)


class ParquetFile:
    """A Parquet file with the columns of `rows`, compressed, that grows problem by problem. A context manager."""

    def __init__(self, path: Path, scores: Sequence[str]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        kinds = {name: TYPES.get(name, "string") for name in (*OF_PROBLEM, *OF_SAMPLE, *COUNTED)}
        kinds |= {f"score_{name}": "double" for name in scores}
        self._scores = scores
        self._schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in kinds.items()])
        few = [name for name in kinds if name not in PROSE]
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=few)
        self.written = 0  # rows
        self._columns: dict[str, list[Any]] = {name: [] for name in kinds}
        self._size = 0  # of the rows in these columns
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="parquet")  # Arrow compresses without Python's lock
        self._group: Future[None] | None = None  # being written

    def __enter__(self) -> ParquetFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            with self._thread:
                if kind is None:
                    self._flush()
                self._written()
        finally:
            self._writer.close()

    def add(self, problem: ProblemView) -> None:
        """Appends the samples of a problem, prompt by prompt."""
        facts = [(self._columns[column], getattr(problem, name)) for column, name in OF_PROBLEM.items()]
        for samples in by_prompt(problem).values():
            for start in range(0, len(samples), SLICE):
                part = samples[start : start + SLICE]
                for column, value in facts:
                    column += [value] * len(part)
                for name in OF_SAMPLE:
                    self._columns[name] += [getattr(s, name) for s in part]
                for name, values in zip(COUNTED, zip(*map(_counts, part), strict=True), strict=True):
                    self._columns[name] += values
                for name in self._scores:
                    self._columns[f"score_{name}"] += [s.scores.get(name) for s in part]
                self.written += len(part)
                self._size += sum(len(s.text) + len(s.reasoning) + ROW for s in part)
                if self._size >= GROUP:
                    self._flush()

    def _flush(self) -> None:
        """Hands the rows so far to the thread, as a row group, once it has written the one before."""
        import pyarrow as pa

        if self._size:
            columns = zip(self._columns.values(), self._schema, strict=True)
            table = pa.Table.from_arrays([_array(values, field.type) for values, field in columns], schema=self._schema)
            for values in self._columns.values():
                values.clear()
            self._size = 0
            self._written()
            self._group = self._thread.submit(self._writer.write_table, table)

    def _written(self) -> None:
        """Waits for the row group that is being written. Raises OSError if it could not be."""
        if self._group:
            group, self._group = self._group, None
            group.result()


def _array(values: list[Any], kind: Any) -> Any:
    """An Arrow array. Arrow refuses a lone surrogate, which a model can write: it becomes a question mark."""
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([v and v.encode(errors="replace").decode() for v in values], kind)


def check(path: Path) -> None:
    """Raises TtcError where the file's ending names no format."""
    if path.suffix not in KINDS:
        raise TtcError(f"{path}: unknown kind '{path.suffix}'; expected {', '.join(KINDS)}")


def write(problems: Collection[ProblemView], path: Path) -> int:
    """Writes the rows to PATH.jsonl, PATH.csv or PATH.parquet and returns their number. The file appears when it is
    whole. Raises TtcError for another ending, or where it cannot be written."""
    check(path)
    scores = score_names(problems)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = _WRITERS[path.suffix](problems, scores, part)
        part.replace(path)
    except OSError as error:
        raise TtcError(f"{path} cannot be written ({error.strerror or error}); give another place") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return written


def _parquet(problems: Iterable[ProblemView], scores: Sequence[str], path: Path) -> int:
    with ParquetFile(path, scores) as file:
        for problem in problems:
            file.add(problem)
    return file.written


def _jsonl(problems: Iterable[ProblemView], scores: Sequence[str], path: Path) -> int:
    """JSON has no infinity: a score that is not finite is null. A lone surrogate is a question mark, as in Parquet."""
    written, encode = 0, json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for row in rows(problems, scores):
            for name in scores:
                score = row[f"score_{name}"]
                if score is not None and not math.isfinite(score):
                    row[f"score_{name}"] = None
            file.write(encode(row) + "\n")
            written += 1
    return written


def _csv(problems: Iterable[ProblemView], scores: Sequence[str], path: Path) -> int:
    """Texts as they are, whatever a spreadsheet may make of them: this is data, to be read back."""
    written = 0
    columns = [*OF_PROBLEM, *OF_SAMPLE, *COUNTED, *(f"score_{name}" for name in scores)]
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        for row in rows(problems, scores):
            table.writerow(row)
            written += 1
    return written


_WRITERS = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
