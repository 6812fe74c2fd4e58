"""How often do the forecasts hold, and how far off are they? Simulated, seeded, as Markdown tables.

    python benchmarks/forecast_coverage.py pass            # pass@k
    python benchmarks/forecast_coverage.py votes           # maj@k, its wall and the verdict on it
    python benchmarks/forecast_coverage.py pool RESULTS    # a run with many samples, cut down to 8 and 16 of them

Each simulated pool draws problems from a population, then samples of each. The truth at two, four and ten times the
samples is the mean over the population. Of a real run the truth is the exact curve of all its samples, and the pools
are random draws from them."""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.special import expit

from ttc_bench.analysis.outlook import Foretold, Trial, What
from ttc_bench.experiment import replay
from ttc_bench.policies.extrapolation import TIMES, foretell, passes_of, votes_of
from ttc_bench.policies.walls import STEEP, wall

Array = np.ndarray[Any, np.dtype[Any]]
SIZES = ((60, 16), (200, 16), (100, 8), (150, 32))  # problems, samples
PRECISION = 2e-3  # of a truth that is simulated
MANY = 100  # times the samples, for the limit of the votes

# Populations of problems: chances to be solved


def chances(population: str, problems: int, rng: np.random.Generator) -> Array:
    """beta A B: Beta(A, B). never: 40 % have no chance at all. ends: 30 % have none and 20 % are always solved. two
    humps: half near 0.1, half near 0.8. two points: half have 0.01, half 0.7. logit: normal on the logit scale, hard:
    the same, further down. alike: all have 0.3."""
    name, *rest = population.split()
    u = rng.random(problems)
    if name == "beta":
        return rng.beta(float(rest[0]), float(rest[1]), problems)
    if name == "never":
        return np.where(u < 0.4, 0, rng.beta(1.5, 3, problems))
    if name == "ends":
        return np.where(u < 0.3, 0, np.where(u < 0.5, 1, rng.beta(0.8, 1.5, problems)))
    if population == "two humps":
        return np.where(u < 0.5, rng.beta(4, 36, problems), rng.beta(20, 5, problems))
    if population == "two points":
        return np.where(u < 0.5, 0.01, 0.7)
    if name in ("logit", "hard"):
        return expit((-2 if name == "logit" else -6) + 2.5 * rng.standard_normal(problems))
    return np.full(problems, 0.3)


SOLVED = (
    "beta 0.3 0.6",
    "beta 0.15 0.5",
    "beta 2 5",
    "beta 0.2 8",
    "never",
    "ends",
    "two humps",
    "two points",
    "logit",
)
SOLVED += ("hard", "alike")
VOTED = ("beta 0.3 0.6", "beta 2 5", "ends", "two humps", "logit", "alike")
WRONG = ("one rival", "several", "scattered")  # how the wrong answers are spread


def answers(right: Array, wrong: str, rng: np.random.Generator) -> Array:
    """[problem, answer]: chances of all answers, the right one first. one rival: it has 0.8 of what is wrong. several:
    12, of Dirichlet(0.3). scattered: 30, all alike."""
    if wrong == "several":
        shares = rng.dirichlet(np.full(12, 0.3), len(right))
    else:
        shares = np.tile([0.8, 0.1, 0.05, 0.05] if wrong == "one rival" else np.full(30, 1 / 30), (len(right), 1))
    return np.hstack([right[:, None], (1 - right)[:, None] * shares])


def majority(each: Array, k: int, rng: np.random.Generator, rounds: int) -> float:
    """maj@k by simulation; ties are broken at random."""
    wins = [(rng.multinomial(k, each) + rng.random(each.shape) / 2).argmax(axis=1) == 0 for _ in range(rounds)]
    return float(np.mean(wins))


# Pools as the laws see them


