"""Majority votes over answers that are counted otherwise than ours are, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from ttc_bench.analysis.curves import chances
from ttc_bench.analysis.graded import GradedPool
from ttc_bench.strategies.candidates import Candidates
from ttc_bench.strategies.exact import MajorityVote

Array = np.ndarray[Any, np.dtype[Any]]


def vote(codes: Array, correct: Array, k: int) -> float:
    """The chance that the majority of k of these samples is right, ties split evenly. `codes`: the number of the answer
    of each sample, -1 for one that does not vote; `correct`: [sample] bool."""
    candidates = Candidates(codes, None, np.zeros(len(codes)), np.full(len(codes), np.nan))
    return float(MajorityVote().weights(candidates, [k])[0] @ correct)


def majority(pool: GradedPool, k: int) -> Array:
    """[problem]: the same for the samples as they are."""
    return chances(pool, MajorityVote(), "", [k])[k].values


def at(pool: GradedPool, k: float) -> Array:
    """[problem]: the same for a k between two whole numbers: the larger one is drawn with the chance of the rest, which
    is a policy that anybody can follow, and costs k samples on average."""
    below = min(max(int(k), 1), pool.depth)
    rest = k - below
    if rest <= 0 or below == pool.depth:
        return majority(pool, below)
    return (1 - rest) * majority(pool, below) + rest * majority(pool, below + 1)
