"""The section on forecasts says and draws what was forecast, and nothing where nothing was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import altair
import numpy as np
import pytest
import vl_convert
from curves import story
from futures import pool_of, two
from judged import analysis

from ttc_bench.analysis.outlook import Outlook
from ttc_bench.charts.forecasts import forecasts
from ttc_bench.policies.extrapolation import outlooks
from ttc_bench.report import forecasts as report_forecasts
from ttc_bench.report.folder import write


@pytest.fixture(scope="module")
def found() -> list[Outlook]:
    rng = np.random.default_rng(0)
    return outlooks([two(rng.beta(0.4, 1, 40), 8, rng)], ["cot"])


def test_the_chart_holds_the_forecasts(found: list[Outlook]) -> None:
    spec = forecasts(found)
    votes = found[0]
    drawn = [row for table in spec["datasets"].values() for row in table]
    for f in votes.ahead:
        assert any((r["x"], r["y"], r["low"], r["high"]) == (f.at, f.value, f.low, f.high) for r in drawn)
    assert votes.wall is not None
    assert any(r["y"] == votes.wall.value for r in drawn)
    assert len(spec["concat"]) == 1  # votes and pass@k share a panel


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_specifications_are_valid_and_draw(found: list[Outlook], width: str) -> None:
    spec = report_forecasts.figures(found)["forecasts"][width]
    altair.Chart.from_dict(spec)  # raises where it is not Vega-Lite
    assert f"pass@k: {found[1].ahead[-1].value:.2f}" in vl_convert.vegalite_to_svg(spec)


def test_the_section_escapes_names_and_is_absent_without_outlooks(found: list[Outlook]) -> None:
    page = report_forecasts.section([replace(o, task="<b>&") for o in found])
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert "figure-forecasts" in page
    assert page.count("<tr>") == 1 + sum(len(o.trials) for o in found)
    assert report_forecasts.section([]) == ""


def test_a_pool_that_is_too_small_is_a_sentence_without_a_chart() -> None:
    small = outlooks([pool_of([["1"] * 4] * 20)], ["cot"])
    page = report_forecasts.section(small)
    assert "4 samples per problem" in page
    assert "figure-forecasts" not in page
    assert report_forecasts.figures(small) == {}


def test_the_folder_has_the_table_and_the_section(found: list[Outlook], tmp_path: Path) -> None:
    write(tmp_path, analysis(story(), outlooks=found), {})
    lines = (tmp_path / "forecasts.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 4 * len(found)
    assert "What more would bring" in (tmp_path / "report.html").read_text(encoding="utf-8")
    write(tmp_path, analysis(story()), {})
    assert not (tmp_path / "forecasts.csv").exists()
