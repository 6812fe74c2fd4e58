"""Graded pools made by hand, and what is judged of them."""

from __future__ import annotations

from collections.abc import Sequence

from ttc_bench.analysis.curves import Graded, Pools
from ttc_bench.core import Completion, Problem, Score, Usage
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


def pools(*problems: Sequence[Row], cost: Usage = FREE, parameters: int | None = None) -> Pools:
    (task,) = tasks.load("chain-arithmetic", limit=1)
    made = tuple(graded(f"p{i}", rows, cost, parameters) for i, rows in enumerate(problems))
    return Pools(task, "cot", None, len(problems[0]), made)


MIXED = (
    [("1", 0.9), ("1", 0.6), ("2", 0.7), ("2", 0.2)],
    [("1", 0.4), ("2", 0.5), ("2", 0.1), (None, 0.95)],
    [("2", 0.8), ("3", 0.3), ("2", 0.2), ("2", None)],
)
