"""Stopping rules replayed over graded pools: frontiers as curves, rows and sentences. Pure.

Law: a replay is the mean over all orderings of a pool without replacement, so it is unbiased for any cap up to the
size of the pool; a resampling with replacement is not (docs/policies.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ttc_bench.analysis.analyse import Analysis
from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.curves import MANY, Chances, candidates_of, chances, measured
from ttc_bench.analysis.graded import Array, GradedPool
from ttc_bench.analysis.quality import quality
from ttc_bench.analysis.stats import mark_pareto, paired_difference
from ttc_bench.analysis.stopped import Stopped
from ttc_bench.core import CurvePoint
from ttc_bench.parallel import processes
from ttc_bench.policies.ballots import Ballots
from ttc_bench.policies.first_hit import first_hit
from ttc_bench.policies.lattice import exact
from ttc_bench.policies.orderings import sampled
from ttc_bench.sampling.plan import Plan
from ttc_bench.strategies.exact import BestOfN, MajorityVote
from ttc_bench.strategies.methods import METHODS
from ttc_bench.strategies.rules import RULES, SCORE, Rule

FEWEST = 3  # samples of every problem, below which there is nothing to stop
AT_ONCE = 100  # problems that are worked on together
QUANTILES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # of all scores of a pool: the thresholds of stop-at-score
TOLD_QUANTILE = 0.8


@dataclass(frozen=True, eq=False)
class Frontier:
    """A rule on a pool, at every threshold. Arrays are [threshold, problem] where nothing else is said."""

    rule: str
    verifier: str
    cap: int
    thresholds: tuple[float, ...]
    told: float  # the threshold that the sentence speaks of
    value: Array  # chance that the answer is right
    draws: Array  # expected samples
    tokens: Array  # expected tokens, generated
    variance: Array  # [threshold]: of the estimators, summed over problems; 0: all exact
    estimated: int  # problems that were replayed over random orderings


def with_policies(analysis: Analysis, plan: Plan, pools: Sequence[GradedPool], parameters: int | None) -> Analysis:
    """The analysis of one model, with the curves and rows of the rules in `plan.config.policy`, and a note for each
    that cannot be replayed. Where tokens are not known there are rows, but no curve: samples are no cost to draw it
    over."""
    if not plan.config.policy:
        return analysis
    rates = Rates(plan.config.tariff(plan.model), parameters)
    voted = {plan.config.prompt_of(METHODS[name]) for name in plan.config.method if METHODS[name].votes}
    chosen = [p for p in pools if p.prompt in voted and not p.change]
    notes = [] if chosen else ["--policy replays votes, and no method here votes: add --method self-consistency"]
    points: list[CurvePoint] = []
    rows: list[Stopped] = []
    for pool in chosen:
        notes += unfit(pool, plan.config.policy)
        for frontier in frontiers(pool, plan.config.policy):
            line = curve(frontier, pool, rates)
            rows += compared(frontier, pool, line)
            points += line if pool.tokens_known else []
    return replace(
        analysis, points=mark_pareto([*analysis.points, *points]), stopping=rows, notes=[*analysis.notes, *notes]
    )


def unfit(pool: GradedPool, names: Sequence[str]) -> list[str]:
    """Sentences on what cannot be replayed over this pool, and what would help."""
    where = f"{pool.task.name}, {pool.label()}"
    if pool.depth < FEWEST:
        has = f"some problem has {pool.depth}"
        return [
            f"{where}: a stopping rule needs at least {FEWEST} samples of every problem, and {has}: add --samples 8"
        ]
    if SCORE in names and not pool.problems[0].scores:
        return [f"{where}: {SCORE} needs scores, and there are none: add --method best-of-n and a --verifier"]
    return []


def frontiers(pool: GradedPool, names: Sequence[str]) -> Iterator[Frontier]:
    """The frontier of each rule, and of stop-at-score one for each verifier; none of a pool that is too small."""
    if pool.depth < FEWEST:
        return
    for name in names:
        if name == SCORE:
            yield from (_by_score(pool, verifier) for verifier in pool.problems[0].scores)
        else:
            yield _by_votes(pool, name)


def _by_votes(pool: GradedPool, name: str) -> Frontier:
    stopping, cap = RULES[name], pool.depth
    assert stopping.rule is not None
    rules = [stopping.rule(threshold) for threshold in stopping.thresholds]
    if Ballots not in pool.computed:
        columns = (g.samples for g in pool.problems)
        pool.computed[Ballots] = [Ballots.of(c.votes, c.correct, c.completion) for c in columns]
    found = np.empty((4, len(rules), len(pool.problems)))  # value, draws, tokens, variance
    every = chances(pool, MajorityVote(), "", [cap])[cap]
    found[:, [rule.never(cap) for rule in rules]] = np.array(
        [every.values, np.full(len(pool.problems), cap), every.tokens, np.zeros(len(pool.problems))]
    )[:, None]
    for window in dict.fromkeys(rule.window for rule in rules):
        together = [i for i, rule in enumerate(rules) if rule.window == window and not rule.never(cap)]
        if together:
            found[:, together] = replay(pool.computed[Ballots], [rules[i] for i in together], cap)
    value, draws, tokens, variance = found
    estimated = int((variance > 0).any(axis=0).sum())
    return Frontier(
        name, "", cap, stopping.thresholds, stopping.published, value, draws, tokens, variance.sum(axis=1), estimated
    )


def replay(ballots: Sequence[Ballots], rules: Sequence[Rule], cap: int) -> Array:
    """(chance that the answer is right, expected samples, expected tokens, variance of the first), [rule, problem]. The
    rules are of one kind and differ in their thresholds; windows are of one size. In several processes where there are
    many samples."""
    order = sorted(range(len(ballots)), key=lambda i: len(ballots[i].sizes))  # of like size: little is padding
    chunks = [[ballots[i] for i in order[at : at + AT_ONCE]] for at in range(0, len(order), AT_ONCE)]
    compute = partial(_replayed, rules=rules, cap=cap)
    many = sum(b.total for b in ballots) >= MANY
    parts = list(processes(compute, chunks) if many else map(compute, chunks))
    found = np.empty((4, len(rules), len(ballots)))
    found[:, :, order] = np.concatenate(parts, axis=2)
    return found


def _replayed(ballots: Sequence[Ballots], rules: Sequence[Rule], cap: int) -> Array:
    value, draws, tokens, given_up = exact(ballots, rules, cap)
    found = np.array([value, draws, tokens, np.zeros_like(value)])
    for place in np.flatnonzero(given_up).tolist():
        found[:, :, place] = np.array(sampled(ballots[place], rules, cap))
    return found


def _by_score(pool: GradedPool, verifier: str) -> Frontier:
    """Thresholds are quantiles of all scores, as scores have no common scale; which samples are right plays no part."""
    every = [candidates_of(g, verifier) for g in pool.problems]
    scores = np.concatenate([c.scores for c in every])
    told, *levels = np.nanquantile(scores, (TOLD_QUANTILE, *QUANTILES), method="higher").tolist()
    thresholds = tuple(sorted(set(levels)))
    rows = [
        [first_hit(c, g.samples.correct, t, pool.depth) for c, g in zip(every, pool.problems, strict=True)]
        for t in thresholds
    ]
    value, draws, tokens = np.moveaxis(np.array(rows), 2, 0)
    return Frontier(
        SCORE, verifier, pool.depth, thresholds, told, value, draws, tokens, np.zeros(len(thresholds)), estimated=0
    )


def curve(f: Frontier, pool: GradedPool, rates: Rates) -> list[CurvePoint]:
    """The frontier as points of one line, a point for each threshold. Each sample is a call, so that it pays its prompt
    unless samples share it."""
    shares = quality(pool)
    return [
        measured(
            pool,
            rates,
            f.rule,
            f.verifier,
            f.cap,
            Chances(f.value[i], f.tokens[i], float(f.variance[i])),
            shares,
            threshold=threshold,
            drawn=f.draws[i],
        ).point
        for i, threshold in enumerate(f.thresholds)
    ]


def compared(f: Frontier, pool: GradedPool, line: Sequence[CurvePoint]) -> list[Stopped]:
    """A row for each threshold, the points of which are `line`, with the plain method at equal mean cost beside it."""
    plain = BestOfN() if f.rule == SCORE else MajorityVote()
    whole = chances(pool, plain, f.verifier, [f.cap])[f.cap]
    each = float(whole.tokens.mean()) / f.cap  # tokens of one sample
    rows = []
    for i, point in enumerate(line):
        drawn, spent = float(f.draws[i].mean()), float(f.tokens[i].mean())
        k = min(max(spent / each if pool.tokens_known and each else drawn, 1.0), float(f.cap))
        low, high = int(k), min(int(k) + 1, f.cap)
        both = chances(pool, plain, f.verifier, sorted({low, high}))
        rival = both[low].values * (1 - (k - low)) + both[high].values * (k - low)
        paired = len(rival) > 1 and paired_difference(rival.tolist(), f.value[i].tolist())
        difference, least, most = paired or (None, None, None)
        rows.append(
            Stopped(
                task=point.task,
                model=point.model,
                prompt=point.prompt,
                effort=point.effort,
                rule=f.rule,
                verifier=f.verifier,
                threshold=f.thresholds[i],
                told=f.thresholds[i] == f.told,
                cap=f.cap,
                accuracy=point.accuracy,
                low=point.low,
                high=point.high,
                mc_error=point.mc_error,
                estimated=f.estimated,
                draws=drawn,
                tokens=point.tokens,
                plain=float(whole.values.mean()),
                rival_k=k,
                rival=float(rival.mean()),
                difference=difference,
                difference_low=least,
                difference_high=most,
            )
        )
    return rows


def sentences(rows: Sequence[Stopped]) -> list[str]:
    """One for each rule and pool, at the threshold that is told."""
    return [_sentence(row) for row in rows if row.told]


def _sentence(row: Stopped) -> str:
    """Such as "gsm8k, m, cot: adaptive-consistency at 0.95 reaches 0.83 with 6.4 of 40 samples (900 tokens), maj@40
    0.84; ..."."""
    plain = "best-of" if row.rule == SCORE else "maj"
    where = ", ".join(part for part in (row.task, row.model, row.prompt, row.effort and f"effort {row.effort}") if part)
    name = f"{row.rule} ({row.verifier})" if row.verifier else row.rule
    cost = "" if row.tokens is None else f" ({row.tokens:,.0f} tokens)"
    text = (
        f"{where}: {name} at {row.threshold:.3g} reaches {row.accuracy:.2f} with {row.draws:.1f} of {row.cap} samples"
    )
    text += f"{cost}, {plain}@{row.cap} {row.plain:.2f}"
    if row.difference is None:
        return f"{text}."
    same = "samples (tokens are not known)" if row.tokens is None else "tokens"
    gain, *ends = (
        f"{round(x or 0.0, 2) + 0.0:+.2f}" for x in (row.difference, row.difference_low, row.difference_high)
    )
    lead = f"{gain} [{', '.join(ends)}]"
    return f"{text}. For the same {same} {plain}@{row.rival_k:.1f} reaches {row.rival:.2f}: {lead}."
