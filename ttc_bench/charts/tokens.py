"""CurvePoints -> the chart of accuracy over cost. It draws fields of the points and computes only positions.

One definition gives the PNG, the SVG and the interactive chart of report.html. Colours are Okabe and Ito's, which the
colour-blind can tell apart; shapes repeat the distinction for print in grey, and lines are named where they end.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ttc_bench.analysis.quality import RARE
from ttc_bench.charts import vegalite
from ttc_bench.charts.layout import LINE, Frame, Writing, domain, side_by_side, ticks, write
from ttc_bench.charts.vegalite import SCHEMA, Rows, Tables, field
from ttc_bench.core import Change, CurvePoint, Line
from ttc_bench.errors import TtcError

Axis = Literal["generated", "total", "dollars", "flops", "samples"]
AXES: dict[Axis, tuple[str, str, float]] = {  # name -> (field of CurvePoint, words, least value on a log axis)
    "generated": ("tokens", "tokens generated", 1.0),
    "total": ("total_tokens", "tokens read and generated", 1.0),
    "dollars": ("dollars", "US dollars", 1e-7),
    "flops": ("flops", "inference FLOPs", 1.0),
    "samples": ("k", "samples", 1.0),  # where tokens are not known
}
FORMATS = {"dollars": "~g", "flops": "~s"}  # number format of an axis: 2G FLOPs, not 2,000,000,000
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left")
INK, NEUTRAL, GREY, PALE = "#222222", "#555555", "#666666", "#d8d8d8"
FONT = "Arial, Helvetica, 'Liberation Sans', sans-serif"
ACCURACY = field(  # the y-axis of every chart of accuracy
    "y:Q",
    title="accuracy",
    scale={"domain": [0, 1]},
    axis={
        "values": [0, 0.2, 0.4, 0.6, 0.8, 1],
        "format": ".1f",
        "gridColor": "#ececec",
        "domain": False,
        "ticks": False,
    },
)
CURVE_NOTES = (
    "Bars: 95% intervals over problems. Methods share samples, so bars may overlap where a paired test is clear.",
    "Dashed: pass@k, the reach of a perfect verifier.",
)
FRONT_NOTE = "Ringed: Pareto front of accuracy over generated tokens."
STOPPING_NOTE = "The line of a stopping rule runs over its thresholds: each point is a mean over all orderings."
NO_TOKENS = (
    "Drawn over samples, as nobody counted the tokens of some: methods at one place may cost very different amounts."
)
SHARE_WORDS = {  # field of CurvePoint -> how a caption calls it
    "truncated": "cut at the limit",
    "unextracted": "unreadable",
    "duplicated": "duplicated",
    "failed": "failed",
    "estimated": "tokens estimated",
}


@dataclass(frozen=True)
class Figure:
    """Settings that the panels of one figure share. Data rows are added to the specification at the end, by name."""

    x: Axis
    narrow: bool
    names: Mapping[Line, str]
    marks: Mapping[str, tuple[str, str]]  # name -> colour and shape, the same in every panel
    sweeps: frozenset[str] = frozenset()  # names of lines over several efforts
    tables: Tables = dataclasses.field(default_factory=dict)

    def layer(self, rows: Rows, mark: str, encoding: Mapping[str, Any], **look: Any) -> dict[str, Any]:
        """A layer that draws these rows."""
        return vegalite.layer(self.tables, rows, mark, encoding, **look)

    def name(self, p: CurvePoint) -> str:
        """The name of the point's line. Single samples at several efforts are one line."""
        return self.names[p.line]

    def cost(self, p: CurvePoint) -> float:
        """The x-value of a point, at least the smallest value that the log axis shows."""
        name, _, least = AXES[self.x]
        return max(float(getattr(p, name)), least)


def axes(points: Sequence[CurvePoint]) -> list[Axis]:
    """The x-axes that every point has a value for: dollars need a price, FLOPs the number of parameters. Samples are
    one where nobody counted the tokens."""
    known: list[Axis] = [
        axis for axis, (name, _, _) in AXES.items() if all(getattr(p, name) is not None for p in points)
    ]
    return known[:-1] if known[0] == "generated" else ["samples"]


