"""What problems could show: the variance is split into its two true parts, and what is asked for would be enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from examined import says

from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.curves import chances, curve
from ttc_bench.analysis.graded import Graded, GradedPool
from ttc_bench.core import Problem, Task
from ttc_bench.grading.columns import graded
from ttc_bench.grading.graders import GRADERS
from ttc_bench.policies.common import Shared
from ttc_bench.policies.comparison import Comparison, comparison
from ttc_bench.policies.power import halves, powers, sentences
from ttc_bench.policies.sides import Run
from ttc_bench.strategies.methods import METHODS

GRADER = GRADERS["number"]()


def pool(right: Sequence[float], n: int, rng: np.random.Generator, model: str = "m") -> GradedPool:
    """n samples of each problem, right with these chances; the wrong ones say one of two other things."""
    made = []
    for i, chance in enumerate(right):
        problem = Problem(f"p{i}", f"Question {i}?", "1")
        said = ["1" if rng.random() < chance else str(rng.integers(2, 4)) for _ in range(n)]
        made.append(Graded(problem, graded(GRADER, problem, {j: says(a, j) for j, a in enumerate(said)})))
    task = Task("sums", tuple(g.problem for g in made), "", GRADER)
    return GradedPool(task, "cot", None, n, tuple(made), model=model)


def compared(first: GradedPool, second: GradedPool, *methods: str) -> Comparison:
    runs = [
        Run(name, [m.point for method in methods for m in curve(METHODS[method], "", of_run, Rates())], [of_run])
        for name, of_run in (("a", first), ("b", second))
    ]
    problems = first.task.problems
    return comparison(runs, [Shared("sums", {"a": "sums", "b": "sums"}, {"a": problems, "b": problems})])


def test_sampling_is_what_more_samples_would_take_away() -> None:
    """For single samples it is the mean of p (1 - p) / n of both."""
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0, 1, (2, 150))
    (power,) = powers(compared(pool(a, 8, rng), pool(b, 6, rng), "cot"))
    d = power.row.second.values - power.row.first.values
    truth = float(np.mean(a * (1 - a) / 8 + b * (1 - b) / 6))
    assert power.sampling is not None
    assert power.sampling * np.var(d, ddof=1) == pytest.approx(truth, rel=0.15)


def test_of_votes_it_is_at_most_a_little_more_than_it_is() -> None:
    """Against the variance over pools that are sampled anew. Halves say more than the whole has, never less."""
    rng = np.random.default_rng(2)
    chance = rng.uniform(0.2, 0.7, 60)
    fixed = pool([0.0] * 60, 12, rng)
    found = powers(compared(fixed, pool(chance, 12, rng), "self-consistency"))
    (power,) = [p for p in found if p.row.budget == 4]
    again = [pool(chance, 12, rng) for _ in range(15)]
    vote = METHODS["self-consistency"].strategy
    truth = float(np.var([chances(p, vote, "", [4])[4].values for p in again], axis=0, ddof=1).mean())
    assert power.sampling is not None
    assert 0.85 < power.sampling * np.var(power.row.second.values, ddof=1) / truth < 1.5
    assert [p.sampling is None for p in found if p.row.budget == 12] == [True]  # no half has 12 samples


def test_what_is_asked_for_would_be_enough() -> None:
    """With so many samples the least difference is the one that was seen; so it is with so many problems."""
    rng = np.random.default_rng(3)
    chance = rng.uniform(0.3, 0.7, 60)
    (power,) = powers(compared(pool(chance, 4, rng), pool(chance + 0.03, 4, rng), "cot"))
    seen = abs(power.row.difference)
    assert not power.shown
    assert power.samples is not None
    assert power.floor is not None
    assert power.problems is not None
    assert power.floor < seen < power.least
    left = power.floor**2 + (power.least**2 - power.floor**2) * 4 / power.samples[1]
    assert left == pytest.approx(seen**2, rel=0.1)
    assert left <= seen**2
    assert power.least * (60 / power.problems) ** 0.5 == pytest.approx(seen, rel=0.01)
    (told,) = sentences([power])
    assert f"it would take about {power.problems:,} problems" in told
    assert f"so {power.samples[0]:,} samples of each would do" in told


def test_problems_that_differ_need_more_problems_whatever_is_sampled() -> None:
    """Each side is always right on other problems: nothing of that is sampling."""
    rng = np.random.default_rng(4)
    a, b = [1.0] * 20 + [0.0] * 20, [0.0] * 20 + [1.0] * 19 + [0.0]
    (power,) = powers(compared(pool(a, 4, rng), pool(b, 4, rng), "cot"))
    assert (power.sampling, power.samples) == (0.0, None)
    assert power.floor == pytest.approx(power.least)
    assert "and no number of samples of these would do" in next(sentences([power]))


def test_a_difference_that_is_shown_needs_nothing_and_is_not_told() -> None:
    rng = np.random.default_rng(5)
    (power,) = powers(compared(pool([0.1] * 40, 4, rng), pool([0.9] * 40, 4, rng), "cot"))
    assert power.shown
    assert list(sentences([power])) == []


def test_halves_are_all_of_the_samples_but_an_odd_one() -> None:
    whole = pool([0.5] * 5, 7, np.random.default_rng(6))
    first, second = halves(whole, np.random.default_rng(7))
    for g, a, b in zip(whole.problems, first.problems, second.problems, strict=True):
        kept = [*a.samples.index.tolist(), *b.samples.index.tolist()]
        assert len(a) == len(b) == 3
        assert len(set(kept)) == 6
        assert set(kept) < set(g.samples.index.tolist())


def test_samples_that_both_runs_have_vary_together() -> None:
    """One pool under two names: the difference of its halves is that of one thing with itself."""
    same = pool([0.5] * 30, 8, np.random.default_rng(8))
    other = replace(same)
    (power,) = powers(compared(same, other, "cot"))
    assert (power.least, power.problems, power.sampling) == (0.0, None, None)
