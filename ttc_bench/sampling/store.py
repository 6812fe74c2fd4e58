"""Samples and their scores on disk: one SQLite file, one row each, never rewritten. The store never calls a backend.

To look into it:
sqlite3 results/samples.sqlite 'select idx, completion_tokens, text from samples limit 5'
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ttc_bench.core import Completion, Message, Request, Sample, Score, Usage
from ttc_bench.sampling.claims import Claims
from ttc_bench.sampling.store_file import connect, damaged, explained


class Store:
    """A file of samples. Several processes may use it at once; a stored sample never changes."""

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        """Opens the file, or creates it. Raises StoreError where it is not a sample store."""
        self.path = Path(path)
        self._db = connect(self.path, read_only=read_only)

    @cached_property
    def claims(self) -> Claims:
        """What this run is making, so that no other run on the file makes it too."""
        return Claims(self.path)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Raises StoreError for what SQLite refuses, and for rows that no store would have written."""
        try:
            yield
        except sqlite3.Error as error:
            raise explained(self.path, error) from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise damaged(self.path, error) from None

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a query. Raises StoreError."""
        with self._reading():
            return self._db.execute(query, values).fetchall()

    def _write(self, query: str, values: Sequence[object]) -> bool:
        """Whether a row was written. Raises StoreError."""
        try:
            return self._db.execute(query, values).rowcount == 1
        except sqlite3.Error as error:
            raise explained(self.path, error) from None

    @property
    def empty(self) -> bool:
        """Whether there is no sample at all."""
        return not self.rows("select 1 from samples limit 1")

    def have(self, address: str) -> frozenset[int]:
        """The indices that exist."""
        rows = self.rows("select idx from samples where address = ?", (address,))
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
        return self._write(f"insert or ignore into samples values ({marks})", row)

    def pool(self, request: Request, n: int | None = None) -> dict[int, Completion]:
        """Samples by index, those below n only where n is given, in the order of the index."""
        rows = self.rows(
            "select idx, text, reasoning, stop_reason, prompt_tokens, cached_tokens, completion_tokens,"
            " reasoning_tokens, token_source, shares_prompt, signals"
            " from samples where address = ? and idx < ? order by idx",
            (request.address, 2**62 if n is None else n),
        )
        with self._reading():
            return {index: _completion(*fields) for index, *fields in rows}

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
        self._write(
            "insert or replace into follow_ups values (?, ?, ?, ?)",
            (address, index, change, child.address if child else None),
        )

    def followed(self, address: str, change: str) -> dict[int, Request | None]:
        """What `follow` remembered, by index."""
        rows = self.rows(
            "select idx, child, request from follow_ups left join requests on requests.address = child"
            " where follow_ups.address = ? and change = ?",
            (address, change),
        )
        with self._reading():
            return {index: _request(text) if child else None for index, child, text in rows}

    def _remember(self, request: Request) -> None:
        self._write(
            "insert or ignore into requests values (?, ?, ?)",
            (request.address, request.model, _clean(request.canonical)),
        )

    def scores(self, verifier: str, items: Iterable[str]) -> dict[str, Score]:
        """The stored verdicts of a verifier, by item."""
        query = "select value, prompt_tokens, completion_tokens, parameters from scores where verifier = ? and item = ?"
        verdicts = {}
        for item in items:
            for value, prompt, completion, parameters in self.rows(query, (verifier, item)):
                verdicts[item] = Score(value, Usage(prompt=prompt, completion=completion), parameters)
        return verdicts

    def add_score(self, verifier: str, item: str, score: Score) -> None:
        """Stores a verdict, which may be None; an earlier one is kept."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        row = (verifier, item, score.value, score.usage.prompt, score.usage.completion, score.parameters, created)
        self._write("insert or ignore into scores values (?, ?, ?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Gives up the claims of this run and closes the file."""
        if "claims" in self.__dict__:
            self.claims.close()
        self._db.close()


def _completion(
    text: str, reasoning: str, stop_reason: Any, prompt: int, cached: int, completion: int, reasoned: int, source: Any,
    shares: int, signals: str,
) -> Completion:  # fmt: skip
    counts = (prompt, cached, completion, reasoned)
    whole = isinstance(text, str) and isinstance(reasoning, str) and all(isinstance(count, int) for count in counts)
    if not whole or stop_reason not in ("stop", "length") or source not in ("api", "tokenizer", "estimate"):
        raise ValueError("a row that is no sample")
    return Completion(text, stop_reason, Usage(*counts, source), reasoning, bool(shares), json.loads(signals))


def _request(canonical: str) -> Request:
    fields: dict[str, Any] = json.loads(canonical)
    fields["messages"] = tuple(Message(**message) for message in fields["messages"])
    fields |= {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return Request(**fields)


def _clean(text: str) -> str:
    """Lone surrogates, which no encoding can write, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
