"""Positions in a chart: ends and ticks of axes, and names that do not overlap. Pure geometry, in pixels.

Pixels count from the top left corner of a panel's plot area, rightwards and downwards.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

LETTER, LINE = 5.8, 13.0  # mean width of a letter and height of a line at font size 11
TEXT_MARGIN = 4.0  # kept free on either side of a text
GUESS = "random guess"

Align = Literal["left", "center", "right"]


@dataclass(frozen=True)
class Frame:
    """The plot area of one panel: its size, and the x-values at its edges (log scale). y is 0..1, upwards."""

    width: float
    height: float
    left: float
    right: float

    def px(self, x: float) -> float:
        return self.width * math.log(x / self.left) / math.log(self.right / self.left)

    def py(self, y: float) -> float:
        return self.height * (1 - y)

    def x(self, px: float) -> float:
        return float(self.left * (self.right / self.left) ** (px / self.width))

    def y(self, py: float) -> float:
        return 1 - py / self.height


@dataclass(frozen=True)
class PlacedText:
    """A text at its anchor. `align`: the end of the text at `px`; `py`: its vertical middle."""

    text: str
    px: float
    py: float
    align: Align


@dataclass(frozen=True)
class Writing:
    """The texts of a panel: names of lines and lone points, and small texts (k, the name of the level). A leader (x, y
    to x2, y2) connects the end of a line with its name; a key (x, y) is the place of the mark before a name. Leaders
    and keys are in data values and have the name of their line in "line"."""

    names: list[PlacedText]
    small: list[PlacedText]
    leaders: list[dict[str, Any]]
    keys: list[dict[str, Any]]


@dataclass
class Page:
    """The pixels drawn so far, as a list of sample points, so that a new text can be put where it hides the least."""

    frame: Frame
    inked: list[tuple[float, float]] = field(default_factory=list)

    def ink(self, px: float, py: float, times: int = 1) -> None:
        self.inked += [(px, py)] * times

    def ink_line(self, a: tuple[float, float], b: tuple[float, float]) -> None:
        steps = int(math.dist(a, b) / 5) + 1
        self.inked += [(a[0] + (b[0] - a[0]) * i / steps, a[1] + (b[1] - a[1]) * i / steps) for i in range(steps + 1)]

    def place(self, text: str, anchors: Iterable[tuple[float, float, Align]]) -> tuple[PlacedText, int]:
        """The text at the first anchor that hides least, and the number of inked points it hides (1000 more outside the
        frame). The text is added to the ink."""
        best, least = None, 1 << 30
        for px, py, align in anchors:
            x0, x1, y0, y1 = box = self._box(text, px, py, align)
            hidden = sum(x0 <= a <= x1 and y0 <= b <= y1 for a, b in self.inked)
            outside = x0 < -TEXT_MARGIN or x1 > self.frame.width + TEXT_MARGIN or y0 < -4 or y1 > self.frame.height + 4
            if hidden + 1000 * outside < least:
                best, least = (PlacedText(text, px, py, align), box), hidden + 1000 * outside
        assert best is not None, "a text needs at least one anchor"
        x0, x1, y0, y1 = best[1]
        for i in range(int((x1 - x0) / 4) + 1):
            self.inked += [(x0 + 4 * i, y0 + 2), (x0 + 4 * i, (y0 + y1) / 2), (x0 + 4 * i, y1 - 2)]
        return best[0], least

    def _box(self, text: str, px: float, py: float, align: Align) -> tuple[float, float, float, float]:
        rows = text.split("\n")
        wide, high = LETTER * max(map(len, rows)), LINE * len(rows)
        x0 = px - wide * {"left": 0.0, "center": 0.5, "right": 1.0}[align]
        return x0 - TEXT_MARGIN, x0 + wide + TEXT_MARGIN, py - high / 2, py + high / 2


def domain(values: Sequence[float]) -> tuple[float, float]:
    """Ends of a log axis: 9 % of its length are free on either side of the values, and it spans at least a factor of
    4."""
    low, high = min(values), max(values)
    span = math.log(high / low)
    margin = max(0.11 * span, (math.log(4) - span) / 2)
    return low * math.exp(-margin), high * math.exp(margin)


def ticks(left: float, right: float, room: float, letters: int | None = None) -> list[float]:
    """Round numbers within a log axis of `room` pixels: 1-2-5 where they fit, more on a short axis, fewer on a long
    one. `letters`: width of the widest number, by default that of `right` written out."""
    letters = letters or len(f"{right:,.0f}")
    for stride, steps in (
        (1, (1, 1.5, 2, 3, 4, 5, 6, 7, 8)),
        (1, (1, 2, 5)),
        (1, (1, 3)),
        (1, (1,)),
        (2, (1,)),
        (3, (1,)),
    ):
        powers = range(math.floor(math.log10(left)) // stride * stride, math.ceil(math.log10(right)) + 1, stride)
        values = [t for t in (float(f"{s}e{e}") for e in powers for s in steps) if left <= t <= right]
        gap = min((math.log(b / a) for a, b in itertools.pairwise(values)), default=math.inf)
        if gap * room / math.log(right / left) >= LETTER * letters + 14:
            break
    return values


def spread(desired: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights in low..high at least `gap` apart (less only where they cannot all fit), each as near to its desired
    height as its neighbours allow. They keep the order of the desired heights."""
    gap = min(gap, (high - low) / max(len(desired) - 1, 1))
    order = sorted(range(len(desired)), key=lambda i: desired[i])
    blocks: list[tuple[float, int]] = []  # (top, members): texts that would touch move as one block
    for i in order:
        block = (desired[i], 1)
        while blocks and block[0] < blocks[-1][0] + gap * blocks[-1][1]:
            top, members = blocks.pop()
            total = members + block[1]
            block = ((top * members + (block[0] - gap * members) * block[1]) / total, total)
        blocks.append(block)
    placed = [top + gap * j for top, members in blocks for j in range(members)]
    for j in range(len(placed)):  # back inside low..high: first past the top edge, then past the bottom edge
        placed[j] = max(placed[j], low + gap * j)
    for j in range(len(placed)):
        placed[j] = min(placed[j], high - gap * (len(placed) - 1 - j))
    result = [0.0] * len(placed)
    for i, height in zip(order, placed, strict=True):
        result[i] = height
    return result


