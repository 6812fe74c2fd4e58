"""Seconds that an exact replay of stopping rules takes over a simulated pool, and a plain recursion beside it.

    python benchmarks/stopping_speed.py [--problems 500] [--samples 40] [--plain 25]

The pool is made: the modal answer of a problem has a share from Beta(3, 0.4), the others fall off as people's answers
do, 3 of 100 samples have no answer. "one" is the rule at the threshold that sentences speak of, "frontier" all its
thresholds. "plain" is a dictionary from the sorted multiset of (samples in the pool, right?, samples drawn) to its
value, one state after the other, for the one threshold; it replays every so manieth problem, and its time is scaled up.
Times are of the processor, in one process, the least of three goes (plain: of one)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from ttc_bench.policies.ballots import Ballots
from ttc_bench.policies.stopping import replay
from ttc_bench.strategies.rules import RULES, Rule


def pool(rng: np.random.Generator, n: int) -> Ballots:
    share = rng.beta(3, 0.4)
    codes = np.where(rng.random(n) < share, 0, 1 + np.minimum(rng.pareto(0.8, n).astype(int), 60))
    codes[rng.random(n) < 0.03] = -1
    return Ballots.of(codes, codes == int(rng.random() > share), rng.integers(50, 300, n))


def plain(b: Ballots, rule: Rule, cap: int) -> tuple[float, float]:
    """(chance that the answer is right, expected samples)"""
    known: dict[tuple[object, ...], tuple[float, float]] = {}

    def value(state: tuple[tuple[int, float, int], ...], silent: int, drawn: int) -> tuple[float, float]:
        key = (state, silent)
        if key in known:
            return known[key]
        counts = sorted((s for _, _, s in state), reverse=True)
        first, second = (*counts, 0, 0)[:2]
        if drawn == cap or (drawn and rule.stops(np.array(first), np.array(second), drawn)):
            front = [right for _, right, s in state if s == first and s]
            known[key] = sum(front) / max(len(front), 1), 0.0
            return known[key]
        right, more, left = 0.0, 1.0, b.total - drawn
        for i, (m, of, s) in enumerate(state):
            if s < m and (i == 0 or state[i] != state[i - 1]):
                alike = state.count(state[i])
                after = value(tuple(sorted((*state[:i], (m, of, s + 1), *state[i + 1 :]))), silent, drawn + 1)
                right, more = right + alike * (m - s) / left * after[0], more + alike * (m - s) / left * after[1]
        if silent < b.silent:
            after = value(state, silent + 1, drawn + 1)
            chance = (b.silent - silent) / left
            right, more = right + chance * after[0], more + chance * after[1]
        known[key] = right, more
        return known[key]

    return value(tuple(sorted((int(m), float(r), 0) for m, r in zip(b.sizes, b.right, strict=True))), 0, 0)


def seconds(work: Callable[[], object], goes: int = 3) -> float:
    times = []
    for _ in range(goes):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--plain", type=int, default=25, help="problems that the plain recursion replays")
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    ballots = [pool(rng, asked.samples) for _ in range(asked.problems)]
    some = list(range(0, asked.problems, max(asked.problems // asked.plain, 1)))
    print("| rule | samples drawn | one, s | frontier, s | plain, s | ratio | largest difference |\n|" + "---|" * 7)
    for stopping in RULES.values():
        if stopping.rule is None:
            continue
        rules = [rule for rule in map(stopping.rule, stopping.thresholds) if not rule.never(asked.samples)]
        one = stopping.rule(stopping.published)
        windows = dict.fromkeys(rule.window for rule in rules)
        families = [[rule for rule in rules if rule.window == window] for window in windows]
        alone = seconds(lambda one=one: replay(ballots, [one], asked.samples))
        frontier = seconds(lambda families=families: [replay(ballots, f, asked.samples) for f in families], 1)
        found = replay(ballots, [one], asked.samples)
        row = f"| {stopping.name} at {stopping.published:g} | {found[1].mean():.2f} | {alone:.2f} | {frontier:.2f} |"
        if one.window:
            print(f"{row} | | |", flush=True)  # a window is more than counts
            continue
        began = time.process_time()
        values = [plain(ballots[i], one, asked.samples)[0] for i in some]
        taken = (time.process_time() - began) * asked.problems / len(some)
        error = float(np.abs(np.array(values) - found[0, 0, some]).max())
        print(f"{row} {taken:.0f} | {taken / alone:.0f} | {error:.0e} |", flush=True)


if __name__ == "__main__":
    main()
