"""Rows on their way to a store's file: gathered, and written together several times a second.

A row that is committed alone costs a third of a millisecond (benchmarks/store_speed.py); a thousand together cost that
each thirty of them. So rows wait here for GATHER_S at most, whether or not anything else happens meanwhile: a thread
writes them. No transaction stays open while anything is waited for, so other connections to the file get their turn."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from ttc_bench.sampling.store_file import StoreError, explained

GATHER_S = 0.1  # a killed process loses this and the time of one transaction, a quarter of a second in all
MOST = 2000  # rows that are written without waiting so long
FULL = 4 * MOST  # rows that whoever brings more has to wait for
PAGES = 2000  # that a file grows by between two checkpoints
Row = tuple[str, Sequence[object]]  # an SQL statement and its values


class Writer:
    """Writes rows through one connection to the file at `path`. `lock`: whoever else uses the connection holds it.
    `nouns`: what a statement adds ("sample"), for the sentence about what was lost; others can be made again for
    nothing."""

    def __init__(self, path: Path, db: sqlite3.Connection, nouns: Mapping[str, str]) -> None:
        self._path, self._db, self._nouns = path, db, nouns
        self.lock = threading.RLock()
        self._rows: list[Row] = []
        self._failure: StoreError | None = None  # of the last attempt
        self._some, self._many, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._checkpoint: threading.Thread | None = None
        self._pages = 0  # of the file at the last checkpoint

    def put(self, *rows: Row) -> None:
        """Takes rows to write, in this order. Raises StoreError where rows could not be written; none is dropped for
        that, these neither: all are tried again until `settle`."""
        self._rows.extend(rows)  # at once, so that the thread sees all or none
        if not self._thread:
            self._thread = threading.Thread(target=self._write_now_and_then, name="store", daemon=True)
            self._thread.start()
        if not self._some.is_set():
            self._some.set()
        if self._failure:
            raise self._failure
        if len(self._rows) >= FULL or self._ended.is_set():  # closed: SQLite refuses, and that is said
            self.flush()
        elif len(self._rows) >= MOST and not self._many.is_set():
            self._many.set()

    def flush(self) -> None:
        """Writes all that was put, in one transaction. Raises StoreError; the rows are tried again."""
        with self.lock:
            if rows := self._rows[:]:
                try:
                    self._commit(rows)
                except Exception as error:  # also values that no column can hold, such as a count above 2**63
                    self._failure = explained(self._path, error)
                    raise self._failure from None
                del self._rows[: len(rows)]  # after the commit: an interrupt in between writes them twice, as no change
                self._checkpoint_now_and_then()
            self._failure = None

    def settle(self) -> None:
        """Writes all that was put, and gives up what cannot be written. Raises StoreError that says how much is lost;
        nothing waits afterwards."""
        with self.lock:
            try:
                self.flush()
                return
            except StoreError as error:
                failure = error
            lost = Counter[str]()
            while self._rows:  # each alone: where there is little room, some still fit
                try:
                    if "locked" in str(failure):
                        raise failure  # every row would wait as long as the first one did
                    self._commit(self._rows[:1])
                except Exception as error:
                    failure = error if isinstance(error, StoreError) else explained(self._path, error)
                    lost[self._nouns.get(self._rows[0][0], "")] += 1
                del self._rows[0]
            self._failure = None
        if lost:
            parts = [f"{n:,} {noun}{'s' * (n > 1)}" for noun, n in lost.items() if noun]
            several = sum(n for noun, n in lost.items() if noun) > 1
            words = f"; {' and '.join(parts)} that had arrived {'are' if several else 'is'} lost" if parts else ""
            raise StoreError(f"{failure}{words}")

    def close(self) -> None:
        """Settles, ends the thread and closes the connection. Raises StoreError as `settle` does."""
        self._ended.set()
        for event in (self._some, self._many):
            event.set()
        _join(self._thread)
        try:
            self.settle()
        finally:
            _join(
                self._checkpoint
            )  # the last connection to be closed empties the log: a copy of the file is whole then
            self._db.close()

    def _commit(self, rows: Sequence[Row]) -> None:
        try:
            if self._db.in_transaction:  # a second Ctrl-C came while the first was being cleared away
                self._db.execute("rollback")
            self._db.execute("begin immediate")
            for statement, values in rows:
                self._db.execute(statement, values)
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    def _checkpoint_now_and_then(self) -> None:
        """Has a thread move what was committed from the log beside the file into the file. It waits for the disk, which
        takes a tenth of a second: on this connection no row could be written meanwhile."""
        pages = self._db.execute("pragma page_count").fetchone()[0]
        alive = self._checkpoint and self._checkpoint.is_alive()
        if pages - self._pages >= PAGES and not alive and not self._ended.is_set():
            self._pages = pages
            self._checkpoint = threading.Thread(target=_checkpoint, args=(self._path,), name="checkpoint", daemon=True)
            self._checkpoint.start()

    def _write_now_and_then(self) -> None:
        while not self._ended.is_set():
            self._some.wait()
            self._many.wait(GATHER_S)
            self._some.clear()
            self._many.clear()
            with suppress(StoreError):  # `put` and `settle` say it
                self.flush()
            if self._rows:
                self._some.set()


def _join(thread: threading.Thread | None) -> None:
    if thread and thread is not threading.current_thread():
        thread.join()


def _checkpoint(path: Path) -> None:
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(path)) as db,
    ):  # whoever writes meets what is wrong, and says it
        db.execute("pragma wal_checkpoint(passive)")
