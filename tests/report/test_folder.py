"""A results folder holds what the last analysis says, and nothing of an earlier one."""

from __future__ import annotations

from pathlib import Path

import pytest
from curves import story
from judged import analysis

from ttc_bench.analysis.views import ProblemView, SampleView
from ttc_bench.charts import vegalite
from ttc_bench.core import CurvePoint
from ttc_bench.report import browser, pictures
from ttc_bench.report.folder import write

VIEW = SampleView("cot", 0, "it is 1 " * 40, "", "1", True, 7, "stop", "boxed")
PROBLEM = ProblemView("t", "t/0", "?", "1", None, (VIEW,) * 20)
ONE = [p for p in story() if p.method in ("direct", "cot")]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_samples_lie_beside_the_page_only_where_it_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(browser, "SAMPLES", 100)
        write(tmp_path, analysis(ONE, [PROBLEM]), {})
        assert browser.FILE in names(tmp_path)
        assert "of 20 samples are in this page" in (tmp_path / "report.html").read_text(encoding="utf-8")
    write(tmp_path, analysis(ONE, [PROBLEM]), {})
    assert browser.FILE not in names(tmp_path)
    assert "of 20 samples are in this page" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_pictures_stay_while_they_show_the_same_and_go_with_what_they_showed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    real = vegalite.draw
    monkeypatch.setattr(vegalite, "draw", lambda name, *rest: drawn.append(name) or real(name, *rest))
    several: list[CurvePoint] = [*ONE, *(p for p in story(model="other", parameters=10**9) if p.k == 1 and not p.bound)]
    models = ["accuracy_vs_flops", "accuracy_vs_parameters"]
    write(tmp_path, analysis(several), {})
    assert drawn == ["accuracy_vs_tokens", *models]
    page = (tmp_path / "report.html").read_bytes()
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    write(tmp_path, analysis(several), {})
    assert drawn == ["accuracy_vs_tokens", *models]
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
    assert (tmp_path / "accuracy_vs_flops.svg").read_bytes() in page  # the page shows the very picture
    write(tmp_path, analysis(ONE), {})
    assert drawn == ["accuracy_vs_tokens", *models, "accuracy_vs_tokens"]
    assert not {name for name in names(tmp_path) if name.startswith(tuple(models))}
    assert pictures.RECORD in names(tmp_path)
