"""Samples on disk: never rewritten, crash-safe, several processes at once."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest

from ttc_bench.core import Completion, Message, Request, Sample, Score, Usage
from ttc_bench.errors import BackendError, TtcError
from ttc_bench.sampling import writing
from ttc_bench.sampling.store import Store
from ttc_bench.sampling.store_file import StoreError

REQUEST = Request("m", (Message("user", "1 + 1?"),), 16)


def sample(index: int, text: str = "2") -> Sample:
    usage = Usage(prompt=5, cached=1, completion=3, reasoning=2, source="api")
    return Sample(REQUEST, index, Completion(text, "length", usage, "hm", True, {"logprob": -0.5}))


def test_a_sample_comes_back_whole(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "s.sqlite")
    store.add(sample(3))
    assert store.pool(REQUEST) == {3: sample(3).completion}
    assert store.have(REQUEST.address) == {3}


def test_growing_asks_for_new_indices_only_and_leaves_every_old_byte(tmp_path: Path) -> None:
    """Law 7."""
    store = Store(tmp_path / "s.sqlite")
    for i in range(8):
        store.add(sample(i))
    store.settle()
    dump = "select * from samples where idx < 8 order by idx"
    before = sqlite3.connect(tmp_path / "s.sqlite").execute(dump).fetchall()
    assert store.missing([(REQUEST, 64)]) == [(REQUEST, tuple(range(8, 64)))]
    for i in range(8, 64):
        store.add(sample(i))
    store.add(sample(0, "rewritten"))
    store.settle()
    assert sqlite3.connect(tmp_path / "s.sqlite").execute(dump).fetchall() == before
    assert store.missing([(REQUEST, 64)]) == []
    assert list(store.pool(REQUEST, 4)) == [0, 1, 2, 3]


def test_a_closed_store_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever copies it copies all of it, also if the log was just being emptied."""
    monkeypatch.setattr(writing, "PAGES", 1)
    for turn in range(10):
        with closing(Store(tmp_path / f"{turn}.sqlite")) as store:
            for i in range(200):
                store.add(sample(i, "word " * 200))
        assert [path.name for path in tmp_path.glob(f"{turn}.*")] == [f"{turn}.sqlite"]


def test_a_hole_is_never_stored(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="hole"):
        Store(tmp_path / "s.sqlite").add(Sample(REQUEST, 0, error=BackendError("down")))


@pytest.mark.parametrize("text", ["\x00 nul", "lone \ud800 surrogate", "日本 \U0001f600", ""])
def test_any_text_can_be_stored(tmp_path: Path, text: str) -> None:
    """A lone surrogate from a server's JSON once ended a paid run with an encoding error."""
    store = Store(tmp_path / "s.sqlite")
    store.add(sample(0, text))
    kept = store.pool(REQUEST)[0].text
    assert kept == text.replace("\ud800", "?")


def test_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello, this is no database at all")
    with pytest.raises(TtcError, match=r"cannot be used as a sample store.*--store"):
        Store(tmp_path / "x")


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "s.sqlite").close()
    with sqlite3.connect(tmp_path / "s.sqlite") as db:
        db.execute("pragma user_version = 99")
    with pytest.raises(TtcError, match="version 99"):
        Store(tmp_path / "s.sqlite")


def in_file(path: Path) -> int:
    """The samples that another process would find."""
    return int(sqlite3.connect(path).execute("select count(*) from samples").fetchone()[0])


