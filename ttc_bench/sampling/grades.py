"""Grades kept beside the samples that they are of, so that a report grades only what is new.

A row holds all graded samples of one request. It is a copy of what could be computed again: where it is missing, is
damaged or cannot be written, samples are graded anew."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ttc_bench.sampling.store import Store
from ttc_bench.sampling.store_file import StoreError, connect

AT_ONCE = 64  # rows in one transaction


class Key(NamedTuple):
    """The request, the change made to its samples ("": none), and how they are graded (grading.identity)."""

    address: str
    change: str
    grading: str


class Grades:
    """The grades in a store's file that code of this `version` made. A store that is only read is written to by a
    connection of its own, where that can be."""

    def __init__(self, store: Store, version: str) -> None:
        self._store, self._version = store, version

    def kept(self, keys: Collection[Key]) -> dict[Key, bytes]:
        """The packed columns of those that there are."""
        query = "select address, change, grading, columns from grades where version = ? and address in (...)"
        try:
            rows = list(self._store.rows_of(query, {key.address for key in keys}, [self._version]))
        except StoreError as error:
            if "no such table" in str(error):  # a store from before there were any, that is only read
                return {}
            raise
        found = {Key(*key): columns for *key, columns in rows}
        return {key: found[key] for key in keys if key in found}

    def counts(self, addresses: Collection[str], n: int) -> dict[str, tuple[int, int]]:
        """How many samples with an index below n each request has, and the sum of their indices."""
        query = "select address, count(*), sum(idx) from samples where idx < ? and address in (...) group by address"
        found = {address: (count, total) for address, count, total in self._store.rows_of(query, addresses, [n])}
        return {address: found.get(address, (0, 0)) for address in addresses}

    def keep(self, rows: Iterable[tuple[Key, bytes]]) -> Iterator[tuple[Key, bytes]]:
        """Passes the rows on, and writes them as they come by; nothing where the file cannot be written to."""
        rows = iter(rows)
        with contextlib.ExitStack() as stack:
            db, tried = None, False
            while part := list(islice(rows, AT_ONCE)):
                if not tried:
                    with contextlib.suppress(StoreError):
                        db = stack.enter_context(contextlib.closing(connect(self._store.path, read_only=False)))
                    tried = True
                if db is not None:
                    with contextlib.suppress(sqlite3.Error):
                        self._write(db, part)
                yield from part

    def _write(self, db: sqlite3.Connection, rows: Sequence[tuple[Key, bytes]]) -> None:
        db.execute("begin immediate")
        try:
            values = [(*key, self._version, columns) for key, columns in rows]
            db.executemany("insert or replace into grades values (?, ?, ?, ?, ?)", values)
            db.execute("commit")
        except BaseException:
            db.execute("rollback")
            raise