def around(px: float, py: float) -> list[tuple[float, float, Align]]:
    """Anchors for the name of a lone point, best first."""
    anchors: list[tuple[float, float, Align]] = [(px + 11, py, "left"), (px - 11, py, "right")]
    for d in (17, -17, 30, -30, 43, -43):
        anchors += [(px, py + d, "center"), (px - 8, py + d, "right"), (px + 8, py + d, "left")]
    return anchors


def tags(points: Iterable[tuple[str, float, float]], page: Page) -> list[PlacedText]:
    """Small texts above points (text, px, py of the point's top). Equal texts are drawn once, above the highest of
    their points; a text without room is left out."""
    tops: dict[str, tuple[float, float]] = {}
    for words, px, py in points:
        if words and (words not in tops or py < tops[words][1]):
            tops[words] = (px, py)
    texts = []
    for words, (px, py) in tops.items():
        anchors: list[tuple[float, float, Align]] = [(px, py - 11, "center"), (px - 3, py - 10, "right")]
        anchors += [(px - 3, py - 20, "right"), (px, py - 22, "center"), (px + 3, py - 11, "left")]
        text, hidden = page.place(words, anchors)
        if hidden < 2:
            texts.append(text)
    return texts


def tag(row: dict[str, Any]) -> str:
    """The text above a point: its own tag, or "k = 1", "k = 4", "k = 16", ...; "" for a k in between."""
    k: int = row["k"]
    if row.get("threshold") is not None:  # one k for the whole line
        return ""
    return row.get("tag") or (f"k = {k}" if k.bit_length() % 2 == 1 and k.bit_count() == 1 else "")


