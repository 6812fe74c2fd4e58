"""Runs of 100 problems whose curves are known, to be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ttc_bench.analysis.graded import GradedPool
from ttc_bench.core import CurvePoint, Problem, Task
from ttc_bench.grading.graders import GRADERS
from ttc_bench.policies.common import Shared
from ttc_bench.policies.comparison import Comparison, comparison
from ttc_bench.policies.sides import Run

PROBLEMS = tuple(Problem(f"p{i}", f"Question {i}?", "1") for i in range(100))
TASK = Task("sums", PROBLEMS, "", GRADERS["number"]())
MODEL = "m"


def some(right: float, first: int = 0) -> list[float]:
    """`right` of the 100 problems, from `first` on."""
    return [float(first <= i < first + right) for i in range(100)]


def point(method: str, k: int, tokens: float | None, values: Sequence[float], **more: Any) -> CurvePoint:
    fields = {"task": "sums", "model": MODEL, "prompt": "cot", "samples": 16, "problems": len(values)} | more
    accuracy = sum(values) / len(values)
    limits = {"accuracy": accuracy, "low": 0.0, "high": 1.0}
    return CurvePoint(method=method, k=k, tokens=tokens, total_tokens=tokens, values=tuple(values), **limits, **fields)


def line(method: str, each: float | None, steps: dict[int, float], **more: Any) -> list[CurvePoint]:
    """A line over k whose samples have `each` tokens; steps: k -> how many problems are right."""
    return [point(method, k, None if each is None else k * each, some(n), **more) for k, n in steps.items()]


def run(name: str, points: Sequence[CurvePoint]) -> Run:
    models = dict.fromkeys(p.model for p in points)
    return Run(name, points, [GradedPool(TASK, "cot", None, 16, (), model=model) for model in models])


def compare(*points: Sequence[CurvePoint]) -> Comparison:
    names = "abc"[: len(points)]
    common = Shared("sums", dict.fromkeys(names, "sums"), dict.fromkeys(names, PROBLEMS))
    return comparison([run(name, of_run) for name, of_run in zip(names, points, strict=True)], [common])
