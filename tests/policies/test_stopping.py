"""Stopping rules on graded pools: curves, rows and sentences, and what a user reads where there is nothing to replay."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from curves import story
from judged import of_answers, pools

from ttc_bench.analysis import exchange
from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.curves import chances
from ttc_bench.analysis.graded import GradedPool
from ttc_bench.analysis.stats import mark_pareto
from ttc_bench.charts.layout import tag
from ttc_bench.charts.tokens import COLOURS, _figure, accuracy_vs_tokens
from ttc_bench.core import CurvePoint, Usage
from ttc_bench.policies.stopping import compared, curve, frontiers, sentences, unfit
from ttc_bench.prices import Price
from ttc_bench.strategies.exact import BestOfN, MajorityVote
from ttc_bench.strategies.rules import RULES, SCORE

MANY = tuple(
    [("1", 0.9), ("2", 0.7), ("1", 0.8), *[("1" if i % 3 else "2", i / 20) for i in range(q, q + 9)]] for q in range(5)
)
Run = Callable[..., tuple[int, str, str]]
POOL = pools(*MANY)  # ten tokens a sample, without a prompt


@pytest.mark.parametrize("name", RULES)
def test_a_frontier_is_one_line_that_never_draws_more_than_the_pool(name: str) -> None:
    (frontier,) = frontiers(POOL, [name])
    line = curve(frontier, POOL, Rates())
    assert len({p.line for p in line}) == 1
    assert [p.threshold for p in line] == list(frontier.thresholds)
    assert [p.k for p in line] == [12] * len(line)
    for p, draws, values in zip(line, frontier.draws, frontier.value, strict=True):
        assert p.tokens == pytest.approx(10 * draws.mean())  # every sample has ten
        assert p.accuracy == pytest.approx(values.mean())
        assert p.values == tuple(values)
        assert p.mc_error == 0
    assert 1 <= frontier.draws.min() <= frontier.draws.max() <= 12


def test_each_sample_pays_its_prompt_unless_samples_share_it() -> None:
    usage = Usage(prompt=100, completion=10)
    problems = tuple(of_answers(f"p{i}", ["1", "1", "2", "1", "1", "2"], usage) for i in range(3))
    pool = replace(POOL, problems=problems, asked=6)
    (frontier,) = frontiers(pool, ["lead-by"])
    point = curve(frontier, pool, Rates(Price(1.0, 1.0, 2.0, datetime.date(2026, 1, 1), "a test"), parameters=5))[1]
    drawn = frontier.draws[1].mean()
    assert 2 <= drawn < 6
    assert point.total_tokens == pytest.approx(110 * drawn)
    assert point.flops == pytest.approx(2 * 5 * 110 * drawn)
    assert point.dollars == pytest.approx((100 * 1.0 + 10 * 2.0) * drawn / 1e6)
    shared = replace(pool)
    shared.__dict__["shared"] = np.ones(3, bool)
    assert curve(frontier, shared, Rates())[1].total_tokens == pytest.approx(100 + 10 * drawn)


def test_a_verifier_is_paid_for_the_samples_that_are_drawn() -> None:
    pool = pools(*MANY, cost=Usage(prompt=30, completion=4), parameters=7)
    (frontier,) = frontiers(pool, [SCORE])
    for point, draws in zip(curve(frontier, pool, Rates(parameters=5)), frontier.draws, strict=True):
        assert point.tokens == pytest.approx(14 * draws.mean())
        assert point.total_tokens == pytest.approx(44 * draws.mean())
        assert point.flops == pytest.approx(2 * (5 * 10 + 7 * 34) * draws.mean())


def test_the_rival_costs_the_same_and_is_a_mixture_of_two_k() -> None:
    (frontier,) = frontiers(POOL, ["adaptive-consistency"])
    rows = compared(frontier, POOL, curve(frontier, POOL, Rates()))
    votes = {k: found.values for k, found in chances(POOL, MajorityVote(), "", range(1, 13)).items()}
    for row in rows:
        assert row.rival_k * 10 == pytest.approx(row.tokens)
        low = min(int(row.rival_k), 11)
        mixed = votes[low] * (low + 1 - row.rival_k) + votes[low + 1] * (row.rival_k - low)
        assert row.rival == pytest.approx(mixed.mean())
        assert row.difference == pytest.approx(row.accuracy - row.rival)
        assert row.difference_low < row.difference < row.difference_high
        assert row.plain == pytest.approx(votes[12].mean())
    assert [row.told for row in rows] == [row.threshold == 0.95 for row in rows]
    assert (rows[-1].accuracy, rows[-1].draws, rows[-1].difference) == pytest.approx((rows[-1].plain, 12, 0))


def test_scores_stop_beside_best_of_n() -> None:
    (frontier,) = frontiers(POOL, [SCORE])
    rows = compared(frontier, POOL, curve(frontier, POOL, Rates()))
    best = chances(POOL, BestOfN(), "v", [12])[12].values.mean()
    assert {row.plain for row in rows} == {best}
    (sentence,) = sentences(rows)
    assert f"{SCORE} (v) at {frontier.told:.3g} reaches" in sentence
    assert "best-of@12" in sentence


def test_sentences_name_what_is_saved() -> None:
    (frontier,) = frontiers(POOL, ["lead-by"])
    (sentence,) = sentences(compared(frontier, POOL, curve(frontier, POOL, Rates())))
    row = next(r for r in compared(frontier, POOL, curve(frontier, POOL, Rates())) if r.told)
    assert (
        f"lead-by at 3 reaches {row.accuracy:.2f} with {row.draws:.1f} of 12 samples ({row.tokens:.0f} tokens)"
        in sentence
    )
    assert f"maj@12 {row.plain:.2f}. For the same tokens maj@{row.rival_k:.1f} reaches {row.rival:.2f}" in sentence
    assert "-0.00" not in sentence


def test_one_problem_has_no_interval_of_a_difference() -> None:
    pool = pools(MANY[0])
    (frontier,) = frontiers(pool, ["esc"])
    rows = compared(frontier, pool, curve(frontier, pool, Rates()))
    assert {row.difference for row in rows} == {None}
    assert sentences(rows)[0].endswith(".")


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        (
            pools([("1", 0.5), ("2", 0.5)]),
            "needs at least 3 samples of every problem, and some problem has 2: add --samples 8",
        ),
        (
            replace(POOL, problems=(of_answers("p", ["1"] * 5, Usage()),)),
            "stop-at-score needs scores, and there are none",
        ),
    ],
)
def test_what_cannot_be_replayed_is_said_in_one_sentence(pool: GradedPool, said: str) -> None:
    (sentence,) = unfit(pool, [SCORE])
    assert said in sentence
    assert list(frontiers(pool, [SCORE])) == []


def test_a_run_draws_the_rules_in_its_chart_its_tables_and_its_report(ttc: Run, tmp_path: Path) -> None:
    code, out, _ = ttc(
        *("run", "--model", "scripted", "--task", "chain-arithmetic", "--limit", "6", "--samples", "8", "--name", "r"),
        *("--method", "cot,self-consistency", "--policy", "adaptive-consistency,esc"),
    )
    assert code == 0
    assert "adaptive-consistency at 0.95 reaches" in " ".join(out.split())
    folder = tmp_path / "results" / "r"
    with (folder / "curve.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["threshold"]]
    assert {row["method"] for row in rows} == {"adaptive-consistency", "esc"}
    assert {row["k"] for row in rows} == {"8"}
    with (folder / "stopping.csv").open() as file:
        told = [row for row in csv.DictReader(file) if row["told"] == "True"]
    assert [(row["rule"], float(row["threshold"])) for row in told] == [("adaptive-consistency", 0.95), ("esc", 5.0)]
    page = (folder / "report.html").read_text()
    assert '<h2 id="stopping-title">Stopping early</h2>' in page
    assert "at 0.95 reaches" in page.split("stopping-title")[2]
    assert "esc" in (folder / "accuracy_vs_tokens.svg").read_text()
    assert ttc("report", str(folder), "--policy", "")[0] == 0
    assert not (folder / "stopping.csv").exists()
    assert "Stopping early" not in (folder / "report.html").read_text()


def test_an_unknown_policy_is_refused_before_anything_is_sampled(ttc: Run) -> None:
    code, _, err = ttc("run", "--model", "scripted", "--task", "chain-arithmetic", "--policy", "adaptive-consistancy")
    assert code == 2
    assert err == "ttc-bench: unknown policy 'adaptive-consistancy': did you mean adaptive-consistency?\n"


def test_a_run_without_votes_says_what_to_add(ttc: Run) -> None:
    _, out, _ = ttc(
        *("run", "--model", "scripted", "--task", "chain-arithmetic", "--limit", "3", "--samples", "4"),
        *("--method", "cot", "--policy", "esc"),
    )
    assert "--policy replays votes, and no method here votes: add --method self-consistency" in " ".join(out.split())


def test_where_tokens_are_not_known_there_are_rows_over_samples_and_no_line() -> None:
    usage = Usage(source="unknown")
    problems = tuple(of_answers(f"p{i}", ["1", "1", "2", "1", "1", "2"], usage) for i in range(3))
    pool = replace(POOL, problems=problems, asked=6)
    (frontier,) = frontiers(pool, ["lead-by"])
    rows = compared(frontier, pool, curve(frontier, pool, Rates()))
    assert {row.tokens for row in rows} == {None}
    assert [row.rival_k for row in rows] == pytest.approx([row.draws for row in rows])
    assert "For the same samples (tokens are not known) maj@" in sentences(rows)[0]


def stopping_line(accuracy: float = 0.56) -> list[CurvePoint]:
    """The curves of a story, and a rule that reaches more with fewer tokens than a vote of 16."""
    told = next(p for p in story() if (p.method, p.k) == ("self-consistency", 16))
    costs = {0.8: 300.0, 0.95: 420.0, 1.0: told.tokens or 0.0}
    line = [
        replace(told, method="lead-by", threshold=t, tokens=x, accuracy=accuracy + t / 100) for t, x in costs.items()
    ]
    return [*story(), *line]


def test_the_chart_draws_a_rule_over_its_thresholds_without_names_of_k() -> None:
    points = stopping_line()
    spec = accuracy_vs_tokens(points, interactive=True)
    tables = [rows for rows in spec["datasets"].values() if any(r.get("line") == "lead-by" and "x" in r for r in rows)]
    line = next([r for r in rows if r["line"] == "lead-by"] for rows in tables if "method" in rows[0])
    assert [r["x"] for r in line] == [300.0, 420.0, points[-1].tokens]
    assert [r["method"] for r in line] == ["lead-by at 0.8", "lead-by at 0.95", "lead-by at 1"]
    assert [tag(r) for r in line] == ["", "", ""]
    assert tag({"k": 16}) == "k = 16"
    assert any("runs over its thresholds" in text for text in spec["title"]["text"])
    assert not any("runs over its thresholds" in text for text in accuracy_vs_tokens(story())["title"]["text"])
    alone = _figure(points, "generated", False)
    assert alone.marks["lead-by"][0] in COLOURS  # a line, though all its points have one k


def test_a_rule_competes_for_the_pareto_front() -> None:
    marked = {(p.method, p.k, p.threshold): p.pareto for p in mark_pareto(stopping_line(accuracy=0.9))}
    assert marked["lead-by", 16, 0.8]
    assert not marked["self-consistency", 16, None]


def test_size_against_thinking_speaks_of_fixed_numbers_of_samples() -> None:
    large = [p for p in story(model="large", parameters=10**9, base=0.47) if p.k == 1]
    assert exchange.sentences([*stopping_line(), *large]) == exchange.sentences([*story(), *large])
    assert exchange.sentences([*story(), *large])