def beside_level(height: float, frame: Frame) -> list[tuple[float, float, Align]]:
    """Anchors for the name of a level line, best first: above it and below it, from the left edge to the right one."""
    steps = range(int(frame.width - 16 * LETTER) // 20)
    return [(4 + 20.0 * i, height + side, "left") for i in steps for side in (-8.0, 9.0)]


def side_by_side(rows: Iterable[dict[str, Any]], frame: Frame) -> list[dict[str, Any]]:
    """Interval bars, moved a few pixels apart where points have the same cost. Equal bars are drawn once."""
    bars: list[dict[str, Any]] = []
    for row in rows:
        near = [b for b in bars if abs(frame.px(b["x"]) - frame.px(row["x"])) < 4]
        if not any(abs(b["low"] - row["low"]) + abs(b["high"] - row["high"]) < 1e-6 for b in near):
            bars.append(row)
    moved = []
    for bar in bars:
        near = [b for b in bars if abs(frame.px(b["x"]) - frame.px(bar["x"])) < 4]
        shift = 4.0 * (near.index(bar) - (len(near) - 1) / 2)
        moved.append(
            {"line": bar["line"], "x": frame.x(frame.px(bar["x"]) + shift), "y": bar["low"], "high": bar["high"]}
        )
    return moved


def write(rows: Sequence[dict[str, Any]], frame: Frame, narrow: bool, level: float | None = None) -> Writing:
    """Places the names of lines at their ends, right of the plot area; those of lone points beside them; k, or a row's
    own `tag`, where there is room; and the name of the line of random guessing, at accuracy `level`. A row has `line,
    bound, pareto, k, x, y, low, high`; those of one line are sorted by k."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda r: not r["bound"]):  # of two names at one height, that of the bound is on top
        lines.setdefault(row["line"], []).append(row)
    page = Page(frame)
    _ink(page, lines)
    if level is not None:
        page.ink_line((0, frame.py(level)), (frame.width, frame.py(level)))
    ends = {name: points[-1] for name, points in lines.items() if len(points) > 1}
    labels = {name: name.replace(" (", "\n(") if narrow else name for name in ends}
    tall = LINE * max((t.count("\n") + 1 for t in labels.values()), default=1)
    heights = dict(
        zip(ends, spread([frame.py(r["y"]) for r in ends.values()], tall + 1, 4, frame.height - 4), strict=True)
    )
    column = frame.width + (16 if narrow else 22)
    names = [PlacedText(labels[name], column + 9, heights[name], "left") for name in ends]
    for name, (first, *_) in lines.items():
        if name not in ends:
            names.append(page.place(name, around(frame.px(first["x"]), frame.py(first["y"])))[0])
    guess = [] if level is None else [page.place(GUESS, beside_level(frame.py(level), frame))[0]]
    leaders = [
        {
            "line": name,
            "x": frame.x(frame.px(r["x"]) + 9),
            "y": r["y"],
            "x2": frame.x(column + (6 if r["bound"] else -6)),
            "y2": frame.y(heights[name]),
        }
        for name, r in ends.items()
    ]
    keys = [
        {"line": name, "x": frame.x(column), "y": frame.y(heights[name])} for name, r in ends.items() if not r["bound"]
    ]
    tops = [(tag(r), frame.px(r["x"]), frame.py(r["y"] if r["bound"] else r["high"])) for n in ends for r in lines[n]]
    return Writing(names, [*guess, *tags(tops, page)], leaders, keys)


def _ink(page: Page, lines: dict[str, list[dict[str, Any]]]) -> None:
    """Adds points (with weight 4), lines, interval bars and the staircase of the Pareto front to the ink."""
    frame = page.frame
    for points in lines.values():
        places = [(frame.px(r["x"]), frame.py(r["y"])) for r in points]
        for a, b in itertools.pairwise(places):
            page.ink_line(a, b)
        for (px, py), r in zip(places, points, strict=True):
            page.ink(px, py, times=4)
            if not r["bound"]:
                page.ink_line((px, frame.py(r["low"])), (px, frame.py(r["high"])))
    front = sorted((frame.px(r["x"]), frame.py(r["y"])) for points in lines.values() for r in points if r["pareto"])
    for a, b in itertools.pairwise([*front, *((frame.width, py) for _, py in front[-1:])]):
        page.ink_line(a, (b[0], a[1]))
