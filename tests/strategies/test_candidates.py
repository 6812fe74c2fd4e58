"""Columns are a plain list of candidates, only faster."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from ttc_bench.core import Candidate, Outcome, Strategy
from ttc_bench.strategies.candidates import Candidates
from ttc_bench.strategies.methods import METHODS

STRATEGIES = {repr(m.strategy): m.strategy for m in METHODS.values()}


def a_list(n: int) -> list[Candidate]:
    rng = random.Random(n)
    return [
        Candidate(
            rng.choice(["7", "7", "1/2", "x", None]), rng.randrange(90), rng.choice([None, -0.5, 0.0, rng.random()])
        )
        for _ in range(n)
    ]


def test_columns_are_the_same_samples() -> None:
    pool = a_list(20)
    columns = Candidates.of(pool)
    assert list(columns) == pool
    assert columns[-1] == pool[-1]
    assert list(columns[3:7]) == pool[3:7]
    assert Candidates.of(columns) is columns
    assert columns.silent == sum(c.answer is None for c in pool)
    assert columns.mean_tokens == pytest.approx(sum(c.tokens for c in pool) / 20)


def test_without_names_an_answer_is_its_number() -> None:
    columns = Candidates(np.array([2, -1]), None, np.array([1.5, 2.5]), np.array([0.25, np.nan]))
    assert list(columns) == [Candidate("2", 1.5, 0.25), Candidate(None, 2.5)]


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_numbers_of_the_classes_mean_nothing(strategy: Strategy) -> None:
    """Not their order, nor classes that no sample has: the names decide, as they do for a list."""
    pool = a_list(30)
    names = ["unused", "x", "7", "1/2"]
    codes = np.array([-1 if c.answer is None else names.index(c.answer) for c in pool])
    scores = np.array([np.nan if c.score is None else c.score for c in pool])
    columns = Candidates(codes, names, np.array([c.tokens for c in pool]), scores)
    ks = [1, 2, 9, 30]
    for of_list, of_columns in zip(strategy.outcomes(pool, ks), strategy.outcomes(columns, ks), strict=True):
        assert list(of_columns.weights) == list(of_list.weights)
        assert of_columns.tokens == of_list.tokens


def test_a_strategy_of_ones_own_is_a_class_with_a_method() -> None:
    @dataclass(frozen=True)
    class MostCommonOfAll(Strategy):
        def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome:
            ((answer, votes),) = Counter(c.answer for c in candidates).most_common(1)
            weights = [(c.answer == answer) / votes for c in candidates]
            return Outcome(weights, k * candidates[0].tokens)

    pool = Candidates.of([Candidate("1", 3), Candidate("2", 3), Candidate("2", 3)])
    assert [o.weights for o in MostCommonOfAll().outcomes(pool, [1, 3])] == [[0, 0.5, 0.5]] * 2
    assert [o.tokens for o in MostCommonOfAll().outcomes(pool, [1, 3])] == [3, 9]
    with pytest.raises(TypeError, match="outcome"):
        type("Nothing", (Strategy,), {})()
