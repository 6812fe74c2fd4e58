"""Truncation, samples that are the same, and golds that every sample contradicts; every figure worked out by hand."""

from __future__ import annotations

from itertools import product
from math import comb
from pathlib import Path

import pytest
from examined import cut, material, says, uncounted

from ttc_bench.audit.oddities import guessing, unanimous
from ttc_bench.audit.sameness import _tail, sameness
from ttc_bench.audit.truncation import truncation


def test_cut_answers_bound_the_accuracy_of_a_sample_and_of_a_vote(tmp_path: Path) -> None:
    """A right and a wrong sample, each once more and cut: 0.25, 0.5, 0.75 for one; a vote of all is a tie, and all the
    one or all the other with the cut ones on a side."""
    m = material(tmp_path, [says("1", 0), cut(says("1", 1)), says("2", 2), cut(says("2", 3))])
    (found,) = truncation(m)
    assert found.numbers["k=1"] == [0.25, 0.5, 0.75]
    assert found.numbers["maj@4"] == pytest.approx([0.0, 0.5, 1.0])
    assert (found.severity, found.points, found.low, found.high, found.total) == ("serious", 100, -25, 25, 2)
    assert [e.index for e in found.evidence] == [1, 3]


def test_no_cut_answer_is_no_finding(tmp_path: Path) -> None:
    (found,) = truncation(material(tmp_path, [says("1", 0), says("2", 1)]))
    assert (found.severity, found.points) == ("fine", 0.0)


def test_cut_answers_that_are_wrong_either_way_decide_nothing_below(tmp_path: Path) -> None:
    """The cut sample has no answer: wrong as it is, so only the upper end is above the accuracy."""
    (found,) = truncation(material(tmp_path, [says("1", 0), cut(says(None, 1))]))
    assert found.numbers["k=1"] == [0.5, 0.5, 1.0]


def test_unknown_ends_cannot_be_told(tmp_path: Path) -> None:
    (found,) = truncation(material(tmp_path, [uncounted(says("1", 0)), says("2", 1)]))
    assert (found.severity, found.points, found.total) == ("cannot be told", None, 1)


LONG = 260


def test_one_text_for_all_samples_of_a_problem_is_found_where_it_is_long(tmp_path: Path) -> None:
    constant = [[says("1", p, LONG)] * 4 for p in range(3)]
    (found,) = sameness(material(tmp_path, *constant))
    assert (found.severity, found.total, found.numbers["effective"]) == ("serious", 3, 1.0)
    assert found.evidence[0].facts == {"same as sample": 0}


def test_short_answers_are_equal_by_chance(tmp_path: Path) -> None:
    """Direct answers, all the same or nearly so, prove nothing."""
    pools = [[says(answer) for answer in row] for row in product("12", repeat=4)]
    (found,) = sameness(material(tmp_path, *pools, [says("1")] * 4))
    assert (found.severity, found.evidence, found.points) == ("fine", (), 0.0)
    assert found.numbers["copies"] == 14 * 2 + 2 * 3 + 3  # 14 rows of both answers, two of one, and the last


def test_a_seed_that_is_used_twice_is_found_among_short_answers(tmp_path: Path) -> None:
    """Samples 0 and 2 are equal in each of 12 problems, others never: 12 where 2 are expected."""
    pools = [[says("1", p), says("2", f"{p}b"), says("1", p), says("3", f"{p}d")] for p in range(12)]
    (found,) = sameness(material(tmp_path, *pools))
    assert (found.severity, found.numbers["pair"], found.numbers["pairs"], found.total) == ("serious", [0, 2], 1, 12)
    assert found.evidence[0].index == 2
    assert found.numbers["distinct"] == 3
    assert found.numbers["effective"] == pytest.approx(16 / 6)


def test_long_copies_are_worth_the_votes_that_they_add(tmp_path: Path) -> None:
    """Three copies of a wrong text outvote two right ones. Each text once, the right ones win: 0 and 1. pass@3 of the
    five is 1 - C(3,3)/C(5,3) = 0.9, of the three texts 1."""
    wrong = says("2", "same", LONG)
    (found,) = sameness(
        material(
            tmp_path, [wrong, wrong, says("1", 1, LONG), wrong, says("1", 2, LONG)], [says("1", i) for i in range(5)]
        )
    )
    assert found.severity == "serious"
    assert (found.numbers["maj"], found.numbers["maj of distinct"]) == (0.5, 1.0)
    assert (found.numbers["pass"], found.numbers["pass of distinct"]) == (pytest.approx(0.95), 1.0)
    assert (found.points, found.numbers["distinct"]) == (pytest.approx(50), 4)


def test_the_bound_of_a_pair_is_above_the_exact_chance() -> None:
    for seen in range(4, 21):
        exact = sum(comb(20, i) * 0.15**i * 0.85 ** (20 - i) for i in range(seen, 21))
        assert exact <= _tail(seen, 3.0, 20) < 1


def test_golds_that_every_sample_contradicts_are_listed(tmp_path: Path) -> None:
    same = [says("7", i) for i in range(4)]
    m = material(tmp_path, same, [says("1", 0), *same[1:]], same[:3], [says("7", i % 2 and 3) for i in range(4)])
    (found,) = unanimous(m)
    assert [(e.problem, dict(e.facts)) for e in found.evidence] == [
        ("p0", {"gold": "1", "every sample": "7"}),
        ("p3", {"gold": "1", "every sample": "7"}),
    ]
    assert (found.severity, found.points) == ("notable", 50.0)


def test_one_text_contradicts_no_gold(tmp_path: Path) -> None:
    (found,) = unanimous(material(tmp_path, [says("7")] * 4, [says("1")] * 4))
    assert (found.severity, found.evidence) == ("fine", ())


@pytest.mark.parametrize(("right", "severity"), [(0, "serious"), (10, "notable"), (18, "fine")])
def test_guessing(tmp_path: Path, right: int, severity: str) -> None:
    """Of 20 problems with two options."""
    m = material(tmp_path, *([says("1" if p < right else "2")] for p in range(20)), guess=0.5)
    (found,) = guessing(m)
    assert (found.severity, found.points) == (severity, pytest.approx(5 * right - 50))


def test_guessing_that_is_not_known_is_not_asked(tmp_path: Path) -> None:
    assert list(guessing(material(tmp_path, [says("1")]))) == []
