"""A local model on the machines of a cluster, as one backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from ttc_bench.backends.cluster.crew import Crew, ask
from ttc_bench.backends.cluster.link import Cluster
from ttc_bench.backends.cluster.member import Member
from ttc_bench.backends.spread import Spread
from ttc_bench.config import Config
from ttc_bench.core import Backend, Job, Request, Sample, SpendingLimit
from ttc_bench.errors import MemberLost, TtcError


class Fleet(Backend):
    """Copies of a model on the workers of a `cluster`. `name` is the model as a worker reads it; `make` makes its
    backend on this machine, which says what the model is, and never loads it. The cluster is joined at the first
    sample, or at once where only a worker can tell in which dtype the model will run. Raises TtcError."""

    def __init__(self, cluster: Cluster, name: str, config: Config, make: Callable[[Config], Backend]) -> None:
        if config.device not in ("auto", "cpu", "cuda"):
            raise TtcError(f"device = {config.device!r}: the cluster hands out its GPUs; expected auto, cpu or cuda")
        self._cluster, self._device = cluster, config.device
        self._reader = make(replace(config, device="cpu"))
        if not getattr(self._reader, "settled", True):
            config = replace(config, dtype=ask(cluster, name, config)["identity"]["dtype"])
            self._reader = make(replace(config, device="cpu"))
        self.model, self.signals, self.prefills = self._reader.model, self._reader.signals, self._reader.prefills
        self._crew = Crew(cluster, name, config, self.model, self._join)
        self._spread: Spread | None = None  # while sampling
        self._told: Mapping[str, Any] = {}  # by a worker that has loaded the model

    def identity(self) -> dict[str, Any]:
        """That of the model as its workers run it, and the cluster: address, workers, nodes, and workers lost."""
        crew = self._crew
        cluster = {"address": self._cluster.address, "workers": crew.most, "nodes": len(set(crew.served.values()))}
        lost = {"lost": len(crew.losses)} if crew.losses else {}
        return {**self._reader.identity(), "device": self._device, **self._told, "cluster": cluster | lost}

    def calls(self, jobs: Sequence[Job]) -> int:
        """One prefill per prompt; it may be more where the samples of a prompt are divided."""
        return self._reader.calls(jobs)

    def cut(self, text: str, tokens: int, total: int) -> str:
        """The first `tokens` tokens of a text, as whole characters."""
        return self._reader.cut(text, tokens, total)

    @property
    def notes(self) -> list[str]:
        """How many workers there were on how many nodes, which were lost, and which machines were left out."""
        return self._crew.notes

    def _join(self, name: str, member: Member) -> None:
        if self._spread is not None:
            self._spread.join(name, member)

    async def sample(self, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> AsyncIterator[Sample]:
        """Every sample of `jobs`, from whichever worker finishes one, each once. Workers that are lost are replaced
        where there is room, and machines that join are used. Raises PromptTooLong, which the prompts are looked through
        for before anything is generated, and a fatal BackendError where no worker can be had."""
        self._cluster.free(but=self)
        self._cluster.holder = self
        missing = {(job.request.address, index): job.request for job in jobs for index in job.indices}
        await self._crew.ready()
        await self._check(jobs)
        tending = asyncio.create_task(self._crew.tend())
        try:
            while missing:
                await self._crew.ready()
                self._spread = Spread(self._crew.workers)
                try:
                    async with aclosing(self._spread.sample(_jobs(missing))) as samples:
                        async for sample in samples:
                            missing.pop((sample.request.address, sample.index), None)
                            yield sample
                    return
                except MemberLost:  # it was the last one: is another to be had?
                    continue
        finally:
            self._spread = None
            tending.cancel()
            await asyncio.gather(tending, return_exceptions=True)

    async def _check(self, jobs: Sequence[Job]) -> None:
        """Loads the weights, and raises for a prompt that is too long. The workers divide the prompts."""
        workers = list(self._crew.workers.values())
        firsts = [Job(job.request, job.indices[:1]) for job in jobs]
        checks = [worker.actor.check.remote(firsts[i :: len(workers)]) for i, worker in enumerate(workers)]

        async def told(check: Any) -> Any:
            return await check

        for result in await asyncio.gather(*map(told, checks), return_exceptions=True):
            if isinstance(result, TtcError):
                raise result
            if isinstance(result, Mapping):  # else the worker died, which shows when it is to sample
                self._told = result

    def retire(self) -> None:
        """Ends the workers, unless they are sampling. New ones start at the next sample."""
        if self._spread is None:
            self._crew.retire()

    async def close(self) -> None:
        """Ends the workers, which frees their machines' memory."""
        await self._crew.close()
        if self._cluster.holder is self:
            self._cluster.holder = None


def _jobs(missing: Mapping[tuple[str, int], Request]) -> list[Job]:
    """The missing samples as jobs, in their order."""
    indices: dict[str, list[int]] = {}
    requests: dict[str, Request] = {}
    for (address, index), request in missing.items():
        requests[address] = request
        indices.setdefault(address, []).append(index)
    return [Job(requests[address], tuple(sorted(of_request))) for address, of_request in indices.items()]