class Drawn(SimpleNamespace):
    """A pool of given votes [problem, sample] (classes of answers, -1 for none), of which those marked in `correct` are
    right."""

    def __init__(self, votes: Array, correct: Array) -> None:
        pairs = zip(votes, correct, strict=True)
        problems = [SimpleNamespace(samples=_columns(v, c), scores={}) for v, c in pairs]
        sizes = np.full(len(votes), votes.shape[1])
        super().__init__(problems=problems, depth=votes.shape[1], sizes=sizes, right=correct.sum(axis=1), computed={})


def _columns(votes: Array, correct: Array) -> Any:
    return _Columns(votes=votes, correct=correct, answers=None, completion=np.ones(len(votes)))


class _Columns(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.votes)


def draw(each: Array, samples: int, rng: np.random.Generator) -> Any:
    """A pool of so many samples of each problem; the first answer is right."""
    edges = each.cumsum(axis=1)[:, None, :-1]
    votes = (rng.random((len(each), samples, 1)) > edges).sum(axis=2)
    return Drawn(votes, votes == 0)


# Tables


class Tally:
    """Counts by row of a table."""

    def __init__(self) -> None:
        self.seen: dict[str, list[tuple[float, ...]]] = defaultdict(list)
        self.laws: dict[str, list[tuple[float, ...]]] = defaultdict(list)

    def add(self, row: str, trials: Sequence[Trial], ahead: Sequence[Foretold], truth: Sequence[float]) -> None:
        marks: list[float] = []
        for f, so in zip(ahead, truth, strict=True):
            held = f.low - PRECISION <= so <= f.high + PRECISION
            by_law = f.law_low - PRECISION <= so <= f.law_high + PRECISION
            marks += [held, f.high - f.low, by_law, f.law_high - f.law_low, (f.value - so) ** 2]
        self.seen[row].append(tuple(marks))
        self.laws[trials[0].law].append(tuple(marks))

    def lines(self) -> Iterator[str]:
        yield (
            "| | pools | "
            + " | ".join(f"x{t}: held | width | held by the law alone | width | error" for t in TIMES)
            + " |"
        )
        yield "|---" * (2 + 5 * len(TIMES)) + "|"
        every = [marks for rows in self.seen.values() for marks in rows]
        named = {**self.seen, **{f"*{law}*": rows for law, rows in self.laws.items()}, "**all**": every}
        for name, rows in named.items():
            means = np.mean(rows, axis=0)
            means[4::5] = np.sqrt(means[4::5])
            cells = [f"{m:.2f}" if i % 5 else f"{m:.3f}" for i, m in enumerate(means)]
            yield f"| {name} | {len(rows)} | " + " | ".join(cells) + " |"


def passes(trials: int) -> Iterator[str]:
    tally = Tally()
    for i, population in enumerate(SOLVED):
        for problems, n in SIZES:
            rng = np.random.default_rng([i, problems, n])
            whole = chances(population, 400_000, rng)
            truth = [float((1 - (1 - whole) ** (t * n)).mean()) for t in TIMES]
            for _ in range(trials):
                pool = draw(answers(chances(population, problems, rng), "one rival", rng), n, rng)
                tally.add(population, *foretell("pass@k", passes_of(pool)), truth)
    yield from tally.lines()


