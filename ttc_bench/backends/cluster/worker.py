"""What runs in the process of a Ray actor: one copy of the model, and samples sent in batches. Knows nothing of Ray."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import ttc_bench
from ttc_bench.config import Config
from ttc_bench.core import Backend, Completion, Job, Sample, Usage
from ttc_bench.errors import BackendError, TtcError

BATCH_S = 0.1  # samples that finish within this time travel together
# A sample without its request, which the driver has: (place in the jobs, index, completion, error, wasted). The last
# item of a stream may be the error that ended it.
Item = tuple[int, int, Completion | None, BackendError | None, Usage] | TtcError


class Worker:
    """One copy of a model. `open` comes first; its methods run in one event loop."""

    def __init__(self) -> None:
        self._backend: Backend | None = None

    def about(self) -> dict[str, Any]:
        """The code that this process runs, and the process: version, code (a digest) and pid."""
        return {"version": ttc_bench.__version__, "code": code(), "pid": os.getpid()}

    async def open(self, model: str, config: Config, threads: int) -> dict[str, Any] | TtcError:
        """Makes the backend, without loading its weights. Returns its model, identity, and the rows of a full batch, or
        what is wrong. `threads`: of the processor, for a model that computes there."""
        from ttc_bench.backends.by_name import make_backend
        from ttc_bench.backends.local.weights import useful_rows

        os.environ["OMP_NUM_THREADS"] = str(threads)  # torch reads it when it is loaded, which nothing here needs yet
        try:
            self._backend = await asyncio.to_thread(make_backend, model, config)
        except TtcError as error:
            return error
        identity = self._backend.identity()
        rows = config.rows or useful_rows(identity.get("parameters"), config.device)
        return {"model": self._backend.model, "identity": identity, "rows": rows}

    async def check(self, jobs: Sequence[Job]) -> dict[str, Any] | TtcError:
        """Loads the weights. Returns the identity of the backend, in which its engine stands now, or the error that
        `sample` would end with before it generates anything."""
        assert self._backend is not None
        check = getattr(self._backend, "check", None)
        try:
            if check:
                await check(jobs)
        except TtcError as error:
            return error
        return self._backend.identity()

    async def sample(self, jobs: Sequence[Job]) -> AsyncGenerator[list[Item], None]:
        """Batches of samples of the jobs, as they finish."""
        assert self._backend is not None
        places = {job.request.address: place for place, job in enumerate(jobs)}
        arrived: asyncio.Queue[Item | None] = asyncio.Queue()

        async def follow(samples: AsyncGenerator[Sample, None]) -> None:
            try:
                async with aclosing(samples):
                    async for sample in samples:
                        place = places[sample.request.address]
                        arrived.put_nowait((place, sample.index, sample.completion, sample.error, sample.wasted))
            except TtcError as error:
                arrived.put_nowait(error)
            finally:
                arrived.put_nowait(None)

        task = asyncio.create_task(follow(cast(AsyncGenerator[Sample, None], self._backend.sample(jobs))))
        try:
            ended = False
            while not ended:
                batch = [await arrived.get()]
                if batch[0] is not None:
                    await asyncio.sleep(BATCH_S)
                while not arrived.empty():
                    batch.append(arrived.get_nowait())
                ended = batch[-1] is None
                items = [item for item in batch if item is not None]
                if items:
                    yield items
            await task  # an error that nobody foresaw
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@functools.cache
def code() -> str:
    """A digest of the package's source files: two machines with equal ones run the same code."""
    package, total = Path(ttc_bench.__file__).parent, hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        total.update(f"{file.relative_to(package).as_posix()}\0".encode() + file.read_bytes())
    return total.hexdigest()
