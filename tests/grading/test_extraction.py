"""Reading an answer out of a text: the ladder, thinking, and texts that mean harm."""

from __future__ import annotations

import time

import pytest
from golden_answers import CHECKED, GOLDEN, VALID, YES_NO
from hypothesis import given, settings
from hypothesis import strategies as st

from ttc_bench.core import Extraction
from ttc_bench.grading.extraction import strip_thinking
from ttc_bench.grading.choice import Choice
from ttc_bench.grading.formula import Math
from ttc_bench.grading.ladder import RUNGS
from ttc_bench.grading.number import Number
from ttc_bench.grading.phrase import Text


@pytest.mark.parametrize(("grader", "text", "answer", "rung"), GOLDEN)
def test_extraction(grader, text, answer, rung):
    assert grader.extract(text) == Extraction(answer, rung)


@pytest.mark.parametrize(("grader", "text", "answer", "rung"), GOLDEN)
def test_an_extracted_answer_is_already_canonical(grader, text, answer, rung):
    """Votes count strings: an answer that reads differently the second time would split a majority."""
    assert rung in RUNGS
    if answer is not None:
        assert grader.read(answer) == answer
        assert grader.same(answer, answer)


def test_a_task_can_have_its_own_lead_in():
    text = "Solution: 5. Some say 6"
    assert Number().extract(text) == Extraction("6", "last")
    assert Number(lead="Solution:").extract(text) == Extraction("5", "format")


def test_thinking_is_never_graded():
    assert strip_thinking("a<think>b</think>c") == "ac"
    assert strip_thinking("<think>a<think>b</think>c</think>d") == "d"
    assert strip_thinking("a <THINKING>b") == "a "
    assert strip_thinking("a</think>b<think>c</think>d") == "bd"


@settings(deadline=None)
@given(text=st.text(max_size=200))
def test_extraction_is_total(text):
    for grader in (Number(), Math(), Choice(), YES_NO, Text(), CHECKED):
        found = grader.extract(text)
        assert (found.answer is None) == (found.rung == "none")


@pytest.mark.parametrize(
    "text",
    [
        "9" * 100_000,
        "1," * 50_000,
        ",111" * 25_000 + "x",
        "{" * 100_000,
        r"\boxed{" * 15_000,
        r"\boxed{" * 7_000 + "5" + "}" * 7_000,
        r"\(" * 50_000,
        "$" * 100_000,
        "$ 1 " * 25_000,
        "not " * 25_000,
        "#" * 100_000,
        "#### " * 20_000,
        "answer " * 14_000,
        "The answer is " * 7_000,
        "\n" * 50_000 + "*" * 50_000,
        "<think>" * 14_000,
        "1" + " " * 100_000,
        r"\frac{1" * 14_000,
        "(A" * 50_000,
        "1e" + "9" * 1_000,
    ],
    ids=lambda text: text[:12],
)
def test_extraction_takes_linear_time(text):
    """A looping model writes 100 kB of one thing; a pattern that backtracks would hang the run there."""
    for grader in (Number(), Math(), Choice(), VALID):
        began = time.process_time()
        grader.extract(text)
        assert time.process_time() - began < 1.0
