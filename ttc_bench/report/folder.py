"""What a results folder holds: run.json, tables as CSV, pictures and report.html."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttc_bench.analysis import verifier_quality as diagnostics
from ttc_bench.analysis.analyse import Analysis
from ttc_bench.analysis.difficulty import DifficultyPoint
from ttc_bench.analysis.thinking import BudgetFigures
from ttc_bench.charts import difficulty as chart_difficulty
from ttc_bench.charts import models as chart_models
from ttc_bench.charts import tokens as charts
from ttc_bench.core import CurvePoint
from ttc_bench.report import manifest
from ttc_bench.report.page import write_report

PICTURES = (
    "accuracy_vs_tokens",
    *("accuracy_vs_flops", "accuracy_vs_parameters"),  # of several models
    "accuracy_by_difficulty",
)
TABLES = ("curve.csv", "difficulty.csv", "verifiers.csv", "budgets.csv")
DRAWN = (*TABLES, "report.html", *(f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")))


def write(folder: Path, analysis: Analysis, described: dict[str, Any]) -> None:
    """run.json, and, where there is a point to draw, the tables, the pictures and report.html. There is none while a
    problem has no sample at all: leaving it out of the mean would flatter the model."""
    manifest.write(folder, described)
    for name in DRAWN:  # of an earlier run with other samples
        (folder / name).unlink(missing_ok=True)
    if not analysis.points:
        return
    _table(folder / "curve.csv", CurvePoint, analysis.points)
    if analysis.difficulty:
        _table(folder / "difficulty.csv", DifficultyPoint, analysis.difficulty)
    if analysis.budgets:
        _table(folder / "budgets.csv", BudgetFigures, analysis.budgets)
    diagnostics.save(analysis.judged, folder)
    draw(folder, analysis, described)


def draw(folder: Path, analysis: Analysis, described: dict[str, Any]) -> None:
    """The pictures and report.html."""
    charts.save(analysis.points, folder)
    chart_models.save(analysis.points, folder)
    if analysis.difficulty:
        chart_difficulty.save(analysis.difficulty, folder)
    write_report(
        folder / "report.html",
        analysis.points,
        described,
        analysis.quality,
        analysis.problems,
        difficulty=analysis.difficulty,
        judged=analysis.judged,
        budgets=analysis.budgets,
        findings=analysis.findings,
    )


def _table(path: Path, kind: type[Any], rows: Sequence[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        names = [f.name for f in dataclasses.fields(kind) if f.name != "values"]  # per problem: too long for a table
        table = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(vars(row) for row in rows)
