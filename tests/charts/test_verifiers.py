"""Charts and the report's section draw what was judged, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace

import altair
import pytest
import vl_convert
from judged import MIXED, pools

from ttc_bench.analysis.selection import diagnose
from ttc_bench.charts import verifiers as chart_verifiers
from ttc_bench.report import verifiers as report_verifiers


def test_bars_are_accuracy_and_the_two_losses() -> None:
    found = diagnose(pools(*MIXED))
    spec = chart_verifiers.losses(found)
    drawn = spec["datasets"]["losses0"]
    for d in found:
        parts = {r["part"]: r["end"] - r["start"] for r in drawn if r["selector"] == d.selector}
        c = d.choices[-1]
        expected = {"right": c.accuracy, "selection loss": c.selection_loss, "coverage loss": c.coverage_loss}
        assert parts == pytest.approx(expected)
        assert max(r["end"] for r in drawn if r["selector"] == d.selector) == pytest.approx(1)


def test_a_panel_for_every_task_model_and_pool() -> None:
    found = diagnose(pools(*MIXED))
    other = [replace(d, model="n") for d in found]
    spec = chart_verifiers.losses([*found, *other])
    assert [p["title"]["subtitle"] for p in spec["concat"]] == [["m · cot"], ["n · cot"]]
    assert len(report_verifiers.section([*found, *other]).split("<table>")) == 3


def test_only_scores_that_claim_probabilities_have_a_reliability_chart() -> None:
    found = diagnose(pools(*MIXED))
    spec = chart_verifiers.reliability(found)
    assert spec is not None
    assert len(spec["concat"]) == 1
    points = {(r["score"], r["accuracy"]) for r in spec["datasets"]["bins0"]}
    assert points == {(b.score, b.accuracy) for b in found[1].bins}
    logits = [[(a, s and s - 1) for a, s in rows] for rows in MIXED]
    assert chart_verifiers.reliability(diagnose(pools(*logits))) is None
    assert set(report_verifiers.figures(diagnose(pools(*logits)))) == {"losses"}
    assert report_verifiers.figures([]) == {}


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_specifications_are_valid_and_draw(width: str) -> None:
    for specs in report_verifiers.figures(diagnose(pools(*MIXED))).values():
        altair.Chart.from_dict(specs[width])  # raises where it is not Vega-Lite
        assert "selection loss" in vl_convert.vegalite_to_svg(specs[width]) or "mean score" in str(specs[width])


def test_the_section_holds_the_numbers_and_escapes_names() -> None:
    found = [replace(d, task="<b>&", selector=d.selector + "<i>") for d in diagnose(pools(*MIXED))]
    page = report_verifiers.section(found)
    row = re.search(r'<th scope="row">v&lt;i&gt;</th>(.*?)</tr>', page)
    assert row is not None
    cells = re.findall("<td>(.*?)</td>", row[1])
    assert cells[:3] == ["0.333", "0.333", "0.333"]
    assert cells[4].startswith("0.62 [")
    assert "<b>" not in page
    assert "<i>" not in page
    assert "Best-of-4 by v" in page
    assert 'id="figure-losses"' in page
    assert 'id="figure-reliability"' in page
    assert report_verifiers.section([]) == ""
