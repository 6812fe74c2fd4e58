"""Graded pools and the curves computed from them: exact, one value per problem, every k from the one pool. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import sqrt

from ttc_bench.core import Candidate, Completion, CurvePoint, Problem, Score, Task
from ttc_bench.prices import Price
from ttc_bench.stats import draws_variance, mean_interval, pass_at_k
from ttc_bench.strategies import Method


@dataclass(frozen=True)
class Graded:
    """The samples of one problem under one prompt. All tuples have one entry per sample, in the order of the index."""

    problem: Problem
    indices: tuple[int, ...]
    completions: tuple[Completion, ...]
    answers: tuple[str | None, ...]  # equal answers are equal strings
    rungs: tuple[str, ...]
    correct: tuple[bool, ...]
    scores: dict[str, tuple[Score, ...]] = field(default_factory=dict)  # by verifier

    @property
    def distinct(self) -> int:
        """Different texts among the samples."""
        return len({(c.text, c.reasoning) for c in self.completions})


@dataclass(frozen=True)
class Pools:
    """All graded samples of one task under one prompt and effort; `asked` samples were wanted of each problem."""

    task: Task
    prompt: str
    effort: str | None
    asked: int
    problems: tuple[Graded, ...]

    @property
    def name(self) -> str:
        return ", ".join([self.task.name, self.prompt, *([f"effort {self.effort}"] if self.effort else [])])

    @property
    def depth(self) -> int:
        """Samples that every problem has: the largest k that can be computed."""
        return min(len(g.completions) for g in self.problems)

    @property
    def cached(self) -> float:
        """Share of the prompt tokens that the server had cached."""
        usages = [c.usage for g in self.problems for c in g.completions]
        return sum(u.cached for u in usages) / max(sum(u.prompt for u in usages), 1)

    @cached_property
    def quality(self) -> dict[str, float]:
        """Shares of the samples: cut at the token limit, without an extractable answer, equal to an earlier sample of
        their pool; and of the samples asked for, the share that failed. With the counts they are shares of."""
        every = [c for g in self.problems for c in g.completions]
        n, asked = len(every), self.asked * len(self.problems)
        distinct = sum(g.distinct for g in self.problems)
        return {
            "truncated": sum(c.stop_reason == "length" for c in every) / max(n, 1),
            "unextracted": sum(a is None for g in self.problems for a in g.answers) / max(n, 1),
            "duplicated": (n - distinct) / max(n, 1),
            "failed": 1 - n / asked,
            "samples": n,
            "problems": len(self.problems),
        }


def draws(most: int) -> list[int]:
    """1, 2, 4, ... and the pool's own size."""
    return sorted({2**i for i in range(most.bit_length())} | {most}) if most else []


def curve(
    model: str, method: Method, verifier: str | None, pool: Pools, tariff: Price | None = None
) -> list[CurvePoint]:
    """One point per k, computed from the one pool: accuracy is the mean over problems of weights @ correct. Where a
    strategy draws subsets at random, `mc_error` is the standard error which that adds: sqrt(sum of variances) / Q."""
    points = []
    for k in draws(pool.depth) if method.votes else draws(min(pool.depth, 1)):
        values, tokens, totals, noise = [], [], [], 0.0
        for g in pool.problems:
            candidates = candidates_of(g, verifier)
            outcome = method.strategy.outcome(candidates, k)
            value = sum(w for w, right in zip(outcome.weights, g.correct, strict=True) if right)
            if outcome.draws:  # an estimate: cut to what it cannot exceed, with the variance of its mean over draws
                value = min(value, pass_at_k(len(g.correct), sum(g.correct), k))
                noise += draws_variance(value, outcome.draws)
            values.append(value)
            tokens.append(outcome.tokens)
            totals.append(outcome.tokens + prompt_tokens(g, k, verifier))
        label = f"{method.name} ({verifier})" if verifier else method.name
        point = _point(model, label, k, pool, values, tokens, totals, tariff)
        points.append(replace(point, mc_error=sqrt(noise) / len(values)))
    return points


def bound(model: str, pool: Pools, tariff: Price | None = None) -> list[CurvePoint]:
    """pass@k: what a perfect verifier would reach with the same samples."""
    points = []
    for k in draws(pool.depth):
        values = [pass_at_k(len(g.correct), sum(g.correct), k) for g in pool.problems]
        tokens = [k * sum(c.usage.completion for c in g.completions) / len(g.completions) for g in pool.problems]
        totals = [t + prompt_tokens(g, k, None) for t, g in zip(tokens, pool.problems, strict=True)]
        points.append(_point(model, "pass@k", k, pool, values, tokens, totals, tariff, bound=True))
    return points


def prompt_tokens(g: Graded, k: int, verifier: str | None) -> float:
    """Prompt tokens that k samples of a problem cost: one prompt where samples share it, else one each; and what the
    verifier reads for each of them."""
    usages = [c.usage for c in g.completions]
    if all(c.shares_prompt for c in g.completions):
        asked = float(max(u.prompt for u in usages))
    else:
        asked = k * sum(u.prompt for u in usages) / len(usages)
    read = sum(s.usage.prompt for s in g.scores[verifier]) / len(usages) if verifier else 0.0
    return asked + k * read


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def candidates_of(g: Graded, verifier: str | None) -> list[Candidate]:
    """What a strategy sees of a problem's samples, with the scores and tokens of that verifier."""
    scores = g.scores[verifier] if verifier else (Score(None),) * len(g.completions)
    return [
        Candidate(answer, c.usage.completion + s.usage.completion, s.value)
        for answer, c, s in zip(g.answers, g.completions, scores, strict=True)
    ]


def _point(
    model: str,
    method: str,
    k: int,
    pool: Pools,
    values: Sequence[float],
    tokens: Sequence[float],
    totals: Sequence[float],
    tariff: Price | None,
    bound: bool = False,
) -> CurvePoint:
    accuracy, low, high = mean_interval(values)
    effort = pool.effort or ""
    q = pool.quality
    return CurvePoint(
        task=pool.task.name,
        model=model,
        method=f"{method}, effort {effort}" if effort else method,
        prompt=pool.prompt,
        k=k,
        accuracy=accuracy,
        low=low,
        high=high,
        tokens=_mean(tokens),
        total_tokens=_mean(totals),
        dollars=tariff.of(_mean(totals) - _mean(tokens), _mean(tokens), pool.cached) if tariff else None,
        problems=len(pool.problems),
        samples=pool.depth,
        effort=effort,
        bound=bound,
        truncated=q["truncated"],
        unextracted=q["unextracted"],
        duplicated=q["duplicated"],
        failed=q["failed"],
    )
