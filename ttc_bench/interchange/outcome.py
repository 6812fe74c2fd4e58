"""What an import took and what it left, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ttc_bench.errors import counted

KEPT = 5  # places of each reason that are told


@dataclass
class Places:
    """How many rows went one way, for each reason, and where the first of them are."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, place: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        places = self.first.setdefault(reason, [])
        if len(places) < KEPT:
            places.append(place)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def sentences(self, noun: str, what: str) -> list[str]:
        """A sentence for each reason: "3 rows left out: no gold answer (line 7, line 9, line 12)"."""
        return [
            f"{counted(count, noun)} {what}: {reason} ({', '.join(self.first[reason])}{', ...' if count > KEPT else ''})"
            for reason, count in self.counts.items()
        ]


@dataclass
class Imported:
    """What an import took, and what it left."""

    folder: Path
    samples: int = 0
    problems: int = 0
    of_task: int = 0  # problems that the task has
    fewest: int = 0  # samples of a problem
    most: int = 0
    duplicates: int = 0  # samples with the text of an earlier one of their problem
    holes: Places = field(default_factory=Places)
    broken: Places = field(default_factory=Places)
    unmatched: Places = field(default_factory=Places)
    few: int = 0  # problems left out, as they have fewer samples than asked for
    golds: int = 0  # samples whose gold answer is not the task's
    unchecked: int = 0  # samples that only their id joins to a problem
    lost: list[str] = field(default_factory=list)  # ids of problems of which every sample failed
    unread: int = 0  # samples without a readable answer
    remarks: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """What a reader of the results must know, in words."""
        said = [
            *self.broken.sentences("row", "left out"),
            *self.unmatched.sentences("sample", "left out"),
            *self.holes.sentences("sample", "failed where it was made"),
        ]
        if self.golds:
            said.append(
                f"{counted(self.golds, 'sample')} came with another gold answer than the task's, which is the one that counts"
            )
        if self.unchecked:
            said.append(
                f"{counted(self.unchecked, 'sample')} joined by their id alone, with neither question nor gold answer to check it"
            )
        if self.lost:
            named = f"{', '.join(self.lost[:KEPT])}{', ...' if len(self.lost) > KEPT else ''}"
            said.append(
                f"every sample of {counted(len(self.lost), 'problem')} failed, which no accuracy counts ({named})"
            )
        if self.few:
            said.append(f"{counted(self.few, 'problem')} left out, with fewer samples than --at-least asks for")
        if self.fewest < self.most:
            said.append(
                f"problems have {self.fewest:,} to {self.most:,} samples, so curves end at k = {self.fewest:,}; "
                "--at-least N leaves out those with fewer"
            )
        if self.duplicates:
            said.append(
                f"{counted(self.duplicates, 'sample')} with the very text of an earlier one of the same problem"
            )
        return [*said, *self.remarks]
