"""What the checks look at: graded pools, the sizes of the texts behind them, and what their source said of them.

Texts stay in the store: their sizes are counted there, and those of the evidence are read one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from ttc_bench.analysis.graded import Graded, GradedPool
from ttc_bench.audit.excerpts import ending
from ttc_bench.audit.findings import SHOWN, Evidence
from ttc_bench.grading.columns import Columns
from ttc_bench.interchange.recorded import NOTHING, Recorded, Verdicts
from ttc_bench.sampling.store import Store

Array = np.ndarray[Any, np.dtype[Any]]
_SIZES = (
    "select address, idx, length(cast(text as blob)), length(cast(reasoning as blob)), token_source, stop_reason"
    " from samples where address in (...) order by address, idx"
)


@dataclass(frozen=True, eq=False)
class Written:
    """The texts of one problem. Arrays are [sample], in the order of the columns."""

    text: Array  # bytes of UTF-8 of the answer part
    thinking: Array  # bytes of the thinking that is kept
    counted: Array  # bool: somebody counted the generated tokens
    ended: Array  # bool: it is known whether the text was cut

    @property
    def size(self) -> Array:
        """Bytes of all that is kept."""
        return self.text + self.thinking


@dataclass(frozen=True, eq=False)
class Material:
    """One pool as it was sampled. `written` and `verdicts` are in the order of the pool's problems."""

    pool: GradedPool
    written: tuple[Written, ...]
    verdicts: tuple[Verdicts, ...]
    store: Store
    imported: bool = False  # whether somebody else drew conclusions from these samples

    @property
    def name(self) -> str:
        return f"{self.pool.task.name}, {self.pool.label()}"

    @property
    def problems(self) -> Iterator[tuple[Graded, Columns, Written, Verdicts]]:
        """Each problem with its columns, the sizes of its texts, and the source's verdicts."""
        for g, written, verdicts in zip(self.pool.problems, self.written, self.verdicts, strict=True):
            yield g, g.samples, written, verdicts

    @cached_property
    def samples(self) -> int:
        return int(self.pool.sizes.sum())

    def text(self, g: Graded, sample: int) -> str:
        """The text of the answer part of the sample at this place in the columns. Raises StoreError."""
        assert g.request is not None
        index = int(g.samples.index[sample])
        rows = self.store.rows("select text from samples where address = ? and idx = ?", (g.request.address, index))
        return rows[0][0] if rows else ""

    def evidence(self, cases: Iterable[tuple[int, int]], facts: Mapping[str, Any] = {}) -> list[Evidence]:
        """The first SHOWN of these samples, each a (problem, sample) by place, with the ends of their texts."""
        return [self.case(*case, facts=facts) for case in list(cases)[:SHOWN]]

    def case(self, problem: int, sample: int, text: str | None = None, facts: Mapping[str, Any] = {}) -> Evidence:
        """One sample, with the end of its text if no other words matter."""
        g, verdicts = self.pool.problems[problem], self.verdicts[problem]
        words = ending(self.text(g, sample)) if text is None else text
        return Evidence(g.problem.id, int(g.samples.index[sample]), verdicts.place[sample], words, facts)


def gather(pool: GradedPool, store: Store, recorded: Recorded | None) -> Material:
    """What the checks look at, for a pool as it was sampled. Raises StoreError, and TtcError for an imported.parquet
    that cannot be read."""
    addresses = [g.request.address for g in pool.problems if g.request is not None]
    sizes = dict(_sizes(store, addresses))
    verdicts = recorded.verdicts(pool.task.name, pool.prompt) if recorded else {}
    return Material(
        pool,
        tuple(_aligned(sizes[g.request.address], g) if g.request and len(g) else _nothing() for g in pool.problems),
        tuple(verdicts.get(g.problem.id, NOTHING).at(g.samples.index) for g in pool.problems),
        store,
        recorded is not None,
    )


def _sizes(store: Store, addresses: Sequence[str]) -> Iterator[tuple[str, Array]]:
    """Address -> [sample, (index, bytes of text, of thinking, counted, ended)]."""
    for address, rows in groupby(store.rows_of(_SIZES, addresses), key=lambda row: row[0]):
        found = [
            (index, text, thinking, source != "unknown", stop != "unknown")
            for _, index, text, thinking, source, stop in rows
        ]
        yield address, np.array(found, dtype=np.int64)


def _aligned(rows: Array, g: Graded) -> Written:
    index, text, thinking, counted, ended = rows[np.searchsorted(rows[:, 0], g.samples.index)].T
    assert (index == g.samples.index).all()
    return Written(text, thinking, counted.astype(bool), ended.astype(bool))


def _nothing() -> Written:
    none = np.zeros(0, dtype=np.int64)
    return Written(none, none, none.astype(bool), none.astype(bool))
