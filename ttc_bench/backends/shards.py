"""What several backends that share a run have still to be handed (spread.py)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ttc_bench.core import Job, Request

TOGETHER = 8  # samples of a request that stay with one member, which reads, or is paid for, their prompt once
Key = tuple[str, int]  # address and index of a sample


@dataclass(frozen=True)
class Parcel:
    """Samples of one request that nobody is making. `refused`: members that could not make them."""

    request: Request
    indices: tuple[int, ...]
    refused: frozenset[str] = frozenset()


class Queue:
    """What is still to be handed out."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.parcels = deque(Parcel(job.request, job.indices) for job in jobs)
        self.samples = self.total = sum(len(parcel.indices) for parcel in self.parcels)

    def take(self, name: str, most: int) -> list[Job]:
        """About `most` samples for a member (a request with more is cut, at a multiple of TOGETHER), none of them such
        that it has refused before."""
        taken, passed = [], []
        while self.parcels and most > 0:
            parcel = self.parcels.popleft()
            if name in parcel.refused:
                passed.append(parcel)
                continue
            cut = math.ceil(most / TOGETHER) * TOGETHER
            if len(parcel.indices) > cut:
                self.parcels.appendleft(replace(parcel, indices=parcel.indices[cut:]))
                parcel = replace(parcel, indices=parcel.indices[:cut])
            taken.append(parcel)
            most -= len(parcel.indices)
        self.parcels.extendleft(reversed(passed))
        return self._jobs(taken)

    def take_even(self, name: str, among: int) -> list[Job]:
        """One of `among` even shares: every n-th request, or if there are few, every n-th sample of each.

        Neighbours are often alike in length: so the shares are too."""
        passed = [parcel for parcel in self.parcels if name in parcel.refused]
        mine = [parcel for parcel in self.parcels if name not in parcel.refused]
        if len(mine) >= among:
            taken, left = mine[::among], [parcel for i, parcel in enumerate(mine) if i % among]
        else:
            taken = [replace(parcel, indices=parcel.indices[::among]) for parcel in mine]
            rests = [tuple(x for i, x in enumerate(parcel.indices) if i % among) for parcel in mine]
            left = [replace(parcel, indices=rest) for parcel, rest in zip(mine, rests, strict=True) if rest]
        self.parcels = deque([*passed, *left])
        return self._jobs(taken)

    def _jobs(self, parcels: Sequence[Parcel]) -> list[Job]:
        joined: dict[str, Job] = {}  # parcels of one request make one job
        for parcel in parcels:
            self.samples -= len(parcel.indices)
            address = parcel.request.address
            before = joined[address].indices if address in joined else ()
            joined[address] = Job(parcel.request, tuple(sorted((*before, *parcel.indices))))
        return list(joined.values())

    def give_back(self, parcels: Sequence[Parcel]) -> None:
        """Puts parcels at the front: they were due before all others."""
        self.parcels.extendleft(reversed(parcels))
        self.samples += sum(len(parcel.indices) for parcel in parcels)

    def remove(self, unwanted: Callable[[Parcel], bool]) -> list[Parcel]:
        """Takes out the parcels of a kind."""
        removed = [parcel for parcel in self.parcels if unwanted(parcel)]
        if removed:
            self.parcels = deque(parcel for parcel in self.parcels if not unwanted(parcel))
            self.samples -= sum(len(parcel.indices) for parcel in removed)
        return removed
