"""Which cascade to choose, and what it is worth on problems that it was not chosen on. Pure.

A threshold that was the best of many on some problems is lucky on them. So the problems are parted into two halves by a
seeded shuffle; rule, k, threshold and the large model's k are chosen on each and judged on the other (cross-fitting,
two folds). What a cascade has to beat is the best mixture, at equal cost, of the two models alone (majority at any k,
best-of-k under any verifier): the corners of its hull are chosen on the same half, and its shares are set so that it
costs the same on the half where both are judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttc_bench.analysis.graded import Array
from ttc_bench.analysis.stats import mean_interval, paired_difference
from ttc_bench.errors import TtcError
from ttc_bench.policies.cascades import Alone, Cascade, alone, cascades
from ttc_bench.policies.hull import along, folds, hull, mixed
from ttc_bench.policies.sources import Contender
from ttc_bench.policies.spending import UNITS

FEWEST = 4  # problems: two in each half
BUDGETS = 10  # points of the cross-fitted frontier
Interval = tuple[float, float, float]  # mean, low, high


@dataclass(frozen=True)
class Judged:
    """What a choice came to, as means over problems. `over`: its accuracy less that of the mixture of both models at
    equal cost, of the small model alone and of the large one alone; 95 % intervals over problems, paired."""

    accuracy: Interval
    escalated: float
    costs: dict[str, float]
    over: dict[str, Interval]


@dataclass(frozen=True, eq=False)
class Choice:
    """The best threshold of a rule. `plain` is judged on the problems that it was chosen on, `crossed` on others."""

    cascade: Cascade
    threshold: float
    plain: Judged
    crossed: Judged


@dataclass(frozen=True)
class Budget:
    """A point of a frontier of mixtures: (mean cost, accuracy), where the mixture was chosen, and on other problems."""

    plain: tuple[float, float]
    crossed: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Pair:
    """A small and a large model on one task, and all cascades from one to the other. `unit`: the costs in which the
    best is sought. `frontier`: of all cascades and both models; `without`: of both models alone."""

    task: str
    small: str
    large: str
    unit: str
    problems: int
    alone: tuple[Alone, ...]
    cascades: tuple[Cascade, ...]
    choices: tuple[Choice, ...]  # one per rule that parts the draws
    frontier: tuple[Budget, ...]
    without: tuple[Budget, ...]


def pairs(task: str, models: Sequence[Contender]) -> list[Pair]:
    """Every pair of models of a task, the cheaper one (at one sample) first; where costs are not known, the less
    accurate one. Each answers with the samples that its votes
    are taken from. Raises TtcError for too few problems."""
    ways = {m.name: alone(m.name, m.voting(), m.rates) for m in models}
    found = []
    for i, a in enumerate(models):
        for b in models[i + 1 :]:
            unit = next(u for u in UNITS if all(u in way.costs for m in (a, b) for way in ways[m.name]))
            first, then = sorted((a, b), key=lambda m: _size(ways[m.name][0], unit))
            if len(first.problems) < FEWEST:
                raise TtcError(
                    f"{task}: a cascade is chosen on one half of the problems and judged on the other, which takes at "
                    f"least {FEWEST}; {first.name} and {then.name} have {len(first.problems)} in common"
                )
            every = cascades(ways[first.name], first.voting(), ways[then.name])
            if every:
                found.append(_pair(task, unit, ways[first.name], ways[then.name], every))
    return found


def _size(one: Alone, unit: str) -> tuple[float, float]:
    return float(one.costs[unit].mean()), float(one.values.mean())


class _Ways:
    """All that can be chosen, as rows. `values` and `costs` (in the unit of the pair) are [way, problem], their means
    are [way], over the problems at each of the `parts`."""

    def __init__(self, values: Array, costs: Array, parts: Sequence[Array]) -> None:
        self.values, self.costs, self.parts = values, costs, parts
        self.mean_values = [np.asarray(values[:, places].mean(axis=1)) for places in parts]
        self.mean_costs = [np.asarray(costs[:, places].mean(axis=1)) for places in parts]
        self.corners = [hull(c, v) for c, v in zip(self.mean_costs, self.mean_values, strict=True)]

    def reached(self, part: int, spent: Array) -> Array:
        """What mixtures reach at these costs on the problems of a part."""
        corners = self.corners[part]
        return np.asarray(np.interp(spent, self.mean_costs[part][corners], self.mean_values[part][corners]))


ALL, HALVES = 0, ((1, 2), (2, 1))  # parts: all problems; a half to choose on, and the other one


def _pair(task: str, unit: str, small: Sequence[Alone], large: Sequence[Alone], every: Sequence[Cascade]) -> Pair:
    both = [*small, *large]
    problems = np.arange(len(small[0].values))
    parts = [problems, *folds([problems], 2)]
    mix = _Ways(np.stack([a.values for a in both]), np.stack([a.costs[unit] for a in both]), parts)
    steps = [(c, t) for c in every for t in range(len(c.sureness.thresholds))]
    spent = [cost for c in every if (cost := c.costs(unit)) is not None]
    ways = _Ways(np.concatenate([c.values for c in every]), np.concatenate(spent), parts)
    choices = []
    for rule in dict.fromkeys(c.sureness.rule for c in every):
        rows = np.array([i for i, step in enumerate(steps) if step[0].sureness.rule == rule and _between(*step)])
        if not len(rows):
            continue
        best = _best(ways, mix, rows, ALL)
        plain = _judged([(best, ALL, ALL)], steps, ways, mix)
        crossed = _judged([(_best(ways, mix, rows, on), on, off) for on, off in HALVES], steps, ways, mix)
        cascade, t = steps[best]
        choices.append(Choice(cascade, float(cascade.sureness.thresholds[t]), plain, crossed))
    together = _Ways(np.concatenate([mix.values, ways.values]), np.concatenate([mix.costs, ways.costs]), parts)
    costs = together.mean_costs[ALL][together.corners[ALL]]
    budgets = np.geomspace(costs[0], costs[-1], BUDGETS).tolist() if costs[0] > 0 else [float(costs[-1])]
    return Pair(
        *(task, small[0].model, large[0].model, unit, len(problems), tuple(both), tuple(every), tuple(choices)),
        frontier=tuple(_budget(together, budget) for budget in budgets),
        without=tuple(_budget(mix, budget) for budget in budgets),
    )


def _between(cascade: Cascade, t: int) -> bool:
    """Whether the threshold is neither end, at which a cascade is one model alone or pays both for every problem."""
    return bool(np.isfinite(cascade.sureness.thresholds[t]))


def _best(ways: _Ways, mix: _Ways, rows: Array, part: int) -> int:
    """Of the rows, the one that is farthest above the hull of the models alone on the problems of a part; of equals the
    first."""
    gains = ways.mean_values[part][rows] - mix.reached(part, ways.mean_costs[part][rows])
    return int(rows[int(np.argmax(gains.round(12)))])


def _judged(
    chosen: Sequence[tuple[int, int, int]], steps: Sequence[tuple[Cascade, int]], ways: _Ways, mix: _Ways
) -> Judged:
    """Of rows that were chosen on one part of the problems, on another: (row, the one, the other)."""
    columns: dict[str, list[Array]] = {}
    for row, on, off in chosen:
        cascade, t = steps[row]
        mixture = along(mix.corners[on], mix.mean_costs[off], float(ways.mean_costs[off][row]))
        here = {
            "value": ways.values[row],
            "mixture": mixed(mixture, mix.values),
            "small": cascade.small.values,
            "large": cascade.large.values,
            "escalated": cascade.escalated[t],
            **{unit: cost[t] for unit in UNITS if (cost := cascade.costs(unit)) is not None},
        }
        for name, column in here.items():
            columns.setdefault(name, []).append(column[ways.parts[off]])
    joined = {name: np.concatenate(parts) for name, parts in columns.items() if len(parts) == len(chosen)}
    values = joined["value"].tolist()
    return Judged(
        mean_interval(values),
        float(joined["escalated"].mean()),
        {unit: float(joined[unit].mean()) for unit in UNITS if unit in joined},
        {name: paired_difference(joined[name].tolist(), values) for name in ("mixture", "small", "large")},
    )


def _budget(ways: _Ways, budget: float) -> Budget:
    """The best mixture at a budget, judged where it was chosen and on the other half."""
    plain, crossed = (np.zeros(2) for _ in range(2))
    for on, off, total in ((ALL, ALL, plain), *((on, off, crossed) for on, off in HALVES)):
        for way, share in along(ways.corners[on], ways.mean_costs[on], budget).items():
            weight = share * len(ways.parts[off]) / len(ways.parts[ALL])
            total += weight * np.array([ways.mean_costs[off][way], ways.mean_values[off][way]])
    return Budget((float(plain[0]), float(plain[1])), (float(crossed[0]), float(crossed[1])))
