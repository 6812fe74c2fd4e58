"""Recorded verdicts and golds against ours, and who votes without an answer; every figure worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from examined import material, says

from ttc_bench.audit.ballots import ballots, placeholders
from ttc_bench.audit.excerpts import words_of
from ttc_bench.audit.regraded import golds, regraded
from ttc_bench.grading.graders import GRADERS

RIGHT, WRONG = (True, "1", "1"), (False, "2", "1")


def test_differing_verdicts_are_counted_both_ways_and_shown_in_their_words(tmp_path: Path) -> None:
    """One sample of p0 was held right and is wrong, one of p1 was held wrong and is right, and one more of p1."""
    m = material(
        tmp_path,
        [says("1", 0), says("1", 1), says("2", 2), says("2", 3)],
        [says("1", 0), says("1", 1), says("2", 2), says("2", 3)],
        said=[[RIGHT, RIGHT, (True, "1", "1"), WRONG], [(False, "one", "1"), (False, None, "1"), WRONG, WRONG]],
    )
    (found,) = regraded(m)
    assert (found.severity, found.total) == ("serious", 3)
    assert found.numbers == {"verdicts": 8, "recorded": 0.375, "ours": 0.5, "lost": 1, "gained": 2}
    assert found.points == pytest.approx(12.5)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 12.5 < found.high
    first, second, _ = found.evidence
    assert (first.problem, first.index, first.place) == ("p0", 2, "line 1, sample 3")
    assert first.text == "Trial 2. The answer is 2."
    assert dict(first.facts) == {
        "gold": "1",
        "recorded": "right",
        "recorded answer": "1",
        "our answer": "2",
        "ours": "wrong",
        "found by": "format",
    }
    assert (second.problem, second.index, second.facts["recorded answer"]) == ("p1", 0, "one")


def test_verdicts_that_are_ours_are_no_finding(tmp_path: Path) -> None:
    said = [[RIGHT, WRONG, (None, None, None)]]
    m = material(tmp_path, [says("1", 0), says("2", 1), says("3", 2)], said=said)
    (found,) = regraded(m)
    assert (found.severity, found.points, found.evidence, found.numbers["verdicts"]) == ("fine", 0.0, [], 2)


def test_the_words_are_those_around_the_answer() -> None:
    far = "so it goes " * 40
    text = f"{far}Hence 4. The answer is \\boxed{{12}}, and {far}"
    shown = words_of(GRADERS["number"](), text, "12")
    assert shown.startswith("… ")
    assert "The answer is \\boxed{12}, and so it goes" in shown
    assert shown.endswith(" …")
    assert len(shown) < 200
    assert words_of(GRADERS["number"](), f"{far} 7 remain", "7").endswith("so it goes 7 remain")  # announced nowhere
    assert words_of(GRADERS["number"](), "no idea", None) == "no idea"


def test_a_source_without_verdicts_cannot_be_compared_and_that_is_said(tmp_path: Path) -> None:
    m = material(tmp_path, [says("1"), says("2")], said=[[(None, None, None)] * 2])
    (found,) = [*regraded(m), *golds(m), *placeholders(m)]
    assert (found.check, found.severity, found.total) == ("regraded", "cannot be told", 2)
    assert "--map recorded=COLUMN" in found.sentence


def test_samples_of_our_own_have_no_verdicts_to_compare(tmp_path: Path) -> None:
    assert list(regraded(material(tmp_path, [says("1")]))) == []


def test_a_gold_that_is_another_is_worth_what_it_would_change(tmp_path: Path) -> None:
    """p0: three of four say 5, which the source's gold is: 0.75 in place of 0.25. p1: 1.0 is 1. Over both +25."""
    m = material(
        tmp_path,
        [says("5", 0), says("5", 1), says("5", 2), says("1", 3)],
        [says("1")],
        said=[[(None, None, "#### 5")] * 4, [(None, None, "1.0")]],
    )
    (found,) = golds(m)
    assert (found.severity, found.total) == ("serious", 1)
    assert found.points == pytest.approx(25)
    assert [(e.problem, dict(e.facts)) for e in found.evidence] == [("p0", {"gold here": "1", "gold there": "#### 5"})]


@pytest.mark.parametrize("gold", ["$1$", "1.0", "He had 3 cups a day.\n#### 1"])
def test_equal_golds_are_no_finding(tmp_path: Path, gold: str) -> None:
    (found,) = golds(material(tmp_path, [says("2")], said=[[(None, None, gold)]]))
    assert (found.severity, found.evidence) == ("fine", [])


def test_unread_answers_are_worth_what_they_decide_elsewhere(tmp_path: Path) -> None:
    """Two unread of four, one right: a vote of all is a tie (0.5), and 0 if the unread vote together; accuracy is 0.25,
    and 0.5 if they are left out."""
    m = material(tmp_path, [says("1", 0), says("2", 1), says(None, 2), says(None, 3)])
    (found,) = ballots(m)
    assert found.numbers == {
        "unread": 2,
        "k=1": 0.25,
        "k=1, left out": 0.5,
        "maj@4": pytest.approx(0.5),
        "maj@4, one answer": pytest.approx(0.0),
    }
    assert (found.severity, found.points, found.low, found.high) == ("serious", *map(pytest.approx, (-50, -50, 25)))
    assert [(e.index, e.text) for e in found.evidence] == [
        (2, "Trial 2. I do not know."),
        (3, "Trial 3. I do not know."),
    ]


def test_answers_that_are_all_read_are_no_finding(tmp_path: Path) -> None:
    m = material(tmp_path, [says("1", 0), says("2", 1)], said=[[RIGHT, (False, "none of these", "1")]])
    assert [(f.severity, f.total) for f in (*ballots(m), *placeholders(m))] == [("fine", 0), ("fine", 0)]


@pytest.mark.parametrize("word", ["[invalid]", "", "no_answer", "None", "Error: timed out", "ValueError: no", "N/A"])
def test_placeholders_that_vote_are_worth_the_votes_that_they_win(tmp_path: Path, word: str) -> None:
    """Two placeholders outvote the one answer, which is right: 0 with them, 1 without."""
    m = material(
        tmp_path,
        [says("1", 0), says(None, 1), says(None, 2)],
        said=[[RIGHT, (False, word, "1"), (False, word, "1")]],
    )
    (found,) = placeholders(m)
    assert (found.severity, found.total, found.points) == ("serious", 2, pytest.approx(100))
    assert [e.facts["recorded answer"] for e in found.evidence] == [word, word]


@pytest.mark.parametrize("word", ["none", "12", "-", "errors in the proof", "nano", "invalidity"])
def test_a_word_that_the_source_held_right_or_that_is_an_answer_is_no_placeholder(tmp_path: Path, word: str) -> None:
    said = [[(word in ("none", "-"), word, "1"), WRONG]]
    (found,) = placeholders(material(tmp_path, [says("1", 0), says("2", 1)], said=said))
    assert found.severity == "fine"
