"""DifficultyPoints -> a heat map of accuracy, with difficulty upwards and tokens to the right.

One block of cells for each method, one column for each k: k doubles from column to column, so a block is a log axis of
tokens. Cells hold their numbers, so that colours need no key and print in grey loses nothing. Positions are pixels from
the top left corner of a panel.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_bench.analysis.difficulty import DifficultyPoint
from ttc_bench.charts import vegalite
from ttc_bench.charts.layout import LETTER, LINE
from ttc_bench.charts.tokens import FONT, GREY, INK, line_names, shown
from ttc_bench.charts.vegalite import SCHEMA, Tables, field, layer, tooltip
from ttc_bench.core import CurvePoint, Line
from ttc_bench.errors import TtcError

# ColorBrewer's sequential Blues (Harrower and Brewer 2003): one hue from light to dark, safe for the colour-blind
BLUES = ("#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b")
DARK = 0.66  # least accuracy at which the number in a cell is white
# width of a column, height of a level, space between blocks, height of a small text
CELL, ROW, GAP, SMALL = 38, 26, 18, 14
WIDTH = 300  # of the smallest panel: titles need room
HEAT_MAP_NOTES = (
    "In a cell: accuracy on the problems of one difficulty (n of them), light 0 to dark 1. Columns: k samples, or a "
    "thinking budget (≤), or waits and revisions (+); below them "
    "the mean generated tokens per problem, over all difficulties.",
    "pass@k is the reach of a perfect verifier. 95% intervals over problems are in difficulty.csv.",
)


@dataclass(frozen=True)
class Block:
    """The cells of one method: its name, the name broken into lines, and its columns."""

    name: str
    lines: list[str]
    columns: list[list[DifficultyPoint]]  # one per k, or per amount of a change; a column has a point per level
    heads: list[str]  # above the columns

    def width(self, cell: float) -> float:
        return max(cell * len(self.columns), LETTER * max(map(len, self.lines)))


@dataclass
class Ink:
    """The data rows of a panel: coloured cells and texts."""

    cells: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    texts: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def write(
        self, text: str, x: float, y: float, align: str = "left", size: int = 11, color: str = INK, angle: int = 0
    ) -> None:
        """Adds a text: its `align` end is at x, the middle of its first line at y."""
        self.texts.append(
            {"text": text, "x": x, "y": y, "align": align, "fontSize": size, "color": color, "angle": angle}
        )


def accuracy_by_difficulty(
    points: Sequence[DifficultyPoint], *, interactive: bool = False, narrow: bool = False
) -> dict[str, Any]:
    """A Vega-Lite specification: one heat map per task and model. `interactive` adds tooltips: accuracy, interval,
    tokens, problems. `narrow` is for a page of 400 pixels. Raises TtcError where there is nothing to draw."""
    if not points:
        raise TtcError("a chart by difficulty needs problems of at least two difficulties, got none")
    tables: Tables = {}
    panels: list[dict[str, Any]] = []
    for task, model in dict.fromkeys((p.point.task, p.point.model) for p in points):
        of_panel = [p for p in points if (p.point.task, p.point.model) == (task, model)]
        ink, width, height = _layout(of_panel, narrow)
        layers = _layers(ink, width, height, interactive, tables)
        title = {
            "text": textwrap.wrap(task, int(width / 8.5)) or ["(task without a name)"],
            "subtitle": textwrap.wrap(model, int(width / LETTER)),
            "anchor": "start",
            "frame": "group",
            "offset": 10,
            "fontSize": 14,
            "color": INK,
            "subtitleFontSize": 11,
            "subtitleColor": GREY,
        }
        panels.append({"title": title, "width": width, "height": height, "layer": layers})
    letters = int(max(panel["width"] for panel in panels) / 5.2)
    footer = [row for text in HEAT_MAP_NOTES for row in textwrap.wrap(text, letters)]
    caption = {"text": footer, "orient": "bottom", "anchor": "start", "frame": "group", "offset": 12}
    return {
        "$schema": SCHEMA,
        "config": {"font": FONT, "background": "white", "view": {"stroke": None}},
        "title": caption | {"fontSize": 10, "fontWeight": "normal", "color": GREY},
        "columns": 1,
        "spacing": 30,
        "concat": panels,
        "datasets": tables,
    }


def save(points: Sequence[DifficultyPoint], folder: Path) -> list[Path]:
    """Writes accuracy_by_difficulty.png (2.5 times screen resolution) and .svg into `folder`; returns the two paths."""
    return vegalite.draw("accuracy_by_difficulty", accuracy_by_difficulty(points), folder)


def _blocks(points: Sequence[DifficultyPoint], cell: float) -> list[Block]:
    """One block per line, in the order of the points."""
    lines: dict[Line, dict[tuple[int, int], list[DifficultyPoint]]] = {}
    for p in points:
        lines.setdefault(p.point.line, {}).setdefault((p.point.k, p.point.change.amount), []).append(p)
    names = line_names([p.point for p in points])
    blocks = []
    for line, columns in lines.items():
        name = names[line]
        letters = max(int(cell * len(columns) / LETTER), len("self-consistency"))
        name_lines = textwrap.wrap(name, letters, break_on_hyphens=False) or [" "]
        ordered = sorted(columns.values(), key=lambda column: (column[0].point.k, column[0].point.spent))
        blocks.append(Block(name, name_lines, ordered, [_head(column[0].point) for column in ordered]))
    return blocks


def _head(p: CurvePoint) -> str:
    """The text above a column: k, or, along changes, "≤ 64" for a budget and "+1" for a wait or a revision."""
    if not p.change:
        return str(p.k)
    return f"≤ {p.change.amount}" if p.change.kind == "budget" else f"+{p.change.amount}"


def _layout(points: Sequence[DifficultyPoint], narrow: bool) -> tuple[Ink, float, float]:
    """The ink of one task and model, its width and its height. Blocks wrap like words."""
    levels = list(dict.fromkeys(p.difficulty for p in points))[::-1]  # the hardest at the top
    counts = {p.difficulty: p.problems for p in points}
    break_ = "\n" if narrow and max(map(len, levels)) > 4 else " "
    labels = {level: f"{level}{break_}(n = {counts[level]:,})" for level in levels}
    label_width = LETTER * max(len(line) for label in labels.values() for line in label.split("\n")) + SMALL + 10
    room = max(330 if narrow else 900, label_width + 100) - label_width
    columns = {(p.point.line, p.point.change.amount, p.point.k) for p in points}
    cell = max(20.0, min(CELL, room / max(Counter(line for line, *_ in columns).values())))
    rows: list[list[tuple[float, Block]]] = [[]]
    x = 0.0
    for block in _blocks(points, cell):
        if rows[-1] and x + block.width(cell) > room:
            rows, x = [*rows, []], 0.0
        rows[-1].append((label_width + x, block))
        x += block.width(cell) + GAP
    ink, top = Ink(), 0.0
    for row in rows:
        top += LINE * max(len(block.lines) for _, block in row) + SMALL + 6
        bottom = top + ROW * len(levels)
        ink.write("difficulty", SMALL / 2, (top + bottom) / 2, "center", angle=270)
        ink.write("k =", label_width - 8, top - 9, "right", 10, GREY)
        ink.write("tokens", label_width - 8, bottom + 10, "right", 10, GREY)
        for i, level in enumerate(levels):
            middle = top + ROW * (i + 0.5)
            ink.write(labels[level], label_width - 8, middle - LINE / 2 * labels[level].count("\n"), "right")
        for start, block in row:
            for i, line in enumerate(reversed(block.lines)):
                ink.write(line, start, top - SMALL - 9 - LINE * i)
            for i, column in enumerate(block.columns):
                middle = start + cell * (i + 0.5)
                ink.write(block.heads[i], middle, top - 9, "center", 10, GREY)
                ink.write(_short(column[0].point.tokens), middle, bottom + 10, "center", 10 if cell > 28 else 8, GREY)
                for p in column:
                    y = top + ROW * levels.index(p.difficulty)
                    ink.cells.append(_cell(p, start + cell * i, y, cell, block))
                    shade = "white" if p.accuracy >= DARK else INK
                    ink.write(f"{p.accuracy:.2f}", middle, y + ROW / 2, "center", 11 if cell > 28 else 9, shade)
        top = bottom + SMALL + 22
    width = max(start + block.width(cell) for row in rows for start, block in row)
    return ink, max(width, WIDTH), top - 22


def _short(tokens: float | None) -> str:
    """A number of tokens in at most five characters: 7, 339, 2.7k, 13k, 1.5M; "?" where it is not known."""
    if tokens is None:
        return "?"
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if tokens >= 0.9995 * size:
            return f"{tokens / size:.{1 if tokens < 9.95 * size else 0}f}{letter}"
    return f"{tokens:.0f}"


def _cell(p: DifficultyPoint, x: float, y: float, cell: float, block: Block) -> dict[str, Any]:
    """The data row of one cell, with the texts of its tooltip."""
    return {
        "x": x,
        "x2": x + cell,
        "y": y,
        "y2": y + ROW,
        "value": p.accuracy,
        "method": block.name,
        "k": f"{p.point.k}, {p.point.change.label()}" if p.point.change.amount else p.point.k,
        "difficulty": p.difficulty,
        "accuracy": f"{p.accuracy:.3f}",
        "95% interval": f"{p.low:.3f} to {p.high:.3f}",
        "problems": f"{p.problems:,}",
        "tokens generated": shown(p.tokens),
    }


def _layers(ink: Ink, width: float, height: float, interactive: bool, tables: Tables) -> list[dict[str, Any]]:
    """Layers with cells, texts and tooltips. Data rows are added to the specification by name, as in tokens.py."""
    xs = field("x:Q", axis=None, scale={"domain": [0, width], "nice": False})
    ys = field("y:Q", axis=None, scale={"domain": [height, 0], "nice": False})
    stops = [i / (len(BLUES) - 1) for i in range(len(BLUES))]
    colour = field("value:Q", legend=None, scale={"domain": stops, "range": list(BLUES)})
    cell = {"x": xs, "y": ys, "x2": field("x2"), "y2": field("y2")}
    look = {name: {"expr": f"datum.{name}"} for name in ("align", "fontSize", "color", "angle")}
    words = {"x": xs, "y": ys, "text": field("text:N")}
    layers = [
        layer(tables, ink.cells, "rect", cell | {"color": colour}, stroke="#cccccc", strokeWidth=0.5),
        layer(tables, ink.texts, "text", words, baseline="middle", lineBreak="\n", **look),
    ]
    if interactive:  # on top, so that the number in a cell does not hide the cell from the pointer
        columns = ("method", "k", "difficulty", "accuracy", "95% interval", "problems", "tokens generated")
        layers.append(layer(tables, ink.cells, "rect", cell | {"tooltip": tooltip(*columns)}, opacity=0))
    return layers