def accuracy_vs_tokens(
    points: Sequence[CurvePoint],
    *,
    x: Axis | None = None,
    interactive: bool = False,
    narrow: bool = False,
) -> dict[str, Any]:
    """A Vega-Lite specification: accuracy (0..1) against mean tokens per problem (log), one panel per task and model;
    against another of `axes` with `x`, which is their first by default.

    `interactive` adds tooltips: method, k, accuracy, interval, tokens. `narrow` is for a page of 400
    pixels: small panels below each other, names on two lines. Raises TtcError where there is no point to draw."""
    if not points:
        raise TtcError("a chart needs at least one curve point, got none; run a method first, then draw")
    figure = _figure(points, x or axes(points)[0], narrow)
    tasks, models = dict.fromkeys(p.task for p in points), dict.fromkeys(p.model for p in points)
    pairs = dict.fromkeys((p.task, p.model) for p in points)
    columns = 1 if narrow else len(models) if len(models) in (2, 3) else 2  # models side by side
    width, height = (225, 270) if narrow else (520, 360) if len(pairs) == 1 else (340, 300)
    panels: list[dict[str, Any]] = []
    for task in tasks:
        edges = domain([figure.cost(p) for p in points if p.task == task])  # one axis for all models of a task
        for model in models:
            of_panel = [p for p in points if (p.task, p.model) == (task, model)]
            if of_panel:
                hover = f"hover{len(panels)}" if interactive else None
                panels.append(_panel(figure, of_panel, Frame(width, height, *edges), hover))
    bars, dashes = CURVE_NOTES
    notes: tuple[str, ...] = (bars, dashes, NO_TOKENS) if figure.x == "samples" else (bars, f"{dashes} {FRONT_NOTE}")
    if any(p.threshold is not None for p in points):
        notes = (*notes, STOPPING_NOTE)
    footer = [row for text in notes for row in textwrap.wrap(text, 62 if narrow else 120)]
    caption = {"text": footer, "orient": "bottom", "anchor": "start", "frame": "group", "offset": 12}
    axis = {"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11}
    return {
        "$schema": SCHEMA,
        "config": {"font": FONT, "background": "white", "view": {"stroke": None}, "axis": axis},
        "title": caption | {"fontSize": 10, "fontWeight": "normal", "color": GREY},
        "columns": columns,
        "spacing": 30,
        "concat": panels,
        "datasets": figure.tables,
    }


def save(points: Sequence[CurvePoint], folder: Path) -> list[Path]:
    """Writes accuracy_vs_tokens.png (2.5 times screen resolution) and .svg into `folder`; returns the two paths."""
    return vegalite.draw("accuracy_vs_tokens", accuracy_vs_tokens(points), folder)


def line_names(points: Sequence[CurvePoint]) -> dict[Line, str]:
    """Key of a line -> its name: the label, and the prompt too where two lines have the same label."""
    labels = {p.line: (p.label(), p.prompt) for p in points}
    names = [label for label, _ in labels.values()]
    return {
        line: label if names.count(label) == 1 else f"{label} ({prompt})" for line, (label, prompt) in labels.items()
    }


def effort_sweeps(points: Sequence[CurvePoint]) -> dict[Line, str]:
    """Key of a line -> name of the line over all efforts, for methods that draw one sample at several efforts."""
    voting = {p.method for p in points if p.k > 1}
    efforts: dict[str, set[str]] = {}
    for p in points:
        if p.effort and not p.change and not p.bound and p.method not in voting:
            efforts.setdefault(p.method, set()).add(p.effort)
    swept = {method for method, names in efforts.items() if len(names) > 1}
    return {p.line: f"{p.method} by effort" for p in points if p.method in swept and not p.change}


def _figure(points: Sequence[CurvePoint], x: Axis, narrow: bool) -> Figure:
    """Names and marks of all lines; single samples at several efforts are one line. Only lines over k have colours:
    lone points are grey, and bounds are black."""
    names = line_names(points)
    sweeps = effort_sweeps(points)
    names |= sweeps
    draws: dict[str, set[tuple[int, float | None]]] = {}
    for p in points:
        draws.setdefault(names[p.line], set()).add((p.k, p.threshold))
    bounds = {names[p.line] for p in points if p.bound}
    lone = [name for name, ks in draws.items() if len(ks) == 1 and name not in bounds]
    lines = [name for name in draws if name not in bounds and name not in lone]
    marks = dict.fromkeys((name for name in draws if name in bounds), (INK, "circle"))
    marks |= {name: (NEUTRAL, SHAPES[(i + len(lines)) % len(SHAPES)]) for i, name in enumerate(lone)}
    # the seventh line has the first one's colour, but another shape
    marks |= {name: (COLOURS[i % len(COLOURS)], SHAPES[i % len(SHAPES)]) for i, name in enumerate(lines)}
    return Figure(x, narrow, names, marks, frozenset(sweeps.values()))


def _panel(figure: Figure, points: Sequence[CurvePoint], frame: Frame, hover: str | None) -> dict[str, Any]:
    """One task and model. `hover`: the name of the Vega parameter for the line under the pointer; None: a static
    chart."""
    layer, rows, words = figure.layer, _rows(figure, points), AXES[figure.x][1]
    guess = points[0].guess  # of the task: the same for all of its points
    methods, bounds = [r for r in rows if not r["bound"]], [r for r in rows if r["bound"]]
    front = sorted((r for r in methods if r["pareto"]), key=lambda r: (r["x"], r["y"]))
    # the front is over generated tokens: over another cost its points are ringed, without the staircase
    step = [*front, *({**r, "x": frame.right} for r in front[-1:])] if figure.x == "generated" else []

    mean, at = ("", sorted({p.k for p in points})) if figure.x == "samples" else ("mean ", None)
    xs = field(
        "x:Q",
        title=f"{words} per problem (log)" if figure.narrow else f"{mean}{words} per problem (log scale)",
        axis={
            "values": at or ticks(frame.left, frame.right, frame.width, 4 if figure.x == "flops" else None),
            "format": FORMATS.get(figure.x, ",~f"),
            "grid": False,
            "domainColor": INK,
        },
        scale={"type": "log", "domain": [frame.left, frame.right], "nice": False},
    )
    colour, shape = colour_and_shape(figure)
    place = {"x": xs, "y": ACCURACY}
    line = place | {"order": field("x:Q")}  # cost grows with k; efforts and thresholds have one k and grow in cost
    # lines that are not pointed at fade
    shown = {"condition": {"param": hover, "value": 1}, "value": 0.12} if hover else {"value": 1}
    faint = {"condition": {"param": hover, "value": 0.55}, "value": 0.06} if hover else {"value": 0.55}
    bars = place | {"y2": field("high"), "color": colour, "opacity": faint}
    lone_last = sorted(methods, key=lambda r: figure.marks[r["line"]][0] == NEUTRAL)  # lone points on top
    marks = place | {"color": colour, "shape": shape, "opacity": shown}

    layers = [
        layer(step, "line", line, interpolate="step-after", color=PALE, strokeWidth=3),
        layer(side_by_side(methods, frame), "rule", bars, strokeWidth=1.3),
        layer(
            *(bounds, "line", line | {"detail": field("line:N"), "opacity": shown}),
            strokeWidth=1.4,
            strokeDash=[4, 3],
            color=INK,
        ),
        layer(bounds, "point", place | {"opacity": shown}, filled=True, size=16, color=INK, opacity=1),
        layer(methods, "line", line | {"color": colour, "opacity": shown}, strokeWidth=1.9),
        layer(lone_last, "point", marks, filled=True, size=64, stroke="white", strokeWidth=0.8),
        layer(front, "point", place, size=150, stroke=INK, strokeWidth=1.1),
        layer([] if guess is None else [{"y": guess}], "rule", {"y": ACCURACY}, strokeDash=[1, 3], color=GREY),
        *text_layers(figure, write(rows, frame, figure.narrow, guess), frame, xs),
        _quality(figure, points, frame),
    ]
    if hover:
        costs = ("tokens generated", "tokens in all", *(["inference FLOPs"] if points[0].flops is not None else []))
        columns = ("method", "k", "accuracy", "95% interval", *costs, "same point")
        over = layer(rows, "point", place | {"tooltip": vegalite.tooltip(*columns)}, filled=True, size=280, opacity=0)
        select = {"type": "point", "fields": ["line"], "on": "pointerover", "clear": "pointerout"}
        layers.append(over | {"params": [{"name": hover, "select": select}]})
    title = _title(points, figure.narrow)
    return {"width": frame.width, "height": frame.height, "title": title, "layer": layers}


def colour_and_shape(figure: Figure) -> tuple[dict[str, Any], dict[str, Any]]:
    """The channels of the colour and the shape of each line."""
    names = list(figure.marks)
    return (
        field("line:N", legend=None, scale={"domain": names, "range": [ink for ink, _ in figure.marks.values()]}),
        field("line:N", legend=None, scale={"domain": names, "range": [shape for _, shape in figure.marks.values()]}),
    )


def _quality(figure: Figure, points: Sequence[CurvePoint], frame: Frame) -> dict[str, Any]:
    """The shares of spoilt samples, as text under the x-axis."""
    rows = [row for line in shares(points) for row in textwrap.wrap(line, 58 if figure.narrow else 94)]
    place = {"x": {"value": 0}, "y": {"value": frame.height + 46}, "text": field("text:N")}
    look = {"align": "left", "baseline": "top", "fontSize": 10, "lineBreak": "\n", "color": GREY}
    return figure.layer([{"text": "\n".join(rows)}], "text", place, **look)


def shares(points: Sequence[CurvePoint]) -> list[str]:
    """The shares of samples that were cut off, unreadable, duplicated or failed, in words. One line for the samples of
    each prompt and effort as they were sampled, and one for each kind of change to them, with the smallest and largest
    share over its budgets or rounds."""
    groups: dict[tuple[str, str, str], dict[Change, CurvePoint]] = {}
    for p in points:
        kind = p.change.kind if p.change.amount else ""
        groups.setdefault((p.prompt, p.effort, kind), {})[p.change] = p
    lines = []
    for (prompt, effort, changed), changes in groups.items():
        parts = []
        for field_name, words in SHARE_WORDS.items():
            values = [share for p in changes.values() if (share := getattr(p, field_name)) is not None]
            if field_name in RARE and not any(values):
                continue
            if not values:
                parts.append(f"not known how many {words}")
                continue
            low, high = f"{min(values):.1%}", f"{max(values):.1%}"
            parts.append(f"{low if low == high else f'{low} to {high}'} {words}")
        name = ", ".join(part for part in (prompt, f"effort {effort}" if effort else "", changed) if part)
        lines.append(f"{name}: {', '.join(parts)}")
    return lines


def shown(tokens: float | None, digits: int = 1) -> str:
    """A number of tokens for people."""
    return "not known" if tokens is None else f"{tokens:,.{digits}f}"


def _title(points: Sequence[CurvePoint], narrow: bool) -> dict[str, Any]:
    p, largest = points[0], max(q.samples for q in points)
    size = f"{p.problems:,} problem{'s' * (p.problems != 1)}, up to {largest:,} sample{'s' * (largest != 1)} each"
    return {
        "text": textwrap.wrap(p.task, 36 if narrow else 56) or ["(task without a name)"],
        "subtitle": [row for text in (p.model, size) for row in textwrap.wrap(text, 52 if narrow else 74)],
        "anchor": "start",
        "frame": "group",
        "offset": 14,
        "fontSize": 14,
        "color": INK,
        "subtitleFontSize": 11,
        "subtitleColor": GREY,
    }


def _rows(figure: Figure, points: Sequence[CurvePoint]) -> list[dict[str, Any]]:
    """One row per point: its position and the texts of its tooltip."""
    places: dict[tuple[float, float], list[str]] = {}
    for p in points:
        places.setdefault((float(f"{figure.cost(p):.6g}"), round(p.accuracy, 5)), []).append(_place(figure, p))
    rows = []
    for p in sorted(points, key=lambda p: (p.k, 0.0 if p.threshold is None else figure.cost(p))):
        same_place = places[float(f"{figure.cost(p):.6g}"), round(p.accuracy, 5)]
        rows.append(
            {
                "line": figure.name(p),
                "bound": p.bound,
                "pareto": p.pareto,
                "x": figure.cost(p),
                "y": p.accuracy,
                "low": p.low,
                "high": p.high,
                "tag": p.effort if figure.name(p) in figure.sweeps else "",
                "method": _method(figure, p),
                "k": p.k,
                "threshold": p.threshold,
                "accuracy": f"{p.accuracy:.3f}",
                "95% interval": f"{p.low:.3f} to {p.high:.3f}",
                "tokens generated": shown(p.tokens),
                "tokens in all": shown(p.total_tokens),
                "inference FLOPs": "" if p.flops is None else f"{p.flops:.3g}",
                "same point": "; ".join(n for n in same_place if n != _place(figure, p)),
            }
        )
    return rows


def _method(figure: Figure, p: CurvePoint) -> str:
    """How a tooltip calls the point's method."""
    name = p.label() if figure.name(p) in figure.sweeps else figure.name(p)
    return name if p.threshold is None else f"{name} at {p.threshold:.3g}"


def _place(figure: Figure, p: CurvePoint) -> str:
    """How a tooltip calls a point at the same place."""
    at = f"k = {p.k}" if p.threshold is None else f"at {p.threshold:.3g}"
    return f"{figure.name(p)}, {at}"


def text_layers(figure: Figure, writing: Writing, frame: Frame, xs: dict[str, Any]) -> list[dict[str, Any]]:
    """Layers with the texts of a panel. Names are black, for contrast; a mark before a name has its colour and
    shape."""
    colour, shape = colour_and_shape(figure)
    place = {"x": xs, "y": ACCURACY}
    ends = place | {"x2": field("x2"), "y2": field("y2"), "color": colour}
    layers = [
        figure.layer(writing.leaders, "rule", ends, strokeWidth=0.8, opacity=0.6),
        figure.layer(writing.keys, "point", place | {"color": colour, "shape": shape}, filled=True, size=46, opacity=1),
    ]
    for texts, size, ink in ((writing.names, 11, INK), (writing.small, 10, GREY)):
        for align in ("left", "center", "right"):
            rows = [
                {"x": frame.x(t.px), "y": frame.y(t.py - LINE / 2 * t.text.count("\n")), "text": t.text}
                for t in texts
                if t.align == align
            ]
            look = {"align": align, "baseline": "middle", "fontSize": size, "lineBreak": "\n", "color": ink}
            layers.append(figure.layer(rows, "text", place | {"text": field("text:N")}, **look))
    return layers
