"""What a way to spend costs each problem, in every unit that is known. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ttc_bench.analysis.costs import Rates, prompt_tokens
from ttc_bench.analysis.curves import Measured
from ttc_bench.analysis.graded import Array, GradedPool
from ttc_bench.policies.stopping import Frontier

UNITS = {  # name -> words
    "dollars": "US dollars",
    "flops": "FLOPs",
    "total_tokens": "tokens read and generated",
    "tokens": "generated tokens",
    "samples": "samples",
}


@dataclass(frozen=True, eq=False)
class Configuration:
    """One way to answer problems: `values` the chance to be right and `costs` by unit, both [problem]. A unit that is
    not known is left out. `fields` say what it is, for tables."""

    name: str
    values: Array
    costs: Mapping[str, Array]
    fields: Mapping[str, Any] = field(default_factory=dict)


def costs(pool: GradedPool, rates: Rates, k: int | Array, verifier: str, generated: Array) -> dict[str, Array]:
    """[problem] by unit: what k samples of a problem (or as many as expected, [problem]), and the verifier's look at
    each, cost. `generated`: expected generated tokens. The means over problems are those of analysis.costs.Rates."""
    known: dict[str, Array] = {"samples": np.zeros(len(pool.problems)) + k}
    if pool.tokens_known:
        known["tokens"] = generated
    if not (pool.tokens_known and pool.prompt_known):
        return known
    read = prompt_tokens(pool, k, verifier)
    known["total_tokens"] = read + generated
    bills = [g.scores[verifier].bill for g in pool.problems] if verifier else []
    shares = k / pool.sizes
    here_read = shares * np.array([b.read for b in bills]) if bills else 0.0
    here_generated = shares * np.array([b.generated for b in bills]) if bills else 0.0
    if rates.parameters is not None:
        others = shares * np.array([b.work for b in bills]) if bills else 0.0
        own = read + generated - here_read - here_generated
        known["flops"] = 2 * (rates.parameters * own + others)
    if rates.price is not None and not any(b.unknown for b in bills):
        pairs = zip((read - here_read).tolist(), (generated - here_generated).tolist(), strict=True)
        known["dollars"] = np.array([rates.price.of(r, g, pool.cached) for r, g in pairs])
    return known


def configuration(measured: Measured, rates: Rates, model: str) -> Configuration:
    """A point of a curve as a way to spend; `model`: how people know it."""
    p, pool = measured.point, measured.pool
    name = f"{p.label()}, "
    name += f"{p.prompt} prompt, " if p.prompt not in ("cot", p.method) else ""
    name += f"{p.change.kind} {p.change.amount}, " if p.change.amount else ""
    name += f"k = {p.k}, {model}"
    fields = {"model": model, "method": p.method, "verifier": p.verifier, "prompt": p.prompt, "k": p.k}
    known = costs(pool, rates, p.k, p.verifier, np.array(measured.tokens))
    return Configuration(name, np.array(measured.values), known, fields)


def stopped(frontier: Frontier, pool: GradedPool, rates: Rates, model: str) -> list[Configuration]:
    """A stopping rule at each of its thresholds as a way to spend."""
    fields = {"model": model, "method": frontier.rule, "verifier": frontier.verifier, "prompt": pool.prompt}
    return [
        Configuration(
            f"{frontier.rule} at {threshold:g}, {f'{pool.prompt} prompt, ' if pool.prompt != 'cot' else ''}{model}",
            frontier.value[t],
            costs(pool, rates, frontier.draws[t], frontier.verifier, frontier.tokens[t]),
            {**fields, "k": frontier.cap},
        )
        for t, threshold in enumerate(frontier.thresholds)
    ]


def amount(value: float) -> str:
    """A cost in few digits: "0.0213", "1,234", "4.3e9"."""
    if value >= 1e6:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
