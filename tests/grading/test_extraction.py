"""Reading an answer out of a text: the ladder, thinking, and texts that mean harm."""

from __future__ import annotations

import time

import pytest
from golden_answers import CHECKED, GOLDEN, VALID, YES_NO
from hypothesis import given, settings
from hypothesis import strategies as st
from reading_answers import READINGS

from ttc_bench.core import Extraction
from ttc_bench.grading.choice import Choice
from ttc_bench.grading.extraction import strip_thinking
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


@pytest.mark.parametrize(("grader", "text", "answer"), READINGS)
def test_what_a_careful_person_reads(grader, text, answer):
    found = grader.extract(text).answer
    assert found == answer
    assert found is None or grader.read(found) == found


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
        "(A) or " * 15_000,
        "yes or " * 15_000,
        "no, " * 25_000,
        '"answer": "' * 10_000,
        "<answer>" * 12_000,
        "The answer is 5. " + "wait 5 = 6. " * 9_000,
        "答案是" * 30_000,
        "1 234 " * 16_000,
        "B is correct. " * 7_000,
        "cannot be determined. " * 5_000,
        "\nQ: a" * 20_000,
        "J.K." * 25_000,
        r"The answer is \begin{a}" * 5_000,
        "Therefore, B. " * 7_000,
        "\nlet me know" * 8_000,
        r"\boxed{1} and " * 8_000,
        "½" * 50_000,
    ],
    ids=lambda text: text[:12],
)
def test_extraction_takes_linear_time(text):
    """A looping model writes 100 kB of one thing; a pattern that backtracks would hang the run there."""
    for grader in (Number(), Math(), Choice(), VALID, YES_NO, Text()):
        began = time.process_time()
        grader.extract(text)
        assert time.process_time() - began < 1.0
