"""Graded pools made by hand, and an Analysis of what a test has to say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ttc_bench.analysis.analyse import Analysis
from ttc_bench.analysis.graded import Graded, GradedPool
from ttc_bench.analysis.views import ProblemView
from ttc_bench.core import Completion, CurvePoint, Problem, Score, Usage
from ttc_bench.problems import tasks

FREE = Usage()
Row = tuple[str | None, float | None]  # answer ("1" is right), score


def graded(name: str, rows: Sequence[Row], cost: Usage = FREE, parameters: int | None = None) -> Graded:
    """Samples of ten tokens without a prompt, scored by the verifier "v" for `cost` tokens each."""
    n = len(rows)
    return Graded(
        Problem(name, "?", "1"),
        tuple(range(n)),
        tuple(Completion(f"{name} {i}", "stop", Usage(completion=10)) for i in range(n)),
        tuple(answer for answer, _ in rows),
        ("boxed",) * n,
        tuple(answer == "1" for answer, _ in rows),
        {"v": tuple(Score(score, cost, parameters) for _, score in rows)},
    )


def pools(*problems: Sequence[Row], cost: Usage = FREE, parameters: int | None = None) -> GradedPool:
    (task,) = tasks.load("chain-arithmetic", limit=1)
    made = tuple(graded(f"p{i}", rows, cost, parameters) for i, rows in enumerate(problems))
    return GradedPool(task, "cot", None, len(problems[0]), made, model="m")


MIXED = (
    [("1", 0.9), ("1", 0.6), ("2", 0.7), ("2", 0.2)],
    [("1", 0.4), ("2", 0.5), ("2", 0.1), (None, 0.95)],
    [("2", 0.8), ("3", 0.3), ("2", 0.2), ("2", None)],
)


def analysis(points: Sequence[CurvePoint], problems: Iterable[ProblemView] = (), **rows: Any) -> Analysis:
    """An analysis of these points; what is not named is empty."""
    empty: dict[str, Any] = {
        "quality": [],
        "notes": [],
        "difficulty": [],
        "budgets": [],
        "findings": [],
        "diagnoses": [],
    }
    return Analysis(points=list(points), problems=list(problems), **empty | rows)
