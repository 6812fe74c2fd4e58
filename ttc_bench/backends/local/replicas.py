"""A copy of a local model on each of several devices; the copies divide the prompts.

A sample depends on its request and index only, so it is the same whichever copy makes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from ttc_bench.backends.local.hf import HFBackend
from ttc_bench.backends.spread import Spread
from ttc_bench.core import Job, Sample, SpendingLimit


class Replicas(Spread):
    """`copies` of one model, at least one, each on a device of its own. Each makes an even share at once: they are
    equally fast, and a batch that is filled from one long queue stays full."""

    def __init__(self, copies: Sequence[HFBackend]) -> None:
        self._copies = {f"copy {i} on {copy.identity()['device']}": copy for i, copy in enumerate(copies)}
        super().__init__(self._copies)

    def identity(self) -> dict[str, Any]:
        """The identity of the first copy, with the devices of all."""
        identities = [copy.identity() for copy in self._copies.values()]
        return identities[0] | {"device": ",".join(identity["device"] for identity in identities)}

    async def sample(self, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> AsyncGenerator[Sample, None]:
        """Every sample of `jobs`, from whichever copy finishes one. Raises PromptTooLong before any copy generates, and
        later the first error of any copy; the others are cancelled."""
        await asyncio.gather(*(self._copies[name].check(share) for name, share in self.shares(jobs)))
        async with aclosing(super().sample(jobs, limit)) as samples:
            async for sample in samples:
                yield sample
