"""Our own files: what `ttc-bench export` wrote, and stores of samples."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ttc_bench.core import PROMPT_UNKNOWN, Message, Request
from ttc_bench.interchange.records import Record, Row, Source
from ttc_bench.problems.rows import Broken, stream_rows
from ttc_bench.prompts import COT, DIRECT
from ttc_bench.report.export import BILLED
from ttc_bench.sampling.store import Store

COLUMNS = {"task", "problem", "question", "prompt", "index", "text", "stop_reason", "rung"}
SCORE = "score_"
BACKENDS = {name: name.replace("-", "_") for name in ("self-certainty", "tail-confidence", "lowest-group-confidence")}


class Export(Source):
    """Rows of an export."""

    name = "ttc-bench"
    about = "what `ttc-bench export` wrote"

    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        return first is not None and first.keys() >= COLUMNS

    def read(self, path: Path) -> Iterator[Row]:
        for row in stream_rows(path):
            yield row if isinstance(row, Broken) else _exported(*row)


def _exported(place: str, row: Mapping[str, Any]) -> Row:
    if not row.keys() >= COLUMNS or not isinstance(row["text"], str):
        return Broken(place, f"not a row of an export: expected the columns {', '.join(sorted(COLUMNS))}")
    model = _text(row.get("model"))
    prompt = str(row["prompt"]).removeprefix(f"{model}, ")  # which is there where a run has several models
    tokens, index = _number(row.get("tokens")), _number(row["index"])
    given = {name: _number(row.get(name)) for name in BILLED}
    prompt_tokens, cached, thought = (None if n is None else int(n) for n in given.values())
    return Record(
        place=place,
        text=row["text"],
        id=str(row["problem"]),
        question=str(row["question"]),
        gold=_text(row.get("gold")),
        reasoning=str(row.get("reasoning") or ""),
        length={"length": True, "stop": False}.get(str(row["stop_reason"])),
        completion=None if tokens is None else int(tokens),
        prompt=prompt_tokens,
        cached=cached,
        thought=thought,
        apportioned=row.get("token_source") in ("estimate", "guess"),
        shares_prompt=str(row.get("shares_prompt")) == "True",
        signals=_scores(row),
        recorded={"True": True, "False": False}.get(str(row.get("correct"))),
        answer=_text(row.get("answer")),
        difficulty=_number(row.get("difficulty")),
        repeat=None if index is None else int(index),
        model=model,
        prompt_name=prompt,
    )


def _scores(row: Mapping[str, Any]) -> dict[str, float]:
    """The scores of verifiers by name, what a backend recorded under its own; the checker is made anew."""
    given = {
        name.removeprefix(SCORE): score
        for name, value in row.items()
        if name.startswith(SCORE) and (score := _number(value)) is not None
    }
    return {BACKENDS.get(name, name): value for name, value in given.items() if name != "checker"}


def _number(value: Any) -> float | None:
    """A finite number, also as CSV writes it."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


class Stored(Source):
    """A store: every sample that begins a trace, with its tokens and signals; continuations are no samples of their
    own."""

    name = "ttc-bench-store"
    about = "a store of samples, such as results/samples.sqlite"

    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        return path.suffix in (".sqlite", ".db")

    def read(self, path: Path) -> Iterator[Row]:
        with closing(Store(path, read_only=True)) as store:
            for request in store.requests():
                if request.prefix:
                    continue
                for index, c in store.pool(request).items():
                    known, counted = c.usage.source != "unknown", c.usage.source not in PROMPT_UNKNOWN
                    yield Record(
                        place=f"{request.address[:12]} sample {index}",
                        text=c.text,
                        question=request.messages[-1].content,
                        reasoning=c.reasoning,
                        length={"length": True, "stop": False}.get(c.stop_reason),
                        prompt=c.usage.prompt if counted else None,
                        cached=c.usage.cached if counted else None,
                        completion=c.usage.completion if known else None,
                        thought=c.usage.reasoning if known else None,
                        apportioned=c.usage.source in ("estimate", "guess"),
                        shares_prompt=c.shares_prompt,
                        signals=c.signals,
                        repeat=index,
                        model=_settings(request),
                        prompt_name=_prompt(request.messages),
                    )


def _settings(request: Request) -> str:
    """The model and all decoding settings that are not at their default: samples of different ones are never mixed."""
    fields = json.loads(request.canonical)
    return "; ".join([request.model, *(f"{k} {v}" for k, v in fields.items() if k not in ("messages", "model"))])


def _prompt(messages: Sequence[Message]) -> str | None:
    """The prompt that wrote these messages, by its instruction; None for one of somebody else."""
    question = messages[-1].content
    if DIRECT in question:
        return "direct"
    if COT in question:
        return "cot-few-shot" if len(messages) > 1 else "cot"
    return None
