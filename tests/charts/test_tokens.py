"""Charts draw the points' own numbers, and nothing on the page hides or leaves the page."""

from __future__ import annotations

import itertools
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair
import pytest
import vl_convert
from curves import GAINS, story
from hypothesis import given
from hypothesis import strategies as st
from scenes import texts

from ttc_bench.charts.layout import Frame, Page, domain, spread, ticks
from ttc_bench.charts.tokens import AXES, accuracy_vs_tokens, save, shares
from ttc_bench.core import Change, CurvePoint
from ttc_bench.errors import TtcError

EIGHT = {f"method {i} (verifier {i})": 0.006 * i for i in range(8)}
PAGES = {
    "usual": story(),
    "eight methods": story(gains=EIGHT),
    "two prompts": story(prompts=("cot", "cot-few-shot")),
    "three tasks": [p for i in range(3) for p in story(f"task-{i}", base=0.2 + 0.1 * i, tokens=20 * 3.0**i)],
    "two models": [p for m in ("a", "b") for t in ("s", "t") for p in story(t, m)],
    "one problem": [replace(p, problems=1, low=0.0, high=1.0) for p in story()],
    "all wrong": [replace(p, accuracy=0.0, low=0.0, high=0.04) for p in story()],
    "all right": [replace(p, accuracy=1.0, low=0.96, high=1.0) for p in story()],
    "one cost": [replace(p, tokens=40.0) for p in story()],
    "no tokens": [replace(p, tokens=0.0, total_tokens=0.0) for p in story()],
    "one point": story()[:1],
    "guess below all": [replace(p, guess=0.001) for p in story()],
    "guess amid eight methods": [replace(p, guess=0.43) for p in story(gains=EIGHT)],
    "guess of one half": [replace(p, guess=0.5) for p in story(ks=(1, 2, 4, 8, 16, 32, 64))],
    "long names": story("a task with a name " * 9, "a/model-with-a-very-long-name-" * 5),
}


@pytest.mark.parametrize(
    ("name", "narrow"),
    [
        *((name, False) for name in PAGES),
        *((name, True) for name in ("usual", "eight methods", "guess amid eight methods", "long names")),
    ],
)
def test_no_text_covers_another_or_leaves_the_page(name: str, narrow: bool) -> None:
    """Guards the direct labels: lines that end at one height had their names printed over each other, and long titles
    were cut at the edge."""
    scene = vl_convert.vegalite_to_scenegraph(accuracy_vs_tokens(PAGES[name], narrow=narrow))
    found = list(texts(scene))
    assert len(found) > 10
    for a, b in itertools.combinations(found, 2):
        apart = a[2] <= b[1] or b[2] <= a[1] or a[4] <= b[3] or b[4] <= a[3]
        assert apart, f"{a} covers {b}"
    width, height = scene["width"] + scene["origin"][0] + 10, scene["height"] + scene["origin"][1] + 10
    for text, x0, x1, y0, y1 in found:
        assert -2 <= x0 < x1 <= width, f"'{text}' leaves the page"
        assert -2 <= y0 < y1 <= height, f"'{text}' leaves the page"


def test_every_line_is_named_in_every_panel() -> None:
    scene = vl_convert.vegalite_to_scenegraph(accuracy_vs_tokens(PAGES["two models"]))
    written = [text for text, *_ in texts(scene)]
    for name in ("direct", "cot", "pass@k", *GAINS):
        assert written.count(name) == 4, name


def drawn(spec: dict[str, Any], mark: str, **properties: Any) -> list[dict[str, Any]]:
    """Rows of the layers with this mark and these mark properties."""
    layers = [layer for panel in spec["concat"] for layer in panel["layer"] if layer["mark"]["type"] == mark]
    chosen = [layer for layer in layers if properties.items() <= layer["mark"].items()]
    return [row for layer in chosen for row in spec["datasets"][layer["data"]["name"]]]


