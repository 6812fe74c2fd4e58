"""Fills pools: asks the store which samples are missing, gets them from the backend, stores each on arrival."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

from ttc_bench.core import Backend, Job, Request, Sample, SpendingLimit, Usage
from ttc_bench.errors import BackendError, Interrupted
from ttc_bench.sampling.store import Store
from ttc_bench.sampling.store_file import StoreError

NOTHING = Usage()
POLL_S = 0.5  # between two looks at what another run is making


class Stop:
    """A wish to end a run early: asked for from outside, heeded where samples are made."""

    def __init__(self) -> None:
        self.wanted = False
        self._backend: Backend | None = None

    def request(self) -> bool:
        """Asks the backend at work to start nothing further. Whether it will end by itself, once what is under way and
        paid for has arrived; False where there is nothing to wait for."""
        self.wanted = True
        return self._backend is not None and self._backend.stop()

    @contextmanager
    def while_sampling(self, backend: Backend) -> Iterator[None]:
        """Raises Interrupted at the end where the run was to end early."""
        self._backend = backend
        try:
            yield
        finally:
            self._backend = None
        if self.wanted:
            raise Interrupted


def _ignore(*_: object) -> None:
    return None


@dataclass(frozen=True)
class Watch:
    """Callbacks during a run."""

    on_plan: Callable[[int, int], None] = _ignore  # (samples wanted, samples missing), before each filling
    on_sample: Callable[[Sample], None] = _ignore
    on_score: Callable[[str, int, int], None] = _ignore  # verifier, scores done, scores to make
    on_grade: Callable[[int, int], None] = _ignore  # requests whose samples are graded, requests to grade
    on_wait: Callable[[int, str], None] = _ignore  # requests that other runs are sampling, and which runs
    stop: Stop = field(default_factory=Stop)  # by which the caller ends it early


SILENT = Watch()


@dataclass(frozen=True)
class Filled:
    """What a run did: samples made, holes (with their errors), scores made by verifiers that run a model, and the
    tokens billed, retries included."""

    made: int = 0
    holes: tuple[Sample, ...] = ()
    spent: Usage = NOTHING
    wasted: Usage = NOTHING  # the part of `spent` that went to failed attempts
    scores: int = 0
    scoring: Usage = NOTHING  # tokens of these scores, not part of `spent`
    notes: tuple[str, ...] = ()  # known reasons for missing samples

    @property
    def reasons(self) -> dict[str, int]:
        """The distinct errors that left holes, in words, with how many each; the most frequent first."""
        return dict(Counter(str(hole.error) for hole in self.holes).most_common())

    def __add__(self, other: Filled) -> Filled:
        return Filled(
            self.made + other.made,
            self.holes + other.holes,
            self.spent + other.spent,
            self.wasted + other.wasted,
            self.scores + other.scores,
            self.scoring + other.scoring,
            self.notes + other.notes,
        )


def remainder(store: Store, jobs: Sequence[Job], error: BackendError) -> Filled:
    """The outcome of filling `jobs` that ended with a fatal error: samples that arrived are in the store, all others
    are holes. The cost of failed attempts is not known."""
    stored, holes, spent = 0, [], Usage()
    for job in jobs:
        arrived = store.pool(job.request)
        for index in job.indices:
            if index in arrived:
                stored, spent = stored + 1, spent + arrived[index].usage
            else:
                holes.append(Sample(job.request, index, error=error))
    return Filled(stored, tuple(holes), spent)


async def fill(
    store: Store,
    backend: Backend,
    wanted: Sequence[tuple[Request, int | Sequence[int]]],
    watch: Watch = SILENT,
    limit: SpendingLimit | None = None,
) -> Filled:
    """Brings every (request, n) to n samples, or to those of the indices given, as far as the backend and the limit
    allow. Asks for missing indices only, and does not touch the backend when there are none. What had arrived is stored
    at the end, also of an interruption. What another run on the same store is making is waited for and not made again.
    Raises the backend's fatal errors, StoreError, and Interrupted."""
    total, tried, waiting = Filled(), defaultdict[str, set[int]](set), False
    while True:
        missing = [
            (request, indices)
            for request, lacking in store.missing(wanted)
            if (indices := tuple(i for i in lacking if i not in tried.get(request.address, ())))
        ]
        if not missing:
            return total
        held = store.claims.take([request.address for request, _ in missing])
        jobs = [Job(request, indices) for request, indices in store.missing(missing) if request.address in held]
        if jobs:
            try:
                with watch.stop.while_sampling(backend):
                    total += await _sample(store, backend, jobs, watch.on_sample, limit)
            finally:
                try:
                    store.settle()  # before the claims go, or another run would make the last samples again
                finally:
                    store.claims.release(held)
            for job in jobs:
                tried[job.request.address].update(job.indices)
        elif held:  # made by another run between the two looks
            store.claims.release(held)
        elif not waiting:
            watch.on_wait(len(missing), ", ".join(store.claims.others()))
            waiting = True
        else:
            await asyncio.sleep(POLL_S)


async def _sample(
    store: Store,
    backend: Backend,
    jobs: Sequence[Job],
    on_sample: Callable[[Sample], None],
    limit: SpendingLimit | None,
) -> Filled:
    waiting = defaultdict[str, set[int]](set)
    for job in jobs:
        waiting[job.request.address].update(job.indices)
    made, holes, spent, wasted = 0, [], Usage(), Usage()
    # mypy knows the protocol's iterator, aclosing wants a generator: every async generator function gives one
    async with aclosing(cast(AsyncGenerator[Sample, None], backend.sample(jobs, limit))) as samples:
        async for sample in samples:
            left = waiting[sample.request.address]
            if sample.index not in left:
                raise BackendError(f"the backend gave sample {sample.index} twice or unasked", fatal=True)
            left.remove(sample.index)
            if sample.wasted != NOTHING:
                wasted += sample.wasted
                spent += sample.wasted
            try:
                if sample.completion is None:
                    holes.append(sample)
                else:
                    store.add(sample)
                    made += 1
                    spent += sample.completion.usage
                if not left:
                    store.release(sample.request.address)
            except StoreError:
                await _rescue(store, backend, samples)
                raise
            on_sample(sample)
    silent = BackendError("the backend ended without an answer or an error")
    holes += [
        Sample(job.request, i, error=silent) for job in jobs for i in job.indices if i in waiting[job.request.address]
    ]
    return Filled(made, tuple(holes), spent, wasted)


async def _rescue(store: Store, backend: Backend, rest: AsyncGenerator[Sample, None]) -> None:
    """Where samples cannot be written: nothing further is asked for, and what is under way and paid for is taken in and
    tried again once it has all arrived, as room may have been made. Raises StoreError with what is lost."""
    if backend.stop():
        async for sample in rest:
            if sample.completion is not None:
                with suppress(StoreError):  # it is kept until the end
                    store.add(sample)
    store.settle()
