"""What a line of points reaches at a budget between two of them. Pure.

Whoever takes k = 4 with chance 1 - w and k = 8 with chance w, drawn anew for every problem, is right with the chance
that lies between both, and spends what lies between both: values and expected costs are linear in w. So the straight
line between two points is a policy that can be followed, and nothing here is read off a bent curve or beyond an end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from ttc_bench.analysis.graded import Array
from ttc_bench.core import CurvePoint

Axis = Literal["k", "tokens", "dollars", "flops"]
AXES: tuple[Axis, ...] = ("k", "tokens", "dollars", "flops")
SLACK = 1 + 1e-9  # rounding of a cost


@dataclass(frozen=True, eq=False)
class Policy:
    """A way to answer. `values`: [problem], the chance to be right; `costs`: expected, per problem, None where not
    known; `where`: in words; `reached`: whether it costs the budget, else it is the end of a line and costs less."""

    values: Array
    costs: Mapping[Axis, float | None]
    where: str
    reached: bool = True

    @property
    def accuracy(self) -> float:
        return float(self.values.mean())


def cost(p: CurvePoint, axis: Axis) -> float | None:
    """Mean per problem; None where it is not known."""
    value = getattr(p, axis)
    return None if value is None else float(value)


def known(line: Sequence[CurvePoint], axis: Axis) -> bool:
    """Whether all its costs are. Along a change of the thinking k stays the same, so it is no axis there."""
    return all(cost(p, axis) is not None for p in line) and not (axis == "k" and line[0].change)


def costs(line: Sequence[CurvePoint], axis: Axis) -> list[float]:
    """The costs of its points where all are known, ascending."""
    return sorted(float(value) for p in line if (value := cost(p, axis)) is not None)


def at(line: Sequence[CurvePoint], axis: Axis, budget: float) -> Policy | None:
    """The line at an expected cost of `budget`, which is `known` along it: the mixture of the two points around it, or
    its end where that costs less. None where even its first point costs more."""
    line = sorted(line, key=lambda p: float(getattr(p, axis)))
    steps = [float(getattr(p, axis)) for p in line]
    if steps[0] > budget * SLACK:
        return None
    for i, (low, high) in enumerate(pairwise(steps)):
        if low <= budget < high:
            return _mixture(line[i], line[i + 1], (budget - low) / (high - low))
    return _pure(line[-1], reached=steps[-1] * SLACK >= budget)


def _pure(p: CurvePoint, reached: bool = True) -> Policy:
    return Policy(np.array(p.values), {axis: cost(p, axis) for axis in AXES}, _step(p), reached)


def _mixture(p: CurvePoint, q: CurvePoint, share: float) -> Policy:
    if share < SLACK - 1:
        return _pure(p)
    values = (1 - share) * np.array(p.values) + share * np.array(q.values)
    mixed: dict[Axis, float | None] = {}
    for axis in AXES:
        a, b = cost(p, axis), cost(q, axis)
        mixed[axis] = None if a is None or b is None else (1 - share) * a + share * b
    return Policy(values, mixed, f"{_step(p)} or {_step(q)}")


def _step(p: CurvePoint) -> str:
    return f"{p.change.kind} {p.change.amount}" if p.change.amount else f"k = {p.k}"
