"""A copy of a local model on each of several devices; the copies divide the prompts.

A sample depends on its request and index only, so it is the same whichever copy makes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from ttc_bench.backends.local.hf import HFBackend
from ttc_bench.core import Backend, Job, Sample, SpendingLimit
from ttc_bench.errors import BackendError


class Replicas(Backend):
    """`copies` of one model, at least one, each on a device of its own."""

    def __init__(self, copies: Sequence[HFBackend]) -> None:
        self._copies = list(copies)
        if len({copy.model for copy in copies}) != 1:
            raise BackendError("copies of a model must be of the same weights and dtype", fatal=True)
        self.model, self.signals = copies[0].model, copies[0].signals

    def identity(self) -> dict[str, Any]:
        """The identity of the first copy, with the devices of all."""
        identities = [copy.identity() for copy in self._copies]
        return identities[0] | {"device": ",".join(identity["device"] for identity in identities)}

    def calls(self, jobs: Sequence[Job]) -> int:
        """One prefill per prompt; if there are fewer prompts than copies, one per prompt and copy that samples it."""
        return sum(map(len, self._shares(jobs)))

    def _shares(self, jobs: Sequence[Job]) -> list[list[Job]]:
        """The jobs of each copy: every n-th prompt with all its samples, or every n-th sample if there are few
        prompts."""
        n = len(self._copies)
        if len(jobs) >= n:
            return [list(jobs[i::n]) for i in range(n)]
        parts = [[Job(job.request, job.indices[i::n]) for job in jobs] for i in range(n)]
        return [[job for job in part if job.indices] for part in parts]

    async def sample(self, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> AsyncIterator[Sample]:
        """Every sample of `jobs`, from whichever copy finishes one. Raises PromptTooLong before any copy generates, and
        later the first error of any copy; the others are cancelled."""
        arrived: asyncio.Queue[Sample | Exception | None] = asyncio.Queue()

        async def follow(copy: HFBackend, share: list[Job]) -> None:
            try:
                async for sample in copy.sample(share):
                    arrived.put_nowait(sample)
                arrived.put_nowait(None)
            except Exception as error:  # raised below, where the caller can catch it
                arrived.put_nowait(error)

        pairs = [pair for pair in zip(self._copies, self._shares(jobs), strict=True) if pair[1]]
        await asyncio.gather(*(copy.check(share) for copy, share in pairs))
        running = [asyncio.create_task(follow(*pair)) for pair in pairs]
        try:
            ended = 0
            while ended < len(running):
                item = await arrived.get()
                if isinstance(item, Exception):
                    raise item
                if item is None:
                    ended += 1
                else:
                    yield item
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def cut(self, text: str, tokens: int, total: int) -> str:
        """The first `tokens` tokens of a text, as whole characters."""
        return self._copies[0].cut(text, tokens, total)

    async def close(self) -> None:
        """Free the memory of every copy."""
        await asyncio.gather(*(copy.close() for copy in self._copies))
