"""Pools whose future is known: samples drawn from given chances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from judged import of_answers, pools

from ttc_bench.analysis.graded import Array, GradedPool
from ttc_bench.core import Change, Usage


def drawn(chances: Array, samples: int, rng: np.random.Generator) -> GradedPool:
    """`chances` [problem, answer] of the answers 1 (which is right), 2, 3, ...; what is missing to 1 gives no
    answer."""
    rows = []
    for row in chances:
        each = rng.choice(len(row) + 1, samples, p=[*row, max(0.0, 1 - row.sum())])
        rows.append([None if a == len(row) else str(a + 1) for a in each])
    return pool_of(rows)


def pool_of(answers: Sequence[Sequence[str | None]]) -> GradedPool:
    made = tuple(of_answers(f"p{i}", row, Usage(completion=10)) for i, row in enumerate(answers))
    return replace(pools([("1", None)]), asked=len(answers[0]), problems=made)


def two(right: Array, samples: int, rng: np.random.Generator) -> GradedPool:
    """Problems of given chances to be right, and one wrong answer."""
    return drawn(np.stack([right, 1 - right], axis=1), samples, rng)


def cut(pool: GradedPool, amount: int, right: Array, samples: int, rng: np.random.Generator) -> GradedPool:
    """The pool as it would be at a thinking budget."""
    return replace(two(right, samples, rng), change=Change("budget", amount))
