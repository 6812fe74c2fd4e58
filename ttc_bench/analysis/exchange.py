"""Size against thinking in words: how many FLOPs of thinking give a smaller model what a larger one has. Pure.

Between computed points a curve is read off in log FLOPs; beyond them nothing is. What the samples cannot carry is
withheld, and the sentence says why.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp, log

from ttc_bench.analysis.stats import least_difference
from ttc_bench.core import CurvePoint
from ttc_bench.model_names import labels

MARGIN = 0.05  # in accuracy: whoever may be this much worse does not match
TARGETS = ("direct", "cot")
RULE = (
    f"A match is stated where a curve reaches it and is known to be less than {MARGIN:.2f} below it (paired over problems, "
    "97.5% bound, stricter the more curves were tried); between computed points curves are read off in log FLOPs, beyond "
    "them not at all."
)


@dataclass(frozen=True)
class Exchange:
    """A smaller model on its way to what a larger one reaches with a single sample (`target`). `point` is the first
    computed point of any of its curves that is at least as accurate and known to be no more than MARGIN worse, at the
    least FLOPs. Where there is none the answer is withheld, for the reason `withheld`, and `point` is the first that is
    at least as accurate, or else the most accurate. `before` is the point before it on the same curve, if that is less
    accurate than the target. `flops` and `tokens` (means per problem) are read off between the two; None where
    withheld. `lead`: the small model is known to be ahead by this, or behind by no more."""

    target: CurvePoint
    point: CurvePoint
    before: CurvePoint | None = None
    flops: float | None = None
    tokens: float | None = None
    withheld: str = ""
    lead: float | None = None
    reached: bool = True  # False: no computed point is as accurate as the target


def exchanges(points: Sequence[CurvePoint]) -> list[Exchange]:
    """One for every task, every pair of models of known and different size, and direct and cot of the larger one, if
    that is more than guessing (its interval lies above `guess`, or 0): anybody can match what is nothing."""
    priced = [p for p in points if p.flops and p.parameters and not p.bound and not p.change and p.threshold is None]
    matches = []
    for task in dict.fromkeys(p.task for p in priced):
        sizes = {p.model: p.parameters or 0 for p in priced if p.task == task}
        for small, large in itertools.combinations(sorted(sizes, key=lambda m: sizes[m]), 2):
            if sizes[small] < sizes[large]:
                curves = list(_curves([p for p in priced if (p.task, p.model) == (task, small)]))
                targets = [p for p in priced if (p.task, p.model, p.k) == (task, large, 1) and p.method in TARGETS]
                matches += [_exchange(curves, target) for target in targets if target.low > (target.guess or 0.0)]
    return matches


def sentences(points: Sequence[CurvePoint]) -> list[str]:
    """The exchanges in words, with short names of the models."""
    names = labels(list(dict.fromkeys(p.model for p in points)))
    return [_sentence(e, names) for e in exchanges(points)]


def _curves(points: Sequence[CurvePoint]) -> Iterator[list[CurvePoint]]:
    """Lines over k, and single samples as lines of one point."""
    lines: dict[tuple[object, ...], list[CurvePoint]] = {}
    for p in sorted(points, key=lambda p: p.k):
        lines.setdefault(p.line, []).append(p)
    yield from (line for line in lines.values() if len(line) > 1 or line[0].method in TARGETS)


def _exchange(curves: Sequence[Sequence[CurvePoint]], target: CurvePoint) -> Exchange:
    reached = [
        _reached(line, i, target, len(curves))
        for line in curves
        for i, point in enumerate(line)
        if point.accuracy >= target.accuracy
    ]
    if not reached:
        best = max((p for line in curves for p in line), key=lambda p: (p.accuracy, -p.spent))
        most = max(p.k for line in curves for p in line)
        return Exchange(target, best, reached=False, withheld=f"not reached within {most} sample{'s' * (most > 1)}")
    known = [e for e in reached if e.lead is not None and e.lead > -MARGIN]
    first = min(known or reached, key=lambda e: e.flops or 0.0)
    if known:
        return first
    over = f"over {target.problems:,} problem{'s' * (target.problems != 1)}"
    reason = f"{over} their paired difference is not known"
    if first.lead is not None:
        reason = f"{over} it may still be {-first.lead:.2f} worse, and a match is less than {MARGIN:.2f}"
    return replace(first, flops=None, tokens=None, withheld=reason)


def _reached(line: Sequence[CurvePoint], i: int, target: CurvePoint, curves: int) -> Exchange:
    before = line[i - 1] if i and line[i - 1].accuracy < target.accuracy else None
    flops, tokens = _crossing(before, line[i], target.accuracy)
    return Exchange(target, line[i], before, flops, tokens, lead=_lead(line[i], target, curves))


def _crossing(before: CurvePoint | None, point: CurvePoint, accuracy: float) -> tuple[float, float]:
    """(FLOPs, tokens) at which the straight line between two points, over the logarithms, reaches an accuracy."""
    ends = (point.flops or 0.0, point.spent)
    if before is None or not before.flops or not before.spent:
        return ends
    share = (accuracy - before.accuracy) / (point.accuracy - before.accuracy)
    starts = (before.flops, before.spent)
    flops, tokens = (exp(log(a) + share * (log(b) - log(a))) for a, b in zip(starts, ends, strict=True))
    return flops, tokens


def _lead(point: CurvePoint, target: CurvePoint, curves: int) -> float | None:
    """How far the point is known to be ahead (negative: behind) of the target; every curve is a chance to be lucky."""
    if len(point.values) != len(target.values) or len(point.values) < 2:
        return None
    return least_difference(target.values, point.values, curves)


def _sentence(e: Exchange, names: dict[str, str]) -> str:
    small, large = names[e.point.model], names[e.target.model]
    theirs = f"{large} with {e.target.label()} at k = 1 ({e.target.accuracy:.2f}; {_flops(e.target.flops)} FLOPs)"
    if not e.reached:
        best = f"{e.point.accuracy:.2f} with {e.point.label()} at k = {e.point.k}"
        return f"{e.target.task}: {small} against {theirs}: {e.withheld} (best: {best}); withheld."
    if e.flops is None or e.tokens is None:
        seen = f"{small} with {e.point.label()} at k = {e.point.k} ({e.point.accuracy:.2f})"
        return f"{e.target.task}: {seen} against {theirs}: {e.withheld}; withheld."
    at = f"at k = {e.point.k}"
    if e.before is not None and e.point.accuracy > e.target.accuracy:
        at = f"between k = {e.before.k} and k = {e.point.k}"
    word = "exceeds" if e.before is None and (e.lead or 0.0) > 0 else "matches"
    if e.point.k == 1:
        word = f"already {word}"
    mine = f"{small} with {e.point.label()} {at} ({_flops(e.flops)} FLOPs, {e.tokens:,.0f} tokens)"
    ratio = e.flops / e.target.flops if e.target.flops else 0.0
    return f"{e.target.task}: {mine} {word} {theirs}, for {ratio:.2g} times the FLOPs."


def _flops(value: float | None) -> str:
    mantissa, _, exponent = f"{value or 0.0:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"
