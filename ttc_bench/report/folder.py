"""Writes the files of a results folder: run.json, tables as CSV, pictures and report.html."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttc_bench.analysis import verifier_quality
from ttc_bench.analysis.analyse import Analysis
from ttc_bench.analysis.difficulty import DifficultyPoint
from ttc_bench.charts import difficulty as chart_difficulty
from ttc_bench.charts import models as chart_models
from ttc_bench.charts import spending as chart_spending
from ttc_bench.charts import tokens as charts
from ttc_bench.core import Change, CurvePoint
from ttc_bench.policies import cascade_words, prospects
from ttc_bench.policies.choosing import Pair
from ttc_bench.report import browser, manifest, pictures, spending
from ttc_bench.report.page import write_report
from ttc_bench.report.tables import write_table

PICTURES = (
    "accuracy_vs_tokens",
    *("accuracy_vs_flops", "accuracy_vs_parameters"),  # of several models
    "accuracy_by_difficulty",
    spending.CASCADES_PICTURE,
)
TABLES = (
    "curve.csv",
    "difficulty.csv",
    "verifiers.csv",
    "budgets.csv",
    "stopping.csv",
    "forecasts.csv",
    spending.CASCADES,
)
DRAWN = (*(f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")), pictures.RECORD)
OUTPUTS = (*TABLES, "report.html", browser.FILE, *DRAWN)


def write(folder: Path, analysis: Analysis, described: dict[str, Any], cascades: Sequence[Pair] = ()) -> None:
    """run.json, and, where there is a point to draw, the tables, the pictures and report.html. There is none while a
    problem has no sample at all: leaving it out of the mean would flatter the model. Every file is written beside the
    old one and then takes its place, so that an interruption leaves the old ones. Raises CannotWrite."""
    manifest.write(folder, described)
    with (
        manifest.writing(folder),
        tempfile.TemporaryDirectory(prefix=".new-", dir=folder, ignore_cleanup_errors=True) as place,
    ):
        new = Path(place)
        if analysis.points:
            write_table(new / "curve.csv", [_curve_row(p) for p in analysis.points])
            write_table(new / "difficulty.csv", [_difficulty_row(row) for row in analysis.difficulty])
            write_table(new / "budgets.csv", [vars(row) for row in analysis.budgets])
            write_table(new / "stopping.csv", [vars(row) for row in analysis.stopping])
            write_table(new / "verifiers.csv", verifier_quality.rows(analysis.diagnoses))
            write_table(new / spending.CASCADES, cascade_words.rows(cascades))
            write_table(new / "forecasts.csv", prospects.rows(analysis.outlooks))
            for name in DRAWN:  # those that need not be drawn anew
                if (folder / name).exists():
                    shutil.copyfile(folder / name, new / name)
            draw(new, analysis, described, cascades)
        for name in OUTPUTS:
            if (new / name).exists():
                (new / name).replace(folder / name)
            else:  # of an earlier run with other samples
                (folder / name).unlink(missing_ok=True)


def draw(folder: Path, analysis: Analysis, described: dict[str, Any], cascades: Sequence[Pair] = ()) -> None:
    """Writes the pictures and report.html, and samples.parquet where the page cannot hold all samples. Pictures in the
    folder stay if they show the same."""
    specs = {"accuracy_vs_tokens": charts.accuracy_vs_tokens(analysis.points), **chart_models.specs(analysis.points)}
    if analysis.difficulty:
        specs["accuracy_by_difficulty"] = chart_difficulty.accuracy_by_difficulty(analysis.difficulty)
    if cascades:
        specs[spending.CASCADES_PICTURE] = chart_spending.cascades(cascades)
    pictures.draw(specs, folder)
    for name in (name for name in PICTURES if name not in specs):
        for kind in ("png", "svg"):
            (folder / f"{name}.{kind}").unlink(missing_ok=True)
    svgs = {name: (folder / f"{name}.svg").read_text(encoding="utf-8") for name in specs}
    write_report(folder / "report.html", analysis, described, svgs, cascades)


def _curve_row(p: CurvePoint) -> dict[str, Any]:
    """A row of curve.csv: the fields of a point and its label, without `values` (one per problem)."""
    row = {"task": p.task, "model": p.model, "label": p.label(), **vars(p)}
    return {key: value for key, value in _flat(row).items() if key != "values"}


def _difficulty_row(row: DifficultyPoint) -> dict[str, Any]:
    p = row.point
    names = ("task", "model", "method", "verifier", "prompt", "effort", "change", "k")
    point = {"task": p.task, "model": p.model, "label": p.label(), **{name: getattr(p, name) for name in names}}
    measured = {key: value for key, value in vars(row).items() if key != "point"}
    return _flat({**point, **measured, "mean_tokens": p.tokens, "bound": p.bound})


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """The row with a Change as the three columns change, amount and announced."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Change):
            flat |= {"change": value.kind, "amount": value.amount, "announced": value.announced}
        else:
            flat[key] = value
    return flat
