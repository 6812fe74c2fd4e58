"""Pictures of several models: every line is there and named, and they are drawn for those of known size only."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from curves import story

from ttc_bench.charts.models import save, specs
from ttc_bench.core import Change, CurvePoint

SIZES = {"builtin:small": 300_000, "builtin:medium": 900_000, "hf:Org/large": 3_000_000}


def points(task: str = "sums") -> list[CurvePoint]:
    return [p for i, (m, n) in enumerate(SIZES.items()) for p in story(task, m, base=0.2 + 0.15 * i, parameters=n)]


def rows(spec: dict[str, Any], panel: int = 0) -> dict[str, list[tuple[float, float]]]:
    """(x, y) by line, as the panel's point marks get them."""
    found: dict[str, list[tuple[float, float]]] = {}
    for layer in spec["concat"][panel]["layer"]:
        if layer["mark"]["type"] == "line":
            for row in spec["datasets"][layer["data"]["name"]]:
                found.setdefault(row["line"], []).append((row["x"], row["y"]))
    return found


def words(spec: dict[str, Any]) -> set[str]:
    return {row["text"] for table in spec["datasets"].values() for row in table if "text" in row}


def test_size_against_thinking_has_a_named_line_for_each_model_and_method() -> None:
    spec = specs(points())["accuracy_vs_flops"]
    lines = rows(spec)
    best = "best-of-n (self-certainty)"  # of two verifiers the better one
    assert set(lines) == {
        f"{m}, {k}" for m in ("small", "medium", "large") for k in ("direct", "cot", "self-consistency", best)
    }
    assert set(lines) <= words(spec)
    drawn = [(p.flops, p.accuracy) for p in points() if (p.model, p.label()) == ("hf:Org/large", "self-consistency")]
    assert lines["large, self-consistency"] == drawn


def test_the_picture_of_sizes_gives_all_models_the_same_k() -> None:
    """16 samples of one model beside 4 of another would show thinking as size."""
    few = [p for p in points() if p.model != "builtin:small" or p.k <= 4]
    lines = rows(specs(few)["accuracy_vs_parameters"])
    assert set(lines) == {"direct", "cot", "self-consistency, k = 4", "best-of-n (self-certainty), k = 4"}
    assert [x for x, _ in lines["cot"]] == sorted(SIZES.values())
    assert {"small", "medium", "large"} <= words(specs(few)["accuracy_vs_parameters"])


def test_models_of_unknown_size_and_changed_thinking_are_left_out() -> None:
    assert specs(story(model="a")) == {}
    unknown = [replace(p, flops=None, parameters=None) for p in story(model="openai:x")]
    assert specs(story(model="a") + unknown) == {}
    assert not any("x, " in line for line in rows(specs(points() + unknown)["accuracy_vs_flops"]))
    budget = [replace(p, change=Change("budget", 64), accuracy=0.99) for p in points() if p.label() == "cot"]
    assert specs(points() + budget) == specs(points())


def test_models_at_several_efforts_are_in_both_pictures() -> None:
    """Single samples at several efforts are one line over all of them; a vote has one line for each effort."""
    efforts = {"low": 1.0, "high": 3.0}
    swept = [replace(p, effort=e, flops=times * (p.flops or 0.0)) for e, times in efforts.items() for p in points()]
    pictures = specs(swept)
    assert set(pictures) == {"accuracy_vs_flops", "accuracy_vs_parameters"}
    lines = rows(pictures["accuracy_vs_flops"])
    voting = [f"{m}, effort {e}" for m in ("self-consistency", "best-of-n (self-certainty)") for e in efforts]
    single = ["direct by effort", "cot by effort"]
    assert set(lines) == {f"{model}, {name}" for model in ("small", "medium", "large") for name in single + voting}
    costs = {p.effort: p.flops for p in swept if (p.model, p.label()[:3]) == ("builtin:small", "cot")}
    assert [x for x, _ in lines["small, cot by effort"]] == [costs["low"], costs["high"]]
    of_sizes = rows(pictures["accuracy_vs_parameters"])
    assert {f"self-consistency, effort {e}, k = 16" for e in efforts} <= set(of_sizes)
    assert {f"cot, effort {e}" for e in efforts} <= set(of_sizes)


def test_panels_of_two_tasks_keep_their_rows_apart() -> None:
    spec = specs(points("sums") + [replace(p, accuracy=0.5) for p in points("zebra")])["accuracy_vs_flops"]
    assert [panel["title"]["text"] for panel in spec["concat"]] == [["sums"], ["zebra"]]
    assert {y for line in rows(spec, 1).values() for _, y in line} == {0.5}


@pytest.mark.parametrize("many", [2, 9])
def test_the_pictures_are_written(tmp_path: Path, many: int) -> None:
    chosen = [p for i in range(many) for p in story("sums", f"hf:m{i}", base=0.05 * i, parameters=10 ** (5 + i))]
    names = [path.name for path in save(chosen, tmp_path)]
    assert names == [f"accuracy_vs_{x}.{kind}" for x in ("flops", "parameters") for kind in ("png", "svg")]
    for name in ("accuracy_vs_flops", "accuracy_vs_parameters"):
        width, height = struct.unpack(">II", (tmp_path / f"{name}.png").read_bytes()[16:24])
        assert min(width, height) > 900
        assert "m1" in (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
