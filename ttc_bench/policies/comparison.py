"""Is one run better than another? Paired differences over common problems at equal k, tokens, dollars and FLOPs. Pure.

Equal k is what tables show; whoever pays asks at equal cost. Lines are compared between their points on the randomised
mixture (mixtures.py), and where one of them cannot spend the budget its end is taken, which costs less, and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np

from ttc_bench.analysis.graded import Array
from ttc_bench.analysis.stats import holm, paired_difference, sign_flip_p
from ttc_bench.core import Problem
from ttc_bench.errors import TtcError
from ttc_bench.policies.common import Shared
from ttc_bench.policies.mixtures import AXES, Axis, Policy, at, costs, known
from ttc_bench.policies.sides import Line, Match, Run, Side, matches, pairs

BEST = "best method"
STEP = 1.2  # ratio of neighbouring budgets in the chart


@dataclass(frozen=True)
class Row:
    """Two ways to answer at one budget of `axis`, paired over problems: second - first, with a 95 % interval, a
    two-sided p-value (stats.sign_flip_p), and `corrected`, that one after Holm's correction for all rows of the
    comparison. `methods`: what each side does, the same for both where they are the same."""

    what: str
    axis: Axis
    budget: float
    first: Policy
    second: Policy
    methods: tuple[str, str]
    difference: float
    low: float
    high: float
    p: float
    corrected: float = 1.0


@dataclass(frozen=True)
class Gap:
    """The difference second - first of two lines at one budget, with a 95 % interval, for the chart."""

    what: str
    axis: Axis
    budget: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Moved:
    """One problem, and the chance that each side answers it rightly with `what` at k samples."""

    problem: Problem  # as the first run has it
    what: str
    k: float
    first: float
    second: float

    @property
    def change(self) -> float:
        return self.second - self.first


@dataclass(frozen=True)
class Pair:
    """A model of the first run against a model of another one, on the problems of one task."""

    task: str
    first: Side
    second: Side
    problems: tuple[Problem, ...]
    matches: tuple[Match, ...]
    rows: tuple[Row, ...]
    gaps: tuple[Gap, ...]
    moved: tuple[Moved, ...]


@dataclass(frozen=True)
class Comparison:
    """Everything that is known of two or more runs side by side. `notes`: reservations that a reader must know."""

    runs: tuple[str, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> list[Row]:
        return [row for pair in self.pairs for row in pair.rows]


def comparison(runs: Sequence[Run], common: Sequence[Shared], notes: Sequence[str] = ()) -> Comparison:
    """The comparison of runs that were replayed over their common problems, in the order of `common`. Each run is
    compared with the first that has the task. Raises TtcError where no run has an answer to every problem."""
    found, told = [], list(notes)
    for shared in common:
        for first, second in pairs(runs, shared, told):
            found.append(_pair(first, second, shared, told))
    if not found:
        raise TtcError(f"nothing can be compared: {'; '.join(told)}; the same runs again ask for what is missing")
    corrected = iter(holm([row.p for pair in found for row in pair.rows]))
    found = [replace(p, rows=tuple(replace(row, corrected=next(corrected)) for row in p.rows)) for p in found]
    return Comparison(tuple(run.name for run in runs), tuple(found), tuple(dict.fromkeys(told)))


def _pair(first: Side, second: Side, shared: Shared, notes: list[str]) -> Pair:
    matched = matches(first, second)
    unmatched = len(first.lines) + len(second.lines) - 2 * len(matched)
    if unmatched:
        notes.append(f"{first.name} and {second.name}: {unmatched} lines are in one of them only, and not compared")
    if first.shares(second):
        notes.append(f"{first.name} and {second.name} have samples in common: they differ in what is made of them")
    notes += _unknown(first, second)
    rng = np.random.default_rng(0)
    rows, seen = [], set()
    for what, axis, budget, a, b, methods in _at_budgets(first, second, matched):
        key = np.round([a.values, b.values], 9).tobytes()  # at k = 1 all methods of a pool are one
        if key not in seen:
            seen.add(key)
            difference, low, high = paired_difference(a.values.tolist(), b.values.tolist())
            p = sign_flip_p((b.values - a.values).tolist(), rng)
            rows.append(Row(what, axis, budget, a, b, methods, difference, low, high, p))
    gaps = tuple(gap for match in matched for gap in _gaps(match))
    problems = shared.problems[first.run]
    moved = tuple(row for match in matched for row in _moved(match, problems))
    return Pair(shared.task, first, second, problems, tuple(matched), tuple(rows), gaps, moved)


def _unknown(first: Side, second: Side) -> Iterator[str]:
    """Notes on the costs that cannot be made equal, and how they can be known."""
    ways: dict[Axis, tuple[str, str]] = {
        "tokens": ("nobody counted the tokens of {}", "import them again with --tokenizer"),
        "dollars": ("no price is known for {}", "give one with --prices FILE, if it is behind an API"),
        "flops": ("the parameters of {} are not known", "only models with weights here have them"),
    }
    for axis, (missing, way) in ways.items():
        without = [s for s in (first, second) if not all(known(line, axis) for line in s.lines.values())]
        # of two local models none has a price, and of two APIs none has parameters: nothing is missing there
        if without and (axis == "tokens" or len(without) == 1):
            names = " and ".join(s.named for s in without)
            only = "at equal k only" if axis == "tokens" else f"not at equal {_words(axis)}"
            yield f"{first.name} and {second.name} are compared {only}: {missing.format(names)}; {way}"


def _words(axis: Axis) -> str:
    return "FLOPs" if axis == "flops" else axis


_Met = tuple[str, Axis, float, Policy, Policy, tuple[str, str]]


def _at_budgets(first: Side, second: Side, matched: Sequence[Match]) -> Iterator[_Met]:
    """What is compared, at which budget: every matched pair of lines, then the best that either side has."""
    for match in matched:
        for axis in _axes((match.first,), (match.second,)):
            for budget in budgets(axis, (match.first,), (match.second,)):
                a, b = at(match.first, axis, budget), at(match.second, axis, budget)
                if a is not None and b is not None:
                    yield match.what, axis, budget, a, b, match.names
    for axis in AXES:
        lines = [[line for line in side.lines.values() if known(line, axis)] for side in (first, second)]
        if axis not in _axes(*lines):
            continue
        for budget in budgets(axis, *lines):
            (a, name), (b, other) = best(lines[0], axis, budget), best(lines[1], axis, budget)
            yield BEST, axis, budget, a, b, (name, other)


def _axes(first: Sequence[Line], second: Sequence[Line]) -> list[Axis]:
    """Those whose costs are known of all these lines."""
    both = [*first, *second]
    return [axis for axis in AXES if first and second and all(known(line, axis) for line in both)]


def budgets(axis: Axis, first: Sequence[Line], second: Sequence[Line]) -> list[float]:
    """Where two sides are compared: at the most that both can spend, and half way up to it (on a log scale) from the
    least at which all lines begin; for k at the least too; for dollars and FLOPs, which mostly follow tokens, only at
    the most. Where a line of one side begins above the other's end there is one budget, that beginning."""
    spent = [[c for line in side for c in costs(line, axis)] for side in (first, second)]
    low, high = max(costs(line, axis)[0] for line in (*first, *second)), min(map(max, spent))
    if high <= low:
        return [low]
    if axis in ("dollars", "flops"):
        return [high]
    middle = sqrt(low * high)
    if axis == "tokens":
        return [middle, high]
    within = [k for k in {*spent[0], *spent[1]} if low <= k <= high]
    return sorted({low, min(within, key=lambda k: (abs(log(k / middle)), k)), high})


