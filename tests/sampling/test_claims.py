"""Two runs on one store: no sample is made twice, and the claims of a run that was killed lapse."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.core import Completion, Job, Message, Request, Sample, Usage
from ttc_bench.errors import BackendError
from ttc_bench.sampling import pool
from ttc_bench.sampling.claims import Claims
from ttc_bench.sampling.pool import Watch, fill
from ttc_bench.sampling.store import Store
from ttc_bench.sampling.store_file import StoreError

REQUESTS = [Request("m", (Message("user", f"{i} + 1?"),), 16) for i in range(6)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "POLL_S", 0.01)


class Slow(ScriptedBackend):
    async def sample(self, jobs: Sequence[Job], limit: object = None) -> AsyncIterator[Sample]:
        async for sample in super().sample(jobs):
            await asyncio.sleep(0.002)
            yield sample


def slow() -> Slow:
    return Slow(lambda request, index: f"{index}")


@pytest.mark.parametrize("runs", [2, 3])
async def test_runs_on_one_store_make_each_sample_once(tmp_path: Path, runs: int) -> None:
    """Each made all samples before: two runs paid twice, three paid three times."""
    stores = [Store(tmp_path / "s.sqlite") for _ in range(runs)]
    backends, waits = [slow() for _ in stores], []
    filled = await asyncio.gather(
        *(
            fill(store, backend, [(r, 4) for r in REQUESTS], Watch(on_wait=lambda *told: waits.append(told)))
            for store, backend in zip(stores, backends, strict=True)
        )
    )
    asked = [key for backend in backends for key in backend.asked]
    assert len(asked) == len(set(asked)) == 24
    assert sum(f.made for f in filled) == 24
    assert all(len(store.pool(r)) == 4 for store in stores for r in REQUESTS)
    assert waits
    assert f"process {os.getpid()} on " in waits[0][1]


async def test_who_wants_more_makes_the_rest(tmp_path: Path) -> None:
    stores, backends = [Store(tmp_path / "s.sqlite") for _ in range(2)], [slow(), slow()]
    await asyncio.gather(
        *(fill(s, b, [(r, n) for r in REQUESTS]) for s, b, n in zip(stores, backends, (4, 9), strict=True))
    )
    asked = [key for backend in backends for key in backend.asked]
    assert len(asked) == len(set(asked)) == 6 * 9


async def test_what_failed_in_one_run_is_asked_by_the_other_once(tmp_path: Path) -> None:
    failing = Slow(lambda request, index: BackendError("down"))
    stores, healthy = [Store(tmp_path / "s.sqlite") for _ in range(2)], slow()
    lost, filled = await asyncio.gather(
        fill(stores[0], failing, [(r, 2) for r in REQUESTS]), fill(stores[1], healthy, [(r, 2) for r in REQUESTS])
    )
    assert len(lost.holes) == 12
    assert filled.made == 12
    assert len(failing.asked) == 12  # and not again and again


async def test_an_error_gives_the_claims_up(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    with pytest.raises(BackendError):
        await fill(store, ScriptedBackend(lambda r, i: BackendError("no key", fatal=True)), [(REQUESTS[0], 2)])
    assert (await fill(Store(tmp_path / "s.sqlite"), slow(), [(REQUESTS[0], 2)])).made == 2


def test_a_claim_ends_when_the_samples_are_written(tmp_path: Path) -> None:
    """Not before: in between another run would make them again."""
    mine, theirs = Store(tmp_path / "s.sqlite"), Store(tmp_path / "s.sqlite")
    request = REQUESTS[0]
    assert mine.claims.take([request.address]) == {request.address}
    with mine._writer.lock:  # the thread that writes has not come to it yet
        mine.add(Sample(request, 0, Completion("1", "stop", Usage(completion=1))))
        mine.release(request.address)
        assert theirs.claims.take([request.address]) == frozenset()
        assert theirs.have(request.address) == frozenset()
    mine.settle()
    assert theirs.claims.take([request.address]) == {request.address}
    assert theirs.have(request.address) == {0}
    for store in (mine, theirs):
        store.close()


def test_a_file_that_cannot_be_claimed_is_one_line(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    assert store.claims.take(["a"]) == {"a"}
    with sqlite3.connect(store.path) as db:
        db.execute("drop table claims")
    for call in (store.claims.take, store.claims.release):
        with pytest.raises(StoreError, match="no such table: claims"):
            call(["a"])
    with pytest.raises(StoreError, match="no such table: claims"):
        store.claims.others()
    store.close()


def test_a_killed_run_on_this_machine_holds_nothing(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from ttc_bench.sampling.claims import Claims
        print(sorted(Claims(Path(sys.argv[1])).take(["a", "b"])), flush=True)
        time.sleep(60)
    """)
    path = tmp_path / "s.sqlite"
    store = Store(path)
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "['a', 'b']"
        assert store.claims.take(["a", "c"]) == {"c"}
        assert store.claims.others() == [f"process {other.pid} on {os.uname().nodename}"]
        os.kill(other.pid, signal.SIGKILL)
    assert store.claims.take(["a"]) == {"a"}
    store.close()


def test_a_run_elsewhere_is_dead_when_its_beat_stands_still(tmp_path: Path) -> None:
    """Its process number means nothing here, and its clock may be wrong: only its beat tells."""
    path = tmp_path / "s.sqlite"
    Store(path).close()
    mine, theirs = (Claims(path, beat_s=0.02, lapse_s=0.3) for _ in range(2))
    theirs.owner = f"elsewhere boot space {os.getpid()} abcd"
    assert theirs.take(["a"]) == {"a"}
    until = time.monotonic() + 0.6
    while time.monotonic() < until:  # it lives
        assert mine.take(["a"]) == frozenset()
        time.sleep(0.02)
    theirs._ended.set()  # killed: it gives up nothing
    until = time.monotonic() + 10
    while not mine.take(["a"]):
        assert time.monotonic() < until
        time.sleep(0.02)
    mine.close()
