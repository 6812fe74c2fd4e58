"""The workers of one model on a cluster: started wherever there is room, compared with the driver, replaced when
lost."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import ttc_bench
from ttc_bench.backends.cluster.link import Cluster, Node, load_ray
from ttc_bench.backends.cluster.member import Member, why
from ttc_bench.backends.cluster.places import Place, free, places
from ttc_bench.backends.cluster.worker import Worker, code
from ttc_bench.config import Config
from ttc_bench.errors import BackendError, TtcError

ROOM_S = 60.0  # for the cluster to place a first worker
READ_S = 600.0  # for a worker to read the files of a model once, for their digest
GRACE_S = 20.0  # for the other workers, once one is ready
LOOK_S = 1.0  # between two looks for room
FRUITLESS = 3  # workers in each place of a machine that may die in a row before they gave a sample
BATCHES = 4  # full batches in a shard: with fewer, a batch runs empty more often; with more, the last ones differ more


@dataclass
class _Loss:
    """A worker that was lost."""

    name: str
    made: int
    reason: str
    replaced: bool = False

    def __str__(self) -> str:
        after = f"after {self.made:,} sample{'s' * (self.made != 1)} ({self.reason})"
        return f"{self.name} was lost {after}{' and replaced' if self.replaced else ''}"


class Crew:
    """The workers of the model that a worker reads as `name`. Every one has to be of the identity `model` and to run
    this code; their number and size follow from config.device and config.cpus_per_worker (places.places). `joined` is
    called with each that is ready."""

    def __init__(
        self, cluster: Cluster, name: str, config: Config, model: str, joined: Callable[[str, Member], None]
    ) -> None:
        self._cluster, self._name, self._config, self._model, self._joined = cluster, name, config, model, joined
        self.workers: dict[str, Member] = {}  # that live, as far as is known
        self.most = 0  # that lived at once
        self.served: dict[str, Node] = {}  # every one that was ever ready
        self.losses: list[_Loss] = []
        self._refused: dict[Node, BackendError] = {}
        self._starting: dict[asyncio.Task[None], Place] = {}
        self._placed = 0  # of those: the cluster has given them their room
        self._numbers = itertools.count(1)
        self._begun = False
        self._last = ""  # reason of a death
        self._fruitless: Counter[Node] = Counter()  # deaths in a row before a sample was given

    @property
    def notes(self) -> list[str]:
        """How many there were on how many machines, which were lost, and which machines were left out."""
        if not self.served:
            return []
        nodes = len(set(self.served.values()))
        words = f"{self.most} worker{'s' * (self.most != 1)} on {nodes} node{'s' * (nodes != 1)} of {self._cluster}"
        return [words, *map(str, self.losses), *(f"left out: {error}" for error in self._refused.values())]

    async def ready(self) -> None:
        """Waits for a worker, and a little for the others that have their room. Raises a fatal BackendError for one
        with other code or weights, and where none can be had."""
        self._cluster.join()
        until = time.monotonic() + ROOM_S
        while not self.workers:
            await self._look()
            self._raise_refusal()
            if not self._starting:
                raise BackendError(self._no_room(), fatal=True)
            if time.monotonic() > until and not self._placed:
                raise BackendError(f"{self._no_room()} within {ROOM_S:.0f} s", fatal=True)
            await asyncio.wait(self._starting, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        if not self._begun:  # later ones join when they can
            self._begun = True
            if self._starting:
                await asyncio.wait(self._starting, timeout=GRACE_S)
            self._raise_refusal()

    def _raise_refusal(self) -> None:
        if self._refused and not any(worker.made for worker in self.workers.values()):
            raise next(iter(self._refused.values()))

    def _no_room(self) -> str:
        if any(self._fruitless.values()):
            return f"workers on {self._cluster} end before they give a sample; the last one: {self._last}"
        nodes = self._cluster.nodes()
        cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
        cores = self._config.cpus_per_worker or 1
        wants = f"{cores} CPU{'s' * (cores != 1)}{' and a GPU' * (self._config.device == 'cuda')}"
        return (
            f"{self._cluster} has no room for a worker with {wants}: it has {len(nodes)} node{'s' * (len(nodes) != 1)}, "
            f"{cpus:g} CPUs and {gpus:g} GPUs, and other work may hold them"
        )

    async def tend(self) -> None:
        """Keeps every place of the cluster taken, until it is cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        """Starts a worker in every free place, but not on machines that were refused or where workers keep dying."""
        # in a thread: the head may be slow, or gone, and the workers' samples come without it
        nodes = await asyncio.to_thread(self._cluster.nodes)
        wanted = places(nodes, self._config.device, self._config.cpus_per_worker)
        taken = [*(worker.place for worker in self.workers.values()), *self._starting.values()]
        for place in free(wanted, taken):
            on_node = sum(other.node == place.node for other in wanted)
            if place.node not in self._refused and self._fruitless[place.node] < FRUITLESS * on_node:
                task = asyncio.create_task(self._start(place))
                self._starting[task] = place
                task.add_done_callback(self._starting.pop)

    async def _start(self, place: Place) -> None:
        """Starts a worker. One with other code or weights is refused: before anything was sampled that ends the run,
        later the machine is left out."""
        actor, placed = start(place), False
        try:
            about = await actor.about.remote()
            self._placed, placed = self._placed + 1, True
            if about["code"] != code():
                raise BackendError(
                    f"{place.node.name} runs other code of ttc-bench (version {about['version']}) than this machine "
                    f"({ttc_bench.__version__}); install the same on all",
                    fatal=True,
                )
            opened = await actor.open.remote(self._name, _of_worker(self._config, place), place.cpus)
            if isinstance(opened, TtcError):
                raise BackendError(f"{place.node.name} cannot serve {self._name}: {opened}", fatal=True)
            if opened["model"] != self._model:
                raise BackendError(
                    f"{place.node.name} has other weights ({opened['model']}) than this machine ({self._model}); "
                    "copy the same to all",
                    fatal=True,
                )
        except BackendError as error:
            self._refused[place.node] = error
            kill(actor)
        except load_ray().exceptions.RayError as error:
            self._last = why(error)
            if "ModuleNotFoundError" in str(error):
                words = (
                    f"{place.node.name} cannot load ttc-bench: {self._last}; install the same version on all machines"
                )
                self._refused[place.node] = BackendError(words, fatal=True)
            self._fruitless[place.node] += 1
            kill(actor)
        except asyncio.CancelledError:
            kill(actor)
            raise
        else:
            name = f"worker {next(self._numbers)} on {place.node.name}"
            self.workers[name] = member = Member(
                actor, place, self._model, BATCHES * opened["rows"], lambda reason: self._lose(name, reason)
            )
            self.served[name] = place.node
            self.most = max(self.most, len(self.workers))
            for loss in self.losses:
                if not loss.replaced:
                    loss.replaced = True
                    break
            self._joined(name, member)
        finally:
            self._placed -= placed

    def _lose(self, name: str, reason: str) -> None:
        """A worker was found dead."""
        member = self.workers.pop(name, None)
        if member is None:
            return
        kill(member.actor)  # it may be alive and out of reach
        self.losses.append(_Loss(name, member.made, reason))
        self._last = reason
        node = member.place.node
        self._fruitless[node] = 0 if member.made else self._fruitless[node] + 1

    async def close(self) -> None:
        """Ends all workers, ready or not."""
        starting = list(self._starting)
        self.retire()
        await asyncio.gather(*starting, return_exceptions=True)

    def retire(self) -> None:
        """The same, but those that are still being started end a moment later."""
        for member in self.workers.values():
            kill(member.actor)
        self.workers.clear()
        for task in self._starting:
            task.cancel()


