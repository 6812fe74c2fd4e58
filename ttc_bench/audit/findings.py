"""What an audit says: findings, each with its evidence and what it is worth in points of accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ttc_bench.errors import counted

Severity = Literal["serious", "notable", "cannot be told", "fine"]
ORDER: tuple[Severity, ...] = ("serious", "notable", "cannot be told", "fine")
SERIOUS = 1.0  # points of accuracy
NOTABLE = 0.05  # what one decimal shows
SHOWN = 100  # cases of a finding that are kept with their texts

CHECKS = {  # name -> what a reviewer asks
    "regraded": "does our reader give the recorded verdict?",
    "gold": "is the gold of the source that of the task?",
    "truncation": "how much of the accuracy is decided by the token limit?",
    "sameness": "are the samples of a problem different samples?",
    "ballots": "who votes without an answer?",
    "tokens": "are the tokens those of the texts?",
    "dependence": "are samples of one problem taken for independent?",
    "headline": "does the best line survive a paired test at equal tokens?",
    "power": "could so few problems show the difference?",
    "guessing": "is it better than guessing?",
    "unanimous": "which golds does every sample contradict?",
}


@dataclass(frozen=True)
class Evidence:
    """A case. `facts`: what was compared, by name, in the order in which it is told."""

    problem: str  # its id
    index: int | None = None  # of the sample; None where the case is the whole problem
    place: str = ""  # in the imported file
    text: str = ""  # the words that matter
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Finding:
    """The answer to one question about one pool, or one task. `points`: what it is worth, in percentage points of
    accuracy, signed where it has a direction; `low` and `high`: in points too, its interval or its ends."""

    check: str  # a name in CHECKS
    about: str  # the task, and the pool of samples, for people
    severity: Severity
    sentence: str
    points: float | None = None
    low: float | None = None
    high: float | None = None
    evidence: Sequence[Evidence] = ()  # at most SHOWN of the cases
    total: int = 0  # of cases
    numbers: Mapping[str, Any] = field(default_factory=dict, hash=False)  # everything that was computed


@dataclass(frozen=True)
class Audit:
    """All findings of a run, the most severe first, of equally severe ones the dearest."""

    findings: tuple[Finding, ...]

    @staticmethod
    def of(findings: Sequence[Finding]) -> Audit:
        return Audit(tuple(sorted(findings, key=lambda f: (ORDER.index(f.severity), -abs(f.points or 0.0)))))

    def count(self, severity: Severity) -> int:
        return sum(f.severity == severity for f in self.findings)

    @property
    def verdict(self) -> str:
        """The audit in a line."""
        serious = [f for f in self.findings if f.severity == "serious"]
        if serious:
            worth = max(abs(f.points or 0.0) for f in serious)
            most = f", worth up to {worth:.1f} points of accuracy" if worth >= NOTABLE else ""
            return f"{counted(len(serious), 'serious finding')}{most}"
        notable = self.count("notable")
        return f"nothing serious; {counted(notable, 'finding')} to know of" if notable else "nothing found"


def weighed(points: float) -> Severity:
    """Serious from SERIOUS points on, fine where one decimal shows none."""
    size = abs(points)
    return "serious" if size >= SERIOUS else "notable" if size >= NOTABLE else "fine"


def worst(*severities: Severity) -> Severity:
    return min(severities, key=ORDER.index)


def signed(points: float) -> str:
    """ "+1.2 points"."""
    return f"{points:+.1f} points"


def share(part: int, whole: int) -> str:
    """ "12 of 800 samples (1.5 %)" without the noun."""
    return f"{part:,} of {whole:,} ({part / max(whole, 1):.1%})"
