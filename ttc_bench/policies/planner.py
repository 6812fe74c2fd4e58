"""A budget for many problems like these: which configurations to use, and for what share of the problems. Pure.

The best use of a budget is a mixture of at most two configurations, a point of the upper concave hull (hull.py). Where
the difficulty of problems is known beforehand each level has its own mixture. Leaving problems unanswered, for nothing,
is a configuration too, so that no budget is too small.

A plan that is the best of many on some problems is lucky on them. So it is chosen on all parts of the problems but one
and judged on that one, in turn (cross-fitting); the best single configuration is judged alike. The oracle is the plan
that is chosen on the very problems that it is judged on: what is lost to it is the regret.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ttc_bench.analysis.difficulty import levels
from ttc_bench.analysis.graded import Array
from ttc_bench.analysis.stats import mean_interval, paired_difference
from ttc_bench.core import Problem
from ttc_bench.errors import TtcError
from ttc_bench.policies.hull import Mixture, allocate, folds, mixed
from ttc_bench.policies.spending import Configuration

FEWEST = 4  # problems: two in each part
LEVEL = 10  # fewest problems of a level that has a mixture of its own
PARTS, OF_PART = (
    5,
    10,
)  # most parts that the problems are dealt into, and fewest problems of one where there are several
UNANSWERED = "no answer"
Interval = tuple[float, float, float]  # mean, low, high
Plan = list[Mixture]  # one for each level of problems: row of Plans.ways -> share


@dataclass(frozen=True, eq=False)
class Judged:
    """A way to choose a plan. `chosen`: by it, on all problems, by level. `crossed`: accuracy on problems that the plan
    was not chosen on, with its mean cost there, `spent`. `oracle`: accuracy of `chosen` on the problems that it was
    chosen on. `over_single`: `crossed` less that of the best single configuration, paired."""

    levels: tuple[str, ...]  # "" for all problems together
    chosen: Plan
    crossed: Interval
    spent: float
    oracle: float
    over_single: Interval

    @property
    def regret(self) -> float:
        """What is lost, in accuracy, by choosing on other problems."""
        return self.oracle - self.crossed[0]


@dataclass(frozen=True, eq=False)
class Plans:
    """Plans for one task. `budget` is per problem, in `unit`. `ways[0]` leaves problems unanswered. `by_level` is None
    where the difficulty of the problems is not known beforehand, or one level is all."""

    task: str
    unit: str
    budget: float
    problems: int
    ways: tuple[Configuration, ...]
    places: dict[str, Array]  # level -> its problems, easiest first; empty where there are none
    single: Judged
    mixture: Judged
    by_level: Judged | None


def plans(
    task: str, problems: Sequence[Problem], ways: Sequence[Configuration], unit: str, budget: float, seed: int = 0
) -> Plans:
    """The plans for a budget per problem. Configurations whose cost is not known in this unit are left out. Raises
    TtcError for too few problems."""
    q = len(problems)
    if q < FEWEST:
        raise TtcError(
            f"{task}: a plan is judged on problems that it was not chosen on: {q} are too few, {FEWEST} needed"
        )
    nothing = Configuration(UNANSWERED, np.zeros(q), {unit: np.zeros(q)})
    kept = (nothing, *(w for w in ways if unit in w.costs))
    values, costs = np.stack([w.values for w in kept]), np.stack([w.costs[unit] for w in kept])
    places = _levels(problems)
    parts = folds(list(places.values()) or [np.arange(q)], min(PARTS, max(2, q // OF_PART)), seed)
    judge = _Judge(values, costs, budget, parts)
    whole = {"": np.arange(q)}
    single, of_single = judge(whole, _single, None)
    mixture, _ = judge(whole, allocate, of_single)
    by_level = judge(places, allocate, of_single)[0] if places else None
    return Plans(task, unit, budget, q, kept, places, single, mixture, by_level)


Choose = Callable[[Array, Array, Sequence[Array], float], Plan]


def _single(values: Array, costs: Array, levels: Sequence[Array], budget: float) -> Plan:
    """The most accurate configuration that the budget pays for on every problem; of equals the cheapest."""
    (places,) = levels
    mean_values, mean_costs = values[:, places].mean(axis=1), costs[:, places].mean(axis=1)
    affordable = np.flatnonzero(mean_costs <= budget)  # the first way costs nothing
    best = max(affordable.tolist(), key=lambda i: (mean_values[i], -mean_costs[i]))
    return [{best: 1.0}]


@dataclass(frozen=True, eq=False)
class _Judge:
    values: Array  # [way, problem]
    costs: Array
    budget: float
    parts: Sequence[Array]

    def __call__(self, places: dict[str, Array], choose: Choose, single: Array | None) -> tuple[Judged, Array]:
        """The choice judged, and the cross-fitted values, [problem]; `single`: those of the single configuration, None
        where this is it."""
        of_levels = list(places.values())
        chosen = choose(self.values, self.costs, of_levels, self.budget)
        crossed, spent = np.zeros(self.values.shape[1]), np.zeros(self.values.shape[1])
        for part in self.parts:
            plan = choose(self.values, self.costs, [level[~np.isin(level, part)] for level in of_levels], self.budget)
            for level, mixture in zip(of_levels, plan, strict=True):
                here = level[np.isin(level, part)]
                crossed[here] = mixed(mixture, self.values[:, here])
                spent[here] = mixed(mixture, self.costs[:, here])
        oracle = sum(
            float(mixed(mixture, self.values[:, level]).sum()) for level, mixture in zip(of_levels, chosen, strict=True)
        )
        values = crossed.tolist()
        over = paired_difference(values if single is None else single.tolist(), values)
        judged = Judged(tuple(places), chosen, mean_interval(values), float(spent.mean()), oracle / len(values), over)
        return judged, crossed


def _levels(problems: Sequence[Problem]) -> dict[str, Array]:
    """Levels of difficulty with at least LEVEL problems each, neighbours put together where they have fewer; empty
    where that leaves one, or where a problem has no difficulty."""
    found = levels(problems)
    if sum(map(len, found.values())) < len(problems):
        return {}
    groups: list[tuple[list[str], list[int]]] = []
    for label, places in found.items():
        if groups and (len(groups[-1][1]) < LEVEL):
            groups[-1][0].append(label)
            groups[-1][1].extend(places)
        else:
            groups.append(([label], list(places)))
    if len(groups) > 1 and len(groups[-1][1]) < LEVEL:
        labels, places = groups.pop()
        groups[-1][0].extend(labels)
        groups[-1][1].extend(places)
    if len(groups) < 2:
        return {}
    return {_label(labels): np.array(sorted(places)) for labels, places in groups}


def _label(labels: Sequence[str]) -> str:
    ends = dict.fromkeys((labels[0].split(" to ")[0], labels[-1].split(" to ")[-1]))
    return " to ".join(ends)
