"""CurvePoints of several models -> charts of accuracy over inference FLOPs and over parameters.

Colours tell models apart, shapes and dashes tell methods apart, and every line is named at its end. It computes only
positions, and which verifier represents best-of-n.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttc_bench.charts.layout import LETTER, LINE, Frame, domain, side_by_side, ticks, write
from ttc_bench.charts.tokens import (
    ACCURACY,
    COLOURS,
    FONT,
    GREY,
    INK,
    PALE,
    Figure,
    colour_and_shape,
    effort_sweeps,
    text_layers,
)
from ttc_bench.charts.vegalite import SCHEMA, Tables, draw, field
from ttc_bench.core import CurvePoint
from ttc_bench.model_names import labels

METHOD_MARKS = {  # method -> shape and dash
    "direct": ("square", [1, 0]),
    "cot": ("circle", [1, 0]),
    "self-consistency": ("triangle-up", [1, 0]),
    "best-of-n": ("diamond", [6, 3]),
}
SINGLE = ("direct", "cot")  # methods of one sample
CAPTIONS = {  # picture -> text under it
    "accuracy_vs_flops": "Inference FLOPs: 2 x parameters x tokens read and generated. Bars: 95% intervals over problems. "
    "Of several verifiers, the one that is most accurate with the most samples stands for best-of-n.",
    "accuracy_vs_parameters": "Bars: 95% intervals over problems. All models with the same number of samples, and the "
    "verifier that is most accurate over all of them.",
}
CAPTION_LETTERS = 110  # most letters per line of a caption


def specs(points: Sequence[CurvePoint]) -> dict[str, dict[str, Any]]:
    """Vega-Lite specifications by picture, one panel per task; empty if fewer than two models of known size have
    points. Bounds and changed thinking are left out."""
    sized = [p for p in points if p.flops and p.parameters and not p.bound and not p.change]
    by_task = {task: [p for p in sized if p.task == task] for task in dict.fromkeys(p.task for p in sized)}
    by_task = {task: points for task, points in by_task.items() if len({p.model for p in points}) > 1}
    if not by_task:
        return {}
    names = labels(list(dict.fromkeys(p.model for p in sized)))
    pictures = {}
    for name, panel in (("accuracy_vs_flops", _thinking), ("accuracy_vs_parameters", _size)):
        tables: Tables = {}
        panels = [panel(of_task, names, tables) for of_task in by_task.values()]
        pictures[name] = _page(CAPTIONS[name], panels, tables)
    return pictures


def save(points: Sequence[CurvePoint], folder: Path) -> list[Path]:
    """Writes a PNG (2.5 times screen resolution) and an SVG of each picture into `folder`; returns their paths."""
    return [path for name, spec in specs(points).items() for path in draw(name, spec, folder)]


def _thinking(points: Sequence[CurvePoint], names: dict[str, str], tables: Tables) -> dict[str, Any]:
    """One task: accuracy over FLOPs, a line for each model and method. At several efforts, voting methods have a line
    for each effort, and methods of one sample have one line over all efforts."""
    marks, dashes, rows = {}, {}, []
    for i, model in enumerate(names):
        of_model = _shown([p for p in points if p.model == model])
        sweeps = effort_sweeps(of_model)
        for method, (shape, dash) in METHOD_MARKS.items():
            lines: dict[str, list[CurvePoint]] = {}
            for p in (p for p in of_model if p.method == method):
                lines.setdefault(f"{names[model]}, {sweeps.get(p.line, p.label())}", []).append(p)
            for line, along in lines.items():
                marks[line], dashes[line] = (COLOURS[i % len(COLOURS)], shape), dash
                along = sorted(along, key=lambda p: (p.k, p.flops or 0.0))
                rows += [_row(line, p, p.flops or 0.0, p.effort if p.line in sweeps else "") for p in along]
    frame = Frame(560, 400, *domain([r["x"] for r in rows]))
    figure = Figure("flops", False, {}, marks, tables=tables)
    return _panel(figure, points, rows, dashes, frame, "mean inference FLOPs per problem (log scale)", [])


def _size(points: Sequence[CurvePoint], names: dict[str, str], tables: Tables) -> dict[str, Any]:
    """One task: accuracy over parameters, a line for each method and effort; all models with the same k."""
    models = {p.model: p.parameters or 0 for p in points}
    computed = {(p.model, p.line, p.k) for p in points}
    shared = {(line, k) for _, line, k in computed if all((model, line, k) in computed for model in models)}
    largest_k = max((k for _, k in shared), default=1)
    chosen = _shown([p for p in points if (p.line, p.k) in shared])
    marks, dashes, rows = {}, {}, []
    for i, (method, (shape, dash)) in enumerate(METHOD_MARKS.items()):
        k = 1 if method in SINGLE else largest_k
        for line in dict.fromkeys(p.line for p in chosen if p.method == method and p.k == k):
            along = sorted((p for p in chosen if (p.line, p.k) == (line, k)), key=lambda p: p.parameters or 0)
            name = f"{along[0].label()}, k = {k}" if k > 1 else along[0].label()
            marks[name], dashes[name] = (COLOURS[i], shape), dash
            rows += [_row(name, p, float(p.parameters or 0)) | {"k": 0} for p in along]  # the name of the line says k
    frame = Frame(420, 340, *domain([float(n) for n in models.values()]))
    figure = Figure("flops", False, {}, marks, tables=tables)
    guides = [{"x": float(n), "text": names[m]} for m, n in sorted(models.items(), key=lambda pair: pair[1])]
    return _panel(figure, points, rows, dashes, frame, "parameters (log scale)", guides)


def _shown(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """The points without those of best-of-n under any but one verifier: the one that is most accurate with the most
    samples, summed over the models and efforts here."""
    verified = [p for p in points if p.method == "best-of-n"]
    largest_k = max((p.k for p in verified), default=0)
    totals: dict[str, float] = {}
    for p in verified:
        totals[p.verifier] = totals.get(p.verifier, 0.0) + p.accuracy * (p.k == largest_k)
    best = max(totals, key=lambda verifier: totals[verifier], default="")
    return [p for p in points if p.method != "best-of-n" or p.verifier == best]


def _row(line: str, p: CurvePoint, x: float, tag: str = "") -> dict[str, Any]:
    place = {"x": x, "y": p.accuracy, "low": p.low, "high": p.high}
    return {"line": line, "k": p.k, "tag": tag, "bound": False, "pareto": False, **place}


def _panel(
    figure: Figure,
    points: Sequence[CurvePoint],
    rows: list[dict[str, Any]],
    dashes: dict[str, list[int]],
    frame: Frame,
    title: str,
    guides: list[dict[str, Any]],
) -> dict[str, Any]:
    values = ticks(frame.left, frame.right, frame.width, 5)
    axis = {"values": values, "format": "~s", "grid": False, "domainColor": INK}
    scale = {"type": "log", "domain": [frame.left, frame.right], "nice": False}
    xs = field("x:Q", title=title, axis=axis, scale=scale)
    colour, shape = colour_and_shape(figure)
    dash = field("line:N", legend=None, scale={"domain": list(dashes), "range": list(dashes.values())})
    layer, place = figure.layer, {"x": xs, "y": ACCURACY}
    over = _rows_of_names(guides, frame)
    named = {"x": xs, "y": field("y:Q"), "text": field("text:N")}
    bars = place | {"y2": field("high"), "color": colour}
    layers = [
        layer(guides, "rule", {"x": xs}, color=PALE),
        layer(over, "text", named, baseline="bottom", fontSize=11, color=GREY),
        layer(side_by_side(rows, frame), "rule", bars, strokeWidth=1.2, opacity=0.45),
        layer(rows, "line", place | {"color": colour, "strokeDash": dash, "order": field("x:Q")}, strokeWidth=1.9),
        layer(
            *(rows[::-1], "point", place | {"color": colour, "shape": shape}),  # single samples on top of lines
            filled=True,
            size=64,
            stroke="white",
            strokeWidth=0.8,
            opacity=1,
        ),
        *text_layers(figure, write(rows, frame, False), frame, xs),
    ]
    p, largest = points[0], max(q.samples for q in points)
    size = f"{p.problems:,} problem{'s' * (p.problems != 1)}, up to {largest:,} sample{'s' * (largest != 1)} each"
    names_height = LINE * len({text["y"] for text in over})
    heading: dict[str, Any] = {"text": textwrap.wrap(p.task, 60), "subtitle": size, "anchor": "start", "frame": "group"}
    heading |= {
        "offset": 14 + names_height,
        "fontSize": 14,
        "color": INK,
        "subtitleFontSize": 11,
        "subtitleColor": GREY,
    }
    return {"width": frame.width, "height": frame.height, "title": heading, "layer": layers}


def _rows_of_names(guides: Sequence[dict[str, Any]], frame: Frame) -> list[dict[str, Any]]:
    """Guides with the height "y" of their name above the plot area: the lowest row where names do not touch."""
    ends: list[float] = []
    out = []
    for guide in guides:
        half, px = LETTER * len(guide["text"]) / 2 + 4, frame.px(guide["x"])
        row = next((i for i, end in enumerate(ends) if px - half >= end), len(ends))
        ends[row : row + 1] = [px + half]
        out.append({**guide, "y": frame.y(-4 - LINE * row)})
    return out


def _page(words: str, panels: list[dict[str, Any]], tables: Tables) -> dict[str, Any]:
    axis = {"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11}
    caption = {"text": textwrap.wrap(words, CAPTION_LETTERS), "orient": "bottom", "anchor": "start", "frame": "group"}
    return {
        "$schema": SCHEMA,
        "config": {"font": FONT, "background": "white", "view": {"stroke": None}, "axis": axis},
        "title": caption | {"offset": 12, "fontSize": 10, "fontWeight": "normal", "color": GREY},
        "columns": 1,
        "spacing": 30,
        "resolve": {"scale": {"color": "independent", "shape": "independent", "strokeDash": "independent"}},
        "concat": panels,
        "datasets": tables,
    }
