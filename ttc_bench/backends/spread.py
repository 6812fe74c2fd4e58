"""Several backends of one model share the work: copies on several devices, workers of a cluster, servers of one model.

The samples that are missing lie in one queue. Each member is handed a shard of it whenever it has little left to do, so
a fast one makes more; shards shrink towards the end, so that nobody is waited for long. A member that raises MemberLost
leaves, and what it had not yielded goes back into the queue. A sample depends on its request and index only, so it is
the same whoever makes it."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from ttc_bench.backends.shards import Key, Parcel, Queue
from ttc_bench.core import Backend, Job, Request, Sample, SpendingLimit, Usage
from ttc_bench.errors import BackendError, MemberLost


@dataclass
class _Shard:
    """What a member was handed, and what of it has not arrived."""

    name: str  # of the member
    owed: dict[Key, Request]
    calls: float  # per sample

    @property
    def load(self) -> float:
        return self.calls * len(self.owed)


@dataclass
class _Run:
    """One `sample` under way."""

    queue: Queue
    limit: SpendingLimit | None = None
    stopped: bool = False  # nothing further is handed out
    broken: BaseException | None = None  # what ends the run once all has arrived that is under way
    shards: dict[asyncio.Task[None], _Shard] = field(default_factory=dict)
    # (task, sample); (task, None) as its last; (None, None) when a member has joined
    arrived: asyncio.Queue[tuple[asyncio.Task[None] | None, Sample | None]] = field(default_factory=asyncio.Queue)
    # members that could not make a sample, and the hole that the last of them left, with what all were paid for it
    refused: dict[Key, tuple[frozenset[str], Sample]] = field(default_factory=dict)


class _Watched:
    """A spending limit that says when it has refused a call."""

    def __init__(self, limit: SpendingLimit, refused: Callable[[], object]) -> None:
        self._limit, self._refused = limit, refused

    def hold(self, request: Request, samples: int) -> float | None:
        held = self._limit.hold(request, samples)
        if held is None:
            self._refused()
        return held

    def settle(self, held: float, usage: Usage | None) -> None:
        self._limit.settle(held, usage)


class Spread(Backend):
    """`members`, at least one, by the name that a reader knows them by. They are backends of one model, the `model` of
    each, and say by `shard` and `at_once` how much they are handed. One that left stays away until `close`."""

    def __init__(self, members: Mapping[str, Backend]) -> None:
        self.members: dict[str, Backend] = {}
        self.made: Counter[str] = Counter()  # samples of each member
        self._left: dict[str, MemberLost] = {}
        self._notes: list[str] = []
        self._runs: list[_Run] = []
        for name, member in members.items():
            self.join(name, member)
        self.model = next(iter(self.members.values())).model

    def join(self, name: str, member: Backend) -> None:
        """Adds a member, at once also to what is being sampled. Raises a fatal BackendError for another model's."""
        if other := next((m.model for m in self.members.values() if m.model != member.model), None):
            raise BackendError(f"{name} serves {member.model}, the others {other}: they must be one model", fatal=True)
        self.members[name] = member
        self._left.pop(name, None)
        self._describe()
        for run in self._runs:
            run.arrived.put_nowait((None, None))

    def _describe(self) -> None:
        members = self.members.values()
        self.signals = frozenset.intersection(*(member.signals for member in members))  # servers unlearn some
        self.prefills = all(member.prefills for member in members)

    @property
    def alive(self) -> list[str]:
        """The members that have not left."""
        return [name for name in self.members if name not in self._left]

    @property
    def notes(self) -> list[str]:
        """Who left and why, and what the members say: with their names, unless all say it."""
        said = Counter(note for member in self.members.values() for note in dict.fromkeys(member.notes))
        lines = [
            note if said[note] == len(self.members) else f"{name}: {note}"
            for name, member in self.members.items()
            for note in member.notes
        ]
        return [*self._notes, *dict.fromkeys(lines)]

    def identity(self) -> dict[str, Any]:
        """That of the first member, and for each by its name where it differs and the samples that it made."""
        identities = {name: member.identity() for name, member in self.members.items()}
        first = next(iter(identities.values()))
        members = {
            name: {key: value for key, value in identity.items() if first.get(key) != value}
            | {"samples": self.made[name]}
            for name, identity in identities.items()
        }
        return {**first, "members": members}

    def calls(self, jobs: Sequence[Job]) -> int:
        """The number of calls (or prefills) if nothing fails and the members are equally fast."""
        return sum(self.members[name].calls(share) for name, share in self.shares(jobs))

    def shares(self, jobs: Sequence[Job]) -> list[tuple[str, list[Job]]]:
        """Who would be handed what, if the members were equally fast and none of them left."""
        queue, shares = Queue(jobs), []
        while queue.parcels:
            for i, name in enumerate(self.members):
                if share := self._take(queue, name, len(self.members) - i):
                    shares.append((name, share))
        return shares

    def cut(self, text: str, tokens: int, total: int) -> str:
        """The first `tokens` tokens of a text, as the first member cuts it."""
        return next(iter(self.members.values())).cut(text, tokens, total)

    def likely_reason(self) -> str:
        """The first that a member knows of."""
        return next((reason for m in self.members.values() if (reason := m.likely_reason())), "")

    def stop(self) -> bool:
        """Hands nothing further out, and stops every member. False if one of them has to be broken off."""
        for run in self._runs:
            run.stopped = True
        ending = [member.stop() for member in self.members.values()]
        return all(ending)

    async def close(self) -> None:
        """Closes every member. Those that had left may be asked again."""
        await asyncio.gather(*(member.close() for member in self.members.values()))
        self._left.clear()

    async def sample(self, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> AsyncGenerator[Sample, None]:
        """Every sample of `jobs`, from whichever member finishes one, each once. A call that could pass the `limit`,
        which holds for all members together, is not sent, and none after it.

        Raises:
            BackendError: fatal and not about one member, or the last that was left; what members that can be stopped
                had under way is yielded first.
        """
        run = _Run(Queue(jobs))
        run.limit = _Watched(limit, lambda: self._halt(run)) if limit else None
        self._runs.append(run)
        try:
            self._hand_out(run, list(self.members))
            for hole in self._lacking(run):  # every member had left before
                yield hole
            while run.shards:
                task, arrived = await run.arrived.get()
                if task is None:
                    self._hand_out(run, list(self.members))
                    continue
                if arrived is None:
                    self._ended(run, task)
                elif sample := self._accept(run, run.shards[task], arrived):
                    yield sample
                    self._hand_out(run, [run.shards[task].name])
                    continue
                self._hand_out(run, list(self.members))
                for hole in self._lacking(run):
                    yield hole
            if run.broken:
                raise run.broken
            for _, hole in run.refused.values():  # stopped before another member was asked
                yield hole
        finally:
            self._runs.remove(run)
            self._describe()
            for task in run.shards:
                task.cancel()
            await asyncio.gather(*run.shards, return_exceptions=True)

    def _take(self, queue: Queue, name: str, among: int) -> list[Job]:
        """The next shard of a member, one of `among` that have nothing to do: a part of what is left, that a fast
        member can come back for more, but not so small that calls and batches are spoilt."""
        most = self.members[name].shard
        if most is None:
            return queue.take_even(name, among)
        alive = max(1, len(self.alive))
        least = max(1, min(most // 4, math.ceil(queue.total / alive)))
        return queue.take(name, min(most, max(least, math.ceil(queue.samples / (2 * alive)))))

    def _hungry(self, run: _Run, name: str) -> bool:
        loads = [shard.load for shard in run.shards.values() if shard.name == name]
        at_once = self.members[name].at_once
        return not loads if at_once is None else sum(loads) < at_once

    def _hand_out(self, run: _Run, names: Sequence[str]) -> None:
        """Starts shards, in turn, until all these members are busy or nothing is left for them."""
        while run.queue.parcels and not run.stopped:
            hungry = [name for name in names if name not in self._left and self._hungry(run, name)]
            started = False
            for i, name in enumerate(hungry):
                if share := self._take(run.queue, name, len(hungry) - i):
                    started = True
                    self._start(run, name, share)
            if not started:
                return

    def _start(self, run: _Run, name: str, share: list[Job]) -> None:
        member = self.members[name]
        owed = {(job.request.address, index): job.request for job in share for index in job.indices}

        async def follow() -> None:
            # mypy knows the protocol's iterator, aclosing wants a generator: every async generator function gives one
            async with aclosing(cast(AsyncGenerator[Sample, None], member.sample(share, run.limit))) as samples:
                async for sample in samples:
                    run.arrived.put_nowait((task, sample))

        task = asyncio.create_task(follow())
        task.add_done_callback(lambda done: run.arrived.put_nowait((done, None)))
        run.shards[task] = _Shard(name, owed, member.calls(share) / len(owed))

    def _accept(self, run: _Run, shard: _Shard, sample: Sample) -> Sample | None:
        """The sample as it is to be yielded; None where another member is to be asked for it."""
        key = (sample.request.address, sample.index)
        shard.owed.pop(key, None)
        refused, before = run.refused.pop(key, (frozenset[str](), None))
        if before:
            sample = replace(sample, wasted=before.wasted + sample.wasted)
        if isinstance(sample.error, MemberLost):
            refused |= {shard.name}
            run.refused[key] = refused, sample
            run.queue.give_back([Parcel(sample.request, (sample.index,), refused)])
            return None
        self.made[shard.name] += sample.completion is not None
        return sample

    def _ended(self, run: _Run, task: asyncio.Task[None]) -> None:
        """A shard has ended. What of it did not arrive is left to the others if its member is lost; otherwise it was
        stopped, or silent, which the caller sees."""
        shard = run.shards.pop(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, MemberLost):
            self._leave(run, shard.name, error)
        elif error:
            run.broken = run.broken or error
            self._halt(run)
        if shard.name in self._left:
            groups: dict[tuple[str, frozenset[str]], list[Key]] = {}
            for key in sorted(shard.owed):
                refused = run.refused[key][0] if key in run.refused else frozenset[str]()
                groups.setdefault((key[0], refused), []).append(key)
            run.queue.give_back(
                [
                    Parcel(shard.owed[keys[0]], tuple(index for _, index in keys), refused)
                    for (_, refused), keys in groups.items()
                ]
            )

    def _leave(self, run: _Run, name: str, error: MemberLost) -> None:
        """The member is handed nothing further; what else it has under way is waited for, or broken off."""
        if name not in self._left:
            made = self.made[name]
            self._left[name] = error
            self._notes.append(f"{name} left after {made:,} sample{'s' * (made != 1)}: {error}")
        self._end(run, name)

    def _halt(self, run: _Run) -> None:
        """Nothing further is handed out; what is under way is waited for where it can be."""
        run.stopped = True
        for name in {shard.name for shard in run.shards.values()}:
            self._end(run, name)

    def _end(self, run: _Run, name: str) -> None:
        if not self.members[name].stop():
            for task, shard in run.shards.items():
                if shard.name == name:
                    task.cancel()

    def _lacking(self, run: _Run) -> list[Sample]:
        """Holes for what no member that is left can make. Where none is left at all, the error of the last one decides
        whether that is the end of the run."""
        alive = frozenset(self.alive)
        if not alive and run.queue.parcels:
            last = list(self._left.values())[-1]
            if last.fatal:
                run.broken = run.broken or last
                return []
        else:
            last = None
        lacking = run.queue.remove(lambda parcel: alive <= parcel.refused)
        return [
            run.refused.pop((parcel.request.address, index), (None, Sample(parcel.request, index, error=last)))[1]
            for parcel in lacking
            for index in parcel.indices
        ]
