"""Tables of anybody's: JSONL, JSON, CSV or Parquet whose columns are named by --map, or told by their obvious names. A
list column is k samples of the problem of its row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ttc_bench.errors import TtcError, nearest
from ttc_bench.interchange.records import Facts, Record, Row, Source
from ttc_bench.interchange.sources.values import at, count, cut, level, number, question, text, verdict
from ttc_bench.problems.rows import SUFFIXES, Broken, stream_rows

OF_PROBLEM = ("question", "answer", "id", "difficulty")
OF_SAMPLE = ("text", "tokens", "prompt_tokens", "reasoning", "stop", "recorded", "read")
SCORE = "score."
EXAMPLE = "question=COLUMN,answer=COLUMN,text=COLUMN"
GUESSES = {  # columns that say by their name what they hold, the likeliest first
    "question": ("question", "problem", "prompt", "query", "input", "messages"),
    "answer": ("answer", "gold", "target", "expected_answer", "ground_truth", "reference", "gt"),
    "text": (
        *("text", "response", "completion", "generation", "output", "prediction"),
        *("responses", "completions", "generations", "outputs", "predictions", "texts", "samples"),
    ),
    "id": ("id", "problem_id", "question_id", "unique_id", "doc_id", "task_id"),
    "tokens": ("completion_tokens", "output_tokens", "num_generated_tokens", "num_tokens", "tokens"),
    "prompt_tokens": ("prompt_tokens", "input_tokens", "num_input_tokens"),
    "reasoning": ("reasoning", "reasoning_content", "thinking"),
    "stop": ("finish_reason", "stop_reason"),
    "recorded": ("correct", "is_correct"),
}


def parse(words: str) -> dict[str, str]:
    """The fields of --map and their columns. Raises TtcError for one that is not FIELD=COLUMN, is unknown or named
    twice, and where the text, or what names the problem, is missing."""
    mapping: dict[str, str] = {}
    for word in filter(None, (part.strip() for part in words.split(","))):
        field, equals, column = (part.strip() for part in word.partition("="))
        if not equals or not field or not column:
            raise TtcError(f"--map {word}: expected FIELD=COLUMN, such as {EXAMPLE}")
        if field not in OF_PROBLEM + OF_SAMPLE and (not field.startswith(SCORE) or field == SCORE):
            known = [*OF_PROBLEM, *OF_SAMPLE, SCORE + "NAME"]
            raise TtcError(f"--map {word}: {nearest(field, known, 'field')}")
        if field in mapping:
            raise TtcError(f"--map names {field} twice: {mapping[field]} and {column}")
        mapping[field] = column
    if "text" not in mapping or not {"question", "id"} & set(mapping):
        missing = "text" if "text" not in mapping else "question or id"
        raise TtcError(f"--map names no column for {missing}; expected {EXAMPLE}")
    return mapping


class Table(Source):
    name = "table"
    about = "any JSONL, JSON, CSV or Parquet, with --map, or with columns of obvious names"

    def __init__(self, mapping: Mapping[str, str] | None = None) -> None:
        """`mapping`: from `parse`; None: the columns are told by their names in each file."""
        self._mapping = mapping

    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        if self._mapping is not None:
            return path.suffix in SUFFIXES
        guessed = guess(first or {})
        return "text" in guessed and bool({"question", "id"} & set(guessed))

    def read(self, path: Path) -> Iterator[Row]:
        """Raises TtcError for a column that no row has."""
        mapping = self._columns(path)
        unseen = set(mapping)
        names: list[str] = []
        for row in stream_rows(path):
            if isinstance(row, Broken):
                yield row
                continue
            place, columns = row
            found = {field: at(columns, column) for field, column in mapping.items()}
            unseen -= {field for field, (there, _) in found.items() if there}
            names = names or list(columns)
            yield from _samples(place, {field: value for field, (_, value) in found.items()}, path.suffix == ".csv")
        if unseen and names:
            field = min(unseen)
            raise TtcError(
                f"{path}: no row has the column '{mapping[field]}' for {field}; the first has {', '.join(names)}"
            )

    def facts(self, path: Path) -> Facts:
        """Which columns were taken, where the user named none."""
        if self._mapping is not None:
            return Facts()
        first = _first(path)
        taken = ", ".join(f"{field}={column}" for field, column in guess(first).items())
        others = [name for name in GUESSES["text"] if name in first][1:]
        doubt = f"; the text could also be {' or '.join(others)}" if others else ""
        return Facts(remarks=(f"columns were taken by their names: {taken}{doubt}; --map names others",))

    def _columns(self, path: Path) -> Mapping[str, str]:
        mapping = self._mapping if self._mapping is not None else guess(_first(path))
        if "text" not in mapping:
            raise TtcError(
                f"{path}: no column is known by its name as the text of samples; name the columns with --map {EXAMPLE}"
            )
        return mapping


def guess(first: Mapping[str, Any]) -> dict[str, str]:
    """The fields whose columns a row has by an obvious name."""
    found = {field: next((name for name in names if name in first), None) for field, names in GUESSES.items()}
    return {field: name for field, name in found.items() if name is not None}


def _first(path: Path) -> dict[str, Any]:
    return next((row[1] for row in stream_rows(path) if not isinstance(row, Broken)), {})


def _listed(value: Any) -> Any:
    """A value of a CSV cell; a list where the cell is one in JSON."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return read if isinstance(read, list) else value
    return value


