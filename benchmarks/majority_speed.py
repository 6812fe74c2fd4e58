"""Time of one problem for every strategy that chooses among samples, all k = 1, 2, 4, ... n, and the error of the vote.

    python benchmarks/majority_speed.py [--largest 1024] [--profiles 300]

The pools are made: the largest answer has 100 of 256 votes, 1 in 20 samples has no answer, the others fall off as
people's answers do. "exact integers" is the vote that the tests compare with (tests/support/exact_majority.py), up to
64 samples. Milliseconds are the median of 7 pools, each the least of 5 goes, with nothing remembered of the same votes.
The error is the largest difference from exact integers in the chance of an answer, over random votes of up to 48
samples and random k."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from math import log
from pathlib import Path
from statistics import median

import numpy as np

from ttc_bench.core import Strategy
from ttc_bench.strategies.candidates import Candidates
from ttc_bench.strategies.majority import win_chances
from ttc_bench.strategies.methods import METHODS

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import exact_majority

POOLS, GOES = 7, 5


def votes_of(n: int, rng: random.Random) -> tuple[list[int], int]:
    """(votes of each answer, samples without one)"""
    votes, silent = [round(n * 100 / 256)], round(n / 20)
    while (left := n - silent - sum(votes)) > 0:
        votes.append(min(left, max(1, round(left * rng.random() ** 2 / 2))))
    return votes, silent


def pool(n: int, seed: int) -> Candidates:
    votes, silent = votes_of(n, random.Random(seed))
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(-1, len(votes)), [silent, *votes]))
    return Candidates(codes, None, rng.integers(100, 300, n), rng.normal(-1, 0.3, n))


def milliseconds(work: Callable[[int], object]) -> float:
    """Of work(seed)."""
    times = []
    for seed in range(POOLS):
        goes = []
        for _ in range(GOES):
            win_chances.cache_clear()
            began = time.perf_counter()
            work(seed)
            goes.append(time.perf_counter() - began)
        times.append(min(goes) * 1e3)
    return median(times)


def chosen(strategy: Strategy, n: int, ks: list[int]) -> float:
    made = [pool(n, seed) for seed in range(POOLS)]

    def work(seed: int) -> object:
        p = made[seed]
        return strategy.outcomes(Candidates(p.codes, p.names, p.tokens, p.scores), ks)

    return milliseconds(work)


def exact(n: int, ks: list[int]) -> float:
    votes, silent = votes_of(n, random.Random(0))
    began = time.perf_counter()
    for k in ks:
        exact_majority.win_chances(votes, silent, k)
    return (time.perf_counter() - began) * 1e3


def largest_error(profiles: int) -> float:
    rng, worst = random.Random(0), 0.0
    for _ in range(profiles):
        votes = [rng.randint(1, rng.choice([1, 2, 6, 20])) for _ in range(rng.randint(1, 16))]
        while sum(votes) > 48:
            votes.pop()
        silent = rng.choice([0, 3, 16])
        k = rng.randint(1, sum(votes) + silent)
        answers = sorted(Counter(votes).items())
        found = win_chances(tuple(m for m, _ in answers), tuple(times for _, times in answers), silent, k)
        reference = exact_majority.win_chances(votes, silent, k)
        worst = max([worst, *(abs(w - float(reference[m])) for (m, _), w in zip(answers, found, strict=True))])
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=1_024, help="samples in the largest pool")
    parser.add_argument("--profiles", type=int, default=300, help="random votes for the error")
    asked = parser.parse_args()
    names = ["self-consistency", "best-of-n", "weighted-vote", "cisc", "filtered-vote"]
    print("| samples | exact integers | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 2))
    table: list[list[float]] = []
    sizes = [n for n in (16, 64, 128, 256, 512, 1_024, 2_048, 4_096) if n <= asked.largest]
    for n in sizes:
        ks = [2**i for i in range(n.bit_length())]
        before = f"{exact(n, ks):,.0f}" if n <= 64 else ""
        table.append([chosen(METHODS[name].strategy, n, ks) for name in names])
        print(f"| {n} | {before} | " + " | ".join(f"{t:.2f}" for t in table[-1]) + " |", flush=True)
    if len(sizes) > 2:
        steps = log(sizes[-1] / sizes[1])
        exponents = " | ".join(f"{log(b / a) / steps:.2f}" for a, b in zip(table[1], table[-1], strict=True))
        print(f"| exponent from {sizes[1]} | | {exponents} |")
    print(f"\nlargest error of a chance to win, {asked.profiles} random votes: {largest_error(asked.profiles):.1e}")


if __name__ == "__main__":
    main()
