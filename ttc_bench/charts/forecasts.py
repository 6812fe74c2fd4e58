"""Outlooks -> charts: each curve as far as it was sampled, its forecast with the interval, and the wall of the vote.
Computes nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from ttc_bench.analysis.outlook import Outlook, What
from ttc_bench.charts.tokens import ACCURACY, COLOURS, FONT, GREY, INK
from ttc_bench.charts.vegalite import SCHEMA, Tables, field, layer, tooltip

LINES: dict[What, tuple[str, str]] = {  # -> colour and words
    "maj@k": (COLOURS[0], "vote"),
    "pass@k": (COLOURS[1], "pass@k"),
    "budget": (COLOURS[2], "budget"),
}
ROOM = 8  # times the last k that the axis goes on, for the names of the lines
CAPTION = (
    "Solid: computed from the samples. Dashed: forecast, by the law that did best on half of the samples. Shaded: 95% interval. "
    "Dotted: share of problems whose modal answer is right, which no vote exceeds."
)


def forecasts(outlooks: Sequence[Outlook], *, narrow: bool = False) -> dict[str, Any]:
    """A Vega-Lite specification: accuracy over k or over the budget (log), a panel for the votes of each pool and one
    for its budgets. Those that are withheld are left out."""
    made = [o for o in outlooks if not o.withheld]
    tables: Tables = {}
    keys = dict.fromkeys((o.task, o.model, o.pool, o.what == "budget") for o in made)
    panels = [
        _panel([o for o in made if (o.task, o.model, o.pool, o.what == "budget") == key], tables, narrow)
        for key in keys
    ]
    axis = {"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11}
    caption = {"text": textwrap.wrap(CAPTION, 55 if narrow else 110), "orient": "bottom", "anchor": "start"}
    return {
        "$schema": SCHEMA,
        "config": {"font": FONT, "background": "white", "view": {"stroke": None}, "axis": axis},
        "title": caption | {"frame": "group", "offset": 12, "fontSize": 10, "fontWeight": "normal", "color": GREY},
        "columns": 1 if narrow else 3 if len(panels) > 2 else 2,
        "spacing": 30,
        "concat": panels,
        "datasets": tables,
    }


def _panel(outlooks: Sequence[Outlook], tables: Tables, narrow: bool) -> dict[str, Any]:
    o = outlooks[0]
    words = "thinking budget in tokens (log scale)" if o.what == "budget" else "samples k (log scale)"
    marks = [layer for o in outlooks for layer in _line(o, tables, words)]
    style = {"anchor": "start", "frame": "group", "fontSize": 13, "subtitleFontSize": 11, "subtitleColor": GREY}
    under = textwrap.wrap(f"{o.model} · {o.pool}", 40)
    return {
        "title": {"text": textwrap.wrap(o.task, 34), "subtitle": under, "color": INK, **style},
        "width": 225 if narrow else 240,
        "height": 220,
        "layer": marks,
    }


def _line(o: Outlook, tables: Tables, words: str) -> list[dict[str, Any]]:
    """The layers of one curve: wall, band, forecast, points, and its name at its end."""
    colour, name = LINES[o.what]
    edges = [o.seen[0][0] if o.what == "budget" else 1, o.ahead[-1].at * ROOM]
    scale = {"type": "log", "domain": edges, "nice": False}
    x = field("x:Q", scale=scale, title=words, axis={"format": "~s", "grid": False, "tickCount": 5})
    at = {"x": x, "y": ACCURACY}
    end = _row(o.largest, o.now, o.now_low, o.now_high, "")
    ahead = [end, *(_row(f.at, f.value, f.low, f.high, o.trials[0].law) for f in o.ahead)]
    seen = [_row(x, y, None, None, "") for x, y in o.seen if x > 0]
    hover = tooltip("line", "at", "accuracy", "interval", "law")
    for row in (*seen, *ahead):
        row["line"] = name
    flat = layer(tables, [_row(seen[0]["x"], o.wall.value, None, None, "")], "rule", {"y": at["y"]}) if o.wall else None
    if flat:
        flat["mark"] |= {"color": colour, "strokeDash": [1, 3], "strokeWidth": 1.5}
    band = {"x": x, "y": field("low:Q", scale={"domain": [0, 1]}, title="accuracy"), "y2": field("high")}
    text = [{**ahead[-1], "text": f"{name}: {o.ahead[-1].value:.2f}"}]
    aside = {"align": "left", "dx": 7, "dy": -6 if o.what == "pass@k" else 6}  # the vote never lies above pass@k
    return [
        *([flat] if flat else []),
        layer(tables, ahead, "area", band, color=colour, opacity=0.15),
        layer(tables, ahead, "line", at, color=colour, strokeDash=[6, 3], strokeWidth=1.8),
        layer(tables, ahead[1:], "point", at | {"tooltip": hover}, color=colour, size=36, filled=False),
        layer(tables, seen, "line", at, color=colour, strokeWidth=2),
        layer(tables, seen, "point", at | {"tooltip": hover}, color=colour, size=36, filled=True, opacity=1),
        layer(tables, text, "text", at | {"text": field("text:N")}, color=colour, fontSize=11, **aside),
    ]


def _row(x: float, y: float, low: float | None, high: float | None, law: str) -> dict[str, Any]:
    interval = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    shown: dict[str, Any] = {"at": f"{x:,.0f}", "accuracy": f"{y:.3f}", "interval": interval, "law": law or "computed"}
    return {"x": x, "y": y, "low": low, "high": high, **shown}
