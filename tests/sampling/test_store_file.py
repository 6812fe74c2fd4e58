"""What can be wrong with a store's file: one line each, nothing adopted, nothing refilled in silence."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from fakes import config, model

from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.core import Completion, Job, Message, Request, Sample, Usage
from ttc_bench.errors import TtcError
from ttc_bench.experiment import replay, run
from ttc_bench.sampling import store_file
from ttc_bench.sampling.pool import fill
from ttc_bench.sampling.store import Store
from ttc_bench.sampling.store_file import StoreError, connect, file_system

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


def nearly_full(store: Store) -> None:
    """What a full disk looks like to SQLite: room for some thirty samples."""
    pages = store._db.execute("pragma page_count").fetchone()[0]
    store._db.execute(f"pragma max_page_count = {pages + 10}")


def test_a_full_disk_is_said_and_as_much_as_fits_is_kept(tmp_path: Path) -> None:
    """Written together there is room for none, one by one for some; what is lost is counted."""
    store = Store(tmp_path / "s.sqlite")
    nearly_full(store)
    with store._writer.lock:  # so that all are written together
        for i in range(200):
            store.add(sample(i))
        with pytest.raises(StoreError, match=r"no room is left on the disk; make some and type the same command again"):
            store.have(REQUEST.address)
    with pytest.raises(StoreError, match=r"no room is left.*; \d+ samples that had arrived are lost") as raised:
        store.close()
    kept = Store(store.path).have(REQUEST.address)
    assert 20 < len(kept) < 60
    assert f" {200 - len(kept)} samples that had arrived" in str(raised.value)


def test_room_that_is_made_in_time_saves_all(tmp_path: Path) -> None:
    """The thread that writes goes on trying, and so does every call."""
    store = Store(tmp_path / "s.sqlite")
    nearly_full(store)

    def fill_up() -> None:
        for i in range(10**6):
            store.add(sample(i))
            added.append(i)

    added: list[int] = []
    with pytest.raises(StoreError, match="no room is left"):
        fill_up()
    with store._writer.lock:
        store._db.execute("pragma max_page_count = 1000000")
    until = time.monotonic() + 30
    while store._writer._failure:
        assert time.monotonic() < until
        time.sleep(0.01)
    store.add(sample(len(added) + 1))
    store.close()
    assert Store(store.path).have(REQUEST.address) == set(range(len(added) + 2))  # also the one that was refused


def test_a_sample_that_no_column_can_hold_takes_no_other_with_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    with store._writer.lock:
        for i in range(3):
            store.add(replace(sample(i), completion=Completion("2", "stop", Usage(completion=10**20 if i == 1 else 3))))
        with pytest.raises(StoreError, match=r"too large.*; 1 sample that had arrived is lost"):
            store.settle()
    assert store.have(REQUEST.address) == {0, 2}
    store.add(sample(1))
    store.close()
    with sqlite3.connect(store.path) as db:
        assert db.execute("select count(*) from requests").fetchall() == [(1,)]


async def test_samples_that_a_full_disk_has_no_room_for_are_counted(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    nearly_full(store)
    backend = model(lambda request, index: sample(index).completion)
    with pytest.raises(StoreError, match=r"no room is left.* samples that had arrived are lost") as raised:
        await fill(store, backend, [(REQUEST, 1000)])
    kept = len(store.have(REQUEST.address))
    assert 20 < kept < 60
    assert f" {len(backend.asked) - kept} samples that had arrived are lost" in str(raised.value)
    assert store.claims.take([REQUEST.address]) == {REQUEST.address}  # given up, although the run failed


class Stopping(ScriptedBackend):
    """Has three calls under way when it is told to stop, and a second passes until they are there."""

    stopped = False

    def stop(self) -> bool:
        self.stopped = True
        return True

    async def sample(self, jobs: Sequence[Job], limit: object = None) -> AsyncIterator[Sample]:
        for index in jobs[0].indices:
            if self.stopped:
                break
            self.asked.append((REQUEST.address, index))
            yield sample(index)
            await asyncio.sleep(0.001)
        for index in jobs[0].indices[-3:]:
            self.asked.append((REQUEST.address, index))
            yield sample(index)


@pytest.mark.parametrize("room", [False, True])
async def test_calls_under_way_when_the_disk_is_full_are_taken_in(
    tmp_path: Path, room: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing further is asked for; where room is made meanwhile nothing is lost, else the count is exact."""
    store = Store(tmp_path / "s.sqlite")
    nearly_full(store)
    backend = Stopping(lambda request, index: "")

    def told(stop: Callable[[], bool] = backend.stop) -> bool:
        if room:
            with store._writer.lock:
                store._db.execute("pragma max_page_count = 1000000")
        return stop()

    monkeypatch.setattr(backend, "stop", told)
    with pytest.raises(StoreError, match="no room is left") as raised:
        await fill(store, backend, [(REQUEST, 10**5)])
    asked, kept = {index for _, index in backend.asked}, store.have(REQUEST.address)
    assert kept <= asked
    assert len(asked) < 10**5
    assert set(range(10**5 - 3, 10**5)) <= asked
    if room:
        assert kept == asked
        assert "lost" not in str(raised.value)
    else:
        assert f" {len(asked) - len(kept)} samples that had arrived are lost" in str(raised.value)


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
    store.add(sample(0))
    with pytest.raises(StoreError, match=r"cannot be written to.*1 sample that had arrived is lost"):
        store.close()


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


def test_a_new_store_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    """Whoever comes while it is being made waits, and sees all of it."""
    together = Barrier(8)

    def opened(path: Path) -> set[str]:
        together.wait()
        with closing(connect(path, read_only=False)) as db:
            return {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}

    with ThreadPoolExecutor(8) as pool:
        for number in range(25):
            for tables in pool.map(opened, [tmp_path / f"{number}.sqlite"] * 8):
                assert {"requests", "samples", "claims"} <= tables
