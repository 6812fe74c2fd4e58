"""Accuracy by difficulty: levels that lose no problem, and the heat map that draws the rows and nothing else."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair
import pytest
import vl_convert
from curves import story
from hypothesis import given
from hypothesis import strategies as st
from scenes import texts

from ttc_bench.analysis.difficulty import MAX_LEVELS, DifficultyPoint, by_difficulty, levels
from ttc_bench.charts.difficulty import accuracy_by_difficulty, save
from ttc_bench.core import Change, CurvePoint, Problem
from ttc_bench.errors import TtcError


def problems(*difficulties: float | None) -> list[Problem]:
    return [Problem(str(i), f"{i}?", "1", difficulty=d) for i, d in enumerate(difficulties)]


def rows(points: list[CurvePoint], difficulties: tuple[float, ...] = (1, 2, 3, 4, 5)) -> list[DifficultyPoint]:
    """Each point once per difficulty: harder problems are solved less often and take longer."""
    out: list[DifficultyPoint] = []
    asked = problems(*difficulties)
    for p in points:
        values = [p.accuracy / (1 + i) for i in range(len(asked))]
        out += by_difficulty(p, asked, values, [p.tokens * (1 + i) for i in range(len(asked))])
    return out


def test_levels_are_the_difficulties_easiest_first() -> None:
    assert levels(problems(3, 1, 2.5, None, 1, float("nan"))) == {"1": [1, 4], "2.5": [2], "3": [0]}


def test_one_difficulty_or_none_is_nothing_to_compare() -> None:
    assert levels(problems(2, 2, 2)) == levels(problems(None, None)) == levels(problems(4, None)) == {}
    assert by_difficulty(story()[0], problems(2, 2), [0, 1], [5, 5]) == []


def test_many_difficulties_become_ranges_of_equal_weight() -> None:
    found = levels(problems(*[i / 8 for i in range(100)]))
    assert list(found)[:2] == ["0 to 1.125", "1.25 to 2.375"]
    assert [len(places) for places in found.values()] == [10] * 10
    crowded = levels(problems(*[1.0] * 90, *[float(i) for i in range(2, 22)]))
    assert len(crowded["1"]) == 90  # equal difficulties are never divided


@given(st.lists(st.floats(-1e6, 1e6) | st.integers(0, 30), min_size=2, max_size=60))
def test_every_problem_is_in_one_level_and_levels_are_in_order(difficulties: list[float]) -> None:
    """Labels that coincide when they are rounded would lose the problems of all but the last."""
    found = levels(problems(*difficulties))
    if len(set(difficulties)) < 2:
        assert found == {}
        return
    assert 2 <= len(found) <= MAX_LEVELS
    assert sorted(i for places in found.values() for i in places) == list(range(len(difficulties)))
    for a, b in itertools.pairwise(found.values()):
        assert max(difficulties[i] for i in a) < min(difficulties[i] for i in b)


def test_rows_are_means_over_the_problems_of_a_level() -> None:
    point = replace(story()[3], change=Change("budget", 64))
    easy, hard = by_difficulty(point, problems(1, 2, 1, 2, 2), [1, 0, 0.5, 0, 0], [10, 40, 20, 50, 60])
    assert (easy.difficulty, easy.problems, easy.accuracy, easy.tokens) == ("1", 2, 0.75, 15)
    assert (hard.difficulty, hard.problems, hard.accuracy, hard.tokens) == ("2", 3, 0, 50)
    assert hard.low == 0
    assert 0.5 < hard.high < 0.8  # three of three wrong is not certainty
    for row in (easy, hard):
        assert row.point is point


PAGES = {
    "usual": rows(story()),
    "ten ranges": rows(story(), tuple(i / 16 for i in range(40))),
    "many draws": rows(story(ks=[2**i for i in range(12)])),
    "two prompts": rows(story(prompts=("cot", "cot-few-shot"))),
    "two models and tasks": rows([p for m in ("a", "b") for t in ("s", "t") for p in story(t, m)]),
    "variants": rows([replace(p, change=Change("budget", b)) for b in (64, 128) for p in story()[:4]]),
    "one method": rows(story()[:1]),
    "expensive": rows(story(tokens=9_876.0)),
    "long names": rows(story("a task with a name " * 9, "a/model-with-a-very-long-name-" * 5), (1.25, 20000.5)),
}


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", PAGES)
def test_no_text_covers_another_or_leaves_the_page(name: str, narrow: bool) -> None:
    scene = vl_convert.vegalite_to_scenegraph(accuracy_by_difficulty(PAGES[name], narrow=narrow))
    found = list(texts(scene))
    assert len(found) > 8
    for a, b in itertools.combinations(found, 2):
        assert a[2] <= b[1] or b[2] <= a[1] or a[4] <= b[3] or b[4] <= a[3], f"{a} covers {b}"
    width, height = scene["width"] + scene["origin"][0] + 10, scene["height"] + scene["origin"][1] + 10
    for text, x0, x1, y0, y1 in found:
        assert -2 <= x0 < x1 <= width, f"'{text}' leaves the page"
        assert -2 <= y0 < y1 <= height, f"'{text}' leaves the page"
    if narrow and name != "long names":
        assert scene["width"] <= 380


def drawn(spec: dict[str, Any], layer: int) -> list[dict[str, Any]]:
    return [row for p in spec["concat"] for row in spec["datasets"][p["layer"][layer]["data"]["name"]]]


def test_every_row_is_one_cell_with_its_number() -> None:
    points = PAGES["two models and tasks"]
    spec = accuracy_by_difficulty(points, interactive=True)
    assert len(spec["concat"]) == 4
    cells = drawn(spec, 0)
    assert sorted((c["method"], c["k"], c["difficulty"], c["value"]) for c in cells) == sorted(
        (p.point.label(), p.point.k, p.difficulty, p.accuracy) for p in points
    )
    for panel in spec["concat"]:
        here = spec["datasets"][panel["layer"][0]["data"]["name"]]
        assert len({(c["x"], c["y"]) for c in here}) == len(here)  # no cell hides another
        heights = {c["difficulty"]: c["y"] for c in here}
        assert heights["5"] < heights["1"]  # the hardest at the top
        numbers = {(t["x"], t["y"]): t["text"] for t in spec["datasets"][panel["layer"][1]["data"]["name"]]}
        for c in here:
            assert numbers[(c["x"] + c["x2"]) / 2, (c["y"] + c["y2"]) / 2] == f"{c['value']:.2f}"


def test_missing_cells_are_blank() -> None:
    """A variant that was not run on some difficulty must not be drawn as an accuracy of nought."""
    points = [p for p in PAGES["usual"] if not (p.point.method == "direct" and p.difficulty == "3")]
    cells = drawn(accuracy_by_difficulty(points), 0)
    assert {c["difficulty"] for c in cells if c["method"] == "direct"} == {"1", "2", "4", "5"}


def test_lines_that_share_a_method_are_told_apart() -> None:
    names = {c["method"] for c in drawn(accuracy_by_difficulty(PAGES["two prompts"]), 0)}
    assert {"self-consistency (cot)", "self-consistency (cot-few-shot)", "direct"} <= names
    cells = drawn(accuracy_by_difficulty(PAGES["variants"]), 0)
    assert {c["k"] for c in cells if c["method"] == "cot by budget"} == {"1, budget 64", "1, budget 128"}


def test_budgets_stand_side_by_side_in_one_block_cheapest_first() -> None:
    points = [replace(p, change=Change("budget", b)) for b in (128, 64) for p in story()[:4] if p.label() == "cot"]
    cheap = [replace(p, tokens=p.tokens * p.change.amount) for p in points]
    cells = drawn(accuracy_by_difficulty(rows(cheap)), 0)
    places = {c["k"]: c["x"] for c in cells}
    assert places["1, budget 64"] < places["1, budget 128"]
    assert len({c["method"] for c in cells}) == 1


def test_the_specification_is_valid_vega_lite_and_a_pointer_finds_the_interval() -> None:
    spec = accuracy_by_difficulty(PAGES["usual"], interactive=True)
    altair.Chart.from_dict(spec)  # raises where it is not
    top = spec["concat"][0]["layer"][-1]
    assert "95% interval" in [t["field"] for t in top["encoding"]["tooltip"]]
    row = spec["datasets"][top["data"]["name"]][0]
    assert (row["problems"], row["accuracy"]) == ("1", "0.105")


def test_save_writes_both_pictures(tmp_path: Path) -> None:
    png, svg = save(PAGES["usual"], tmp_path / "new")
    assert (png.name, svg.name) == ("accuracy_by_difficulty.png", "accuracy_by_difficulty.svg")
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "5 (n = 1)" in svg.read_text(encoding="utf-8")


def test_nothing_to_draw_is_one_clear_line() -> None:
    with pytest.raises(TtcError, match="at least two difficulties"):
        accuracy_by_difficulty([])