@pytest.mark.parametrize("x", list(AXES))
def test_marks_stand_where_the_points_say(x: Any) -> None:
    """A chart that computes can be wrong where its table is right: every mark is a point's own numbers."""
    points = story()
    spec = accuracy_vs_tokens(points, x=x)
    cost = AXES[x][0]
    marks = [(r["line"], r["k"], r["x"], r["y"]) for r in drawn(spec, "point", filled=True) if "k" in r]
    assert sorted(marks) == sorted((p.label(), p.k, getattr(p, cost), p.accuracy) for p in points)
    bars = {(r["y"], r["high"]) for r in drawn(spec, "rule", strokeWidth=1.3)}
    assert bars == {(p.low, p.high) for p in points if not p.bound}
    rings = [(r["x"], r["y"]) for r in drawn(spec, "point", size=150)]
    assert sorted(rings) == sorted((getattr(p, cost), p.accuracy) for p in points if p.pareto)
    dashed = drawn(spec, "line", strokeDash=[4, 3])
    assert {r["line"] for r in dashed} == {"pass@k"}


def test_random_guessing_is_a_line_of_its_task() -> None:
    """A model at 0.5 on yes-or-no questions has learnt nothing: the chart says so, of the task that it is true of."""
    points = [*story("choose"), *story("count")]
    spec = accuracy_vs_tokens([replace(p, guess=0.5 if p.task == "choose" else None) for p in points])
    assert drawn(spec, "rule", strokeDash=[1, 3]) == [{"y": 0.5}]
    named = [[r["text"] for r in drawn({**spec, "concat": [panel]}, "text")] for panel in spec["concat"]]
    assert ["random guess" in texts for texts in named] == [True, False]


def test_the_staircase_is_one_of_generated_tokens() -> None:
    """`pareto` is about generated tokens: joined over another cost, the points would claim a front they are not."""
    assert drawn(accuracy_vs_tokens(story()), "line", interpolate="step-after")
    assert not drawn(accuracy_vs_tokens(story(), x="total"), "line", interpolate="step-after")


def test_lines_differ_in_colour_and_shape_together() -> None:
    """Six colours for eight methods: the seventh must not look like the first, in print neither."""
    layer = accuracy_vs_tokens(story(gains=EIGHT))["concat"][0]["layer"][5]["encoding"]
    names, colours = layer["color"]["scale"]["domain"], layer["color"]["scale"]["range"]
    looks = dict(zip(names, zip(colours, layer["shape"]["scale"]["range"], strict=True), strict=True))
    methods = {name: look for name, look in looks.items() if name != "pass@k"}
    assert len(set(methods.values())) == len(methods) == 10
    assert len({shape for name, (_, shape) in methods.items() if name in EIGHT}) == 8


def test_one_method_under_two_prompts_is_two_lines() -> None:
    """Named by the method alone, both curves were joined into one zigzag."""
    lines = {r["line"] for r in drawn(accuracy_vs_tokens(PAGES["two prompts"]), "line")}
    assert {"self-consistency (cot)", "self-consistency (cot-few-shot)"} <= lines


def test_a_row_of_panels_compares_the_models_on_one_axis() -> None:
    spec = accuracy_vs_tokens([*story("t", "small", tokens=30), *story("t", "large", tokens=900)])
    assert spec["columns"] == 2
    first, second = (panel["layer"][0]["encoding"]["x"]["scale"]["domain"] for panel in spec["concat"])
    assert first == second


def test_the_specification_is_valid_vega_lite() -> None:
    altair.Chart.from_dict(accuracy_vs_tokens(story(), interactive=True))  # raises where it is not


def test_single_samples_at_several_efforts_are_one_line_with_the_efforts_beside_it() -> None:
    cot = next(p for p in story() if p.method == "cot")
    points = [
        replace(cot, effort=effort, tokens=tokens, accuracy=accuracy, low=accuracy - 0.05, high=accuracy + 0.05)
        for effort, tokens, accuracy in (("low", 50.0, 0.2), ("medium", 200.0, 0.45), ("high", 900.0, 0.7))
    ]
    words = {text for text, *_ in texts(vl_convert.vegalite_to_scenegraph(accuracy_vs_tokens(points)))}
    assert {"cot by effort", "low", "medium", "high"} <= words
    rows = drawn(accuracy_vs_tokens(points, interactive=True), "point", opacity=0)
    assert [r["method"] for r in rows] == ["cot, effort low", "cot, effort medium", "cot, effort high"]


