"""Other work on the machines of a cluster: a function mapped over chunks, such as the grading of a large pool."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from ttc_bench.backends.cluster.link import load_ray
from ttc_bench.errors import TtcError

if TYPE_CHECKING:
    from ttc_bench.backends.cluster.link import Cluster

T = TypeVar("T")
R = TypeVar("R")
RETRIES = 3  # of a chunk whose process or machine is lost
ROOM_S = 60.0  # for a core to be free


class Executor:
    """One process per processor core of a cluster. Idle workers of a model give their cores up for it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def map(self, function: Callable[[T], R], chunks: Iterable[T]) -> Iterator[R]:
        """`function(chunk)` for each chunk, in their order, as they are done. The chunks are read as they are needed:
        twice as many as there are cores are under way. The function is sent once, by value where no module of an
        installed package holds it; a chunk should be worth a second or so. A chunk whose machine is lost is done
        again, RETRIES times. Raises what the function raises, and TtcError where the cluster cannot do it."""
        ray = load_ray()
        self._cluster.free()
        cores = max(1, int(sum(node.cpus for node in self._cluster.nodes())))
        until = time.monotonic() + ROOM_S
        while ray.available_resources().get("CPU", 0.0) < 1:
            if time.monotonic() > until:
                raise TtcError(f"{self._cluster} has no processor core that is free; its other work may hold them all")
            time.sleep(0.1)
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_call)
        sent, waiting = ray.put(function), deque[Any]()
        source = iter(chunks)
        try:
            while True:
                waiting.extend(task.remote(sent, chunk) for chunk in itertools.islice(source, 2 * cores - len(waiting)))
                if not waiting:
                    return
                yield self._result(ray, waiting[0])
                waiting.popleft()
        finally:
            for ref in waiting:
                ray.cancel(ref, force=True)

    def _result(self, ray: Any, ref: Any) -> Any:
        try:
            return ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            words = " ".join(str(error).split())[:300]
            raise TtcError(f"{self._cluster} lost a part of the work {RETRIES + 1} times: {words}") from None


def _call(function: Callable[[T], R], chunk: T) -> R:
    return function(chunk)
