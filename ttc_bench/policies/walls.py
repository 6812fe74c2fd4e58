"""Is there a wall? The limit of a majority vote, and whether the last doubling of the votes still helped. Pure.

With ever more votes a problem is right if its modal answer is. Of a problem with c votes for the right answer and r for
the strongest wrong one, the chance that the right one is modal is that of Beta(a + c, b + r) above 1/2, the posterior
of its share among the two: 9 votes against 7 are undecided, 16 against 0 are not. The prior is worth PRIOR votes, split
as those of all problems are, so that where hardly anything is right a problem without a right vote counts for little.
Problems whose samples never gave an answer stay wrong."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2, sqrt

import numpy as np

from ttc_bench.analysis.graded import Array, GradedPool
from ttc_bench.analysis.outlook import Verdict, Wall
from ttc_bench.analysis.stats import mean_interval, paired_difference

PRIOR = 2
SURE = 0.05  # a problem is undecided where either outcome has more than this chance
STEEP = 0.01  # accuracy per doubling: a curve that certainly moves by less is flat
POWER = 0.841621  # the normal quantile of 80 %


def wall(pool: GradedPool, before: Sequence[float], after: Sequence[float], since: int) -> Wall:
    """The limit of the votes of a pool, and the slope from k = `since` (chances to be right `before`, [problem]) to
    all its samples (`after`)."""
    modal = _modal(np.array([_duel(g.samples.votes, g.samples.correct) for g in pool.problems]))
    doublings = log2(pool.depth / since)
    slope, low, high = (d / doublings for d in paired_difference(before, after)) if len(modal) > 1 else (0.0, -1.0, 1.0)
    error = float(np.std(np.subtract(after, before), ddof=1)) / sqrt(len(modal)) / doublings if len(modal) > 1 else 1.0
    return Wall(
        value=float(modal.mean()),
        low=mean_interval((modal > 1 - SURE).astype(float).tolist())[1],
        high=mean_interval((modal >= SURE).astype(float).tolist())[2],
        undecided=float(((modal >= SURE) & (modal <= 1 - SURE)).mean()),
        verdict=_verdict(low, high),
        since=since,
        slope=slope,
        slope_low=low,
        slope_high=high,
        least=slope - low + POWER * error,  # its interval is above 0 unless luck takes more than 0.84 errors off it
    )


def _duel(votes: Array, correct: Array) -> tuple[int, int]:
    """The votes for the strongest right and for the strongest wrong answer of a problem. `votes`: the class of each
    sample's answer, -1 for none."""
    given = votes >= 0
    sizes = np.bincount(votes[given])
    right = np.bincount(votes[given], correct[given]) > 0
    return int(sizes[right].max(initial=0)), int(sizes[~right].max(initial=0))


def _modal(duels: Array) -> Array:
    """[problem]: the chance that the modal answer is right. `duels` [problem, 2]."""
    from scipy.special import betainc

    own, rival = duels.T
    given = own + rival > 0
    prior = (0.5 + own.sum()) / (1 + duels.sum())
    return np.where(given, 1 - betainc(PRIOR * prior + own, PRIOR * (1 - prior) + rival, 0.5), 0.0)


def _verdict(low: float, high: float) -> Verdict:
    if low > 0:
        return "still climbing"
    if high < 0:
        return "falling"
    return "flat" if low > -STEEP and high < STEEP else "cannot be told"
