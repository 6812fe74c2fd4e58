"""What a comparison says in sentences, and the problems that are worth reading. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ttc_bench.analysis.stats import LEVEL
from ttc_bench.errors import counted
from ttc_bench.policies.comparison import Comparison, Moved, Pair, Row
from ttc_bench.policies.mixtures import Axis

EVEN = 0.5  # a problem is mostly right above it


def sentences(comparison: Comparison) -> Iterator[str]:
    """For each pair: who is ahead in how many rows, where equal cost turns what equal k says, and how many problems
    changed sides."""
    for pair in comparison.pairs:
        yield _standing(pair, len(comparison.rows))
        yield from _turned(pair)
        yield from _sides(pair)


def main(pair: Pair) -> list[Moved]:
    """The problems under the method that draws most, the first of several; none where no two lines have a k."""
    most = max((m.k for m in pair.moved), default=0)
    what = next((m.what for m in pair.moved if m.k == most), "")
    return [m for m in pair.moved if m.what == what]


def largest(moved: list[Moved], most: int) -> tuple[list[Moved], list[Moved]]:
    """The problems that gained and that lost most from the first side to the second, so many of each."""
    gained = sorted((m for m in moved if m.change > 0), key=lambda m: -m.change)
    lost = sorted((m for m in moved if m.change < 0), key=lambda m: m.change)
    return gained[:most], lost[:most]


def amount(axis: Axis, budget: float) -> str:
    """A budget in words: "k = 4", "310 tokens", "$0.0012", "2.1e9 FLOPs"."""
    if axis == "k":
        return f"k = {budget:.4g}"
    if axis == "tokens":
        return f"{budget:,.0f} tokens"
    return f"${budget:.3g}" if axis == "dollars" else f"{budget:.1e} FLOPs".replace("e+0", "e").replace("e+", "e")


def _standing(pair: Pair, compared: int) -> str:
    ahead = sum(row.corrected < LEVEL and row.difference > 0 for row in pair.rows)
    behind = sum(row.corrected < LEVEL and row.difference < 0 for row in pair.rows)
    first, second = pair.first.name, pair.second.name
    head = f"{pair.task}, {counted(len(pair.problems), 'problem')}"
    held = f"p < {LEVEL:g} after Holm's correction for {counted(compared, 'comparison')}"
    if not ahead and not behind:
        return f"{head}: of {counted(len(pair.rows), 'comparison')} none tells {second} from {first} ({held})."
    of = f"of {counted(len(pair.rows), 'comparison')} {second} is ahead of {first} in {ahead} and behind in {behind}"
    return f"{head}: {of} ({held})."


def _turned(pair: Pair) -> Iterator[str]:
    """Methods for which one side is ahead at equal k, and the other at equal cost."""
    for match in pair.matches:
        at_k = _last(pair, match.what, "k")
        for axis in ("tokens", "dollars", "flops"):
            at_cost = _last(pair, match.what, axis)
            if at_k is None or at_cost is None or at_k.difference * at_cost.difference >= 0:
                continue
            names = (pair.first.name, pair.second.name)
            a, b = at_k.first.costs[axis] or 0.0, at_k.second.costs[axis] or 0.0
            by_k = f"{names[at_k.difference > 0]} is ahead by {100 * abs(at_k.difference):.1f} points at equal k"
            other = names[at_cost.difference > 0]
            by_cost = f"{other} by {100 * abs(at_cost.difference):.1f} at equal {'FLOPs' if axis == 'flops' else axis}"
            why = f": {names[b > a]} spends {max(a, b) / min(a, b):.2g} times as much" if a and b else ""
            where = f"({amount('k', at_k.budget)}), {by_cost} ({amount(axis, at_cost.budget)})"
            yield f"{pair.task}, {match.what}: {by_k} {where}{why}."
            break


def _last(pair: Pair, what: str, axis: Axis) -> Row | None:
    """The row of the largest budget."""
    return max((r for r in pair.rows if (r.what, r.axis) == (what, axis)), key=lambda r: r.budget, default=None)


def _sides(pair: Pair) -> Iterator[str]:
    moved = main(pair)
    won = sum(m.first < EVEN < m.second for m in moved)
    lost = sum(m.second < EVEN < m.first for m in moved)
    if moved:
        where = f"{pair.task}, {moved[0].what} at {amount('k', moved[0].k)}"
        went = f"{counted(won, 'problem')} went from mostly wrong to mostly right, and {lost:,} the other way"
        yield f"{where}: from {pair.first.name} to {pair.second.name} {went}."
