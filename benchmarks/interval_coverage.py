"""How often do the intervals hold, and how often is a match stated that is none? Simulated, seeded, as Markdown tables.

    python benchmarks/interval_coverage.py means         # mean_interval: a few minutes
    python benchmarks/interval_coverage.py differences   # paired_difference
    python benchmarks/interval_coverage.py matches       # the sentences of the exchange rate

Each draws whole experiments: problems from a population of problems, then samples of each problem. The truth is the
mean of the population. The limits come from ttc_bench.analysis.intervals, on arrays."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from math import comb
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv, expit, stdtrit

from ttc_bench.analysis.exchange import MARGIN
from ttc_bench.analysis.intervals import TAIL, difference_limits, mean_limits

Array = np.ndarray[Any, np.dtype[Any]]
Limits = Callable[[Array], tuple[Array, Array]]  # values [trial, problem] -> (low, high), both [trial]
SAMPLES = (1, 8, 16)


# Intervals


def ours(values: Array) -> tuple[Array, Array]:
    return mean_limits(values.shape[1], values.sum(1), (values**2).sum(1))


def ours_paired(d: Array, tail: float = TAIL) -> tuple[Array, Array]:
    return difference_limits(d.shape[1], d.sum(1), (d**2).sum(1), (d**3).sum(1), np.abs(d).sum(1), tail)


def student(values: Array) -> tuple[Array, Array]:
    """sd / sqrt(Q) times t, and the exact bound where all values are 0 or all are 1."""
    q = values.shape[1]
    reach = 1 - TAIL ** (1 / q)
    mean, half = values.mean(1), stdtrit(q - 1, 1 - TAIL) * values.std(1, ddof=1) / q**0.5
    none, all_of = values.max(1) == 0, values.min(1) == 1
    low = np.where(all_of, 1 - reach, np.maximum(0, mean - half))
    return low, np.where(none, reach, np.minimum(1, mean + half))


def student_paired(d: Array) -> tuple[Array, Array]:
    q = d.shape[1]
    half = stdtrit(q - 1, 1 - TAIL) * d.std(1, ddof=1) / q**0.5
    return d.mean(1) - half, d.mean(1) + half


def korn_graubard(values: Array) -> tuple[Array, Array]:
    """Clopper and Pearson with p (1 - p) / var(mean) problems, times (t of that many / t of Q)^2."""
    q = values.shape[1]
    p, variance = values.mean(1), values.var(1, ddof=1) / q
    n = np.where(variance > 0, p * (1 - p) / np.where(variance > 0, variance, 1), q)
    n = np.maximum(1, n * (stdtrit(np.maximum(n, 2) - 1, 1 - TAIL) / stdtrit(q - 1, 1 - TAIL)) ** 2)
    x, y = np.maximum(p * n, 1e-9), np.maximum((1 - p) * n, 1e-9)
    return np.where(p == 0, 0, betaincinv(x, y + 1, TAIL)), np.where(p == 1, 1, betaincinv(x + 1, y, 1 - TAIL))


# Populations of problems: chances to be solved, with a known mean

POPULATIONS = ("beta 0.2", "beta 1", "beta 4", "beta 20", "alike", "all or nothing", "half", "tail")


def chances(population: str, mean: float, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """beta K: Beta(K mean, K (1 - mean)), almost all or nothing at 0.2, almost alike at 20. half: some problems are
    solved half the time, the others never. tail: half of the mean in few problems that are always solved."""
    if mean > 0.5:
        return 1 - chances(population, 1 - mean, shape, rng)
    if population.startswith("beta"):
        k = float(population.split()[1])
        return rng.beta(mean * k, (1 - mean) * k, shape)
    if population == "alike":
        return np.full(shape, mean)
    if population == "all or nothing":
        return (rng.random(shape) < mean).astype(float)
    if population == "half":
        return (rng.random(shape) < 2 * mean) * 0.5
    return np.where(rng.random(shape) < mean / 2, 1.0, mean / 2 / (1 - mean / 2))


def means(trials: int) -> Iterator[str]:
    rivals: dict[str, Limits] = {"here": ours, "t": student, "Korn-Graubard": korn_graubard}
    yield f"Least coverage among {len(POPULATIONS)} populations of problems, {trials:,} experiments each, for 1 / 8 / 16 samples per"
    yield "problem; `width`: mean width as a multiple of that of t, the median of the populations.\n"
    yield "| mean | problems | here | t | Korn-Graubard | width | width of Korn-Graubard |\n|---|---|---|---|---|---|---|"
    seen: dict[str, list[float]] = {name: [] for name in rivals}
    widths: dict[str, list[float]] = {name: [] for name in rivals}
    for mean in (0.02, 0.05, 0.1, 0.5, 0.9, 0.98):
        for q in (20, 50, 200):
            cells: dict[str, list[str]] = {name: [] for name in [*rivals, "width", "KG width"]}
            for n in SAMPLES:
                held: dict[str, list[float]] = {name: [] for name in rivals}
                wide: dict[str, list[float]] = {name: [] for name in rivals}
                for i, population in enumerate(POPULATIONS):
                    rng = np.random.default_rng([int(100 * mean), q, n, i])
                    values = rng.binomial(n, chances(population, mean, (trials, q), rng)) / n
                    for name, limits in rivals.items():
                        low, high = limits(values)
                        held[name].append(float(((low <= mean) & (mean <= high)).mean()))
                        wide[name].append(float((high - low).mean()))
                ratio = {name: list(np.divide(wide[name], wide["t"])) for name in rivals}
                for name in rivals:
                    cells[name].append(f"{min(held[name]):.3f}")
                    seen[name] += held[name]
                    widths[name] += ratio[name]
                cells["width"].append(f"{statistics.median(ratio['here']):.2f}")
                cells["KG width"].append(f"{statistics.median(ratio['Korn-Graubard']):.2f}")
            yield f"| {mean} | {q} | " + " | ".join(" / ".join(cell) for cell in cells.values()) + " |"
    yield from summary(seen, widths)


def summary(seen: dict[str, list[float]], widths: dict[str, list[float]]) -> Iterator[str]:
    yield "\n| interval | cases below 0.92 | least | median | width to t: median | widest |\n|---|---|---|---|---|---|"
    for name, held in seen.items():
        below = f"{sum(c < 0.92 for c in held)} of {len(held)}"
        wide = f"{statistics.median(widths[name]):.2f} | {max(widths[name]):.2f}"
        yield f"| {name} | {below} | {min(held):.3f} | {statistics.median(held):.3f} | {wide} |"


# Differences

PAIRS = ("one way", "both ways", "half steps", "new", "alike", "near 0", "near 1", "curved", "apart", "tail")


def pairs(kind: str, delta: float, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
    """Chances of two methods on the same problems; the second is better by delta in the mean.

    one way: a share delta turns from never to always. both ways: 0.02 turn back besides. half steps: twice as many go
    from 1/4 to 3/4. new: twice as many from never to half, nothing else is solved. alike, near 0, near 1: all go up by
    delta. curved: hard and easy ones little, from Beta(1/2, 1/2). apart: chances have nothing to do with each other.
    tail: a share delta / 2 turns, the others go up by a little."""
    u, settled = rng.random(shape), (rng.random(shape) < 0.5).astype(float)
    if kind == "one way":
        return np.where(u < delta, 0, settled), np.where(u < delta, 1, settled)
    if kind == "both ways":
        turned, back = u < delta + 0.02, u > 0.98
        return np.where(turned, 0, np.where(back, 1, settled)), np.where(turned, 1, np.where(back, 0, settled))
    if kind == "half steps":
        return np.where(u < 2 * delta, 0.25, settled), np.where(u < 2 * delta, 0.75, settled)
    if kind == "new":
        return np.zeros(shape), np.where(u < 2 * delta, 0.5, 0)
    if kind in ("alike", "near 0", "near 1"):
        base = {"alike": 0.5, "near 0": 0.01, "near 1": 0.98 - delta}[kind]
        return np.full(shape, base), np.full(shape, base + delta)
    if kind == "curved":
        p = rng.beta(0.5, 0.5, shape)  # mean of p (1 - p): 1/8
        return p, p + 8 * delta * p * (1 - p)
    if kind == "apart":
        return rng.beta(0.5, 0.5, shape), rng.beta(0.5 + delta, 0.5 - delta, shape)
    return np.where(u < delta / 2, 0, 0.3), np.where(u < delta / 2, 1, 0.3 + delta / 2 / (1 - delta / 2))


def differences(trials: int) -> Iterator[str]:
    rivals: dict[str, Limits] = {"here": ours_paired, "t": student_paired}
    yield f"Least coverage among {len(PAIRS)} kinds of pairs, {trials:,} experiments each, for 1 / 8 / 16 samples per problem.\n"
    yield "| difference | problems | here | t | width |\n|---|---|---|---|---|"
    seen: dict[str, list[float]] = {name: [] for name in rivals}
    widths: dict[str, list[float]] = {name: [] for name in rivals}
    for delta in (0.0, 0.02, 0.05, 0.1):
        for q in (20, 50, 200):
            cells: dict[str, list[str]] = {"here": [], "t": [], "width": []}
            for n in SAMPLES:
                held: dict[str, list[float]] = {name: [] for name in rivals}
                ratios = []
                for i, kind in enumerate(PAIRS):
                    rng = np.random.default_rng([int(100 * delta), q, n, i])
                    a, b = (rng.binomial(n, p) / n for p in pairs(kind, delta, (trials, q), rng))
                    wide = {}
                    for name, limits in rivals.items():
                        low, high = limits(b - a)
                        held[name].append(float(((low <= delta + 1e-12) & (delta <= high + 1e-12)).mean()))
                        wide[name] = float((high - low).mean())
                    if wide["t"] > 0:  # where nothing ever differs t has no width at all
                        ratios.append(wide["here"] / wide["t"])
                for name in rivals:
                    cells[name].append(f"{min(held[name]):.3f}")
                    seen[name] += held[name]
                widths["here"] += ratios
                widths["t"] += [1.0] * len(ratios)
                cells["width"].append(f"{statistics.median(ratios):.2f}")
            yield f"| {delta} | {q} | " + " | ".join(" / ".join(cell) for cell in cells.values()) + " |"
    yield from summary(seen, widths)


# Matches: a small model's curves over pools of 16 samples, against single samples of a large model

DEPTH, KS = 16, (1, 2, 4, 8, 16)
BEST = np.array([[comb(rank, k - 1) / comb(DEPTH, k) for k in KS] for rank in range(DEPTH)])


def votes(scattered: bool) -> Array:
    """[right samples, k]: chance that a majority of k is right. Wrong answers are one and the same, or all different."""
    table = np.zeros((DEPTH + 1, len(KS)))
    for c in range(DEPTH + 1):
        for i, k in enumerate(KS):
            for j in range(k + 1):
                ways = comb(c, j) * comb(DEPTH - c, k - j) / comb(DEPTH, k)
                if scattered:
                    table[c, i] += ways * (1 if j > 1 else j / k)
                else:
                    table[c, i] += ways * (1 if 2 * j > k else 0.5 if 2 * j == k else 0)
    return table


def curves(p: Array, pools: int, scattered: bool, scored: bool, rng: np.random.Generator) -> Iterator[list[Array]]:
    """Majority over each of several pools, and best-of-k by a verifier with an AUROC of 0.71: [curve][k][trial, problem]."""
    table = votes(scattered)
    for _ in range(pools):
        c = rng.binomial(DEPTH, p)
        yield [table[c, i] for i in range(len(KS))]
    if scored:
        right = rng.random((*p.shape, DEPTH), dtype=np.float32) < p[..., None]
        order = np.argsort(rng.standard_normal(right.shape, dtype=np.float32) + 0.8 * right, -1)
        yield list(np.moveaxis(np.take_along_axis(right, order, -1) @ BEST, -1, 0))


Model = tuple[float, float]  # chances are expit(a + b z) with a standard normal z: a problem's difficulty
MODELS: tuple[Model, ...] = ((0, 0.1), (-2, 1), (0, 1), (1.5, 1), (-3, 3), (0, 3), (2, 3), (0, 8))


def stated(
    model: Model, gap: float, q: int, trials: int, pools: int, n: int, scattered: bool, same: float
) -> Array | None:
    """Shares of experiments that state a match, by (the rule here, half an interval of at most 0.10 at the first crossing).
    The large model's truth lies `gap` below the best truth of any curve. `same`: correlation of what is hard for whom.
    None where there is no such large model."""
    rng = np.random.default_rng([q, pools, n, scattered, int(10 * same), MODELS.index(model), int(100 * gap + 50)])
    a, b = model
    population = expit(a + b * rng.standard_normal((1, 100_000)))
    best = max(float(v.mean()) for line in curves(population, 1, scattered, pools == 1, rng) for v in line)
    grid = np.linspace(-6, 6, 4_001)
    weight = np.exp(-(grid**2) / 2) / np.exp(-(grid**2) / 2).sum()
    if not 0.02 < best - gap < 0.98:
        return None
    large_a = brentq(lambda x: float(weight @ expit(x + b * grid)) - (best - gap), -60, 60)
    z = rng.standard_normal((trials, q))
    other = same**0.5 * z + (1 - same) ** 0.5 * rng.standard_normal((trials, q))
    large = rng.binomial(n, expit(large_a + b * other)) / n
    lines = list(curves(expit(a + b * z), pools, scattered, pools == 1, rng))
    new, old, crossed = (np.zeros(trials, bool) for _ in range(3))
    for i in range(len(KS)):
        for line in lines:
            d = line[i] - large
            reaches = d.mean(1) >= 0
            new |= reaches & (ours_paired(d, TAIL / len(lines))[0] > -MARGIN)
            old |= reaches & ~crossed & (student_paired(d)[1] - d.mean(1) <= 0.1)
            crossed |= reaches
    return np.array([new.mean(), old.mean()])


def matches(trials: int) -> Iterator[str]:
    yield f"Share of experiments in which a match is stated: the mean (the most) over the models, {trials:,} experiments each.\n"
    yield "| small model's best is | problems | curves | rule here | ±0.10 |\n|---|---|---|---|---|"
    for gap in (-0.05, 0.0, 0.05, 0.1):
        for q in (60, 200, 600):
            for pools in (1, 4):
                found = []
                for i, model in enumerate(MODELS):
                    for scattered in (False, True):
                        n, same = ((16, 0.9), (16, 0.0), (1, 1.0))[(i + scattered) % 3]
                        shares = stated(model, gap, q, max(1, trials * 60 // max(q, 60)), pools, n, scattered, same)
                        found += [shares] if shares is not None else []
                cells = [f"{np.mean(rule):.3f} ({max(rule):.3f})" for rule in np.transpose(found)]
                truth = f"{abs(gap):.2f} {'worse' if gap < 0 else 'better'}" if gap else "equal"
                curve = "majority and best-of-k" if pools == 1 else "majority over 4 pools"
                yield f"| {truth} | {q} | {curve} | " + " | ".join(cells) + " |"


TABLES = {"means": (means, 4_000), "differences": (differences, 4_000), "matches": (matches, 2_000)}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=sorted(TABLES))
    parser.add_argument("--trials", type=int)
    args = parser.parse_args(argv)
    table, trials = TABLES[args.table]
    for line in table(args.trials or trials):
        print(line, flush=True)


if __name__ == "__main__":
    main()
