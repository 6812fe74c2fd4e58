"""Forecasts in words, and as rows of forecasts.csv. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ttc_bench.analysis.outlook import Outlook, What
from ttc_bench.policies.walls import STEEP

WORTH: dict[What, str] = {
    "maj@k": "a majority of",
    "pass@k": "a perfect verifier choosing from",
    "budget": "thinking for",
}
HOW = (
    "Every law was fitted to half of the samples (or to the budgets up to half of the largest) and had to forecast all of "
    "them; the one with the smallest error is used. Intervals are 95%, over problems and samples, and leave room for other "
    "laws to be right. No sample was drawn beyond the end of a solid line."
)


def sentences(outlooks: Iterable[Outlook]) -> list[str]:
    """What each forecast says, or why there is none."""
    return [_sentence(o) for o in outlooks]


def rows(outlooks: Iterable[Outlook]) -> list[dict[str, Any]]:
    """One row for each place that is forecast, the largest k or budget first, where the accuracy is known."""
    return [row for o in outlooks if not o.withheld for row in _rows(o)]


def _sentence(o: Outlook) -> str:
    where = f"{o.task}, {o.model}, {o.pool}"
    if o.withheld:
        return f"{where}: {o.withheld}."
    last, best, budget = o.ahead[-1], o.trials[0], o.what == "budget"
    times = f"{last.at / o.largest:.0f} times the {'budget' if budget else 'samples'}"
    luck = "" if best.held else ", more than luck explains"
    said = f"{where}: with {times}, {WORTH[o.what]} {last.at:,.0f}{' tokens' if budget else ''} would reach "
    said += f"{last.value:.2f} [{last.low:.2f}, {last.high:.2f}]; with {o.largest:,.0f} it is {o.now:.2f}. "
    said += f"Law: {best.law}, {best.error:+.3f} off when fitted to half{luck}"
    if o.what == "pass@k":
        return f"{said}; if it holds, [{last.law_low:.2f}, {last.law_high:.2f}]."
    return f"{said}. {_wall(o)}" if o.wall else f"{said}."


def _wall(o: Outlook) -> str:
    w = o.wall
    assert w is not None
    verdict = {
        "still climbing": "It is still climbing",
        "falling": "More votes make it worse",
        "flat": f"It is flat, to less than {STEEP:.2f} per doubling",
        "cannot be told": f"Whether it still climbs cannot be told (a slope of {w.least:.3f} would show in 80% of cases)",
    }[w.verdict]
    slope = (
        f"{w.slope:+.3f} [{w.slope_low:+.3f}, {w.slope_high:+.3f}] per doubling from k = {w.since} to {o.largest:,.0f}"
    )
    wall = f"{w.value:.2f} [{w.low:.2f}, {w.high:.2f}] of the problems, with {w.undecided:.0%} undecided"
    return f"{verdict}: {slope}. The vote's wall, a right modal answer: {wall}."


def _rows(o: Outlook) -> Iterator[dict[str, Any]]:
    best, w = o.trials[0], o.wall
    known: Sequence[float] = (o.largest, o.now, o.now_low, o.now_high, o.now_low, o.now_high)
    ahead = [(f.at, f.value, f.low, f.high, f.law_low, f.law_high) for f in o.ahead]
    for times, place in zip((1.0, *(at / o.largest for at, *_ in ahead)), (known, *ahead), strict=True):
        yield {
            **{name: getattr(o, name) for name in ("task", "model", "prompt", "effort", "what")},
            "times": times,
            **dict(zip(("at", "accuracy", "low", "high", "law_low", "law_high"), place, strict=True)),
            "law": best.law if times > 1 else "",
            **{f"half_{name}": getattr(best, name) for name in ("error", "low", "high", "typical")},
            **{f"wall_{name}": getattr(w, name) if w else None for name in ("value", "low", "high", "undecided")},
            **{
                name: getattr(w, name) if w else None
                for name in ("verdict", "since", "slope", "slope_low", "slope_high")
            },
            "least_slope": w.least if w else None,
        }
