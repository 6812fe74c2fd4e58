"""Samples and their scores on disk: one SQLite file, one row each, never rewritten. The store never calls a backend.

To look into it:
sqlite3 results/samples.sqlite 'select idx, completion_tokens, text from samples limit 5'
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ttc_bench.core import Completion, Message, Request, Sample, Score, Usage
from ttc_bench.errors import TtcError

SCHEMA = """
create table if not exists requests (
    address text primary key,   -- sha256 of the canonical request
    model text not null,
    request text not null       -- the canonical JSON itself
);
create table if not exists samples (
    address text not null references requests(address),
    idx integer not null,       -- 0..n-1; with the address it decides the sample's randomness
    text text not null,
    reasoning text not null,
    stop_reason text not null,
    prompt_tokens integer not null,  -- as billed: 0 where an earlier sample of the same call paid the prompt
    cached_tokens integer not null,
    completion_tokens integer not null,
    reasoning_tokens integer not null,
    token_source text not null,
    shares_prompt integer not null,
    signals text not null,      -- JSON object
    created text not null,      -- UTC, ISO 8601
    primary key (address, idx)
);
create table if not exists follow_ups (
    address text not null,      -- of the request whose sample is gone on from
    idx integer not null,
    change text not null,       -- what was done to it: "budget 64 exit", "wait 1 Wait", "refine 2", ...
    child text references requests(address),  -- where the sample of the same idx is the rest; null: nothing changes
    primary key (address, idx, change)
);
create table if not exists scores (
    verifier text not null,     -- its identity: name, revision, dtype and whatever else can change a score
    item text not null,         -- sha256 of what was scored, whichever run it came from
    value real,                 -- null: it was asked and gave no verdict
    prompt_tokens integer not null,
    completion_tokens integer not null,
    parameters integer,         -- of the verifier's own model
    created text not null,
    primary key (verifier, item)
);
"""
VERSION = 1


class Store:
    """A file of samples. Several processes may use it at once; a stored sample never changes."""

    def __init__(self, path: Path | str) -> None:
        """Opens or creates the file. Raises TtcError where it is not a sample store."""
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # autocommit: every sample is on disk before the next is awaited
            self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")  # survives kill -9; a power cut may cost the last samples
            version = self._db.execute("pragma user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise TtcError(f"{path}: store version {version}, this ttc-bench reads {VERSION}; use another --store")
            self._db.executescript(SCHEMA)
            self._db.execute(f"pragma user_version = {VERSION}")
        except (sqlite3.Error, OSError) as error:
            raise TtcError(
                f"{path}: cannot be used as a sample store ({error}); name another file with --store"
            ) from None

    def have(self, address: str) -> frozenset[int]:
        """The indices of the stored samples of a request."""
        rows = self._db.execute("select idx from samples where address = ?", (address,))
        return frozenset(index for (index,) in rows)

    def add(self, sample: Sample) -> bool:
        """Stores a finished sample; returns False, and changes nothing, if it is stored already. Raises ValueError for
        a hole."""
        if sample.completion is None:
            raise ValueError("a hole is not a sample: it is asked for again, never stored")
        c, request = sample.completion, sample.request
        self._remember(request)
        row = (
            request.address,
            sample.index,
            _clean(c.text),
            _clean(c.reasoning),
            c.stop_reason,
            c.usage.prompt,
            c.usage.cached,
            c.usage.completion,
            c.usage.reasoning,
            c.usage.source,
            int(c.shares_prompt),
            json.dumps(dict(c.signals), sort_keys=True),
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        marks = ", ".join("?" * len(row))
        return self._db.execute(f"insert or ignore into samples values ({marks})", row).rowcount == 1

    def pool(self, request: Request, n: int | None = None) -> dict[int, Completion]:
        """Samples by index, in the order of the index; with `n` only those below n."""
        rows = self._db.execute(
            "select idx, text, reasoning, stop_reason, prompt_tokens, cached_tokens, completion_tokens,"
            " reasoning_tokens, token_source, shares_prompt, signals"
            " from samples where address = ? and idx < ? order by idx",
            (request.address, 2**62 if n is None else n),
        )
        return {
            index: Completion(
                text=text,
                reasoning=reasoning,
                stop_reason=stop_reason,
                usage=Usage(prompt, cached, completion, reasoned, source),
                shares_prompt=bool(shares),
                signals=json.loads(signals),
            )
            for (
                index, text, reasoning, stop_reason, prompt, cached, completion, reasoned, source, shares, signals,
            ) in rows
        }  # fmt: skip

    def missing(self, wanted: Iterable[tuple[Request, int | Sequence[int]]]) -> list[tuple[Request, tuple[int, ...]]]:
        """The missing indices of each request: those below n, or those among the given indices. Requests that lack none
        are left out."""
        out = []
        for request, n in wanted:
            have = self.have(request.address)
            lacking = tuple(i for i in (range(n) if isinstance(n, int) else n) if i not in have)
            if lacking:
                out.append((request, lacking))
        return out

    def follow(self, address: str, index: int, change: str, child: Request | None) -> None:
        """Records that a sample after this change continues with sample `index` of `child`; None: the sample stays as
        it is. Replaces an earlier record."""
        if child is not None:
            self._remember(child)
        self._db.execute(
            "insert or replace into follow_ups values (?, ?, ?, ?)",
            (address, index, change, child.address if child else None),
        )

    def followed(self, address: str, change: str) -> dict[int, Request | None]:
        """The requests that `follow` recorded, by index."""
        rows = self._db.execute(
            "select idx, child, request from follow_ups left join requests on requests.address = child"
            " where follow_ups.address = ? and change = ?",
            (address, change),
        )
        return {index: _request(text) if child else None for index, child, text in rows}

    def _remember(self, request: Request) -> None:
        self._db.execute(
            "insert or ignore into requests values (?, ?, ?)",
            (request.address, request.model, _clean(request.canonical)),
        )

    def scores(self, verifier: str, items: Iterable[str]) -> dict[str, Score]:
        """The stored verdicts of a verifier, by item."""
        query = "select value, prompt_tokens, completion_tokens, parameters from scores where verifier = ? and item = ?"
        verdicts = {}
        for item in items:
            row = self._db.execute(query, (verifier, item)).fetchone()
            if row is not None:
                value, prompt, completion, parameters = row
                verdicts[item] = Score(value, Usage(prompt=prompt, completion=completion), parameters)
        return verdicts

    def add_score(self, verifier: str, item: str, score: Score) -> None:
        """Stores a verdict, which may be None; an earlier one is kept."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        row = (verifier, item, score.value, score.usage.prompt, score.usage.completion, score.parameters, created)
        self._db.execute("insert or ignore into scores values (?, ?, ?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        self._db.close()


def _request(canonical: str) -> Request:
    fields: dict[str, Any] = json.loads(canonical)
    fields["messages"] = tuple(Message(**message) for message in fields["messages"])
    fields |= {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return Request(**fields)


def _clean(text: str) -> str:
    """Lone surrogates, which no encoding can write, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
