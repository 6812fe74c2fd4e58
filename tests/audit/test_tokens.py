"""Counts that no text of this size can have, and counts that nobody made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from examined import material, says, text, uncounted

from ttc_bench.audit.padding import padding
from ttc_bench.audit.tokens import miscounts
from ttc_bench.core import Completion, Usage
from ttc_bench.interchange.records import Record


def test_unknown_counts_are_not_taken_for_padding(tmp_path: Path) -> None:
    m = material(tmp_path, *([uncounted(text("1", 400, 0)), uncounted(text("2", 200, 0))] for _ in range(5)))
    assert list(padding(m)) == []
    (found,) = miscounts(m)
    assert (found.severity, found.total) == ("cannot be told", 10)


FINE = says("1", 0, 400, tokens=100)


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


@pytest.mark.parametrize(("given", "severity"), [(100, "serious"), (90, "fine")])
def test_thinking_that_an_import_cut_to_the_tokens_is_found_in_what_its_source_said(
    tmp_path: Path, given: int, severity: str
) -> None:
    """The source: 120 of `given` tokens are thinking. Where its 90 gave way to a tokenizer's 100, it is not asked."""
    kept = replace(FINE, usage=Usage(completion=100, reasoning=100), reasoning="x" * 500)
    said = Record("line 1", "", completion=given, thought=120)
    (found,) = miscounts(material(tmp_path, [kept], said=[[said]]))
    assert found.severity == severity
    assert [e.facts["of these thinking"] for e in found.evidence] == ([120] if severity == "serious" else [])
