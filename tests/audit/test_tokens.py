"""Counts that are padding, and counts that no text of this size can have; every figure worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from examined import material, says, uncounted

from ttc_bench.audit.tokens import miscounts, padding
from ttc_bench.core import Completion, Usage


def test_equal_counts_for_texts_of_different_length_are_padding(tmp_path: Path) -> None:
    """Texts of 400, 200 and 200 bytes, all of 100 tokens: the true ones are 100, 50, 50, so the counts are 1.5 times
    too large. maj@3 of two right and a wrong is 1, maj@2 1/3 + 2/3 / 2 = 2/3."""
    sizes = ((400, "1"), (200, "1"), (200, "2"))
    m = material(tmp_path, *([_text(size, answer, tokens=100) for size, answer in sizes] for _ in range(3)))
    (found,) = padding(m)
    assert (found.severity, found.total, found.numbers["factor"]) == ("serious", 3, pytest.approx(1.5))
    assert found.points == pytest.approx(100 / 3)
    assert dict(found.evidence[0].facts) == {"tokens of every sample": 100, "bytes": "200 to 400"}


def test_equal_counts_for_texts_of_equal_length_are_no_padding(tmp_path: Path) -> None:
    m = material(tmp_path, *([_text(400, "1", 100), _text(390, "2", 100)] for _ in range(5)))
    assert list(padding(m)) == []  # nothing to compare


def test_counts_that_follow_the_lengths_are_fine(tmp_path: Path) -> None:
    m = material(tmp_path, *([_text(400, "1", 100), _text(200, "2", 50)] for _ in range(5)))
    (found,) = padding(m)
    assert (found.severity, found.points) == ("fine", 0.0)


def test_unknown_counts_are_not_taken_for_padding(tmp_path: Path) -> None:
    m = material(tmp_path, *([uncounted(_text(400, "1", 0)), uncounted(_text(200, "2", 0))] for _ in range(5)))
    assert list(padding(m)) == []
    (found,) = miscounts(m)
    assert (found.severity, found.total) == ("cannot be told", 10)


FINE = says("1", 0, 400, tokens=100)


def _text(size: int, answer: str, tokens: int) -> Completion:
    """Exactly so many bytes."""
    ends = f"The answer is {answer}."
    return Completion("x" * (size - len(ends) - 1) + f" {ends}", "stop", Usage(completion=tokens))


@pytest.mark.parametrize(
    ("spoilt", "kind"),
    [
        (says("1", 1, 4000, tokens=12), "have a text too long for its tokens"),
        (says("1", 1, 400, tokens=0), "have a text of 0 tokens"),
        (
            replace(FINE, usage=Usage(completion=100, reasoning=120), reasoning="x" * 500),
            "have more thinking tokens than tokens",
        ),
        (
            replace(FINE, usage=Usage(completion=9000, reasoning=100)),
            "have more tokens than their text and thinking can hold",
        ),
    ],
)
def test_counts_that_no_text_can_have(tmp_path: Path, spoilt: Completion, kind: str) -> None:
    (found,) = miscounts(material(tmp_path, [FINE, spoilt]))
    assert (found.severity, found.total, found.numbers) == ("serious", 1, {kind: 1})
    assert found.evidence[0].index == 1


@pytest.mark.parametrize(
    "usage",
    [
        Usage(completion=5000, reasoning=4900),  # thinking that the server keeps to itself
        Usage(completion=5000),  # the same from a server that does not count it apart
        Usage(completion=2, source="estimate"),  # nobody counted: labelled as such elsewhere
        Usage(completion=40),  # ten bytes a token: long words
    ],
)
def test_counts_that_a_text_can_have(tmp_path: Path, usage: Usage) -> None:
    (found,) = miscounts(material(tmp_path, [FINE, replace(FINE, usage=usage)]))
    assert (found.severity, found.evidence) == ("fine", ())
