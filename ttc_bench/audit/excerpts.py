"""The words of a text that matter to a finding."""

from __future__ import annotations

from collections.abc import Iterator

from ttc_bench.core import Grader
from ttc_bench.grading.extraction import Statement, one_turn, strip_thinking
from ttc_bench.grading.ladder import Ladder
from ttc_bench.grading.typography import clean

BEFORE, AFTER = 100, 40  # characters shown around an answer
END = 160


def ending(text: str) -> str:
    """The last END characters, as one line."""
    text = " ".join(text.split())
    return text if len(text) <= END else f"… {text[-END:]}"


def beginning(text: str) -> str:
    """The first END characters, as one line."""
    text = " ".join(text.split())
    return text if len(text) <= END else f"{text[:END]} …"


def words_of(grader: Grader, text: str, answer: str | None) -> str:
    """Where the grader found this answer in the text: the statement that reads as it, with what stands around it; the
    end of the text where no statement does, as where there is no answer or the last number was taken."""
    if answer is None or not isinstance(grader, Ladder):
        return ending(text)
    own = one_turn(clean(strip_thinking(text)))
    found = next((s for s in _statements(grader, own) if grader.read(s.fragment) == answer), None)
    if found is None:
        return ending(own)
    start, end = max(found.start - BEFORE, 0), min(found.end + AFTER, found.start + 2 * END)
    shown = " ".join(own[start:end].split())
    return f"{'… ' if start else ''}{shown}{' …' if end < len(own) else ''}"


def _statements(grader: Ladder, text: str) -> Iterator[Statement]:
    yield from grader.marked(text)
    yield from grader.announced(text)