def test_tooltips_name_what_lies_below() -> None:
    """At k = 1 all methods are one point, and only the uppermost can be pointed at: it names the others."""
    spec = accuracy_vs_tokens(story(), interactive=True)
    fields = [t["field"] for t in spec["concat"][0]["layer"][-1]["encoding"]["tooltip"]]
    assert fields[:4] == ["method", "k", "accuracy", "95% interval"]
    row = next(r for r in drawn(spec, "point", opacity=0) if r["method"] == "cot")
    assert "self-consistency, k = 1" in row["same point"]


def test_save_writes_a_large_png_and_an_svg_with_everything_said(tmp_path: Path) -> None:
    points = [replace(p, task="<b>a & b</b>") for p in story()]
    png, svg = save(points, tmp_path / "new")
    data = png.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert width > 1500
    assert height > 1000
    text = svg.read_text(encoding="utf-8")
    assert "<b>" not in text
    for phrase in (
        "95% intervals",
        "pass@k",
        "self-consistency",
        "cot: 3.1% cut at the limit, 4.2% unreadable",
        "2,000",
    ):
        assert phrase in text, phrase


def test_changed_thinking_is_not_mistaken_for_the_samples_themselves() -> None:
    """A line for the samples as they were sampled, and one for each kind of change with the span of its shares."""
    cot = replace(story()[0], prompt="cot", truncated=0.28, unextracted=0.0, duplicated=0.0, failed=0.0)
    cut = [replace(cot, change=Change("budget", b), truncated=0.0, unextracted=u) for b, u in ((32, 0.48), (64, 0.62))]
    hard = replace(cot, effort="high", truncated=0.5)
    assert shares([cot, *cut, replace(cot, change=Change("refine", 1), truncated=0.12), hard]) == [
        "cot: 28.0% cut at the limit, 0.0% unreadable, 0.0% duplicated, 0.0% failed",
        "cot, budget: 0.0% cut at the limit, 48.0% to 62.0% unreadable, 0.0% duplicated, 0.0% failed",
        "cot, refine: 12.0% cut at the limit, 0.0% unreadable, 0.0% duplicated, 0.0% failed",
        "cot, effort high: 50.0% cut at the limit, 0.0% unreadable, 0.0% duplicated, 0.0% failed",
    ]


def test_no_points_is_one_clear_line() -> None:
    with pytest.raises(TtcError, match="at least one curve point"):
        accuracy_vs_tokens([])


@given(st.lists(st.floats(0, 300), max_size=12), st.floats(1, 60))
def test_spread_keeps_order_and_distance_within_the_page(wanted: list[float], gap: float) -> None:
    placed = spread(wanted, gap, 0, 300)
    least = min(gap, 300 / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    for i, j in itertools.pairwise(order):
        assert placed[j] - placed[i] >= least - 1e-6
    assert all(-1e-6 <= y <= 300 + 1e-6 for y in placed)
    if all(wanted[j] - wanted[i] >= gap for i, j in itertools.pairwise(order)):
        assert placed == pytest.approx(wanted)  # nobody moves without need


@given(st.floats(1, 1e5), st.floats(1, 1e5), st.floats(150, 600))
def test_axes_have_a_few_round_ticks_inside_them(a: float, b: float, room: float) -> None:
    left, right = domain([a, b])
    assert left < min(a, b)
    assert max(a, b) < right
    found = ticks(left, right, room)
    assert 1 <= len(found) <= 16
    assert all(left <= t <= right for t in found)
    assert all(float(f"{t:.2g}") == t for t in found)
    frame = Frame(room, 100, left, right)
    for s, t in itertools.pairwise(found):
        assert frame.px(t) - frame.px(s) > 5.5 * len(f"{t:,.0f}")  # their numbers do not touch


def test_a_name_goes_where_it_hides_least() -> None:
    page = Page(Frame(200, 100, 1, 100))
    page.ink_line((100, 50), (160, 50))
    text, hidden = page.place("cot", [(105, 50, "left"), (95, 50, "right")])
    assert (text.align, hidden) == ("right", 0)
    again, _ = page.place("cot", [(95, 50, "right"), (95, 80, "right")])
    assert again.py == 80  # the first name is ink now


def test_points_are_left_as_they_are() -> None:
    points = story()
    accuracy_vs_tokens(points, interactive=True)
    assert points == story()
    assert all(isinstance(p, CurvePoint) for p in points)
