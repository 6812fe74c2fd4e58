"""Graded pools made by hand, and an Analysis of what a test has to say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ttc_bench.analysis.analyse import Analysis
from ttc_bench.analysis.graded import Graded, GradedPool, Scores
from ttc_bench.analysis.views import ProblemView
from ttc_bench.core import Completion, CurvePoint, Problem, Score, Usage
from ttc_bench.grading.columns import graded as columns_of
from ttc_bench.grading.graders import GRADERS
from ttc_bench.problems import tasks

FREE = Usage()
Row = tuple[str | None, float | None]  # answer ("1" is right), score


def graded(name: str, rows: Sequence[Row], cost: Usage = FREE, parameters: int | None = None) -> Graded:
    """Samples of ten tokens without a prompt, scored by the verifier "v" for `cost` tokens each."""
    scores = [Score(score, cost, parameters) for _, score in rows]
    return of_answers(name, [answer for answer, _ in rows], Usage(completion=10), {"v": scores})


def of_answers(
    name: str, answers: Sequence[str | None], usage: Usage, scores: Mapping[str, Sequence[Score]] = {}
) -> Graded:
    """Samples with these answers ("1" is right), of different texts, all of this usage."""
    problem = Problem(name, "?", "1")
    completions = {
        i: Completion("" if a is None else f"{' ' * i}The answer is {a}.", "stop", usage) for i, a in enumerate(answers)
    }
    columns = columns_of(GRADERS["number"](), problem, completions)
    return Graded(problem, columns, {verifier: Scores.of(of) for verifier, of in scores.items()})


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