def best(lines: Sequence[Line], axis: Axis, budget: float) -> tuple[Policy, str]:
    """What a run reaches at a budget with its best line, and the name of that. It is chosen on one half of the problems
    and measured on the other, both ways (halves at random, with a fixed seed): chosen and measured on the same
    problems, a run would look the better the more lines it has. Lines that begin above the budget do not count."""
    met = [(policy, line[0].label()) for line in lines if (policy := at(line, axis, budget)) is not None]
    size = len(met[0][0].values)
    half = np.random.default_rng(0).permutation(size) % 2
    values, spent, names = np.zeros(size), [], []
    for mine in (0, 1):
        chosen, name = max(met, key=lambda m: (round(float(m[0].values[half != mine].mean()), 12), -_spent(m[0], axis)))
        values[half == mine] = chosen.values[half == mine]
        spent.append((chosen, int((half == mine).sum()) / size))
        names.append(name)
    mixed = {axis: _mean([(policy.costs[axis], share) for policy, share in spent]) for axis in AXES}
    where = " / ".join(dict.fromkeys(policy.where for policy, _ in spent))
    reached = all(policy.reached for policy, _ in spent)
    return Policy(values, mixed, where, reached), " / ".join(dict.fromkeys(names))


def _spent(policy: Policy, axis: Axis) -> float:
    return float(policy.costs[axis] or 0.0)


def _mean(weighted: Sequence[tuple[float | None, float]]) -> float | None:
    return None if any(v is None for v, _ in weighted) else sum(v * share for v, share in weighted if v is not None)


def _gaps(match: Match) -> Iterator[Gap]:
    """The differences at the samples, and at the tokens, that both lines reach, no closer than STEP."""
    lines = (match.first, match.second)
    axes: tuple[Axis, ...] = ("k", "tokens")
    for axis in axes:
        if not all(known(line, axis) for line in lines):
            continue
        own = [costs(line, axis) for line in lines]
        low, high = max(map(min, own)), min(map(max, own))
        last = 0.0
        for budget in sorted({low, max(low, high), *(c for c in (*own[0], *own[1]) if low < c < high)}):
            a, b = at(match.first, axis, budget), at(match.second, axis, budget)
            if a is not None and b is not None and (budget >= STEP * last or budget == high):
                last = budget
                yield Gap(match.what, axis, budget, *paired_difference(a.values.tolist(), b.values.tolist()))


def _moved(match: Match, problems: Sequence[Problem]) -> Iterator[Moved]:
    """Every problem at the largest k of both lines."""
    if not all(known(line, "k") for line in (match.first, match.second)):
        return
    k = budgets("k", (match.first,), (match.second,))[-1]
    a, b = at(match.first, "k", k), at(match.second, "k", k)
    if a is not None and b is not None:
        for problem, x, y in zip(problems, a.values.tolist(), b.values.tolist(), strict=True):
            yield Moved(problem, match.what, k, x, y)


def differences(row: Row) -> Array:
    """[problem]: second - first."""
    return np.subtract(row.second.values, row.first.values)
