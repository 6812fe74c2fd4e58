"""Samples on disk: never rewritten, crash-safe, several processes at once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ttc_bench.core import Completion, Message, Request, Sample, Usage
from ttc_bench.errors import BackendError, TtcError
from ttc_bench.sampling.store import Store

REQUEST = Request("m", (Message("user", "1 + 1?"),), 16)


def sample(index: int, text: str = "2") -> Sample:
    usage = Usage(prompt=5, cached=1, completion=3, reasoning=2, source="api")
    return Sample(REQUEST, index, Completion(text, "length", usage, "hm", True, {"logprob": -0.5}))


def test_a_sample_comes_back_whole(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "s.sqlite")
    assert store.add(sample(3))
    assert store.pool(REQUEST) == {3: sample(3).completion}
    assert store.have(REQUEST.address) == {3}


def test_growing_asks_for_new_indices_only_and_leaves_every_old_byte(tmp_path: Path) -> None:
    """Law 7."""
    store = Store(tmp_path / "s.sqlite")
    for i in range(8):
        store.add(sample(i))
    dump = "select * from samples where idx < 8 order by idx"
    before = sqlite3.connect(tmp_path / "s.sqlite").execute(dump).fetchall()
    assert store.missing([(REQUEST, 64)]) == [(REQUEST, tuple(range(8, 64)))]
    for i in range(8, 64):
        store.add(sample(i))
    assert not store.add(sample(0, "rewritten"))
    assert sqlite3.connect(tmp_path / "s.sqlite").execute(dump).fetchall() == before
    assert store.missing([(REQUEST, 64)]) == []
    assert list(store.pool(REQUEST, 4)) == [0, 1, 2, 3]


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


def test_kill_9_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    """A writer that is killed between samples leaves all that it had reported; a second process reads them at once."""
    script = textwrap.dedent("""
        import sys
        sys.path.insert(0, sys.argv[2])
        from test_store import Store, sample
        store = Store(sys.argv[1])
        for i in range(10**6):
            store.add(sample(i))
            print(i, flush=True)
    """)
    path, tests = str(tmp_path / "s.sqlite"), str(Path(__file__).parent)
    with subprocess.Popen([sys.executable, "-c", script, path, tests], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(200)]
        os.kill(writer.pid, signal.SIGKILL)
    assert set(said) <= Store(path).have(REQUEST.address)
