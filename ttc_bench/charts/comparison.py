"""A comparison of runs -> one chart: their curves, and beneath them the paired differences with intervals. Computes
positions only."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ttc_bench.charts.layout import LINE, Frame, domain, side_by_side, spread, ticks, write
from ttc_bench.charts.tokens import ACCURACY, COLOURS, FONT, GREY, INK, SHAPES, Figure, colour_and_shape, text_layers
from ttc_bench.charts.vegalite import SCHEMA, Rows, Tables, field
from ttc_bench.core import CurvePoint
from ttc_bench.policies.comparison import Comparison, Pair
from ttc_bench.policies.mixtures import Axis, known
from ttc_bench.policies.sides import Match

WIDTH, HEIGHT, BELOW = 460.0, 280.0, 150.0
LONGEST = 26  # letters of a run's name at a line
_TITLE: dict[str, Any] = {"anchor": "start", "frame": "group", "offset": 12, "fontSize": 14}
_TITLE |= {"subtitleFontSize": 11, "subtitleColor": GREY}
NOTE = (
    "Bars: 95% intervals over the common problems. Runs share problems, so bars above may overlap where a difference "
    "is clear: the panel below pairs them. A single sample is where the vote of its "
    "prompt begins. Between two points a line is the policy that takes either at random."
)


@dataclass(frozen=True)
class _Look:
    """What all panels share: colours by side, shapes by method, and the axis."""

    colours: Mapping[str, str]
    shapes: Mapping[str, str]
    over: Axis  # tokens, or k
    tables: Tables

    def drawn(self, pair: Pair) -> list[Match]:
        """Those that have a place on the axis (along a change of the thinking k stays the same), but for single samples
        that a vote begins with."""
        placed = [m for m in pair.matches if known(m.first, self.over) and known(m.second, self.over)]
        begun = {_begins(m) for m in placed if len(m.first) > 1 and len(m.second) > 1}
        return [m for m in placed if len(m.first) > 1 or len(m.second) > 1 or _begins(m) not in begun]

    def x(self, p: CurvePoint) -> float:
        return max(float(p.tokens or 0.0), 1.0) if self.over == "tokens" else float(p.k)


def compared(comparison: Comparison) -> dict[str, Any] | None:
    """A Vega-Lite specification: for each task a panel of accuracy over generated tokens, one colour per run, and one
    of the differences to the first run at equal tokens; over samples where the tokens of some are not known. None where
    the runs have no method in common that has a place there."""
    matches = [match for pair in comparison.pairs for match in pair.matches]
    sides = list(dict.fromkeys(side.name for pair in comparison.pairs for side in (pair.first, pair.second)))
    whats = list(dict.fromkeys(match.what for match in matches))
    over: Axis = "tokens" if all(known(line, "tokens") for m in matches for line in (m.first, m.second)) else "k"
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(sides)}
    shapes = {what: SHAPES[i % len(SHAPES)] for i, what in enumerate(whats)}
    look = _Look(colours, shapes, over, {})
    by_task: dict[str, list[Pair]] = {}
    for pair in comparison.pairs:
        by_task.setdefault(pair.task, []).append(pair)
    columns = []
    for pairs in by_task.values():
        lines = [line for pair in pairs for m in look.drawn(pair) for line in (m.first, m.second)]
        if lines:
            every = [look.x(p) for line in lines for p in line]
            edges = domain(every)
            columns.append({"vconcat": [_curves(look, pairs, edges), _gaps(look, pairs, edges)], "spacing": 14})
    if not columns:
        return None
    axis = {"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11}
    footer = {"text": textwrap.wrap(NOTE, 112), "orient": "bottom", "anchor": "start", "frame": "group", "offset": 12}
    return {
        "$schema": SCHEMA,
        "config": {"font": FONT, "background": "white", "view": {"stroke": None}, "axis": axis},
        "title": footer | {"fontSize": 10, "fontWeight": "normal", "color": GREY},
        "columns": 2,
        "spacing": 40,
        "concat": columns,
        "datasets": look.tables,
    }


def _curves(look: _Look, pairs: Sequence[Pair], edges: tuple[float, float]) -> dict[str, Any]:
    """The curves of one task; at the first run's once, however many others it meets."""
    frame = Frame(WIDTH, HEIGHT, *edges)
    rows: Rows = []
    marks: dict[str, tuple[str, str]] = {}
    for pair in pairs:
        for match in look.drawn(pair):
            for side, line, name in zip(
                (pair.first, pair.second), (match.first, match.second), match.names, strict=True
            ):
                full = f"{name} · {_cut(side.name)}"
                if full not in marks:
                    marks[full] = (look.colours[side.name], look.shapes[match.what])
                    rows += [_row(look, p, full) for p in line]
    figure = Figure("generated", False, {}, marks, tables=look.tables)
    colour, shape = colour_and_shape(figure)
    place = {"x": _xs(look, frame, "", [row["x"] for row in rows]), "y": ACCURACY}
    layers = [
        figure.layer(side_by_side(rows, frame), "rule", place | {"y2": field("high"), "color": colour}, opacity=0.5),
        figure.layer(rows, "line", place | {"order": field("x:Q"), "color": colour}, strokeWidth=1.9),
        figure.layer(rows, "point", place | {"color": colour, "shape": shape}, filled=True, size=64, opacity=1),
        *text_layers(figure, write(rows, frame, narrow=False), frame, place["x"]),
    ]
    size = f"{len(pairs[0].problems):,} common problems"
    title = {"text": textwrap.wrap(pairs[0].task, 56), "subtitle": size, "color": INK, **_TITLE}
    return {"width": frame.width, "height": frame.height, "title": title, "layer": layers}


