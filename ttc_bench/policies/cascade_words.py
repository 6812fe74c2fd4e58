"""Cascades in words and as rows of a table. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

from ttc_bench.analysis.stats import mean_interval
from ttc_bench.policies.cascades import VOTES, Alone, Cascade
from ttc_bench.policies.choosing import Budget, Choice, Judged, Pair
from ttc_bench.policies.spending import UNITS, amount

RULE = (
    "A threshold is chosen where it is farthest above the best mixture of the two models alone at equal cost; its "
    "worth is that on problems that it was not chosen on (two halves, each judged by a choice on the other)."
)
NOTHING = 1e-9  # rounding
COLUMNS: dict[str, Any] = dict.fromkeys(
    (
        *("task", "small", "large", "problems", "row", "rule", "k", "threshold", "large_k"),
        *("accuracy", "low", "high", "escalated", *UNITS),
        *(f"over_{other}{end}" for other in ("mixture", "small", "large") for end in ("", "_low", "_high")),
    )
)


def sentences(pairs: Sequence[Pair]) -> list[str]:
    """One per pair and rule: the choice, what it costs, and whether it is worth it."""
    return [_sentence(pair, choice) for pair in pairs for choice in pair.choices]


def condition(cascade: Cascade, threshold: float) -> str:
    """When the small model's answer stays: "at least 75% of 4 votes agree"."""
    k = cascade.sureness.k
    if cascade.sureness.rule == VOTES:
        return f"at least {threshold:.0%} of {k} votes agree"
    rule = cascade.sureness.rule
    return f"{rule} is at least {threshold:.4g}" if k == 1 else f"the best {rule} of {k} is at least {threshold:.4g}"


def _sentence(pair: Pair, choice: Choice) -> str:
    difference, low, high = choice.crossed.over["mixture"]
    if low > 0:
        worth = "a gain"
    elif high < 0:
        worth = "a loss"
    else:
        worth = f"no difference that {pair.problems:,} problems show"
    plain, crossed = choice.plain, choice.crossed
    cost = f"{amount(plain.costs[pair.unit])} {UNITS[pair.unit]} per problem"
    if plain.over["mixture"][0] <= NOTHING:
        return (
            f"{pair.task}: {pair.small} first by {choice.cascade.sureness.rule}, then {pair.large}: no threshold lies above "
            f"the best mixture of the two alone at equal cost (nearest: {plain.over['mixture'][0]:+.3f})."
        )
    return (
        f"{pair.task}: {pair.small} first, and its answer stays where {condition(choice.cascade, choice.threshold)}, else "
        f"{choice.cascade.large.name}: {plain.accuracy[0]:.2f} at {cost}, {plain.escalated:.0%} passed on. On problems "
        f"that it was not chosen on {crossed.accuracy[0]:.2f}, {difference:+.3f} [{low:+.3f}, {high:+.3f}] against the best "
        f"mixture of the two alone at equal cost: {worth}."
    )


def rows(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Of cascades.csv. `row`: "alone" a model by itself; "threshold" a cascade; "chosen" the best threshold of a rule,
    judged on the problems that it was chosen on, "cross-fitted" on others; "frontier" the best mixture at a budget,
    "without cascades" that of the two models alone, each also "cross-fitted"."""
    return [COLUMNS | row for pair in pairs for row in _rows(pair)]


def _rows(pair: Pair) -> Iterator[dict[str, Any]]:
    about = {"task": pair.task, "small": pair.small, "large": pair.large, "problems": pair.problems}
    for a in pair.alone:
        yield about | {"row": "alone", "rule": f"{a.model}, {a.method}", "k": a.k} | _alone(a)
    for cascade in pair.cascades:
        for row in _thresholds(cascade):
            yield about | {"row": "threshold"} | row
    for choice in pair.choices:
        cascade = choice.cascade
        way = _way(cascade, choice.threshold)
        yield about | {"row": "chosen"} | way | _judged(choice.plain)
        # each half has a choice of its own, so that a row over both has no k or threshold
        yield about | {"row": "chosen, cross-fitted", "rule": cascade.sureness.rule} | _judged(choice.crossed)
    for name, points in (("frontier", pair.frontier), ("without cascades", pair.without)):
        for point in points:
            yield from (about | row for row in _frontier(name, point, pair.unit))


def _alone(a: Alone) -> dict[str, Any]:
    accuracy, low, high = mean_interval(a.values.tolist())
    costs = {unit: float(cost.mean()) for unit, cost in a.costs.items()}
    return {"accuracy": accuracy, "low": low, "high": high, **costs}


def _way(cascade: Cascade, threshold: float) -> dict[str, Any]:
    sure = cascade.sureness
    at = threshold if isfinite(threshold) else "none stays" if threshold > 0 else "all stay"
    return {"rule": sure.rule, "k": sure.k, "threshold": at, "large_k": cascade.large.k}


def _thresholds(cascade: Cascade) -> Iterator[dict[str, Any]]:
    values, escalated = cascade.values, cascade.escalated.mean(axis=1)
    costs = {unit: cost.mean(axis=1) for unit in UNITS if (cost := cascade.costs(unit)) is not None}
    for t, threshold in enumerate(cascade.sureness.thresholds.tolist()):
        accuracy, low, high = mean_interval(values[t].tolist())
        spent = {unit: float(cost[t]) for unit, cost in costs.items()}
        measured = {"accuracy": accuracy, "low": low, "high": high, "escalated": float(escalated[t])}
        yield _way(cascade, threshold) | measured | spent


def _judged(judged: Judged) -> dict[str, Any]:
    accuracy, low, high = judged.accuracy
    row = {"accuracy": accuracy, "low": low, "high": high, "escalated": judged.escalated, **judged.costs}
    for other, (difference, least, most) in judged.over.items():
        row |= {f"over_{other}": difference, f"over_{other}_low": least, f"over_{other}_high": most}
    return row


def _frontier(name: str, point: Budget, unit: str) -> Iterator[dict[str, Any]]:
    for row, (cost, accuracy) in ((name, point.plain), (f"{name}, cross-fitted", point.crossed)):
        yield {"row": row, unit: cost, "accuracy": accuracy}
