"""Accuracy by the difficulty of the problems, from the per-problem values of a curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ttc_bench.analysis.stats import mean, mean_interval
from ttc_bench.core import CurvePoint, Problem

MAX_LEVELS = 10  # most levels of difficulty


@dataclass(frozen=True)
class DifficultyPoint:
    """One row of difficulty.csv: `point`, a method at one k, on the problems of one difficulty."""

    point: CurvePoint  # over all difficulties
    difficulty: str  # "3", or a range "2.5 to 4" where there are many
    problems: int  # of this difficulty
    accuracy: float
    low: float  # 95 % interval over these problems
    high: float
    tokens: float | None  # mean generated tokens per problem of this difficulty; None where they are not known


def levels(problems: Sequence[Problem]) -> dict[str, list[int]]:
    """Label of a difficulty -> places of its problems, easiest first; empty where there are fewer than two.

    Up to ten distinct difficulties are a level each. More are grouped into at most ten ranges with about equally many
    problems; problems of equal difficulty stay together. Problems without a difficulty belong to no level."""
    places: dict[float, list[int]] = {}
    for i, p in enumerate(problems):
        if p.difficulty is not None and math.isfinite(p.difficulty):
            places.setdefault(p.difficulty, []).append(i)
    if len(places) < 2:
        return {}
    values = sorted(places)
    groups: list[list[float]] = [[v] for v in values] if len(values) <= MAX_LEVELS else _ranges(values, places)
    digits = next(d for d in (4, 6, 9, 17) if d == 17 or len({f"{v:.{d}g}" for v in values}) == len(values))
    by_label = {}
    for group in groups:
        label = " to ".join(f"{v:.{digits}g}" for v in dict.fromkeys((group[0], group[-1])))
        by_label[label] = sorted(i for v in group for i in places[v])
    return by_label


def _ranges(values: Sequence[float], places: dict[float, list[int]]) -> list[list[float]]:
    """Groups of neighbouring values; a range ends once it holds a tenth of the problems."""
    groups: list[list[float]] = [[]]
    share, counted = sum(map(len, places.values())) / MAX_LEVELS, 0
    for value in values:
        if groups[-1] and counted >= share * len(groups):
            groups.append([])
        groups[-1].append(value)
        counted += len(places[value])
    return groups


def by_difficulty(
    point: CurvePoint, problems: Sequence[Problem], values: Sequence[float], tokens: Sequence[float]
) -> list[DifficultyPoint]:
    """One row per level of difficulty, easiest first; none if there is only one level. `values`: the chance that the
    answer is right, `tokens`: generated tokens; both [problem], with the point's accuracy and tokens as means."""
    rows = []
    for label, places in levels(problems).items():
        accuracy, low, high = mean_interval([values[i] for i in places])
        spent = None if point.tokens is None else mean([tokens[i] for i in places])
        rows.append(DifficultyPoint(point, label, len(places), accuracy, low, high, spent))
    return rows
