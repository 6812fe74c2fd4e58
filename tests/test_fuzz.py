"""Whatever stands in a file, it ends as data or in one sentence: task files, run.json, GGUF headers, stores.

Replies and headers of servers have their own in backends/api/test_wire.py."""

from __future__ import annotations

import json
import sqlite3
import struct
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ttc_bench.backends.local.headers import parameters
from ttc_bench.backends.local.weights import Weights
from ttc_bench.core import Completion, Message, Request, Sample, Usage
from ttc_bench.errors import TtcError
from ttc_bench.problems import tasks
from ttc_bench.report import manifest
from ttc_bench.sampling.store import Store


def said(error: TtcError) -> None:
    """One line with something in it."""
    assert str(error).strip()
    assert "\n" not in str(error)


quick = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("countdown")
VALUE: st.SearchStrategy[Any] = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
SOURCE = st.fixed_dictionaries(
    {},
    optional={
        "generator": st.sampled_from(["countdown", "nothing"]) | VALUE,
        "file": st.just("d.jsonl") | VALUE,
        "columns": st.fixed_dictionaries({}, optional={"question": VALUE, "answer": VALUE, "tags": VALUE}) | VALUE,
        "count": st.integers(-2, 3) | VALUE,
        "difficulty": VALUE,
    },
)
TASK = st.fixed_dictionaries(
    {"name": st.just("t") | VALUE},
    optional={
        "source": SOURCE | VALUE,
        "grader": st.sampled_from(["number", "words", "check", "math"]) | VALUE,
        "answer_format": st.just("Say it.") | VALUE,
        "answers": VALUE,
        "variants": st.dictionaries(st.text(max_size=4), SOURCE | VALUE, max_size=2) | VALUE,
        "examples": VALUE,
    },
)


@quick
@given(TASK | VALUE, VALUE)
def test_task_files(content: Any, row: Any) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "t.yaml"
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8", errors="replace")
        (Path(place) / "d.jsonl").write_text(json.dumps(row) + "\n")
        try:
            loaded = tasks.load(str(path), limit=2)
        except TtcError as error:
            said(error)
        else:
            assert all(task.problems for task in loaded)


@quick
@given(st.binary(max_size=200))
def test_task_files_of_any_bytes(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "t.yaml"
        path.write_bytes(content)
        try:
            tasks.load(str(path), limit=1)
        except TtcError as error:
            said(error)


MODEL = st.fixed_dictionaries({}, optional={"id": st.text(max_size=4) | VALUE, "signals": VALUE, "verifiers": VALUE})


@quick
@given(
    st.fixed_dictionaries({}, optional={"config": VALUE, "models": st.lists(MODEL | VALUE, max_size=2), "quality": VALUE, "this_run": VALUE})
    | VALUE
)  # fmt: skip
def test_manifests(content: Any) -> None:
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "run.json").write_text(json.dumps(content), encoding="utf-8")
        try:
            read = manifest.read(Path(place))
        except TtcError as error:
            said(error)
        else:
            assert all(isinstance(entry["id"], str) for entry in read["models"])
            assert isinstance(manifest.had_samples(read), bool)
            assert all(isinstance(count, int) for count in manifest.reasons(read).values())


NUMBER = st.integers(0, 20) | st.integers(0, 2**64 - 1)
HEADER = st.lists(
    st.tuples(st.sampled_from(["<Q", "<I"]), NUMBER).map(lambda pair: struct.pack(pair[0], pair[1] % 2**32))
    | st.binary(max_size=12),
    max_size=30,
)


@quick
@given(NUMBER, NUMBER, HEADER)
@example(2**62, 0, [])
@example(0, 1, [struct.pack("<Q", 1), b"a", struct.pack("<I", 9)] + [struct.pack("<IQ", 9, 1)] * 5000)
def test_gguf_headers(tensors: int, values: int, rest: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "m.gguf").write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, tensors, values) + b"".join(rest))
        count = parameters(Weights("gguf", "m.gguf", place, "sha256:0", gguf="m.gguf"))
        assert count is None or count >= 0


def _store() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        store = Store(Path(place) / "s.sqlite")
        for index in range(40):
            store.add(Sample(REQUEST, index, Completion("2" * 300, "stop", Usage(completion=3))))
        store.close()
        with sqlite3.connect(Path(place) / "s.sqlite") as db:
            db.execute("pragma wal_checkpoint(truncate)")
        return (Path(place) / "s.sqlite").read_bytes()


REQUEST = Request("m", (Message("user", "1 + 1?"),), 16)
WHOLE = _store()


@quick
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=64)), max_size=12),
    st.integers(0, len(WHOLE)),
)
def test_damaged_stores(damage: list[tuple[int, bytes]], length: int) -> None:
    """A damaged store says so, or gives samples that are what they were; it is never a traceback."""
    data = bytearray(WHOLE)
    for place, new in damage:
        data[place : place + len(new)] = new
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.sqlite"
        path.write_bytes(bytes(data[: max(length, 1)] if length % 3 == 0 else data))
        for read_only in (True, False):
            try:
                store = Store(path, read_only=read_only)
            except TtcError as error:
                said(error)
                continue
            try:
                store.pool(REQUEST)
                store.scores("v", ["a"])
                store.followed("a", "b")
            except TtcError as error:
                said(error)
            finally:
                store.close()
