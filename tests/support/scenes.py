"""What a rendered chart says, and where: read from its scene graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def texts(scene: dict[str, Any]) -> Iterator[tuple[str, float, float, float, float]]:
    """(text, x0, x1, y0, y1) of everything written by text marks and titles, in pixels of the whole picture."""
    x, y = scene["origin"]

    def walk(node: dict[str, Any], dx: float, dy: float) -> Iterator[tuple[str, float, float, float, float]]:
        for item in node.get("items", []):
            if node.get("marktype") == "group":
                for child in item.get("items", []):
                    yield from walk(child, dx + item.get("x", 0), dy + item.get("y", 0))
            elif node.get("marktype") == "text" and item.get("text") and not item.get("angle"):
                rows = item["text"] if isinstance(item["text"], list) else str(item["text"]).split("\n")
                size = item["fontSize"]
                wide, high = 0.5 * size * max(map(len, rows)), size * (1.15 * (len(rows) - 1) + 0.8)
                x0 = dx + item.get("x", 0) - wide * {"center": 0.5, "right": 1}.get(item.get("align"), 0)
                y0 = dy + item.get("y", 0) - (size * 0.4 if item.get("baseline") == "middle" else 0)
                yield "\n".join(rows), x0, x0 + wide, y0, y0 + high

    yield from walk(scene["scenegraph"], x, y)
