"""What more samples, or more thinking, would bring: laws fitted to a pool, scored where the answer is known, and the
best one read off at up to ten times the budget. Pure; the bootstrap has a fixed seed.

Two kinds of doubt make an interval. *Sampling*: problems are drawn again together with their samples, and every law is
fitted again to each such draw; that holds the choice of problems and the luck of their samples. *The law*: for pass@k
the limits are those of reach.py, which knows no law, and a forecast outside of them is moved to them. For votes and
budgets the interval reaches as far as the other laws do, in quadrature, and is nowhere narrower than that of the
curve's end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttc_bench.analysis.curves import chances, reach
from ttc_bench.analysis.graded import Array, GradedPool
from ttc_bench.analysis.outlook import Foretold, Outlook, Trial, What
from ttc_bench.analysis.stats import mean_interval
from ttc_bench.errors import counted
from ttc_bench.policies.laws import BUDGET_LAWS, PASS_LAWS, VOTE_LAWS, Curves, Law
from ttc_bench.policies.reach import limits
from ttc_bench.policies.walls import wall
from ttc_bench.strategies.exact import MajorityVote

TIMES = (2, 4, 10)  # how many times the samples, or the budget, are looked ahead
LEAST_SAMPLES, LEAST_BUDGETS, LEAST_PROBLEMS = 8, 4, 10
REPLICATES = 200  # draws of the problems
TAILS = (2.5, 97.5)  # percentiles
LAWS: dict[What, tuple[Law, ...]] = {"pass@k": PASS_LAWS, "maj@k": VOTE_LAWS, "budget": BUDGET_LAWS}


@dataclass(frozen=True, eq=False)
class Evidence:
    """One curve of a pool, problem by problem."""

    x: Array  # [point], rising: k, or budgets in tokens
    values: Array  # [problem, point]: chance to be right
    half: int  # the number of points up to half of the largest x
    rights: tuple[Array, Array] | None = None  # of pass@k: `hits` among x[half - 1] and among x[-1] samples

    def curves(self, draws: Array, half: bool = False) -> Curves:
        """What laws are fitted to. `draws` [replicate, problem]: weights that sum to 1."""
        points = self.half if half else len(self.x)
        rights = None if self.rights is None else draws @ self.rights[0 if half else 1]
        return Curves(self.x[:points], draws @ self.values[:, :points], rights, len(self.values))


def outlooks(pools: Sequence[GradedPool], voted: Collection[str]) -> list[Outlook]:
    """The forecasts for every pool as sampled: of maj@k and pass@k if its prompt is one of the `voted`, and over
    thinking budgets if it has some. One that cannot be made is there with the reason."""
    found: list[Outlook] = []
    for pool in (p for p in pools if not p.change and p.problems and p.depth):
        if pool.prompt in voted:
            found += _over_samples(pool)
        budgets = sorted((p for p in pool.changed(pools) if p.change.kind == "budget"), key=lambda p: p.change.amount)
        if budgets and all(step.depth for step in budgets):
            found.append(_over_budgets(pool, budgets))
    return found


def votes_of(pool: GradedPool) -> Evidence:
    """maj@k at even k: of two answers an odd k is worth no more than the even one after it, a ripple that no law
    has."""
    ks = [k for k in range(2, pool.depth + 1, 2) if k & (k - 1) == 0 or (k % 3 == 0 and (k // 3) & (k // 3 - 1) == 0)]
    ks = sorted({*ks, pool.depth})
    found = chances(pool, MajorityVote(), "", ks)
    return _evidence(ks, np.stack([found[k].values for k in ks], axis=1))


def passes_of(pool: GradedPool) -> Evidence:
    """pass@k at 1, 2, 4, ..., half of the samples and all."""
    ks = sorted({*(2**i for i in range(pool.depth.bit_length())), pool.depth // 2, pool.depth})
    evidence = _evidence(ks, np.stack([reach(pool, k) for k in ks], axis=1))
    return replace(evidence, rights=(hits(pool, ks[evidence.half - 1]), hits(pool, pool.depth)))


def hits(pool: GradedPool, k: int) -> Array:
    """[problem, c]: the chance that c of k samples are right, c = 0..k, when k of the pool's are drawn: hypergeometric.
    So a fit to half of the samples is one to the mean over all halves."""
    from scipy.special import gammaln

    n, right, c = pool.sizes[:, None], pool.right[:, None], np.arange(k + 1)
    wrong = n - right
    possible = (c <= right) & (k - c <= wrong)
    drawn, left = np.minimum(c, right), np.clip(k - c, 0, wrong)

    def ways(of: Array, some: Array) -> Array:
        return np.asarray(gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1))

    return np.where(possible, np.exp(ways(right, drawn) + ways(wrong, left) - ways(n, np.full_like(n, k))), 0.0)


def foretell(what: What, evidence: Evidence) -> tuple[tuple[Trial, ...], tuple[Foretold, ...]]:
    """The trials of all laws, the best first, and the forecast by the best."""
    draws = _draws(len(evidence.values))
    whole = evidence.curves(draws)
    trials = {law: _trial(law, evidence, draws, whole.values[:, -1]) for law in LAWS[what]}
    ranked = sorted(trials, key=lambda law: trials[law].typical)
    at = np.array(TIMES) * evidence.x[-1]
    forecasts = np.stack([law.forecast(whole, at) for law in ranked])  # [law, replicate, place]
    value = forecasts[0, 0]
    law_low, law_high = np.percentile(forecasts[0, 1:], TAILS, axis=0)
    if what == "pass@k":
        assert whole.rights is not None
        low, high = np.array(limits(whole.rights[0] * whole.problems, at)).T
        high = np.maximum(high, whole.values[0, -1])  # what was reached
        value = np.clip(np.maximum(value, whole.values[0, -1]), low, high)
    else:
        now, now_low, now_high = mean_interval(evidence.values[:, -1].tolist())
        below = np.maximum(value - law_low, now - now_low)
        above = np.maximum(law_high - value, now_high - now)
        law_low, law_high = value - below, value + above
        low = value - np.hypot(below, value - forecasts[:, 0].min(axis=0))
        high = value + np.hypot(above, forecasts[:, 0].max(axis=0) - value)
        low, high = value - np.maximum.accumulate(value - low), value + np.maximum.accumulate(high - value)
    rows = np.clip([value, low, high, np.minimum(law_low, value), np.maximum(law_high, value)], 0.0, 1.0)
    return tuple(trials[law] for law in ranked), tuple(Foretold(*row) for row in np.vstack([at, rows]).T.tolist())


def _trial(law: Law, evidence: Evidence, draws: Array, so: Array) -> Trial:
    """Fitted to the first half it forecasts the end of the curve, which is `so` [replicate]."""
    errors = law.forecast(evidence.curves(draws, half=True), evidence.x[-1:])[:, 0] - so
    low, high = np.percentile(errors[1:], TAILS)
    return Trial(law.name, float(errors[0]), float(low), float(high), float(np.sqrt((errors**2).mean())))


def _draws(problems: int) -> Array:
    """[replicate, problem]: weights of the problems; the first are all alike, the others a bootstrap."""
    again = np.random.default_rng(0).multinomial(problems, np.full(problems, 1 / problems), REPLICATES)
    return np.vstack([np.ones(problems), again]) / problems


def _evidence(x: Sequence[float], values: Array) -> Evidence:
    return Evidence(np.array(x, dtype=float), values, sum(at <= x[-1] / 2 for at in x))


def _over_samples(pool: GradedPool) -> Iterator[Outlook]:
    reason = _too_few_problems(pool)
    if pool.depth < LEAST_SAMPLES:
        has = f"{counted(pool.depth, 'sample')} per problem"
        reason = f"{has}, and a forecast needs {LEAST_SAMPLES}; --samples {LEAST_SAMPLES} adds them"
    if reason:
        yield _outlook(pool, "maj@k", withheld=reason)
        return
    votes = votes_of(pool)
    since = votes.half - 1
    limit = wall(pool, votes.values[:, since].tolist(), votes.values[:, -1].tolist(), int(votes.x[since]))
    yield replace(_made(pool, "maj@k", votes), wall=limit)
    yield _made(pool, "pass@k", passes_of(pool))


def _over_budgets(pool: GradedPool, budgets: Sequence[GradedPool]) -> Outlook:
    evidence = _evidence(
        [step.change.amount for step in budgets], np.stack([s.mean("correct") for s in budgets], axis=1)
    )
    reason = _too_few_problems(pool)
    if len(budgets) < LEAST_BUDGETS or evidence.half < 2:
        needs = f"a forecast needs {LEAST_BUDGETS}, two of them up to half of the largest"
        reason = f"{counted(len(budgets), 'thinking budget')}, and {needs}; --thinking-budget adds them"
    return _outlook(pool, "budget", withheld=reason) if reason else _made(pool, "budget", evidence)


def _too_few_problems(pool: GradedPool) -> str:
    if len(pool.problems) >= LEAST_PROBLEMS:
        return ""
    return (
        f"{counted(len(pool.problems), 'problem')}, and a forecast needs {LEAST_PROBLEMS}; a larger --limit adds them"
    )


def _made(pool: GradedPool, what: What, evidence: Evidence) -> Outlook:
    trials, ahead = foretell(what, evidence)
    now, low, high = mean_interval(evidence.values[:, -1].tolist())
    seen = tuple(zip(evidence.x.tolist(), evidence.values.mean(axis=0).tolist(), strict=True))
    return replace(
        _outlook(pool, what),
        largest=float(evidence.x[-1]),
        now=now,
        now_low=low,
        now_high=high,
        seen=seen,
        trials=trials,
        ahead=ahead,
    )


def _outlook(pool: GradedPool, what: What, withheld: str = "") -> Outlook:
    return Outlook(pool.task.name, pool.model, pool.prompt, pool.effort or "", what, withheld)
