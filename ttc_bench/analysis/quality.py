"""The quality of the samples behind a curve: shares of spoilt samples, and notes in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ttc_bench.analysis.graded import GradedPool
from ttc_bench.core import Score
from ttc_bench.sampling.plan import Plan

SAME_TEXT = "the server probably ignores the temperature or the seed"
MOST_REASONS = 5  # errors that are told in full
RARE = {"estimated"}  # shares that a line leaves out where they are 0
SHARES = {  # field of Quality -> in words
    "truncated": "cut at the token limit",
    "unextracted": "without a readable answer",
    "duplicated": "duplicated",
    "failed": "failed",
    "estimated": "with estimated token counts",
}


@dataclass(frozen=True)
class Quality:
    """Shares (0..1) of a pool's samples: cut at the token limit, without an extractable answer, equal to an earlier
    sample of their problem; and the share of the requested samples that failed. `samples` and `problems` are counts."""

    name: str  # for people: task, model where there are several, and `samples_of`
    task: str
    model: str
    samples_of: str  # prompt, effort, change
    truncated: float
    unextracted: float
    duplicated: float
    failed: float
    estimated: float
    samples: int
    problems: int

    def shares(self) -> dict[str, float]:
        """The shares and counts by name, as in run.json."""
        return {name: getattr(self, name) for name in (*SHARES, "samples", "problems")}


def quality(pool: GradedPool) -> Quality:
    """The shares of one pool."""
    completions = [c for g in pool.problems for c in g.completions]
    n, requested = len(completions), pool.asked * len(pool.problems)
    distinct = sum(g.distinct for g in pool.problems)
    return Quality(
        name=f"{pool.task.name}, {pool.label()}",
        task=pool.task.name,
        model=pool.model,
        samples_of=pool.samples_label(),
        truncated=sum(c.stop_reason == "length" for c in completions) / max(n, 1),
        unextracted=sum(a is None for g in pool.problems for a in g.answers) / max(n, 1),
        duplicated=(n - distinct) / max(n, 1),
        failed=1 - n / requested,
        estimated=sum(c.usage.source == "estimate" for c in completions) / max(n, 1),
        samples=n,
        problems=len(pool.problems),
    )


def notes(plan: Plan, pools: Sequence[GradedPool], likely_reason: str) -> list[str]:
    """Sentences about missing samples and scores, and about pools whose samples are all the same text."""
    sentences = [
        f"{task.name}: {task.skipped} problems were left out, because their gold answers cannot be read"
        for task in plan.tasks
        if task.skipped
    ]
    temperature = plan.config.temperature
    for pool in pools:
        name = f"{pool.task.name}, {pool.label()}"
        requested = pool.asked * len(pool.problems)
        holes = requested - sum(len(g.completions) for g in pool.problems)
        if holes:
            sentences.append(
                f"{name}: {holes} of {requested} samples are missing (failed, or not asked for), "
                f"so curves end at k = {pool.depth}; the same command asks for them again"
            )
        for verifier, share in _unscored(pool).items():
            sentences.append(
                f"{name}: verifier {verifier} gave no score for {share:.1%} of the samples; those rank last"
            )
        several = [g for g in pool.problems if len(g.completions) > 1]
        if several and temperature > 0 and all(g.distinct == 1 for g in several):
            sentences.append(
                f"{name}: all samples of every problem are the same text at temperature {temperature:g}; "
                f"{likely_reason or SAME_TEXT}; more samples buy nothing here"
            )
    return sentences


def failures(reasons: Mapping[str, int]) -> list[str]:
    """A sentence for each of the errors that left most holes (words -> holes), and one for the rest."""
    told = [f"{count:,} sample{'s' * (count != 1)} failed: {words}" for words, count in reasons.items()]
    rest = list(reasons.values())[MOST_REASONS:]
    if rest:
        told[MOST_REASONS:] = [f"{sum(rest):,} more samples failed for {len(rest)} other reasons; run.json has them"]
    return told


def _unscored(pool: GradedPool) -> dict[str, float]:
    """Verifier -> share of the samples without a verdict, where it is above 0."""
    scores: dict[str, list[Score]] = {}
    for g in pool.problems:
        for verifier, verdicts in g.scores.items():
            scores.setdefault(verifier, []).extend(verdicts)
    shares: dict[str, Any] = {v: sum(s.value is None for s in of) / max(len(of), 1) for v, of in scores.items()}
    return {verifier: share for verifier, share in shares.items() if share}