def votes(trials: int) -> Iterator[str]:
    tally, walls = Tally(), defaultdict(list)
    for i, population in enumerate(VOTED):
        for j, wrong in enumerate(WRONG):
            for problems, n in SIZES:
                rng = np.random.default_rng([i, j, problems, n])
                whole = answers(chances(population, 4_000, rng), wrong, rng)
                half, now, *truth, limit = (majority(whole, n * t // 2, rng, 20) for t in (1, 2, 4, 8, 20, 2 * MANY))
                for _ in range(trials):
                    pool = draw(answers(chances(population, problems, rng), wrong, rng), n, rng)
                    found = votes_of(pool)
                    tally.add(f"{population}, {wrong}", *foretell("maj@k", found), truth)
                    since = found.half - 1
                    w = wall(pool, found.values[:, since].tolist(), found.values[:, -1].tolist(), int(found.x[since]))
                    held = w.low - PRECISION <= limit <= w.high + PRECISION
                    walls[_moving(now - half)].append((held, w.high - w.low, w.value - limit, w.verdict))
    yield from tally.lines()
    yield "\n| truth, per doubling | pools | wall held | width | error | " + " | ".join(VERDICTS) + " |"
    yield "|---" * (5 + len(VERDICTS)) + "|"
    for moving, rows in walls.items():
        held, width, error = (float(np.mean([row[i] for row in rows])) for i in range(3))
        said = [f"{np.mean([row[3] == verdict for row in rows]):.3f}" for verdict in VERDICTS]
        yield f"| {moving} | {len(rows)} | {held:.3f} | {width:.2f} | {error:+.3f} | " + " | ".join(said) + " |"


VERDICTS = ("still climbing", "flat", "falling", "cannot be told")


def _moving(slope: float) -> str:
    if abs(slope) < STEEP:
        return f"less than {STEEP:.2f} either way"
    return f"{'up' if slope > 0 else 'down'} by {STEEP:.2f} or more"


def real(folders: Sequence[Path], trials: int) -> Iterator[str]:
    """Pools of 8 and 16 samples of each problem of a run, and what they forecast of all its samples."""
    tally = Tally()
    for folder in folders:
        found = asyncio.run(replay(folder)).analysis.problems
        groups: dict[str, list[tuple[Array, Array]]] = defaultdict(list)
        for problem in found:
            for prompt in dict.fromkeys(s.prompt for s in problem.samples):
                of = [s for s in problem.samples if s.prompt == prompt]
                names = {a: i for i, a in enumerate(dict.fromkeys(s.answer for s in of if s.answer is not None))}
                given = np.array([-1 if s.answer is None else names[s.answer] for s in of])
                groups[f"{problem.task}, {prompt}"].append((given, np.array([s.correct for s in of])))
        for name, rows in groups.items():
            tallied(tally, name, rows, trials)
    yield from tally.lines()


def tallied(tally: Tally, name: str, rows: Sequence[tuple[Array, Array]], trials: int) -> None:
    """Adds what pools drawn from these rows forecast, where all samples reach far enough."""
    depth, rng = min(len(given) for given, _ in rows), np.random.default_rng(len(rows))
    whole = Drawn(np.array([v[:depth] for v, _ in rows]), np.array([c[:depth] for _, c in rows]))
    for n in (n for n in (8, 16) if n * TIMES[-1] <= depth):
        ks = [n * t for t in TIMES]
        evidence: Mapping[What, Any] = {"maj@k": votes_of, "pass@k": passes_of}
        truth = exact(whole, ks)
        for _ in range(trials):
            picks = [rng.permutation(depth)[:n] for _ in rows]
            pairs = [(v[pick], c[pick]) for (v, c), pick in zip(rows, picks, strict=True)]
            pool = Drawn(np.array([v for v, _ in pairs]), np.array([c for _, c in pairs]))
            for what, of in evidence.items():
                tally.add(f"{name}, {what}, {n} samples", *foretell(what, of(pool)), truth[what])


def exact(pool: Any, ks: Sequence[int]) -> dict[What, list[float]]:
    from ttc_bench.analysis.curves import chances as strategy_chances
    from ttc_bench.analysis.curves import reach
    from ttc_bench.strategies.exact import MajorityVote

    voted = strategy_chances(pool, MajorityVote(), "", ks)
    return {
        "maj@k": [float(voted[k].values.mean()) for k in ks],
        "pass@k": [float(reach(pool, k).mean()) for k in ks],
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("pass", "votes", "pool"))
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--trials", type=int, default=10, help="pools of each kind")
    args = parser.parse_args(argv)
    tables = {"pass": passes, "votes": votes}
    lines = real(args.folders, args.trials) if args.table == "pool" else tables[args.table](args.trials)
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