def test_what_was_added_is_written_while_nothing_else_happens(tmp_path: Path) -> None:
    """A backend may be silent for minutes, and be killed in them."""
    store = Store(tmp_path / "s.sqlite")
    store.add(sample(0))
    until = time.monotonic() + 30
    while in_file(store.path) < 1:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_store_that_nobody_closes_is_written_at_the_end(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    store.add(sample(0))
    del store
    gc.collect()
    assert in_file(tmp_path / "s.sqlite") == 1


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.add(sample(0))
    with pytest.raises(StoreError, match="closed"):
        store.have(REQUEST.address)


def test_an_interrupt_between_writing_and_forgetting_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Ctrl-C comes between any two steps: here before the commit, and after it."""

    class Interrupting:
        """A connection that is interrupted at one statement, before or after it."""

        def __init__(self, db: sqlite3.Connection, after: bool) -> None:
            self.db, self.after, self.calls = db, after, 0

        def execute(self, statement: str, *values: object) -> object:
            if statement != "commit" or self.calls:
                return self.db.execute(statement, *values)  # type: ignore[arg-type]
            self.calls += 1
            if self.after:
                self.db.execute(statement)
            raise KeyboardInterrupt

        def __getattr__(self, name: str) -> object:
            return getattr(self.db, name)

    for after in (False, True):
        store = Store(tmp_path / f"{after}.sqlite")
        store._writer._db = Interrupting(store._db, after)  # type: ignore[assignment]
        with store._writer.lock:  # the thread must not come first
            store.add(sample(0))
            with pytest.raises(KeyboardInterrupt):
                store.have(REQUEST.address)
        assert store.have(REQUEST.address) == {0}
        store.close()
        assert in_file(store.path) == 1


def test_missing_indices_of_many_pools_are_found_in_few_queries(tmp_path: Path) -> None:
    """Whole pools, pools with gaps, empty ones and several entries for one request, in the order that was asked."""
    store = Store(tmp_path / "s.sqlite")
    requests = [Request("m", (Message("user", f"{i}"),), 16) for i in range(1200)]
    stored = {i: [j for j in range(4) if (i * 7 + j) % (1 + i % 5)] for i in range(len(requests))}
    for i, indices in stored.items():
        for j in indices:
            store.add(Sample(requests[i], j, sample(0).completion))
    queries: list[str] = []
    store.settle()
    store._db.set_trace_callback(queries.append)
    wanted: list[tuple[Request, int | tuple[int, ...]]] = [*((r, 4) for r in requests), (requests[7], (9, 1))]
    found = store.missing(wanted)
    lacking = [(r, tuple(j for j in range(4) if j not in stored[i])) for i, r in enumerate(requests)]
    lacking.append((requests[7], tuple(j for j in (9, 1) if j not in stored[7])))
    assert found == [(r, indices) for r, indices in lacking if indices]
    assert len(queries) <= 2 * (len(requests) // 500 + 1)


def test_scores_of_many_items_come_back_in_few_queries(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    verdicts = {f"item {i}": Score(i / 7 if i % 3 else None, Usage(prompt=i), i or None) for i in range(1100)}
    for item, score in verdicts.items():
        store.add_score("v", item, score)
        store.add_score("other", item, Score(-1.0))
    store.add_score("v", "item 1", Score(9.0))  # too late
    store.settle()
    queries: list[str] = []
    store._db.set_trace_callback(queries.append)
    assert store.scores("v", [*verdicts, "never seen", "item 5"]) == verdicts
    assert store.scores("v", []) == {}
    assert len(queries) == 3


def test_the_log_beside_the_file_is_emptied_while_samples_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a thread of its own, as whoever waits for the disk writes no samples."""
    monkeypatch.setattr(writing, "PAGES", 50)
    with closing(Store(tmp_path / "s.sqlite")) as store:
        for i in range(200):
            store.add(sample(i, "long " * 500))
        store.settle()
        until = time.monotonic() + 30
        while store._writer._checkpoint is None or store._writer._checkpoint.is_alive():
            assert time.monotonic() < until
            time.sleep(0.01)
        assert store.path.stat().st_size > 200 * 2000
        shutil.copy(store.path, tmp_path / "alone.sqlite")
    assert in_file(tmp_path / "alone.sqlite") == 200


def test_kill_9_loses_a_moment_at_most(tmp_path: Path) -> None:
    """A writer that is killed leaves all that it had added a second before (a quarter of one on a machine that is not
    busy), without a gap; a second process reads it at once."""
    script = textwrap.dedent("""
        import sys, time
        sys.path.insert(0, sys.argv[2])
        from test_store import Store, sample
        store = Store(sys.argv[1])
        for i in range(10**6):
            store.add(sample(i))
            print(i, time.monotonic(), flush=True)
            time.sleep(0.002)
    """)
    path, tests = tmp_path / "s.sqlite", str(Path(__file__).parent)
    command = [sys.executable, "-c", script, str(path), tests]
    said: dict[int, float] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        while len(said) < 2 or max(said.values()) - min(said.values()) < 2:
            index, at = writer.stdout.readline().split()
            said[int(index)] = float(at)
        os.kill(writer.pid, signal.SIGKILL)
        killed = time.monotonic()
    kept = Store(path).have(REQUEST.address)
    assert {index for index, at in said.items() if at < killed - 1} <= kept
    assert kept == set(range(len(kept)))
