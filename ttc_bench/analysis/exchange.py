"""Size against thinking in words: how many FLOPs of thinking give a smaller model what a larger one has. Pure.

Between computed points a curve is read off in log FLOPs; beyond them nothing is. What the samples cannot carry is
withheld, and the sentence says why.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, log

from ttc_bench.analysis.stats import CONFIDENCE, paired_difference
from ttc_bench.core import CurvePoint
from ttc_bench.model_names import labels

MARGIN = 0.1  # in accuracy: a difference between two models has to be known this well, either way, to be spoken of
TARGETS = ("direct", "cot")
RULE = (
    f"A match is stated where a curve reaches it and the paired difference between the models is known to ±{MARGIN:.2f} "
    "(95% interval over problems); between computed points curves are read off in log FLOPs, beyond them not at all."
)


@dataclass(frozen=True)
class Exchange:
    """A smaller model on its way to what a larger one reaches with a single sample (`target`). `point` is the first
    computed point of any of its curves that is at least as accurate, at the least FLOPs; or, where there is none, its
    most accurate. `before` is the point before that on the same curve. `flops` and `tokens` (means per problem) are
    read off between the two; None where the answer is withheld, for the reason `withheld`."""

    target: CurvePoint
    point: CurvePoint
    before: CurvePoint | None = None
    flops: float | None = None
    tokens: float | None = None
    withheld: str = ""


def exchanges(points: Sequence[CurvePoint]) -> list[Exchange]:
    """One for every task, every pair of models of known and different size, and direct and cot of the larger one, if
    that is more than guessing (its interval lies above `guess`, or 0): anybody can match what is nothing."""
    priced = [p for p in points if p.flops and p.parameters and not p.bound and not p.change]
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
    reached = []
    for line in curves:
        i = next((i for i, p in enumerate(line) if p.accuracy >= target.accuracy), None)
        if i is not None:
            point, before = line[i], line[i - 1] if i else None
            reached.append(Exchange(target, point, before, *_crossing(before, point, target.accuracy)))
    if not reached:
        best = max((p for line in curves for p in line), key=lambda p: (p.accuracy, -p.tokens))
        most = max(p.k for line in curves for p in line)
        return Exchange(target, best, withheld=f"not reached within {most} sample{'s' * (most > 1)}")
    first = min(reached, key=lambda e: e.flops or 0.0)
    margin = _margin(first.point, target)
    if margin is None or margin > MARGIN:
        known = "not known" if margin is None else f"known to ±{margin:.2f} only"
        reason = f"over {target.problems:,} problem{'s' * (target.problems != 1)} their paired difference is {known}"
        return Exchange(target, first.point, first.before, withheld=f"{reason}, ±{MARGIN:.2f} is asked for")
    return first


def _crossing(before: CurvePoint | None, point: CurvePoint, accuracy: float) -> tuple[float, float]:
    """(FLOPs, tokens) at which the straight line between two points, over the logarithms, reaches an accuracy."""
    ends = (point.flops or 0.0, point.tokens)
    if before is None or not before.flops or not before.tokens:
        return ends
    share = (accuracy - before.accuracy) / (point.accuracy - before.accuracy)
    starts = (before.flops, before.tokens)
    flops, tokens = (exp(log(a) + share * (log(b) - log(a))) for a, b in zip(starts, ends, strict=True))
    return flops, tokens


def _margin(a: CurvePoint, b: CurvePoint) -> float | None:
    """Half the 95 % interval of their difference, paired over problems. Where no problem differs the spread says
    nothing, and the exact bound for "none of Q" takes its place, as in stats.mean_interval."""
    if len(a.values) != len(b.values) or len(a.values) < 2:
        return None
    _, low, high = paired_difference(a.values, b.values)
    return (high - low) / 2 or 1 - ((1 - CONFIDENCE) / 2) ** (1 / len(a.values))


def _sentence(e: Exchange, names: dict[str, str]) -> str:
    small, large = names[e.point.model], names[e.target.model]
    theirs = f"{large} with {e.target.label()} at k = 1 ({e.target.accuracy:.2f}; {_flops(e.target.flops)} FLOPs)"
    if e.withheld.startswith("not reached"):
        best = f"{e.point.accuracy:.2f} with {e.point.label()} at k = {e.point.k}"
        return f"{e.target.task}: {small} against {theirs}: {e.withheld} (best: {best}); withheld."
    if e.flops is None or e.tokens is None:
        seen = f"{small} with {e.point.label()} at k = {e.point.k} ({e.point.accuracy:.2f})"
        return f"{e.target.task}: {seen} against {theirs}: {e.withheld}; withheld."
    at = f"at k = {e.point.k}"
    if e.before is not None and e.point.accuracy > e.target.accuracy:
        at = f"between k = {e.before.k} and k = {e.point.k}"
    word = "matches" if e.before is not None or e.point.accuracy == e.target.accuracy else "already exceeds"
    mine = f"{small} with {e.point.label()} {at} ({_flops(e.flops)} FLOPs, {e.tokens:,.0f} tokens)"
    ratio = e.flops / e.target.flops if e.target.flops else 0.0
    return f"{e.target.task}: {mine} {word} {theirs}, for {ratio:.2g} times the FLOPs."


def _flops(value: float | None) -> str:
    mantissa, _, exponent = f"{value or 0.0:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"
