"""Diagnoses -> charts: the losses of a choice among samples, and how well scores are calibrated. Computes nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from ttc_bench.analysis.verifier_quality import Diagnosis
from ttc_bench.charts.tokens import COLOURS, FONT, GREY, INK
from ttc_bench.charts.vegalite import SCHEMA

PARTS = {  # words -> colour; blue, orange and a light grey differ in print too
    "right": COLOURS[0],
    "selection loss": COLOURS[4],
    "coverage loss": "#cfcfcf",
}
READABLE = 0.07  # width of the narrowest segment that shows its number


def losses(diagnoses: Sequence[Diagnosis], *, narrow: bool = False) -> dict[str, Any]:
    """A Vega-Lite specification: one bar for majority and each verifier at the largest k, whole length 1, cut into
    accuracy, selection loss and coverage loss. One panel per task, model and pool, below each other."""
    panels, tables = [], {}
    groups = dict.fromkeys((d.task, d.model, d.pool) for d in diagnoses)
    for i, key in enumerate(groups):
        of_panel = [d for d in diagnoses if (d.task, d.model, d.pool) == key]
        tables[f"losses{i}"] = [row for d in of_panel for row in _segments(d)]
        panels.append(_bars(f"losses{i}", of_panel, narrow, first=i == 0))
    return _page(panels, tables, columns=1)


def reliability(diagnoses: Sequence[Diagnosis], *, narrow: bool = False) -> dict[str, Any] | None:
    """A Vega-Lite specification: share of right samples against mean score, ten bins of equal mass; on the dashed line
    a score is a probability. One panel per verifier whose scores are probabilities; None where there is none."""
    panels, tables = [], {}
    for i, d in enumerate(d for d in diagnoses if d.bins):
        tables[f"bins{i}"] = [
            {
                "score": b.score,
                "accuracy": b.accuracy,
                "samples": f"{b.samples:,}",
                "mean score": f"{b.score:.3f}",
                "right": f"{b.accuracy:.3f}",
            }
            for b in d.bins
        ]
        panels.append(_calibrated(f"bins{i}", d))
    return _page(panels, tables | {"diagonal": [{"p": 0}, {"p": 1}]}, columns=1 if narrow else 3) if panels else None


def _segments(d: Diagnosis) -> list[dict[str, Any]]:
    c = d.choices[-1]
    rows, start = [], 0.0
    for part, size in zip(PARTS, (c.accuracy, c.selection_loss, c.coverage_loss), strict=True):
        end = start + size
        text = f"{size:.2f}" if size >= READABLE else ""
        words = {"selector": d.selector, "part": part, "share": f"{size:.3f}", "text": text}
        rows.append({**words, "start": start, "end": end, "middle": (start + end) / 2})
        start = end
    return rows


def _bars(name: str, diagnoses: Sequence[Diagnosis], narrow: bool, first: bool) -> dict[str, Any]:
    d, k = diagnoses[0], diagnoses[0].choices[-1].k
    y: dict[str, Any] = {"field": "selector", "type": "nominal", "sort": [d.selector for d in diagnoses], "title": None}
    y["axis"] = {"labelLimit": 130 if narrow else 220, "ticks": False, "domain": False, "labelPadding": 6}
    x: dict[str, Any] = {
        "field": "start",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "title": "share of the problems",
    }
    x["axis"] = {"values": [0, 0.5, 1] if narrow else [0, 0.2, 0.4, 0.6, 0.8, 1], "format": ".1f", "grid": False}
    legend = {"title": None, "orient": "top", "symbolType": "square"} if first else None
    scale = {"domain": list(PARTS), "range": list(PARTS.values())}
    colour = {"field": "part", "type": "nominal", "scale": scale, "legend": legend}
    tooltip = [{"field": f, "type": "nominal"} for f in ("selector", "part", "share")]
    bar = {"y": y, "x": x, "x2": {"field": "end"}, "color": colour, "tooltip": tooltip}
    white = {"condition": {"test": "datum.part === 'right'", "value": "white"}, "value": INK}
    middle = {"field": "middle", "type": "quantitative"}
    number = {"y": y, "x": middle, "text": {"field": "text", "type": "nominal"}, "color": white}
    return {
        "title": _title(f"{d.task}: a choice among {k} samples", f"{d.model} · {d.pool}", narrow),
        "width": 190 if narrow else 520,
        "height": {"step": 26},
        "data": {"name": name},
        "layer": [
            {"mark": {"type": "bar", "height": 18}, "encoding": bar},
            {"mark": {"type": "text", "fontSize": 11}, "encoding": number},
        ],
    }


def _calibrated(name: str, d: Diagnosis) -> dict[str, Any]:
    scale = {"domain": [0, 1]}
    axis = {"values": [0, 0.2, 0.4, 0.6, 0.8, 1], "format": ".1f", "gridColor": "#ececec"}
    shared = {"type": "quantitative", "scale": scale, "axis": axis}
    x = {"field": "score", "title": "mean score", **shared}
    y = {"field": "accuracy", "title": "share that is right", **shared}
    tooltip = [{"field": f, "type": "nominal"} for f in ("mean score", "right", "samples")]
    ends = {"x": {"field": "p", "type": "quantitative"}, "y": {"field": "p", "type": "quantitative"}}
    diagonal = {"type": "line", "strokeDash": [4, 3], "color": GREY, "strokeWidth": 1}
    return {
        "title": _title(f"{d.selector}: calibration error {d.ece:.3f}", f"{d.task} · {d.model} · {d.pool}", True),
        "width": 200,
        "height": 200,
        "layer": [
            {"data": {"name": "diagonal"}, "mark": diagonal, "encoding": ends},
            {
                "data": {"name": name},
                "mark": {"type": "line", "color": COLOURS[0], "point": {"size": 50, "filled": True}},
                "encoding": {"x": x, "y": y, "order": {"field": "score"}, "tooltip": tooltip},
            },
        ],
    }


def _title(text: str, below: str, narrow: bool) -> dict[str, Any]:
    rows, under = textwrap.wrap(text, 34 if narrow else 70), textwrap.wrap(below, 40 if narrow else 90)
    style = {"anchor": "start", "frame": "group", "fontSize": 13, "subtitleFontSize": 11, "subtitleColor": GREY}
    return {"text": rows, "subtitle": under, "color": INK, **style}


def _page(panels: list[dict[str, Any]], tables: dict[str, Any], columns: int) -> dict[str, Any]:
    axis = {"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11}
    legend = {"labelColor": INK, "labelFontSize": 11}
    return {
        "$schema": SCHEMA,
        "config": {"font": FONT, "background": "white", "view": {"stroke": None}, "axis": axis, "legend": legend},
        "columns": columns,
        "spacing": 30,
        "concat": panels,
        "datasets": tables,
    }
