"""Costs per problem are, in the mean, those of the curves."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pytest
from judged import MIXED, pools

from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.curves import curve
from ttc_bench.core import Usage
from ttc_bench.policies.spending import configuration
from ttc_bench.prices import Price
from ttc_bench.strategies.methods import METHODS

PRICE = Price(1.0, 0.5, 4.0, datetime.date(2026, 1, 1), "a test")


@pytest.mark.parametrize("parameters", [5, None])
@pytest.mark.parametrize("method", ["best-of-n", "self-consistency"])
def test_means_are_those_of_the_curve(method: str, parameters: int | None) -> None:
    """A verifier without weights here, whose price is not known, leaves the dollars unknown, as in a curve."""
    pool = pools(*MIXED, cost=Usage(prompt=3, completion=2), parameters=parameters)
    verifier = "v" if METHODS[method].verified else ""
    rates = Rates(PRICE, 7)
    for m in curve(METHODS[method], verifier, pool, rates):
        found = configuration(m, rates, "small")
        assert found.values.tolist() == pytest.approx(m.values)
        for unit in ("tokens", "total_tokens", "dollars", "flops"):
            expected = getattr(m.point, unit)
            assert (unit in found.costs) == (expected is not None)
            if expected is not None:
                assert found.costs[unit].mean() == pytest.approx(expected)
        assert found.costs["samples"].tolist() == [m.point.k] * 3
    assert found.name == f"{'best-of-n (v)' if verifier else 'self-consistency'}, k = 4, small"


def test_what_nobody_counted_costs_samples_alone() -> None:
    pool = pools(*MIXED)
    blind = tuple(
        replace(g, samples=replace(g.samples, tokens_known=np.zeros(len(g), dtype=bool))) for g in pool.problems
    )
    m = curve(METHODS["cot"], "", replace(pool, problems=blind), Rates(PRICE, 7))[0]
    assert set(configuration(m, Rates(PRICE, 7), "small").costs) == {"samples"}
