"""What can be wrong with a store's file: one line each, nothing adopted, nothing refilled in silence."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from fakes import config, model

from ttc_bench.core import Completion, Message, Request, Sample, Usage
from ttc_bench.errors import TtcError
from ttc_bench.experiment import replay, run
from ttc_bench.sampling import store_file
from ttc_bench.sampling.pool import fill
from ttc_bench.sampling.store import Store
from ttc_bench.sampling.store_file import StoreError, file_system

REQUEST = Request("m", (Message("user", "1 + 1?"),), 16)


def sample(index: int) -> Sample:
    return Sample(REQUEST, index, Completion("2" * 1000, "stop", Usage(completion=3)))


def test_somebody_elses_file_is_not_adopted(tmp_path: Path) -> None:
    path = tmp_path / "photos.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("create table photos (name text)")
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"is an SQLite file of another program"):
            Store(path, read_only=read_only)
    assert path.read_bytes() == before


def test_a_store_from_before_it_was_marked_opens(tmp_path: Path) -> None:
    Store(tmp_path / "s.sqlite").close()
    with sqlite3.connect(tmp_path / "s.sqlite") as db:
        db.execute("pragma application_id = 0")
        db.execute("drop table claims")
    store = Store(tmp_path / "s.sqlite")
    assert store.claims.take(["a"]) == {"a"}
    store.close()


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    store = Store(path)
    for i in range(60):
        store.add(sample(i))
    store.close()
    data = bytearray(path.read_bytes())
    data[8192:] = os.urandom(len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"^[^\n]*(damaged|cannot be used)[^\n]*$"):
        Store(path).pool(REQUEST)


def test_a_full_disk_is_said_and_what_was_stored_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    pages = store._db.execute("pragma page_count").fetchone()[0]
    store._db.execute(f"pragma max_page_count = {pages + 10}")  # what a full disk looks like to SQLite

    def fill_up() -> None:
        for i in range(1000):
            store.add(sample(i))

    with pytest.raises(StoreError, match=r"no room is left on the disk; make some and type the same command again"):
        fill_up()
    kept = store.have(REQUEST.address)
    assert 0 < len(kept) < 1000
    assert kept == set(range(len(kept)))


async def test_samples_that_a_full_disk_has_no_room_for_are_counted(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    pages = store._db.execute("pragma page_count").fetchone()[0]
    store._db.execute(f"pragma max_page_count = {pages + 10}")
    backend = model(lambda request, index: sample(index).completion)
    with pytest.raises(StoreError, match=r"no room is left.*1 sample that had arrived is lost"):
        await fill(store, backend, [(REQUEST, 1000)])


def test_a_network_file_system_is_refused_for_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path / "s.sqlite").close()
    monkeypatch.setattr(store_file, "file_system", lambda folder: "nfs4")
    with pytest.raises(StoreError, match=r"lies on a network file system \(nfs4\).*paid for twice.*--store"):
        Store(tmp_path / "s.sqlite")
    Store(tmp_path / "s.sqlite", read_only=True).close()


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="only Linux tells")
def test_file_systems_are_known(tmp_path: Path) -> None:
    assert file_system(Path("/proc")) == "proc"
    assert file_system(tmp_path) not in ("", "proc")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("samples.sqlite*")}


async def test_a_report_works_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only disk: SQLite cannot make the files that it wants beside the store, unless it is told that nobody else
    writes. What SQLite says there is said here by hand, as a test may not mount a disk."""
    result = await run(config(tmp_path), model())
    before, connect = contents(tmp_path), sqlite3.connect

    def on_a_read_only_disk(name: str, **options: object) -> sqlite3.Connection:
        if "mode=ro" not in str(name) or "immutable=1" not in str(name):
            raise sqlite3.OperationalError("unable to open database file")
        return connect(name, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", on_a_read_only_disk)
    again = await replay(result.folder)
    assert again.analysis.points == result.analysis.points
    assert contents(tmp_path) == before
    store = Store(tmp_path / "samples.sqlite", read_only=True)
    with pytest.raises(StoreError, match="cannot be written to"):
        store.add(sample(0))


async def test_an_emptied_or_missing_store_is_not_refilled_in_silence(tmp_path: Path) -> None:
    asked = config(tmp_path, name="r")
    await run(asked, model())
    for name in contents(tmp_path):
        (tmp_path / name).unlink()
    backend = model()
    with pytest.raises(TtcError, match=r"holds no sample, but .*r was made from some; give their file with --store"):
        await run(asked, backend)
    assert backend.asked == []


async def test_a_full_disk_ends_the_run_for_all_models(tmp_path: Path) -> None:
    """The error of one model is a note and the others go on; but nobody's samples could be kept here."""

    def filling(request: Request, index: int) -> Completion:
        with sqlite3.connect(tmp_path / "samples.sqlite") as db:  # somebody damages the file under way
            db.execute("drop table samples")
        return Completion("4", "stop", Usage(completion=1))

    backends = {"mine:a": model(filling, "a"), "mine:b": model(name="b")}
    with pytest.raises(StoreError, match="no such table"):
        await run(config(tmp_path, model=tuple(backends), method=("cot",)), backends)
    assert backends["mine:b"].asked == []
