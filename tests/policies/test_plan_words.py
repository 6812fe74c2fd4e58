"""Budgets as they are given, what is said of plans, and their table and picture."""

from __future__ import annotations

import csv
from pathlib import Path

import altair
import numpy as np
import pytest

from ttc_bench.charts import spending as chart
from ttc_bench.config import Config
from ttc_bench.core import Problem
from ttc_bench.errors import TtcError
from ttc_bench.policies.plan_words import asked, sentences, unit_of
from ttc_bench.policies.planner import Plans, plans
from ttc_bench.policies.sources import Contender
from ttc_bench.policies.spending import Configuration, amount
from ttc_bench.report.spending import write_plans
from ttc_bench.sampling.plan import Plan

PROBLEMS = [Problem(f"p{i}", "?", "1", difficulty=float(i % 2)) for i in range(40)]
HARD = np.arange(40) % 2 == 1


def way(name: str, value: float | np.ndarray, **costs: float) -> Configuration:
    values = np.full(40, value) if isinstance(value, float) else value
    return Configuration(name, values, {unit: np.full(40, c) for unit, c in costs.items()}, {"model": name})


def contender(name: str, identity: str) -> Contender:
    return Contender(name, Plan(Config(model=(name,), task=("t",)), (), name, identity, ()), None, ())  # type: ignore[arg-type]


@pytest.fixture
def found() -> Plans:
    ways = [way("cheap", np.where(HARD, 0.3, 0.9), flops=10.0), way("dear", 0.8, flops=30.0)]
    return plans("t", PROBLEMS, ways, "flops", 15.0)


def test_plans_in_words(found: Plans) -> None:
    mixture, by_level, single = sentences(found, 1000)
    assert mixture == (
        "t: with 15,000 FLOPs for 1,000 problems: 75% cheap and 25% dear: 0.65 [0.57, 0.72] on problems that it was not "
        "chosen on, 0.000 below the best plan with hindsight."
    )
    assert by_level.startswith(
        "t: by difficulty, known beforehand: difficulty 0: cheap; difficulty 1: 50% cheap and 50% dear"
    )
    assert single.startswith("t: the best single configuration, cheap: 0.60 [")
    assert "the mixture +0.050 [" in single
    assert "the plan by difficulty +0.125 [" in single


def test_a_budget_beyond_use_is_said() -> None:
    (told, *_) = sentences(plans("t", PROBLEMS, [way("only", 0.5, flops=10.0)], "flops", 99.0), 100)
    assert told.endswith("More than 1,000 is of no use to these configurations.")


@pytest.mark.parametrize("given", [{}, {"dollars": 1.0, "flops": 2.0}])
def test_one_budget_is_needed(given: dict[str, float]) -> None:
    with pytest.raises(TtcError, match="a plan needs one budget: give one of --dollars, --tokens, --flops"):
        asked({"dollars": None, "tokens": None, "flops": None, **given})  # type: ignore[dict-item]


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_budget_is_above_0(value: float) -> None:
    with pytest.raises(TtcError, match=r"--tokens .*: expected a number above 0"):
        asked({"dollars": None, "tokens": value, "flops": None})


def test_tokens_are_those_read_too_where_they_are_known() -> None:
    models = [contender("a", "openai:a@x"), contender("b", "hf:b")]
    every = [way("a", 0.5, tokens=1.0, total_tokens=3.0), way("b", 0.5, tokens=1.0, total_tokens=2.0)]
    assert unit_of("tokens", every, models) == ("total_tokens", [])
    unit, notes = unit_of("tokens", [every[0], way("b", 0.5, tokens=1.0)], models)
    assert unit == "tokens"
    assert notes == ["the tokens of some prompts are not known, so that the budget is one of generated tokens"]


def test_a_price_that_is_not_known_is_said_with_what_to_do() -> None:
    api, here = contender("a", "openai:a@x"), contender("b", "hf:b")
    with pytest.raises(TtcError, match="no price is known for a; give one with --prices FILE"):
        unit_of("dollars", [way("a", 0.5, tokens=1.0)], [api])
    with pytest.raises(TtcError, match="no price is known for b, as --prices names models of an API alone"):
        unit_of("dollars", [way("b", 0.5, tokens=1.0)], [here])
    with pytest.raises(TtcError, match="the parameters of a are not known"):
        unit_of("flops", [way("a", 0.5, tokens=1.0)], [api])
    with pytest.raises(TtcError, match="nobody counted the tokens of a; import with --tokenizer"):
        unit_of("tokens", [way("a", 0.5, samples=1.0)], [api])
    unit, notes = unit_of("dollars", [way("a", 0.5, dollars=1.0), way("b", 0.5, tokens=1.0)], [api, here])
    assert unit == "dollars"
    assert notes[0].startswith("left out: no price is known for b")


def test_the_table_has_every_share_and_the_picture_is_valid(found: Plans, tmp_path: Path) -> None:
    assert write_plans(tmp_path, [found]) == ["plan.csv", "plan.png", "plan.svg"]
    with (tmp_path / "plan.csv").open() as file:
        rows = list(csv.DictReader(file))
    shares = [(r["plan"], r["difficulty"], r["configuration"], float(r["share"])) for r in rows]
    assert shares == [
        ("single configuration", "", "cheap", 1.0),
        ("mixture", "", "cheap", 0.75),
        ("mixture", "", "dear", 0.25),
        ("by difficulty", "0", "cheap", 1.0),
        ("by difficulty", "1", "cheap", 0.5),
        ("by difficulty", "1", "dear", 0.5),
    ]
    assert [float(r["accuracy"]) for r in rows] == pytest.approx([0.6, 0.6, 0.8, 0.9, 0.3, 0.8])
    altair.Chart.from_dict(chart.plan([found]), validate=True)


@pytest.mark.parametrize(("value", "text"), [(0.02134, "0.0213"), (12.0, "12"), (1234.0, "1,234"), (4.32e9, "4.3e9")])
def test_costs_in_few_digits(value: float, text: str) -> None:
    assert amount(value) == text
