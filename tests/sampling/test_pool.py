"""Filling pools: what is asked for, what is kept, what a failure leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.core import Completion, Job, Message, Request, Sample, Usage
from ttc_bench.errors import BackendError
from ttc_bench.sampling.pool import fill
from ttc_bench.sampling.store import Store

A, B = (Request("m", (Message("user", q),), 16) for q in "ab")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s.sqlite")


async def test_a_second_filling_asks_for_nothing(store: Store) -> None:
    backend = ScriptedBackend(lambda request, index: f"{index}")
    first = await fill(store, backend, [(A, 3), (B, 3)])
    second = await fill(store, backend, [(A, 3), (B, 3)])
    assert (first.made, second.made) == (6, 0)
    assert len(backend.asked) == 6
    assert second.spent == Usage()


async def test_growing_asks_for_the_new_ones_only(store: Store) -> None:
    backend = ScriptedBackend(lambda request, index: f"{index}")
    await fill(store, backend, [(A, 4)])
    backend.asked.clear()
    assert (await fill(store, backend, [(A, 16)])).made == 12
    assert backend.asked == [(A.address, i) for i in range(4, 16)]


async def test_a_failed_call_leaves_a_hole_that_is_asked_for_again(store: Store) -> None:
    """Law 6: never an answer, never a zero."""
    down = True
    backend = ScriptedBackend(lambda request, index: BackendError("503") if down and index == 1 else "fine")
    first = await fill(store, backend, [(A, 3)])
    assert [(hole.index, str(hole.error)) for hole in first.holes] == [(1, "503")]
    assert store.have(A.address) == {0, 2}
    down = False
    backend.asked.clear()
    assert (await fill(store, backend, [(A, 3)])).holes == ()
    assert backend.asked == [(A.address, 1)]


async def test_a_fatal_error_keeps_what_had_arrived(store: Store) -> None:
    def script(request: Request, index: int) -> str | BackendError:
        return BackendError("401: no such key", fatal=True) if index == 2 else "fine"

    with pytest.raises(BackendError, match="401"):
        await fill(store, ScriptedBackend(script), [(A, 5)])
    assert store.have(A.address) == {0, 1}


class Odd(ScriptedBackend):
    """Yields the samples it was made with, whatever it is asked."""

    samples: Sequence[Sample] = ()

    async def sample(self, jobs: Sequence[Job], limit: object = None) -> AsyncIterator[Sample]:
        for sample in self.samples:
            yield sample
            await asyncio.sleep(0)


async def test_samples_that_never_come_are_holes(store: Store) -> None:
    odd = Odd(lambda request, index: "")
    odd.samples = [Sample(A, 0, Completion("x", "stop", Usage(completion=1)))]
    filled = await fill(store, odd, [(A, 2)])
    assert [hole.index for hole in filled.holes] == [1]


async def test_a_sample_given_twice_is_an_error(store: Store) -> None:
    odd = Odd(lambda request, index: "")
    odd.samples = [Sample(A, 0, Completion(t, "stop", Usage(completion=1))) for t in "xy"]
    with pytest.raises(BackendError, match="twice"):
        await fill(store, odd, [(A, 2)])


async def test_spending_counts_retries_and_a_strategy_does_not(store: Store) -> None:
    """Tokens of failed attempts that were billed are run spending; the stored sample costs what it cost."""
    odd = Odd(lambda request, index: "")
    usage, wasted = Usage(prompt=10, completion=5, source="api"), Usage(prompt=10, completion=3, source="api")
    odd.samples = [Sample(A, 0, Completion("x", "stop", usage), wasted=wasted)]
    filled = await fill(store, odd, [(A, 1)])
    assert (filled.spent.prompt, filled.spent.completion, filled.wasted.completion) == (20, 8, 3)
    assert store.pool(A)[0].usage == usage


async def test_cancelling_keeps_finished_samples_and_closes_the_backend(store: Store) -> None:
    """Ctrl-C at any moment keeps every finished sample."""
    closed = []

    class Slow(ScriptedBackend):
        async def sample(self, jobs: Sequence[Job], limit: object = None) -> AsyncIterator[Sample]:
            try:
                yield Sample(A, 0, Completion("x", "stop", Usage(completion=1)))
                await asyncio.sleep(60)
            finally:
                closed.append(True)

    filling = asyncio.create_task(fill(store, Slow(lambda request, index: ""), [(A, 2)]))
    async with asyncio.timeout(30):
        while not store.have(A.address):  # noqa: ASYNC110 - a file has no event to wait for
            await asyncio.sleep(0.01)
    filling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await filling
    assert store.have(A.address) == {0}
    assert closed == [True]
