"""Joining stores: what several machines sampled apart becomes one file, as if one run had made it.

Rows are keyed (a sample by address and index), so joining is adding the rows whose key is not there yet. Where a key is
there already, both rows must say the same. All sources go in with one transaction: a refusal or a kill leaves the
target as it was. Rows pass through Python one by one, as SQLite attaches ten files at most and a job array has more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from ttc_bench.sampling.claims import at_work
from ttc_bench.sampling.store_file import StoreError, connect, damaged, explained

NAMED = 5  # disagreeing samples in an error
CACHE_KB = 200_000  # of the target's index, which rows enter in any order


@dataclass(frozen=True)
class _Table:
    """A table of a store: its columns, the first `keys` of which are the key, and those in which equal keys must agree.

    A sample is its text and its tokens: who paid for the prompt depends on the calls that it was made in, and signals
    are floating-point numbers that differ in the last digits between machines. Claims are of runs, not of samples."""

    name: str
    keys: int
    columns: tuple[str, ...]
    agree: tuple[str, ...]

    @property
    def insert(self) -> str:
        """Adds a row; of one that is there it only tells `noted` whether they say the same, and changes nothing."""
        key = self.columns[: self.keys]
        same = " and ".join(f"{column} is excluded.{column}" for column in self.agree)
        return (
            f"insert into {self.name} values ({', '.join('?' * len(self.columns))}) on conflict ({', '.join(key)}) "
            f"do update set {key[0]} = {key[0]} where noted({same}, {', '.join(key)})"
        )


_REQUESTS = _Table("requests", 1, ("address", "model", "request"), ("request",))
_SAMPLES = _Table(
    "samples",
    2,
    (
        *("address", "idx", "text", "reasoning", "stop_reason", "prompt_tokens", "cached_tokens", "completion_tokens"),
        *("reasoning_tokens", "token_source", "shares_prompt", "signals", "created"),
    ),
    ("text", "reasoning", "stop_reason", "completion_tokens", "reasoning_tokens"),
)
_FOLLOW_UPS = _Table("follow_ups", 3, ("address", "idx", "change", "child"), ("child",))
_SCORES = _Table(
    "scores",
    2,
    ("verifier", "item", "value", "prompt_tokens", "completion_tokens", "parameters", "created"),
    ("value",),
)


@dataclass(frozen=True)
class Taken:
    """What a merge took from one store: rows that were new, and rows that were there already (from the target or an
    earlier source). Of scores and follow-ups that differ the earlier one stays: a verdict is made once, and which text
    continues a sample is decided once; no text or token of a sample hangs on it."""

    source: Path
    samples: int
    samples_there: int
    scores: int
    scores_there: int
    scores_differ: int
    follow_ups_differ: int


@dataclass
class _Differing:
    """Rows that disagree with those of the same key: how many, and the first few keys."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def noted(self, same: int, *key: object) -> int:
        """Called by SQLite for a row whose key is there. Returns 0: the row there is not touched."""
        if not same:
            self.count += 1
            if len(self.first) < NAMED:
                self.first.append(f"{str(key[0])[:12]} sample {key[1]}" if len(key) > 1 else str(key[0])[:12])
        return 0


def merge(sources: Sequence[Path], into: Path) -> list[Taken]:
    """Adds the samples, continuations and scores of all sources to the store `into`, which is made where there is none,
    and returns what it took, in the order of the sources. Claims and whatever else can be computed again stay behind.

    Raises StoreError, and changes nothing, if samples of the same address and index have different texts or tokens, if
    a file is no store of this version, and if a run is at work on `into`."""
    try:
        return _merged(sources, into)
    except StoreError as error:
        raise StoreError(str(error).replace(" with --store", "")) from None  # `merge` has no such flag


def _merged(sources: Sequence[Path], into: Path) -> list[Taken]:
    with ExitStack() as stack:
        opened = []
        for source in sources:  # all, before anything is made or written
            if not source.is_file():
                raise StoreError(f"{source}: no such file; name stores that runs have made")
            if into.exists() and source.samefile(into):
                raise StoreError(f"{source}: is the store to merge into; name only others before --into")
            opened.append((source, stack.enter_context(closing(connect(source, read_only=True)))))
        db = stack.enter_context(closing(connect(into, read_only=False)))
        try:
            db.execute(f"pragma cache_size = -{CACHE_KB}")
            db.execute("begin immediate")
            if runs := at_work(db):
                raise StoreError(f"{into}: {', '.join(runs)} is sampling into it; merge when it has ended")
            taken = [_take(db, into, path, source) for path, source in opened]
            db.execute("commit")
        except sqlite3.Error as error:
            raise explained(into, error) from None
        return taken


def _take(db: sqlite3.Connection, into: Path, path: Path, source: sqlite3.Connection) -> Taken:
    """Adds the rows of one source, all of one moment. Raises StoreError if its samples disagree."""
    try:
        source.execute("begin")
        known = {name for (name,) in source.execute("select name from sqlite_master where type = 'table'")}
    except sqlite3.Error as error:
        raise explained(path, error) from None
    counts: dict[str, tuple[int, int, _Differing]] = {}
    for table in (_REQUESTS, _SAMPLES, _FOLLOW_UPS, _SCORES):
        differing, before, seen = _Differing(), db.total_changes, _Seen()
        db.create_function("noted", -1, differing.noted)
        if table.name in known:  # stores from before there were scores lack theirs
            db.executemany(table.insert, seen.rows(path, source, table))
        new = db.total_changes - before
        counts[table.name] = new, seen.count - new, differing
        if differing.count and table is _REQUESTS:
            raise damaged(path, ValueError("a request that is not the one of its address"))
        if differing.count and table is _SAMPLES:
            raise StoreError(_disagreement(path, into, differing))
    source.execute("rollback")
    return Taken(
        path,
        *counts["samples"][:2],
        *counts["scores"][:2],
        counts["scores"][2].count,
        counts["follow_ups"][2].count,
    )


@dataclass
class _Seen:
    """Counts the rows that a source gives."""

    count: int = 0

    def rows(self, path: Path, source: sqlite3.Connection, table: _Table) -> Iterator[tuple[object, ...]]:
        """The rows of a table in the order of their key, so that each pool comes to lie in one place."""
        query = f"select {', '.join(table.columns)} from {table.name} order by {', '.join(table.columns[: table.keys])}"
        try:
            for row in source.execute(query):
                self.count += 1
                yield row
        except sqlite3.Error as error:
            raise explained(path, error) from None


def _disagreement(path: Path, into: Path, differing: _Differing) -> str:
    more = f" and {differing.count - NAMED:,} more" if differing.count > NAMED else ""
    return (
        f"{path}: {differing.count:,} of its samples have another text or other tokens in {into} or in a store named "
        f"before it ({', '.join(differing.first)}{more}); nothing was merged. Samples that were made twice cannot be "
        "joined: leave one store out, and give runs that sample apart a --shard or a --seed each"
    )
