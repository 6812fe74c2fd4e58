"""Best-of-n that stops at the first sample with a score of at least a threshold, exactly: the first hit of a draw
without replacement."""

from __future__ import annotations

import numpy as np

from ttc_bench.strategies.candidates import Array, Candidates
from ttc_bench.strategies.exact import BestOfN, within


def first_hit(pool: Candidates, correct: Array, threshold: float, cap: int) -> tuple[float, float, float]:
    """(chance that the answer is right, expected samples, expected generated tokens) of drawing until a sample with an
    answer scores at least `threshold`, at most `cap` samples; if none does, the best of those drawn is the answer, as
    in best-of-n. An infinite threshold is best-of-n at k = cap.

    With h hits among n samples the first i draws hold none with chance C(n - h, i) / C(n, i); the sum of that over
    i < cap is the expected number of samples. The first hit is any of the hits alike, and the samples before it are any
    of the others."""
    n = len(pool)
    hit = (pool.codes >= 0) & (pool.scores >= threshold)
    hits = int(hit.sum())
    none = np.array([within(n, i)[n - hits] for i in range(1, cap + 1)])  # after 1, 2, ... draws
    draws = 1 + float(none[:-1].sum())
    found = 1 - float(none[-1])
    value, tokens = 0.0, 0.0
    if hits:
        value += found * float(correct[hit].mean())
        tokens += found * float(pool.tokens[hit].mean())
    if hits < n:
        tokens += (draws - found) * float(pool.tokens[~hit].mean())
    if n - hits >= cap:
        others = Candidates(pool.codes[~hit], pool.names, pool.tokens[~hit], pool.scores[~hit])
        value += float(none[-1]) * float(BestOfN().outcome(others, cap).weights @ correct[~hit])
    return min(value, 1.0), draws, tokens
