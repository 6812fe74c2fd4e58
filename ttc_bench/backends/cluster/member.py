"""A worker of a cluster as the driver sees it: a backend whose samples come from a Ray actor."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from ttc_bench.backends.cluster.link import load_ray
from ttc_bench.backends.cluster.places import Place
from ttc_bench.core import Backend, Job, Sample, SpendingLimit
from ttc_bench.errors import MemberLost, TtcError


class Member(Backend):
    """The worker `actor` at a `place`. `shard`: most samples that it is handed at once. `lost` is called when it is
    found dead, with the reason."""

    def __init__(self, actor: Any, place: Place, model: str, shard: int, lost: Callable[[str], None]) -> None:
        self.actor, self.place, self.model, self.shard = actor, place, model, shard
        self.made = 0
        self._lost = lost

    def calls(self, jobs: Sequence[Job]) -> int:
        """One prefill per prompt."""
        return len(jobs)

    async def sample(self, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> AsyncIterator[Sample]:
        """Every sample of `jobs`, as the batches of the worker arrive. Raises MemberLost once it is dead, and the
        errors of its backend."""
        ray = load_ray()
        stream = self.actor.sample.options(num_returns="streaming").remote(jobs)
        ended = False
        try:
            async for batch in stream:
                for item in await batch:
                    if isinstance(item, TtcError):
                        raise item
                    place, index, completion, error, wasted = item
                    self.made += completion is not None
                    yield Sample(jobs[place].request, index, completion, error, wasted)
            ended = True
        except ray.exceptions.RayError as error:
            ended = True
            reason = why(error)
            self._lost(reason)
            raise MemberLost(reason, fatal=True) from None
        finally:
            if not ended:
                ray.cancel(stream)


def why(error: Exception) -> str:
    """The reason in an error of Ray's, in one line for people."""
    errors = load_ray().exceptions
    if isinstance(error, errors.OutOfMemoryError):
        return "its machine ran out of memory"
    if isinstance(error, errors.RayTaskError):  # its code raised what nobody foresaw, such as an error of the GPU
        return f"{type(error.cause).__name__}: {' '.join(str(error.cause).split())[:200]}"
    if isinstance(error, errors.GetTimeoutError):
        return "it did not start in time; other work may hold its room"
    if isinstance(error, errors.ActorUnavailableError):
        return "it does not answer any more"
    if lacking := re.search(r"ModuleNotFoundError: (.+)", str(error)):
        return lacking[1]
    return "its process died"