def _samples(place: str, found: dict[str, Any], cells: bool) -> Iterator[Row]:
    """The samples of a row. A single value beside a list of k texts says nothing of each of them, so it counts only
    where k is 1."""
    own = {field: _listed(value) if cells else value for field, value in found.items() if field not in OF_PROBLEM}
    texts = own.pop("text")
    if cells and isinstance(texts, list) and texts and not any(isinstance(said, str) for said in texts):
        texts = found["text"]  # a text that looks like a list: "[1, 2]"
    several = isinstance(texts, list)
    texts = texts if several else [texts]
    if not texts:
        yield Broken(place, "an empty list of texts")
        return
    for field, value in own.items():
        if not isinstance(value, list) or (not several and field.startswith(SCORE)):  # scores of its steps
            own[field] = [value if len(texts) == 1 else None] * len(texts)
        elif len(value) != len(texts):
            yield Broken(place, f"{len(texts)} texts, but {len(value)} values for {field}")
            return
    gold = found.get("answer")
    if isinstance(gold, list):
        if len(gold) != 1:
            yield Broken(place, f"{len(gold)} values for answer, expected one")
            return
        gold = gold[0]
    shared = {
        "id": text(found.get("id")),
        "question": question(found.get("question")),
        "gold": text(gold),
        "difficulty": level(found.get("difficulty")),
    }
    for i, said in enumerate(texts):
        here = f"{place}, sample {i + 1}" if several else place
        written = text(said)
        if written is None:
            yield Broken(here, "no text")
        else:
            yield _record(here, written, {field: values[i] for field, values in own.items()}, shared)


def _record(here: str, said: str, own: dict[str, Any], shared: dict[str, Any]) -> Record:
    scores = {field.removeprefix(SCORE): _score(value) for field, value in own.items() if field.startswith(SCORE)}
    return Record(
        here,
        said,
        reasoning=text(own.get("reasoning")) or "",
        length=cut(own.get("stop")),
        prompt=count(own.get("prompt_tokens")),
        completion=count(own.get("tokens")),
        signals={name: value for name, value in scores.items() if value is not None},
        recorded=verdict(own.get("recorded")),
        answer=text(own.get("read")),
        **shared,
    )


def _score(value: Any) -> float | None:
    """A score; of a list, such as one for each step, the last."""
    return number(value[-1] if isinstance(value, list) and value else value)
