"""Where workers go: one for each GPU of the cluster, or for each so many processor cores of a machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ttc_bench.backends.cluster.link import Node


@dataclass(frozen=True)
class Place:
    """Room for one worker on a machine. `device` is what the worker's backend is made for."""

    node: Node
    cpus: int
    gpus: int

    @property
    def device(self) -> str:
        """ "cuda" is the one GPU that Ray shows to the worker."""
        return "cuda" if self.gpus else "cpu"


def places(nodes: Sequence[Node], device: str, cpus_per_worker: int | None) -> list[Place]:
    """The places of a cluster. `device`: "cpu", "cuda", or "auto" for its GPUs if it has any, else its processors. A
    worker with a GPU takes `cpus_per_worker` cores too (1 if None); one without takes as many (all of its machine)."""
    gpus = device == "cuda" or (device == "auto" and any(node.gpus >= 1 for node in nodes))
    found = []
    for node in nodes:
        cpus = cpus_per_worker or (1 if gpus else int(node.cpus))
        room = min(int(node.cpus) // cpus, int(node.gpus) if gpus else int(node.cpus)) if cpus else 0
        found += [Place(node, cpus, int(gpus))] * room
    return found


def free(wanted: Iterable[Place], taken: Iterable[Place]) -> list[Place]:
    """The places without a worker."""
    return list((Counter(wanted) - Counter(taken)).elements())
