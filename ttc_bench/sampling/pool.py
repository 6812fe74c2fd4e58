"""Fills pools: asks the store which samples are missing, gets them from the backend, stores each on arrival."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from ttc_bench.core import Backend, Job, Request, Sample, SpendingLimit, Usage
from ttc_bench.errors import BackendError
from ttc_bench.sampling.store import Store

NOTHING = Usage()


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
    on_sample: Callable[[Sample], None] = lambda sample: None,
    limit: SpendingLimit | None = None,
) -> Filled:
    """Brings every (request, n) to n samples, or (request, indices) to these samples, as far as the backend and the
    limit allow. Asks for missing samples only, and does not call the backend if there are none. Each sample is stored
    before the next is awaited, so an interruption loses no sample that arrived. Raises the backend's fatal errors."""
    jobs = [Job(request, lacking) for request, lacking in store.missing(wanted)]
    if not jobs:
        return Filled()
    waiting = {(job.request.address, index) for job in jobs for index in job.indices}
    requests = {job.request.address: job.request for job in jobs}
    stored, holes, spent, wasted = 0, [], Usage(), Usage()
    # mypy knows the protocol's iterator, aclosing wants a generator: every async generator function gives one
    async with aclosing(cast(AsyncGenerator[Sample, None], backend.sample(jobs, limit))) as samples:
        async for sample in samples:
            key = (sample.request.address, sample.index)
            if key not in waiting:
                raise BackendError(f"the backend gave sample {sample.index} twice or unasked", fatal=True)
            waiting.remove(key)
            wasted += sample.wasted
            spent += sample.wasted
            if sample.completion is None:
                holes.append(sample)
            else:
                store.add(sample)
                stored += 1
                spent += sample.completion.usage
            on_sample(sample)
    silent = BackendError("the backend ended without an answer or an error")
    holes += [Sample(requests[address], index, error=silent) for address, index in sorted(waiting)]
    return Filled(stored, tuple(holes), spent, wasted)
