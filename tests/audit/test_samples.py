"""Truncation, samples that are the same, and golds that every sample contradicts; every figure worked out by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product
from math import comb
from pathlib import Path

import pytest
from examined import cut, material, says, uncounted

from ttc_bench.audit.oddities import guessing, unanimous
from ttc_bench.audit.sameness import sameness
from ttc_bench.audit.seeds import tail
from ttc_bench.audit.truncation import truncation
from ttc_bench.interchange.records import Record


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
    assert "accuracy of a sample is 0.000 if they were wrong and 0.500 if right" in found.sentence


def test_a_sample_of_unknown_end_hides_no_truncation(tmp_path: Path) -> None:
    """Of four samples a right one is cut and a wrong one may be: 0.25 to 0.5 without it, 0.25 to 0.75 with it."""
    m = material(tmp_path, [says("1", 0), cut(says("1", 1)), says("2", 2), uncounted(says("2", 3))])
    (found,) = truncation(m)
    assert (found.severity, found.total, found.numbers["unknown"]) == ("serious", 1, 1)
    assert found.numbers["k=1"] == [0.25, 0.5, 0.5]
    assert found.numbers["k=1, with unknown ends"] == [0.25, 0.5, 0.75]
    assert (found.low, found.high) == (-25, 25)
    assert "whether 1 of 4 (25.0%) more were cut is not known" in found.sentence


LONG = 260


def test_one_text_for_all_samples_of_a_problem_is_found_where_it_is_long(tmp_path: Path) -> None:
    constant = [[says("1", p, LONG)] * 4 for p in range(3)]
    (found,) = sameness(material(tmp_path, *constant))
    assert (found.severity, found.total, found.numbers["effective"]) == ("serious", 3, 1.0)
    assert found.evidence[0].facts == {"same as sample": 0}


@pytest.mark.parametrize(("size", "severity"), [(120, "notable"), (0, "cannot be told")])
def test_one_short_text_for_all_samples_of_all_problems_is_said(tmp_path: Path, size: int, severity: str) -> None:
    (found,) = sameness(material(tmp_path, *([says("1", p, size)] * 4 for p in range(3))))
    assert (found.severity, found.total, found.numbers["problems of one text"]) == (severity, 3, 3)
    assert "in 3 of 3 (100.0%) problems all samples are one text" in found.sentence


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


def _numbered(numbers: Sequence[int | None]) -> list[Record]:
    return [Record("line 1", "", repeat=number) for number in numbers]


def test_seeds_are_those_that_the_source_names_whatever_its_order(tmp_path: Path) -> None:
    """Numbers 0 and 2 are equal in each of 12 problems, in the order in which each happened to be ready."""
    orders = [random.Random(p).sample(range(4), 4) for p in range(12)]
    texts = [{0: says("1", p), 1: says("2", f"{p}b"), 2: says("1", p), 3: says("3", f"{p}d")} for p in range(12)]
    pools = [[text[i] for i in order] for text, order in zip(texts, orders, strict=True)]
    (found,) = sameness(material(tmp_path / "a", *pools, said=[_numbered(order) for order in orders]))
    assert (found.severity, found.numbers["pair"], found.total) == ("serious", [0, 2], 12)
    (found,) = sameness(material(tmp_path / "b", *pools, said=[_numbered([None] * 4)] * 12))
    assert found.severity == "fine"


def test_the_order_of_a_file_is_taken_where_nothing_better_is_known_and_that_is_said(tmp_path: Path) -> None:
    kinds = [("1", "1", "2", "3") if p % 2 else ("2", "2", "1", "3") for p in range(12)]
    pools = [[says(a, f"{p}{salt}") for a, salt in zip(of, "aabc", strict=True)] for p, of in enumerate(kinds)]
    (found,) = sameness(material(tmp_path, *pools, said=[_numbered([None] * 4)] * 12))
    assert (found.severity, found.numbers["pair"]) == ("serious", [0, 1])
    assert "numbered by their order in the file" in found.sentence


@pytest.mark.parametrize(("key", "by"), [("text", "text"), ("right", "verdict")])
def test_sorted_samples_say_nothing_of_seeds(tmp_path: Path, key: str, by: str) -> None:
    """Independent answers, of which most are 1, sorted by what they are: equal ones stand together."""
    rng, pools = random.Random(3), []
    for _ in range(40):
        drawn = rng.choices("12345678", weights=[6, 1, 1, 1, 1, 1, 1, 1], k=8)
        pools.append([says(a) for a in (sorted(drawn) if key == "text" else sorted(drawn, key=lambda a: a != "1"))])
    (found,) = sameness(material(tmp_path, *pools, said=[_numbered([None] * 8)] * 40))
    assert (found.severity, found.points, found.numbers["pair"]) == ("cannot be told", None, None)
    assert f"the file sorts the samples by {by}" in found.sentence


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
        assert exact <= tail(seen, 3.0, 20) < 1


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
