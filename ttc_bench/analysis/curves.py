"""Graded pools and the curves computed from them: exact, one value per problem, every k from the one pool. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import sqrt

from ttc_bench.analysis.stats import draws_variance, mean_interval, pass_at_k
from ttc_bench.core import Candidate, Completion, CurvePoint, Problem, Score, Task
from ttc_bench.prices import Price
from ttc_bench.strategies.methods import Method


@dataclass(frozen=True)
class Graded:
    """The samples of one problem under one prompt. All tuples have one entry per sample, in the order of the index."""

    problem: Problem
    indices: tuple[int, ...]
    completions: tuple[Completion, ...]
    answers: tuple[str | None, ...]  # equal answers are equal strings
    rungs: tuple[str, ...]
    correct: tuple[bool, ...]
    scores: dict[str, tuple[Score, ...]] = field(default_factory=dict)  # by verifier; filled in after grading

    @property
    def distinct(self) -> int:
        """Different texts among the samples."""
        return len({(c.text, c.reasoning) for c in self.completions})


@dataclass(frozen=True)
class Pools:
    """All graded samples of one task under one prompt and effort, as they were sampled or after a change (`variant`);
    `asked` samples were wanted of each problem."""

    task: Task
    prompt: str
    effort: str | None
    asked: int
    problems: tuple[Graded, ...]
    variant: str = ""
    model: str = ""  # where a run compares several

    @property
    def name(self) -> str:
        return ", ".join([self.task.name, self.label])

    @property
    def label(self) -> str:
        """What tells it from the other pools of its task: prompt, effort and variant, and model where there are several."""
        effort = f"effort {self.effort}" if self.effort else ""
        return ", ".join(part for part in (self.model, self.prompt, effort, self.variant) if part)

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


@dataclass(frozen=True)
class Measured:
    """A point of a curve, and what it is the mean of: the chance that the answer is right, and the generated tokens,
    both [problem], in the order of the pool's problems."""

    point: CurvePoint
    pool: Pools
    values: tuple[float, ...]
    tokens: tuple[float, ...]


def draws(most: int) -> list[int]:
    """1, 2, 4, ... and the pool's own size."""
    return sorted({2**i for i in range(most.bit_length())} | {most}) if most else []


def curve(
    model: str,
    method: Method,
    verifier: str | None,
    pool: Pools,
    tariff: Price | None = None,
    parameters: int | None = None,
) -> list[Measured]:
    """One point per k, computed from the one pool: accuracy is the mean over problems of weights @ correct. Where a
    strategy draws subsets at random, `mc_error` is the standard error which that adds: sqrt(sum of variances) / Q."""
    measured = []
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
        spent = flops(pool, k, verifier, totals, parameters)
        dollars = _dollars(pool, k, verifier, _mean(totals) - _mean(tokens), _mean(tokens), tariff)
        point = _point(model, label, k, pool, values, tokens, totals, dollars, spent, parameters)
        point = replace(point, mc_error=sqrt(noise) / len(values))
        measured.append(Measured(point, pool, tuple(values), tuple(tokens)))
    return measured


def variants_of(pool: Pools, pools: Sequence[Pools]) -> list[Pools]:
    """The pools that are this one after a change."""
    where = (pool.task.name, pool.prompt, pool.effort)
    return [p for p in pools if p.variant and (p.task.name, p.prompt, p.effort) == where]


def along_variants(
    model: str,
    method: Method,
    pool: Pools,
    variants: Sequence[Pools],
    tariff: Price | None = None,
    parameters: int | None = None,
) -> list[Measured]:
    """Lines along which the thinking changes and k does not: by budget (votes at the largest k), by the number of
    waits, by rounds of revision. The last two begin with the pool as it was sampled."""
    kinds = ("refine",) if method.revises else ("budget", "wait")
    measured = []
    for kind in kinds if not method.verified else ():
        changed = [p for p in variants if p.variant.split()[0] == kind]
        if not changed:
            continue
        steps = changed if kind == "budget" else [pool, *changed]
        for step in steps:
            for m in curve(model, method, None, step, tariff, parameters)[-1:]:
                k = f" (k = {m.point.k})" if method.votes else ""
                announced = " (announced)" if step.variant.endswith("announced") else ""
                words = {"budget": f" by budget{announced}", "wait": " + wait", "refine": ""}[kind]
                measured.append(replace(m, point=replace(m.point, method=f"{m.point.method}{k}{words}")))
    return measured


def bound(model: str, pool: Pools, tariff: Price | None = None, parameters: int | None = None) -> list[Measured]:
    """pass@k: what a perfect verifier would reach with the same samples."""
    measured = []
    for k in draws(pool.depth):
        values = [pass_at_k(len(g.correct), sum(g.correct), k) for g in pool.problems]
        tokens = [k * sum(c.usage.completion for c in g.completions) / len(g.completions) for g in pool.problems]
        totals = [t + prompt_tokens(g, k, None) for t, g in zip(tokens, pool.problems, strict=True)]
        spent = flops(pool, k, None, totals, parameters)
        dollars = _dollars(pool, k, None, _mean(totals) - _mean(tokens), _mean(tokens), tariff)
        point = _point(model, "pass@k", k, pool, values, tokens, totals, dollars, spent, parameters, bound=True)
        measured.append(Measured(point, pool, tuple(values), tuple(tokens)))
    return measured


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


def flops(pool: Pools, k: int, verifier: str | None, totals: Sequence[float], parameters: int | None) -> float | None:
    """Mean inference FLOPs per problem: 2 x parameters x tokens read and generated (Kaplan et al. 2020,
    arXiv:2001.08361, without attention over the context). `totals`: these tokens, one value per problem. The tokens of
    a verifier with weights of its own count with its own parameters. None where the model's are not known."""
    if parameters is None:
        return None
    other = 0.0  # what the verifier's weights add to, or take from, counting its tokens as the model's
    for g in pool.problems if verifier else ():
        scores = [s for s in g.scores[verifier or ""] if s.parameters is not None]
        extra = sum(((s.parameters or 0) - parameters) * (s.usage.prompt + s.usage.completion) for s in scores)
        other += k * extra / len(g.completions)
    return 2 * (parameters * _mean(totals) + other / len(pool.problems))


def _dollars(
    pool: Pools, k: int, verifier: str | None, read: float, generated: float, tariff: Price | None
) -> float | None:
    """Mean dollars per problem for tokens at the model's price. Tokens of a verifier on this machine (one whose
    parameters are known) cost nothing; a judge behind an API has a price of its own that is not known here: None."""
    if tariff is None:
        return None
    for g in pool.problems if verifier else ():
        for s in g.scores[verifier or ""]:
            share = k / len(g.completions) / len(pool.problems)
            if s.parameters is not None:
                read, generated = read - share * s.usage.prompt, generated - share * s.usage.completion
            elif (s.usage.prompt or s.usage.completion) and verifier != "p-true":
                return None
    return tariff.of(read, generated, pool.cached)


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
    dollars: float | None,
    spent: float | None,
    parameters: int | None,
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
        dollars=dollars,
        flops=spent,
        parameters=parameters,
        problems=len(pool.problems),
        samples=pool.depth,
        guess=pool.task.guess,
        effort=effort,
        variant=pool.variant,
        bound=bound,
        truncated=q["truncated"],
        unextracted=q["unextracted"],
        duplicated=q["duplicated"],
        failed=q["failed"],
        values=tuple(values),
    )
