"""Samples and their scores on disk: one SQLite file, one row each, never rewritten. The store never calls a backend.

To look into it:
sqlite3 results/samples.sqlite 'select idx, completion_tokens, text from samples limit 5'
"""

from __future__ import annotations

import json
import sqlite3
import time
import weakref
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from ttc_bench.core import Completion, Message, Request, Sample, Score, StopReason, TokenSource, Usage
from ttc_bench.sampling.claims import DROP, Claims
from ttc_bench.sampling.store_file import connect, damaged, explained
from ttc_bench.sampling.writing import Row, Writer

ASKED = 500  # keys in one query; SQLite takes 32,766 values at most, before 3.32 it took 999
_REQUEST = "insert or ignore into requests values (?, ?, ?)"
_SAMPLE = f"insert or ignore into samples values ({', '.join('?' * 13)})"
_FOLLOW = "insert or replace into follow_ups values (?, ?, ?, ?)"
_signals = json.JSONEncoder(sort_keys=True).encode  # made once: json.dumps would make an encoder for each sample
_SCORE = "insert or ignore into scores values (?, ?, ?, ?, ?, ?, ?)"


class Store:
    """A file of samples. Several processes may use it at once; a stored sample never changes.

    What is added is written together with what comes within a fraction of a second (writing.py): a killed process loses
    a quarter of a second. Every read sees all that was added before it, and `close` writes the rest. Where rows cannot
    be written, the next call that adds or reads raises StoreError; they are kept and tried again until `settle`."""

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        """Opens the file, or creates it. Raises StoreError where it is not a sample store."""
        self.path = Path(path)
        self._db = connect(self.path, read_only=read_only)
        self._writer = Writer(self.path, self._db, {_SAMPLE: "sample", _SCORE: "score"})
        self._remembered: set[str] = set()  # addresses of requests that this process has added
        self._end = weakref.finalize(self, self._writer.close)  # also where nobody calls `close`

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
        """All rows of a query, with what was added before. Raises StoreError."""
        self._writer.flush()
        with self._reading(), self._writer.lock:
            return self._db.execute(query, values).fetchall()

    def rows_of(self, query: str, keys: Iterable[str], values: Sequence[object] = ()) -> Iterator[Any]:
        """The rows of a query for many keys, a few hundred at a time: "(...)" in it stands for their list, whose values
        come after `values`. Raises StoreError."""
        remaining = iter(keys)
        while some := list(islice(remaining, ASKED)):
            yield from self.rows(query.replace("(...)", f"({', '.join('?' * len(some))})"), [*values, *some])

    @property
    def empty(self) -> bool:
        """Whether there is no sample at all."""
        return not self.rows("select 1 from samples limit 1")

    def have(self, address: str) -> frozenset[int]:
        """The indices that exist."""
        rows = self.rows("select idx from samples where address = ?", (address,))
        return frozenset(index for (index,) in rows)

    def add(self, sample: Sample) -> None:
        """Takes a finished sample to store; one that is stored already stays as it is. Raises ValueError for a hole,
        and StoreError where samples cannot be written."""
        if sample.completion is None:
            raise ValueError("a hole is not a sample: it is asked for again, never stored")
        c, request = sample.completion, sample.request
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
            _signals(dict(c.signals)),
            _now(),
        )
        self._writer.put(*self._new(request), (_SAMPLE, row))

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

    def requests(self) -> Iterator[Request]:
        """Every request that there are samples of, in the order in which they came. Raises StoreError."""
        for (text,) in self.rows(
            "select request from requests where exists (select 1 from samples where samples.address = requests.address) "
            "order by rowid"
        ):
            with self._reading():
                yield _request(text)

    def missing(self, wanted: Iterable[tuple[Request, int | Sequence[int]]]) -> list[tuple[Request, tuple[int, ...]]]:
        """The missing indices of each request: those below n, or those among the given indices. Requests that lack none
        are left out."""
        wanted = list(wanted)
        have = self._have(dict.fromkeys(request.address for request, _ in wanted))
        out = []
        for request, n in wanted:
            stored = have.get(request.address, range(0))
            if isinstance(n, int) and isinstance(stored, range):
                lacking = tuple(range(len(stored), n))
            else:
                lacking = tuple(i for i in (range(n) if isinstance(n, int) else n) if i not in stored)
            if lacking:
                out.append((request, lacking))
        return out

    def _have(self, addresses: Iterable[str]) -> dict[str, Collection[int]]:
        """The indices that exist, by address; addresses without any are left out. Most pools hold 0..n-1, which their
        number and the last index tell: only of others is each index read."""
        counted = "select address, count(*), min(idx), max(idx) from samples where address in (...) group by address"
        have: dict[str, Collection[int]] = {}
        ragged: dict[str, set[int]] = {}
        for address, count, first, last in self.rows_of(counted, addresses):
            if (first, last) == (0, count - 1):
                have[address] = range(count)
            else:
                ragged[address] = set()
        for address, index in self.rows_of("select address, idx from samples where address in (...)", ragged):
            ragged[address].add(index)
        return have | ragged

    def follow(self, address: str, index: int, change: str, child: Request | None) -> None:
        """Records that a sample after this change continues with sample `index` of `child`; None: the sample stays as
        it is. Replaces an earlier record. Raises StoreError."""
        row = (address, index, change, child.address if child else None)
        self._writer.put(*(self._new(child) if child else ()), (_FOLLOW, row))

    def followed(self, address: str, change: str) -> dict[int, Request | None]:
        """What `follow` remembered, by index."""
        rows = self.rows(
            "select idx, child, request from follow_ups left join requests on requests.address = child"
            " where follow_ups.address = ? and change = ?",
            (address, change),
        )
        with self._reading():
            return {index: _request(text) if child else None for index, child, text in rows}

    def _new(self, request: Request) -> Iterator[Row]:
        """The row of a request, once."""
        if request.address not in self._remembered:
            self._remembered.add(request.address)
            yield _REQUEST, (request.address, request.model, _clean(request.canonical))

    def scores(self, verifier: str, items: Iterable[str]) -> dict[str, Score]:
        """The stored verdicts of a verifier, by item. Raises StoreError."""
        query = (
            "select item, value, prompt_tokens, completion_tokens, parameters from scores"
            " where verifier = ? and item in (...)"
        )
        return {
            item: Score(value, Usage(prompt=prompt, completion=completion), parameters)
            for item, value, prompt, completion, parameters in self.rows_of(query, items, (verifier,))
        }

    def add_score(self, verifier: str, item: str, score: Score) -> None:
        """Takes a verdict to store, which may be None; an earlier one is kept. Raises StoreError."""
        usage = score.usage
        row = (verifier, item, score.value, usage.prompt, usage.completion, score.parameters, _now())
        self._writer.put((_SCORE, row))

    def release(self, address: str) -> None:
        """Gives up this run's claim on a request together with the writing of its samples, so that nobody makes them
        again in between. Raises StoreError."""
        self._writer.put((DROP, (address, self.claims.owner)))

    def settle(self) -> None:
        """Writes all that was added, and gives up what cannot be written. Raises StoreError, with the number of samples
        and scores that are lost."""
        self._remembered.clear()  # the request of a sample may be among what is given up
        self._writer.settle()

    def close(self) -> None:
        """Settles, gives up the claims of this run and closes the file. Raises StoreError as `settle` does."""
        try:
            self._end()
        finally:
            if "claims" in self.__dict__:
                self.claims.close()


def _completion(
    text: str, reasoning: str, stop_reason: Any, prompt: int, cached: int, completion: int, reasoned: int, source: Any,
    shares: int, signals: str,
) -> Completion:  # fmt: skip
    kinds = (type(text), type(reasoning), type(prompt), type(cached), type(completion), type(reasoned))
    if kinds != _KINDS or stop_reason not in _ENDS or source not in _SOURCES:
        raise ValueError("a row that is no sample")
    usage = Usage(prompt, cached, completion, reasoned, source)
    return Completion(text, stop_reason, usage, reasoning, bool(shares), json.loads(signals) if signals != "{}" else {})


_KINDS = (str, str, int, int, int, int)
_ENDS, _SOURCES = get_args(StopReason), get_args(TokenSource)


def _request(canonical: str) -> Request:
    fields: dict[str, Any] = json.loads(canonical)
    fields["messages"] = tuple(Message(**message) for message in fields["messages"])
    fields |= {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return Request(**fields)


def _now() -> str:
    return _moment(int(time.time()))


@lru_cache(1)
def _moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def _clean(text: str) -> str:
    """Lone surrogates, which no encoding can write, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