def ask(cluster: Cluster, name: str, config: Config) -> dict[str, Any]:
    """What a worker says about the model, which is not loaded: model, identity, rows. Waits for it. Raises a fatal
    BackendError."""
    for place in places(cluster.nodes(), config.device, config.cpus_per_worker):
        ray, actor = load_ray(), start(place)
        try:
            ray.get(actor.about.remote(), timeout=ROOM_S)
            opened: dict[str, Any] | TtcError = ray.get(
                actor.open.remote(name, _of_worker(config, place), place.cpus), timeout=READ_S
            )
        except ray.exceptions.RayError as error:
            raise BackendError(f"{place.node.name} cannot serve {name}: {why(error)}", fatal=True) from None
        finally:
            kill(actor)
        if isinstance(opened, TtcError):
            raise BackendError(f"{place.node.name} cannot serve {name}: {opened}", fatal=True)
        return opened
    raise BackendError(f"{cluster} has no room for a worker", fatal=True)


def _of_worker(config: Config, place: Place) -> Config:
    return replace(config, device=place.device, cluster=None, cpus_per_worker=None)


def start(place: Place) -> Any:
    """A new actor at a place. It waits in the cluster for its room."""
    ray = load_ray()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(place.node.id, soft=False)
    options = {"num_cpus": place.cpus, "num_gpus": place.gpus, "max_restarts": 0, "scheduling_strategy": there}
    return ray.remote(Worker).options(**options).remote()


def kill(actor: Any) -> None:
    """Ends an actor, also one that has no room yet, if the cluster has not been left already."""
    if load_ray().is_initialized():
        load_ray().kill(actor)
