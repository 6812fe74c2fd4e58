"""The quality of the samples behind a curve: shares of spoilt samples, and notes in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttc_bench.analysis.graded import GradedPool
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
    truncated: float | None  # of those that are known to have ended or not; None: of none
    unextracted: float
    duplicated: float
    failed: float
    estimated: float
    samples: int
    problems: int

    def shares(self) -> dict[str, float | None]:
        """The shares and counts by name, as in run.json."""
        return {name: getattr(self, name) for name in (*SHARES, "samples", "problems")}


def quality(pool: GradedPool) -> Quality:
    """The shares of one pool."""
    n, requested = int(pool.sizes.sum()), pool.requested
    distinct = sum(g.samples.distinct for g in pool.problems)

    ended = int(pool.column("end_known").sum())

    def share(of: Any) -> float:
        return int(of.sum()) / max(n, 1)

    return Quality(
        name=f"{pool.task.name}, {pool.label()}",
        task=pool.task.name,
        model=pool.model,
        samples_of=pool.samples_label(),
        truncated=int(pool.column("length").sum()) / max(ended, 1) if ended or not n else None,
        unextracted=share(pool.column("answer") < 0),
        duplicated=(n - distinct) / max(n, 1),
        failed=1 - n / max(requested, 1),
        estimated=share(pool.column("estimated")),
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
        requested = pool.requested
        holes = requested - int(pool.sizes.sum())
        if holes and pool.holes is None:
            sentences.append(
                f"{name}: {holes} of {requested} samples are missing (failed, or not asked for), "
                f"so curves end at k = {pool.depth}; the same command asks for them again"
            )
        sentences += [f"{name}: {reservation}" for reservation in _unknown(pool)]
        sentences += [
            f"{name}: nobody counted what verifier {verifier} read; its points have the tokens of the samples alone"
            for verifier, scores in (pool.problems[0].scores if pool.problems else {}).items()
            if np.isnan(scores.prompt).any()
        ]
        for verifier, share in _unscored(pool).items():
            sentences.append(
                f"{name}: verifier {verifier} gave no score for {share:.1%} of the samples; those rank last"
            )
        several = [g for g in pool.problems if len(g) > 1]
        if several and temperature > 0 and all(g.samples.distinct == 1 for g in several):
            why = f" at temperature {temperature:g}; {likely_reason or SAME_TEXT}" if plan.imported is None else ""
            sentences.append(
                f"{name}: all samples of every problem are the same text{why}; more samples buy nothing here"
            )
    return sentences


def _unknown(pool: GradedPool) -> list[str]:
    """What whoever made the samples does not say of them, in words."""
    every = int(pool.sizes.sum())
    said = []
    if unknown := every - int(pool.column("tokens_known").sum()):
        said.append(f"the tokens of {unknown:,} of {every:,} samples are not known, so its curves are drawn over k")
    elif unknown := every - int(pool.column("prompt_known").sum()):
        said.append(f"the prompt tokens of {unknown:,} of {every:,} samples are not known, only the generated ones")
    if unknown := every - int(pool.column("end_known").sum()):
        said.append(f"whether {unknown:,} of {every:,} samples were cut at a token limit is not known")
    return said


def failures(reasons: Mapping[str, int]) -> list[str]:
    """A sentence for each of the errors that left most holes (words -> holes), and one for the rest."""
    told = [f"{count:,} sample{'s' * (count != 1)} failed: {words}" for words, count in reasons.items()]
    rest = list(reasons.values())[MOST_REASONS:]
    if rest:
        told[MOST_REASONS:] = [f"{sum(rest):,} more samples failed for {len(rest)} other reasons; run.json has them"]
    return told


def _unscored(pool: GradedPool) -> dict[str, float]:
    """Verifier -> share of the samples without a verdict, where it is above 0."""
    missing: dict[str, list[Any]] = {}
    for g in pool.problems:
        for verifier, scores in g.scores.items():
            missing.setdefault(verifier, []).append(np.isnan(scores.value))
    shares = {verifier: float(np.concatenate(of).mean()) for verifier, of in missing.items() if sum(map(len, of))}
    return {verifier: share for verifier, share in shares.items() if share}
