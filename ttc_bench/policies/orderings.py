"""Stopping rules over random orderings of one pool, where it has too many states for all of them (lattice.py).

Every ordering is a permutation: nothing is drawn twice. The generator is seeded by the votes, so that neither the order
of the samples nor that of the problems changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ttc_bench.analysis.stats import draws_variance
from ttc_bench.policies.ballots import Ballots
from ttc_bench.strategies.candidates import Array
from ttc_bench.strategies.rules import Rule

ORDERINGS = 1_024  # of one problem


class Estimate(NamedTuple):
    """What rules come to on one problem, [rule]."""

    value: Array  # chance that the answer is right
    draws: Array  # mean number of samples
    tokens: Array  # mean, generated
    variance: Array  # at most that of `value` as an estimate


class Tally(NamedTuple):
    """The counts along random orderings, [drawn, ordering]: after 1, 2, ... samples."""

    classes: Array  # of the sample drawn; -1: no answer
    first: Array
    second: Array
    right: Array  # share of right answers among those in front
    tokens: Array  # drawn so far


def sampled(ballots: Ballots, rules: Sequence[Rule], cap: int, seed: int = 0, orderings: int = ORDERINGS) -> Estimate:
    """What the rules come to in so many random orderings; all rules see the same ones."""
    tally = _tally(ballots, cap, seed, orderings)
    rows = []
    for rule in rules:
        last, agreed = _ends(rule, tally)
        at = last, np.arange(orderings)
        right = tally.right[at]
        if rule.window and not rule.majority_votes:
            right = np.where(agreed, np.append(ballots.right, 0.0)[tally.classes[at]], right)
        value = float(right.mean())
        rows.append((value, float(last.mean()) + 1, float(tally.tokens[at].mean()), draws_variance(value, orderings)))
    return Estimate(*np.array(rows).T)


def _ends(rule: Rule, tally: Tally) -> tuple[Array, Array]:
    """[ordering]: the place of the last sample drawn, and whether the rule stopped there."""
    cap = len(tally.first)
    stops = np.zeros(tally.first.shape, bool)
    if rule.window:
        for end in range(rule.window, cap + 1, rule.window):
            block = tally.classes[end - rule.window : end]
            stops[end - 1] = (block == block[0]).all(axis=0) & (block[0] >= 0)
    else:
        for drawn in range(1, cap + 1):
            second = tally.second[drawn - 1] * rule.compares
            stops[drawn - 1] = rule.stops(tally.first[drawn - 1], second, drawn)
    agreed = np.asarray(stops.any(axis=0))
    return np.where(agreed, stops.argmax(axis=0), cap - 1), agreed


def _tally(ballots: Ballots, cap: int, seed: int, orderings: int) -> Tally:
    key = int.from_bytes(ballots.digest()[:8]) ^ seed
    rng = np.random.Generator(np.random.Philox(key=key))
    pool = np.append(np.repeat(np.arange(len(ballots.sizes)), ballots.sizes), np.full(ballots.silent, -1))
    classes = rng.permuted(np.tile(pool, (orderings, 1)), axis=1)[:, :cap].T
    spent, right_of = np.append(ballots.tokens, ballots.silent_tokens), np.append(ballots.right, 0.0)
    counts = np.zeros((orderings, len(ballots.sizes) + 1), np.int64)
    first, second, leaders, rights = (
        np.zeros(orderings, int),
        np.zeros(orderings, int),
        np.zeros(orderings),
        np.zeros(orderings),
    )
    firsts, seconds, shares = [], [], []
    for drawn in classes:
        voting = drawn >= 0
        counts[np.arange(orderings), drawn] += 1
        votes = np.where(voting, counts[np.arange(orderings), drawn], 0)
        ahead, level = voting & (votes > first), voting & (votes == first)
        rights = np.where(ahead, right_of[drawn], rights + level * right_of[drawn])
        leaders = np.where(ahead, 1.0, leaders + level)
        second = np.where(ahead, second, np.maximum(second, votes))
        first = np.maximum(first, votes)
        firsts.append(first)
        seconds.append(second)
        shares.append(rights / np.maximum(leaders, 1))
    return Tally(classes, np.array(firsts), np.array(seconds), np.array(shares), spent[classes].cumsum(axis=0))