def _begins(match: Match) -> tuple[tuple[float | None, tuple[float, ...]], ...]:
    """Tokens and values of the first point of both lines."""
    ends = (min(line, key=lambda p: p.k) for line in (match.first, match.second))
    return tuple((p.tokens, p.values) for p in ends)


def _row(look: _Look, p: CurvePoint, line: str) -> dict[str, Any]:
    flags = {"bound": False, "pareto": False, "k": p.k}
    return {"line": line, "x": look.x(p), "y": p.accuracy, "low": p.low, "high": p.high, **flags}


def _gaps(look: _Look, pairs: Sequence[Pair], edges: tuple[float, float]) -> dict[str, Any]:
    """The differences to the first run, in the other's colour."""
    frame = Frame(WIDTH, BELOW, *edges)
    rows: Rows = []
    marks: dict[str, tuple[str, str]] = {}
    for pair in pairs:
        drawn = {match.what for match in look.drawn(pair)}
        for gap in pair.gaps:
            if gap.axis == look.over and gap.what in drawn:
                name = f"{gap.what} · {_cut(pair.second.name)}"
                marks[name] = (look.colours[pair.second.name], look.shapes[gap.what])
                values = {"y": gap.difference, "low": gap.low, "high": gap.high}
                rows.append({"line": name, "x": max(gap.budget, 1.0), **values})
    figure = Figure("generated", False, {}, marks, tables=look.tables)
    colour, shape = colour_and_shape(figure)
    low, high = min((r["low"] for r in rows), default=0.0), max((r["high"] for r in rows), default=0.0)
    ends = (min(low, 0.0) - 0.02, max(high, 0.0) + 0.02)
    axis = {"gridColor": "#ececec", "domain": False, "ticks": False, "format": "+.2~f", "tickCount": 5}
    ys = field("y:Q", title="difference", scale={"domain": list(ends)}, axis=axis)
    equal = "tokens generated" if look.over == "tokens" else "samples"
    place = {"x": _xs(look, frame, f"mean {equal} per problem (log scale)", [row["x"] for row in rows]), "y": ys}
    title = {
        "text": f"difference to {_cut(pairs[0].first.run)}, at equal {equal}",
        "anchor": "start",
        "fontSize": 11,
        "color": INK,
    }
    return {
        "width": frame.width,
        "height": frame.height,
        "title": title | {"frame": "group", "fontWeight": "normal"},
        "layer": [
            figure.layer([{"y": 0.0}], "rule", {"y": ys}, color=INK, strokeWidth=1),
            figure.layer(
                side_by_side(rows, frame), "rule", place | {"y2": field("high"), "color": colour}, opacity=0.6
            ),
            figure.layer(rows, "line", place | {"order": field("x:Q"), "color": colour}, strokeWidth=1.6),
            figure.layer(rows, "point", place | {"color": colour, "shape": shape}, filled=True, size=56, opacity=1),
            *_names(figure, rows, *ends),
        ],
    }


def _names(figure: Figure, rows: Rows, low: float, high: float) -> list[dict[str, Any]]:
    """The names of the differences beside the panel, at the heights of their ends, apart from each other."""
    ends = {row["line"]: row["y"] for row in rows}  # rows grow in x
    wanted = [BELOW * (high - y) / (high - low) for y in ends.values()]
    placed = spread(wanted, LINE + 1, 4, BELOW - 4)
    colour, shape = colour_and_shape(figure)
    layers = []
    for name, py in zip(ends, placed, strict=True):
        row = [{"line": name, "text": name}]
        key = {"x": {"value": WIDTH + 14}, "y": {"value": py}, "color": colour, "shape": shape}
        text = {"x": {"value": WIDTH + 24}, "y": {"value": py}, "text": field("text:N")}
        look = {"align": "left", "baseline": "middle", "fontSize": 11, "color": INK}
        layers += [figure.layer(row, "point", key, filled=True, size=46, opacity=1)]
        layers += [figure.layer(row, "text", text, **look)]
    return layers


def _xs(look: _Look, frame: Frame, title: str, ks: Sequence[float] = ()) -> dict[str, Any]:
    """The axis; over samples its ticks are the numbers of samples that were drawn."""
    values = sorted(set(ks)) if look.over == "k" else ticks(frame.left, frame.right, frame.width)
    axis = {"values": values, "format": ",~f", "grid": False, "domainColor": INK}
    scale = {"type": "log", "domain": [frame.left, frame.right], "nice": False}
    return field("x:Q", title=title or None, axis=axis, scale=scale)


def _cut(name: str) -> str:
    """A run's name at a line, shortened in its middle."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 + 1 :]}"
