"""Does the headline survive? The best line of a task against every other one, paired over problems, at equal tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from ttc_bench.analysis.stats import LEVEL, holm, paired_difference, sign_flip_p
from ttc_bench.audit.findings import Evidence, Finding, Severity, signed
from ttc_bench.audit.spread import power
from ttc_bench.core import CurvePoint
from ttc_bench.policies.mixtures import Axis, at, cost

TOLD = 3  # rivals that are told in the sentence


@dataclass(frozen=True)
class Rival:
    """Another line at the cost of the headline (policies/mixtures.py). `equal`: whether it costs as much; else it is
    the curve's end, and costs less."""

    name: str
    values: tuple[float, ...]  # [problem]: chance to be right
    where: str  # "at k = 4", "at k = 4 or k = 8"
    equal: bool


@dataclass(frozen=True)
class Comparison:
    """The headline against one rival. Points of accuracy, positive where the headline is ahead."""

    rival: Rival
    points: float
    low: float  # 95 %, paired
    high: float
    p: float  # two-sided, paired, after Holm's correction
    plain: float  # at the same k, as a table shows it, or at the rival's largest
    claimed: bool  # whether an unpaired test would call that a difference

    @property
    def holds(self) -> bool:
        return self.points > 0 and self.p < LEVEL


def headline(points: Sequence[CurvePoint]) -> Iterator[Finding]:
    """For each task two findings: whether its best point is ahead of the other lines, and what its problems could show.
    None for a task with one line."""
    for task in dict.fromkeys(p.task for p in points):
        of_task = [p for p in points if p.task == task and not p.bound and p.threshold is None and len(p.values) > 1]
        if not of_task:
            continue
        several = len({p.model for p in of_task}) > 1
        best = max(of_task, key=lambda p: (p.accuracy, -p.k if p.tokens is None else -p.tokens))
        lines: dict[object, list[CurvePoint]] = {}
        for p in of_task:
            if (p.model, p.line) != (best.model, best.line) and len(p.values) == len(best.values):
                lines.setdefault((p.model, p.line), []).append(p)
        axis: Axis = "tokens" if all(p.tokens is not None for p in of_task) else "k"
        met = [(line, policy) for line in lines.values() if (policy := _at_cost(line, best, axis, several))]
        met = [(line, policy) for line, policy in met if policy.values != best.values]  # at k = 1 all are one strategy
        if met:
            yield from _findings(task, best, _compared(best, met), axis == "tokens", several)


def _at_cost(line: Sequence[CurvePoint], best: CurvePoint, axis: Axis, several: bool) -> Rival | None:
    """A rival at the headline's tokens, or at its k where tokens are not known. None where even its first point costs
    more."""
    policy = at(line, axis, cost(best, axis) or 0.0)
    if policy is None:
        return None
    return Rival(_name(line[0], several), tuple(policy.values.tolist()), f"at {policy.where}", policy.reached)


def _step(p: CurvePoint) -> str:
    return f"{p.change.kind} {p.change.amount}" if p.change.amount else f"k = {p.k}"


def _name(p: CurvePoint, several: bool) -> str:
    label = p.label() if p.method == p.prompt else f"{p.label()}, {p.prompt}"
    return f"{label}, {p.model}" if several else label


def _compared(best: CurvePoint, met: Sequence[tuple[Sequence[CurvePoint], Rival]]) -> list[Comparison]:
    """Against each rival, the closest first."""
    rng = np.random.default_rng(0)
    differences = [np.subtract(best.values, policy.values).tolist() for _, policy in met]
    corrected = holm([sign_flip_p(of_rival, rng) for of_rival in differences])
    rows = []
    for (line, policy), p in zip(met, corrected, strict=True):
        difference, low, high = (100 * x for x in paired_difference(policy.values, best.values))
        beside = max((q for q in line if q.k <= best.k), key=lambda q: (q.k, q.accuracy), default=line[0])
        plain = 100 * (best.accuracy - beside.accuracy)
        rows.append(Comparison(policy, difference, low, high, p, plain, _apart(best, beside)))
    return sorted(rows, key=lambda c: c.points)


def _apart(a: CurvePoint, b: CurvePoint) -> bool:
    """Whether the means differ by more than 1.96 standard errors of two independent sets of problems: what a reader of
    two published intervals can do."""
    variances = [float(np.var(p.values, ddof=1)) / len(p.values) for p in (a, b)]
    return abs(a.accuracy - b.accuracy) > 1.96 * sqrt(sum(variances))


def _findings(
    task: str, best: CurvePoint, rivals: Sequence[Comparison], known: bool, several: bool
) -> Iterator[Finding]:
    name, first = f"{_name(best, several)} at {_step(best)}", rivals[0]
    same = "equal tokens" if known else "equal k, as tokens are not known,"
    lost = [c for c in rivals if c.claimed and not c.holds]
    ahead = sum(c.holds for c in rivals)
    sentence = f"{name} is best with {best.accuracy:.3f}; at {same} it is ahead of {ahead} of {len(rivals)} other lines"
    sentence += f", against {_told(first)}"
    if lost:
        claim = f"{signed(lost[0].plain)} at equal k, which an unpaired test would claim"
        sentence += f"; {claim} against {lost[0].rival.name}, do not hold"
    severity: Severity = "serious" if lost else "fine" if ahead == len(rivals) else "notable"
    yield Finding(
        *("headline", task, severity, sentence, first.points, first.low, first.high),
        evidence=[_evidence(c) for c in rivals],
        total=len(rivals),
        numbers={"ahead": ahead, "rivals": len(rivals), "equal": "tokens" if known else "k"},
    )
    differences = [b - a for a, b in zip(first.rival.values, best.values, strict=True)]
    yield from power(task, differences, first.rival.name)


def _told(c: Comparison) -> str:
    """The closest rival in words."""
    cheaper = "" if c.rival.equal else ", its end,"
    figures = f"{signed(c.points)} [{c.low:+.1f}, {c.high:+.1f}], p = {c.p:.2g}"
    return f"{c.rival.name} {c.rival.where}{cheaper} {figures}"


def _evidence(c: Comparison) -> Evidence:
    facts = {
        "difference": f"{signed(c.points)} [{c.low:+.1f}, {c.high:+.1f}]",
        "p (Holm)": float(f"{c.p:.2g}"),
        "at equal k": signed(c.plain),
        "claimed unpaired": c.claimed,
        "equal cost": c.rival.equal,
    }
    return Evidence(f"{c.rival.name} {c.rival.where}", facts=facts)
