"""Which run is making which samples: two runs on one store never pay for the same sample.

A run claims the requests that it is about to sample, and shows by a growing number (`beat`) that it lives. The claims
of a run that was killed lapse: at once where its process is seen to be gone, else when its beat has stood still for a
while by this run's own clock, so that clocks of two machines need not agree."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from ttc_bench.sampling.store_file import WAIT_S, StoreError, explained

BEAT_S = 3.0
DROP = "delete from claims where address = ? and owner = ?"
LAPSE_S = 30.0  # a beat that stands still so long belongs to a dead run


class Claims:
    """The claims of this run in a store's file. Close it to give up what is still claimed."""

    def __init__(self, path: Path, *, beat_s: float = BEAT_S, lapse_s: float = LAPSE_S) -> None:
        self.owner = f"{_machine()} {os.getpid()} {secrets.token_hex(4)}"
        self._path = path
        self._db = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        self._beat_s, self._lapse_s = beat_s, lapse_s
        self._seen: dict[str, tuple[int, float]] = {}  # owner -> its beat, and when that was first seen
        self._ended = threading.Event()
        self._heart: threading.Thread | None = None

    def take(self, addresses: Collection[str]) -> frozenset[str]:
        """Claims what no living run has claimed, and returns what this run holds of the addresses. Raises
        StoreError."""
        with self._writing() as db:
            for owner, beat in db.execute("select owner, max(beat) from claims group by owner").fetchall():
                if owner != self.owner and not self._lives(owner, beat):
                    db.execute("delete from claims where owner = ?", (owner,))
            rows = [(address, self.owner, 0) for address in addresses]
            db.executemany("insert or ignore into claims values (?, ?, ?)", rows)
            held = {a for (a,) in db.execute("select address from claims where owner = ?", (self.owner,))}
        if self._heart is None:
            self._heart = threading.Thread(target=self._keep_alive, name="claims", daemon=True)
            self._heart.start()
        return frozenset(held.intersection(addresses))

    def release(self, addresses: Collection[str]) -> None:
        """Gives up these claims: their samples are stored, or will not be made by this run. Raises StoreError."""
        with self._writing() as db:
            db.executemany(DROP, [(address, self.owner) for address in addresses])

    def others(self) -> list[str]:
        """The runs that hold claims beside this one, in words: "process 123 on HOST". Raises StoreError."""
        with self._writing() as db:
            owners = db.execute("select distinct owner from claims where owner != ?", (self.owner,)).fetchall()
        return sorted(_words(owner) for (owner,) in owners)

    def close(self) -> None:
        """Gives up all claims. A file that cannot be written to keeps them until this process has ended."""
        self._ended.set()
        if self._heart:
            self._heart.join()
        with contextlib.suppress(StoreError), self._writing() as db:
            db.execute("delete from claims where owner = ?", (self.owner,))
        self._db.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all or nothing, and one wait for the disk instead of one for each claim."""
        with self._lock:
            try:
                self._db.execute("begin immediate")
                yield self._db
                self._db.execute("commit")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                if isinstance(error, sqlite3.Error):
                    raise explained(self._path, error) from None
                raise

    def _lives(self, owner: str, beat: int) -> bool:
        machine, process, _ = owner.rsplit(" ", 2)
        if machine == _machine() and not runs(int(process)):
            return False
        before, since = self._seen.get(owner, (-1, 0.0))
        if beat != before:
            self._seen[owner] = (beat, time.monotonic())
            return True
        return time.monotonic() - since < self._lapse_s

    def _keep_alive(self) -> None:
        while not self._ended.wait(self._beat_s):
            # locked, or a full disk: the run itself meets that and says so
            with self._lock, contextlib.suppress(sqlite3.Error):
                self._db.execute("update claims set beat = beat + 1 where owner = ?", (self.owner,))


def at_work(db: sqlite3.Connection) -> list[str]:
    """The runs on this machine, in words, that hold claims in an open store. Raises sqlite3.Error."""
    owners = [owner for (owner,) in db.execute("select distinct owner from claims").fetchall()]
    return sorted(_words(owner) for owner in owners if owner.startswith(_machine()) and runs(int(owner.split()[-2])))


def _words(owner: str) -> str:
    return f"process {owner.split()[-2]} on {owner.split()[0]}"


def _machine() -> str:
    """This machine since it was started, and this container in it: where a process number means the same process."""
    boot = space = "-"
    with contextlib.suppress(OSError):  # not Linux
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = str(Path("/proc/self/ns/pid").stat().st_ino)
    return " ".join((socket.gethostname().replace(" ", "-"), boot, space))


def runs(process: int) -> bool:
    """Whether there is a process of this number on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
