"""Runs side by side: the differences are the known ones at equal k and equal cost, and nothing goes beyond an end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from side_by_side import MODEL, PROBLEMS, TASK, compare, line, point, run, some

from ttc_bench.analysis.graded import GradedPool
from ttc_bench.analysis.stats import holm
from ttc_bench.core import Change, CurvePoint
from ttc_bench.errors import TtcError
from ttc_bench.policies.common import Shared
from ttc_bench.policies.comparison import BEST, Comparison, best, comparison
from ttc_bench.policies.mixtures import at, known
from ttc_bench.policies.sides import Run, distinct, matches, sides
from ttc_bench.policies.verdicts import largest, main, sentences


def found(c: Comparison, what: str, axis: str) -> list[tuple[float, float]]:
    """Budget and points of difference."""
    return [(r.budget, round(100 * r.difference, 6)) for r in c.rows if (r.what, r.axis) == (what, axis)]


def test_equal_k_and_equal_tokens_can_disagree() -> None:
    """b is 5 points better at every k, for four times the tokens: a, with as many tokens, is 10 points better."""
    a = line("self-consistency", 10, {1: 40, 2: 45, 4: 50, 8: 60, 16: 70})
    b = line("self-consistency", 40, {1: 45, 2: 50, 4: 55, 8: 65, 16: 75})
    c = compare(a, b)
    assert found(c, "self-consistency", "k") == [(1, 5), (4, 5), (16, 5)]
    assert found(c, "self-consistency", "tokens") == [(80, -10), (160, -15)]  # b at k = 2 and 4, a at 8 and 16
    told = list(sentences(c))
    assert told[1] == (
        "sums, self-consistency: b is ahead by 5.0 points at equal k (k = 16), a by 15.0 at equal tokens (160 tokens): "
        "b spends 4 times as much."
    )


def test_between_two_k_a_line_is_the_mixture_of_both() -> None:
    """Half way between k = 1 (40 right) and k = 3 (60 right): every problem that k = 3 adds is right half the time."""
    mixed = at(line("cot", 100, {1: 40, 3: 60}), "tokens", 200)
    assert mixed is not None
    assert mixed.values.tolist() == [1.0] * 40 + [0.5] * 20 + [0.0] * 40
    assert (mixed.costs["tokens"], mixed.costs["k"], mixed.costs["dollars"]) == (200, 2, None)
    assert (mixed.where, mixed.reached) == ("k = 1 or k = 3", True)


def test_nothing_is_read_off_beyond_an_end() -> None:
    steps = line("cot", 100, {1: 40, 3: 60})
    end = at(steps, "tokens", 1000)
    assert end is not None
    assert (end.costs["tokens"], end.accuracy, end.reached) == (300, 0.6, False)
    assert at(steps, "tokens", 99) is None
    exact = at(steps, "tokens", 300)
    assert exact is not None
    assert exact.reached


def test_a_run_that_begins_where_the_other_ends_meets_its_end() -> None:
    c = compare(line("self-consistency", 1, {1: 40, 2: 50}), line("self-consistency", 100, {1: 80, 2: 90}))
    (row,) = [r for r in c.rows if (r.what, r.axis) == ("self-consistency", "tokens")]
    assert (row.budget, row.first.reached, row.second.reached) == (100, False, True)
    assert row.difference == pytest.approx(0.3)


def test_runs_with_other_ks_meet_where_both_are() -> None:
    """b has no k = 4: half way between its 2 and 6."""
    a = line("self-consistency", None, {1: 40, 4: 60})
    b = line("self-consistency", None, {1: 40, 2: 50, 6: 70})
    c = compare(a, b)
    assert found(c, "self-consistency", "k") == [(1, 0), (2, pytest.approx(10 - 20 / 3, abs=1e-6)), (4, 0)]
    assert {r.axis for r in c.rows} == {"k"}
    (note,) = c.notes
    assert note == (
        "a and b are compared at equal k only: nobody counted the tokens of m of a and m of b; import them again with "
        "--tokenizer"
    )


def test_one_side_without_counted_tokens_is_enough() -> None:
    c = compare(line("cot", 5, {1: 40}), line("cot", None, {1: 60}))
    assert {(r.what, r.axis) for r in c.rows} == {("cot", "k")}
    assert "nobody counted the tokens of m of b;" in c.notes[0]


def test_dollars_are_compared_where_both_have_a_price() -> None:
    a = [point("cot", k, k, some(40 + k), dollars=0.01 * k, flops=None) for k in (1, 2, 4)]
    b = [point("cot", k, k, some(50 + k), dollars=0.02 * k, flops=None) for k in (1, 2, 4)]
    assert found(compare(a, b), "cot", "dollars") == [(0.04, 8)]  # k = 2 of b, 52, against k = 4 of a, 44
    unknown = [point("cot", k, k, some(50 + k)) for k in (1, 2, 4)]
    c = compare(a, unknown)
    assert not found(c, "cot", "dollars")
    assert c.notes == (
        "a and b are compared not at equal dollars: no price is known for m of b; give one with --prices FILE, "
        "if it is behind an API",
    )


def test_p_values_are_corrected_over_all_rows() -> None:
    a = [*line("direct", 1, {1: 10}), *line("cot", 10, {1: 40}), *line("self-consistency", 10, {1: 40, 4: 50})]
    b = [*line("direct", 1, {1: 15}), *line("cot", 10, {1: 47}), *line("self-consistency", 10, {1: 47, 4: 58})]
    rows = compare(a, b).rows
    assert [r.corrected for r in rows] == holm([r.p for r in rows])
    assert rows[0].p == pytest.approx(2 / 2**5)  # five problems gained, none lost


def test_what_was_compared_already_is_not_counted_again() -> None:
    """At k = 1 a vote is a single sample, and equal tokens of equally long samples are equal k."""
    a = [*line("cot", 10, {1: 40}), *line("self-consistency", 10, {1: 40, 4: 50})]
    b = [*line("cot", 10, {1: 47}), *line("self-consistency", 10, {1: 47, 4: 58})]
    c = compare(a, b)
    assert [(r.what, r.axis, r.budget) for r in c.rows] == [
        ("cot", "k", 1),
        ("self-consistency", "k", 4),
        ("self-consistency", "tokens", 20),
    ]


def test_the_best_of_many_lines_is_not_the_luckiest() -> None:
    """Forty lines that are right by chance, half the time: the best on these problems looks like 60 %. Chosen on other
    problems than it is measured on, it is what all are."""
    rng = np.random.default_rng(5)
    lines = [
        (point("cot", 1, 10, rng.integers(0, 2, 1000).astype(float).tolist(), verifier=str(i)),) for i in range(40)
    ]
    policy, _ = best(lines, "tokens", 10)
    assert max(p.accuracy for (p,) in lines) > 0.525
    assert policy.accuracy == pytest.approx(0.5, abs=0.025)
    good = (point("cot", 1, 10, [1.0] * 900 + [0.0] * 100, verifier="good"),)
    policy, name = best([*lines, good], "tokens", 10)
    assert (policy.accuracy, name) == (0.9, "cot (good)")


def test_the_best_of_a_run_meets_the_best_of_another() -> None:
    a = [*line("direct", 5, {1: 60}), *line("cot", 10, {1: 40})]
    b = [*line("direct", 5, {1: 20}), *line("cot", 10, {1: 55})]
    (row,) = [r for r in compare(a, b).rows if r.what == BEST]
    assert (row.methods, round(row.difference, 6)) == (("direct", "cot"), -0.05)


def test_methods_that_differ_in_their_verifier_meet_where_each_run_has_one() -> None:
    a = line("best-of-n", 1, {1: 40, 2: 50}, verifier="reward")
    b = line("best-of-n", 1, {1: 40, 2: 60}, verifier="logprob")
    (match,) = matches(*(sides(run("r", points), "sums", [])[0] for points in (a, b)))
    assert match.what == "best-of-n (reward) / best-of-n (logprob)"
    two = [*a, *line("best-of-n", 1, {1: 40, 2: 50}, verifier="judge")]
    assert matches(*(sides(run("r", points), "sums", [])[0] for points in (two, b))) == []
    prompts = [line("self-consistency", 1, {1: 40, 2: 50}, prompt=prompt) for prompt in ("cot", "direct")]
    (match,) = matches(*(sides(run("r", points), "sums", [])[0] for points in prompts))
    assert match.what == "self-consistency, cot / self-consistency, direct"


def test_lines_along_budgets_of_thinking_meet_at_equal_tokens_alone() -> None:
    def cut(values: dict[int, float]) -> list[CurvePoint]:
        return [point("cot", 1, n, some(v), change=Change("budget", n)) for n, v in values.items()]

    c = compare(cut({8: 10, 32: 50}), cut({8: 20, 32: 70}))
    assert {(r.what, r.axis) for r in c.rows} == {("cot by budget", "tokens")}
    assert found(c, "cot by budget", "tokens") == [(16, pytest.approx(40 / 3, abs=1e-6)), (32, 20)]
    assert c.pairs[0].moved == ()
    assert not known(cut({8: 10}), "k")


def test_models_meet_their_namesakes_and_others_meet_all() -> None:
    def models(*names: str) -> list[CurvePoint]:
        return [point("cot", 1, 5, some(40), model=name) for name in names]

    def met(*of_runs: list[CurvePoint]) -> list[tuple[str, str]]:
        return [(pair.first.model, pair.second.model) for pair in compare(*of_runs).pairs]

    assert met(models("s", "l"), models("s", "l")) == [("s", "s"), ("l", "l")]
    assert met(models("s", "l"), models("x")) == [("s", "x"), ("l", "x")]
    assert met(models("s"), models("x"), models("s", "y")) == [("s", "x"), ("s", "s")]
    notes = compare(models("s"), models("s", "y")).notes
    assert notes == ("y of b is not compared, as every model of the other run has a namesake",)


def test_the_problems_that_changed_sides() -> None:
    c = compare(line("cot", 5, {1: 40}), [point("cot", 1, 5, some(50, first=10))])
    moved = main(c.pairs[0])
    gained, lost = largest(moved, 3)
    assert [m.problem.id for m in gained] == ["p40", "p41", "p42"]
    assert [m.problem.id for m in lost] == ["p0", "p1", "p2"]
    assert len(moved) == 100
    assert (
        "from a to b 20 problems went from mostly wrong to mostly right, and 10 the other way" in list(sentences(c))[-1]
    )


def test_runs_without_a_shared_method_still_have_a_best() -> None:
    c = compare(line("direct", 5, {1: 40}), line("cot", 9, {1: 60}))
    assert [(r.what, r.axis, r.methods) for r in c.rows] == [(BEST, "k", ("direct", "cot"))]
    assert c.notes == ("a and b: 2 lines are in one of them only, and not compared",)


def test_a_run_without_points_cannot_be_compared() -> None:
    empty = Run("b", [], [GradedPool(TASK, "cot", None, 16, (), model=MODEL)])
    common = Shared("sums", {"a": "sums", "b": "sums"}, {"a": PROBLEMS, "b": PROBLEMS})
    with pytest.raises(TtcError, match="m of b has no sample of some problems of sums"):
        comparison([run("a", line("cot", 5, {1: 40})), empty], [common])


def test_folders_are_called_by_their_last_part_where_that_tells_them_apart(tmp_path: Any) -> None:
    assert list(distinct([tmp_path / "a", tmp_path / "b"])) == ["a", "b"]
    assert list(distinct([tmp_path / "x" / "a", tmp_path / "a"])) == [str(tmp_path / "x" / "a"), str(tmp_path / "a")]
    with pytest.raises(TtcError, match="is given twice"):
        distinct([tmp_path / "a", tmp_path / "x" / ".." / "a"])
    with pytest.raises(TtcError, match="at least two results folders, got"):
        distinct([tmp_path / "a"])
