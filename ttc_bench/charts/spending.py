"""Cascades and plans -> charts of accuracy over cost. Computes nothing but where a hull runs between its corners."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from ttc_bench.charts.tokens import ACCURACY, COLOURS, FONT, GREY, INK
from ttc_bench.charts.vegalite import SCHEMA, Rows, Tables, field, layer, tooltip
from ttc_bench.policies.choosing import Pair
from ttc_bench.policies.hull import hull
from ttc_bench.policies.plan_words import named
from ttc_bench.policies.planner import Judged, Plans
from ttc_bench.policies.spending import UNITS, amount

SIZE = {"width": 520, "height": 340}
BETWEEN = 30  # points of a hull that is drawn between two corners: straight lines bend on a log axis
LINES = {  # words -> colour, dash
    "with cascades, judged on other problems": (COLOURS[0], [1, 0]),
    "with cascades, where they were chosen": (COLOURS[0], [4, 3]),
    "the two alone, mixed, judged on other problems": (GREY, [1, 0]),
}
DIAMOND = {"shape": "diamond", "filled": True, "size": 70, "opacity": 1}
APART = 1.08  # ratio of costs by which plans that cost the same are drawn apart
MARKS = {"single configuration": COLOURS[1], "mixture": COLOURS[0], "by difficulty": COLOURS[2]}


def cascades(pairs: Sequence[Pair]) -> dict[str, Any]:
    """A Vega-Lite specification: what mixtures reach with and without cascades, each model alone, and the best
    threshold of each rule on problems that it was not chosen on, with its interval. One panel per pair."""
    tables: Tables = {}
    return _page([_cascades(pair, tables) for pair in pairs], tables)


def _cascades(pair: Pair, tables: Tables) -> dict[str, Any]:
    curves = dict(
        zip(
            LINES,
            (
                [b.crossed for b in pair.frontier],
                [b.plain for b in pair.frontier],
                [b.crossed for b in pair.without],
            ),
            strict=True,
        )
    )
    lines: Rows = [{"line": line, "x": x, "y": y} for line, points in curves.items() for x, y in points]
    models: Rows = [
        {"x": float(a.costs[pair.unit].mean()), "y": float(a.values.mean()), "what": a.name} for a in pair.alone
    ]
    chosen: Rows = [
        _with_interval(c.crossed.costs[pair.unit], c.crossed.accuracy, f"by {c.cascade.sureness.rule}")
        for c in pair.choices
    ]
    x = _cost(pair.unit)
    colour = field("line:N", title=None, scale=_scale({k: v[0] for k, v in LINES.items()}), legend=_legend())
    dash = field("line:N", legend=None, scale=_scale({k: v[1] for k, v in LINES.items()}))
    place = {"x": x, "y": ACCURACY}
    shown = tooltip("what", "accuracy", "cost")
    layers = [
        layer(tables, lines, "line", place | {"color": colour, "strokeDash": dash}, strokeWidth=1.9),
        layer(tables, [_told(row) for row in models], "point", place | {"tooltip": shown}, color=GREY, size=36),
        layer(tables, chosen, "rule", place | {"y": field("low:Q"), "y2": field("high")}, color=COLOURS[1]),
        layer(tables, chosen, "point", place | {"tooltip": shown}, color=COLOURS[1], **DIAMOND),
        layer(tables, chosen, "text", place | {"text": field("what:N")}, **_beside(COLOURS[1])),
    ]
    title = f"{pair.task}: {pair.small} first, then {pair.large}"
    under = (
        f"{pair.problems:,} problems · rings: one model alone · diamonds: the best threshold of a rule, cross-fitted"
    )
    return SIZE | {"title": _title(title, under), "layer": layers}


def plan(every: Sequence[Plans]) -> dict[str, Any]:
    """A Vega-Lite specification: every configuration, the hull of their mixtures, the budget, and the plans on problems
    that they were not chosen on, with their intervals. One panel per task."""
    tables: Tables = {}
    return _page([_plan(plans, tables) for plans in every], tables)


def _plan(plans: Plans, tables: Tables) -> dict[str, Any]:
    costs = np.array([float(w.costs[plans.unit].mean()) for w in plans.ways])
    values = np.array([float(w.values.mean()) for w in plans.ways])
    ways: Rows = [
        _told({"x": float(c), "y": float(v), "what": w.name})
        for w, c, v in zip(plans.ways, costs, values, strict=True)
        if c > 0
    ]
    corners = hull(costs, values)
    least = min([row["x"] for row in ways] + [plans.budget]) / 1.5  # a log axis cannot show that nothing costs nothing
    along = np.geomspace(least, max(costs[corners[-1]], plans.budget), BETWEEN * len(corners))
    reach = np.interp(along, costs[corners], values[corners])
    line: Rows = [{"x": float(x), "y": float(y)} for x, y in zip(along, reach, strict=True)]
    judged: Rows = [
        row | {"x": row["x"] * APART ** (i - 1)}
        for i, (name, found) in enumerate(named(plans))
        if found.spent > 0 and (row := _judged(name, found))
    ]
    place = {"x": _cost(plans.unit), "y": ACCURACY}
    legend = _legend()
    coloured = place | {"color": field("what:N", title=None, scale=_scale(MARKS), legend=legend)}
    shown = tooltip("what", "accuracy", "cost")
    layers = [
        layer(tables, [{"x": plans.budget}], "rule", {"x": _cost(plans.unit)}, color=GREY, strokeDash=[3, 3]),
        layer(tables, line, "line", place, color=GREY, strokeWidth=1.5),
        layer(tables, ways, "point", place | {"tooltip": shown}, color=GREY, size=36),
        layer(tables, judged, "rule", coloured | {"y": field("low:Q"), "y2": field("high")}, strokeWidth=1.5),
        layer(tables, judged, "point", coloured | {"tooltip": shown}, **DIAMOND),
    ]
    under = f"{plans.problems:,} problems · rings: configurations · line: their mixtures · dashed: the budget · " + (
        "diamonds, drawn apart: plans on problems that they were not chosen on"
    )
    return (
        SIZE
        | {"title": _title(f"{plans.task}: {amount(plans.budget)} {UNITS[plans.unit]} per problem", under)}
        | {"layer": layers}
    )


def _judged(name: str, judged: Judged) -> dict[str, Any]:
    return _with_interval(judged.spent, judged.crossed, name)


def _with_interval(cost: float, accuracy: tuple[float, float, float], what: str) -> dict[str, Any]:
    value, low, high = accuracy
    return _told({"x": cost, "y": value, "low": low, "high": high, "what": what})


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"accuracy": f"{row['y']:.3f}", "cost": amount(row["x"])}


def _cost(unit: str) -> dict[str, Any]:
    axis = {"format": "~s" if unit != "dollars" else "~g", "grid": False, "domainColor": INK, "tickCount": 5}
    return field("x:Q", title=f"mean {UNITS[unit]} per problem (log scale)", scale={"type": "log"}, axis=axis)


def _scale(of: dict[str, Any]) -> dict[str, Any]:
    return {"domain": list(of), "range": list(of.values())}


def _legend() -> dict[str, Any]:
    return {"orient": "bottom", "direction": "vertical", "labelLimit": 400, "symbolType": "stroke"}


def _beside(colour: str) -> dict[str, Any]:
    return {"align": "left", "dx": 8, "dy": 8, "fontSize": 11, "color": colour}


def _title(text: str, under: str) -> dict[str, Any]:
    style = {"anchor": "start", "frame": "group", "fontSize": 14, "subtitleFontSize": 11, "subtitleColor": GREY}
    return {"text": textwrap.wrap(text, 66), "subtitle": textwrap.wrap(under, 92), "color": INK, **style}


def _page(panels: list[dict[str, Any]], tables: Tables) -> dict[str, Any]:
    axis = {"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11}
    return {
        "$schema": SCHEMA,
        "config": {"font": FONT, "background": "white", "view": {"stroke": None}, "axis": axis},
        "columns": 1,
        "spacing": 30,
        "resolve": {"scale": {"x": "independent", "color": "independent", "strokeDash": "independent"}},
        "concat": panels,
        "datasets": tables,
    }
