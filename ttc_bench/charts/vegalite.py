"""The words of Vega-Lite that the charts use, as plain dicts, and the drawing of a picture.

Altair says the same with objects and checks every one of them, which takes seconds for the charts of one run. Here a
test has it check whole specifications.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.4.1.json"
TYPES = {"Q": "quantitative", "N": "nominal"}
PNG_SCALE = 2.5  # pixels of a PNG to a pixel of the screen

Rows = list[dict[str, Any]]
Tables = dict[str, Rows]  # rows by name: layers name their data, and a specification holds each table once


def field(words: str, **more: Any) -> dict[str, Any]:
    """The channel of a column and its type, "x:Q" or "line:N"; without a type, as for x2 and y2, "high"."""
    name, _, kind = words.rpartition(":") if words[-2:-1] == ":" else (words, "", "")
    return {"field": name, **({"type": TYPES[kind]} if kind else {}), **more}


def layer(tables: Tables, rows: Rows, mark: str, encoding: Mapping[str, Any], **look: Any) -> dict[str, Any]:
    """A layer that draws a mark for these rows, which are added to the tables. `look`: properties of the mark."""
    name = f"rows{len(tables)}"
    tables[name] = rows
    return {"data": {"name": name}, "mark": {"type": mark, **look}, "encoding": dict(encoding)}


def tooltip(*columns: str) -> list[dict[str, Any]]:
    """The channel that shows these columns to a pointer."""
    return [field(f"{column}:N") for column in columns]


def draw(name: str, spec: Mapping[str, Any], folder: Path) -> list[Path]:
    """Writes NAME.png (2.5 times screen resolution) and NAME.svg into `folder`; returns the two paths."""
    import vl_convert

    drawn = svg(spec)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    paths[0].write_bytes(vl_convert.svg_to_png(drawn, scale=PNG_SCALE))  # the same bytes as from the specification
    paths[1].write_text(drawn, encoding="utf-8")
    return paths


def svg(spec: Mapping[str, Any]) -> str:
    """A picture as SVG."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(dict(spec)))
