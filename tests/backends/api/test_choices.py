"""One choice of a reply: its text apart from its thinking and from the begun answer, whatever shape it comes in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttc_bench.backends.api.choices import Choice, parse, string, thinking_pieces

CLOSED = "<think>\n2 + 2\n</think>\n\nThe answer is"
OPEN = "<think>\n2 + 2\nWait"


def raw(content: object, pieces: list[str] | None = None, **message: Any) -> dict[str, Any]:
    listed = None if pieces is None else {"content": [{"token": p, "logprob": -0.5} for p in pieces]}
    return {"index": 0, "finish_reason": "stop", "message": {"content": content, **message}, "logprobs": listed}


def choice(content: object, prefix: str = "", pieces: list[str] | None = None, **message: Any) -> Choice:
    parsed = parse(raw(content, pieces, **message), prefix)
    assert parsed
    return parsed


@pytest.mark.parametrize("pieces", [None, [" 4", ".", ""]])
@pytest.mark.parametrize("prefix", ["The answer is", CLOSED])
def test_a_begun_answer_that_the_server_repeats_is_no_part_of_what_follows(
    prefix: str, pieces: list[str] | None
) -> None:
    """llama.cpp echoes it, so that every continued trace would stand there twice."""
    assert choice(prefix + " 4.", prefix, pieces).text == " 4."
    assert choice(" 4.", prefix, pieces).text == " 4.", "vLLM does not echo"
    assert choice(prefix + " 4.", prefix, pieces).reasoning == ""


def test_a_model_that_writes_its_begun_answer_again_is_not_cut() -> None:
    pieces = ["Wait", ", no", ""]
    assert choice("Wait, no", "Wait", pieces).text == "Wait, no"
    assert choice("WaitWait, no", "Wait", pieces).text == "Wait, no"


@pytest.mark.parametrize(
    ("content", "message", "prefix", "reasoning", "text"),
    [
        (OPEN + " it is 5</think>\n\n5", {}, OPEN, "it is 5", "5"),  # echoed, not parted
        (" it is 5</think>\n\n5", {}, OPEN, "it is 5", "5"),
        (" it is", {}, OPEN, " it is", ""),  # cut before it was closed: no answer
        (OPEN + " it is", {}, OPEN, " it is", ""),
        ("5", {"reasoning_content": "2 + 2\nWait it is 5"}, OPEN, " it is 5", "5"),  # echoed and parted
        ("5", {"reasoning_content": " it is 5"}, OPEN, " it is 5", "5"),
        ("The answer is 5", {"reasoning_content": "2 + 2"}, CLOSED, "", " 5"),
        ("</think>5", {}, OPEN, "", "5"),
        ("<think>2 + 2</think>The answer is 5", {}, CLOSED, "", " 5"),  # put together again by the server
        ("<think>2 + 2\nWait it is</think>5", {}, OPEN, " it is", "5"),
    ],
)
def test_thinking_that_was_gone_on_with(
    content: str, message: dict[str, str], prefix: str, reasoning: str, text: str
) -> None:
    parsed = choice(content, prefix, **message)
    assert (parsed.reasoning, parsed.text) == (reasoning, text)


def test_thinking_is_counted_up_to_its_end() -> None:
    assert thinking_pieces(choice("a</think>b", pieces=["a", "</think>", "b"])) == 2
    assert thinking_pieces(choice("b", pieces=["b"])) == 0
    assert thinking_pieces(choice("", pieces=["a", "a"], reasoning="aa")) == 2
    assert thinking_pieces(choice("b", pieces=["b"], reasoning="not listed")) is None


@pytest.mark.parametrize("content", ["", [], [{"type": "text", "text": ""}]])
def test_an_empty_text_is_said_and_no_text_is_silent(content: object) -> None:
    assert not choice(content).silent
    assert choice(None).silent
    assert choice(17).silent
    assert not choice(None, reasoning="x").silent
    assert not choice(None, refusal="no").silent
    assert not choice(None, pieces=[""]).silent
    assert not choice(None, tool_calls=[{"function": {}}]).silent


def test_half_a_surrogate_pair_is_replaced() -> None:
    """No file and no database takes it."""
    assert string("a\ud800b") == "a?b"
    assert string("a😀b") == "a😀b"


NAMES = ["index", "message", "content", "logprobs", "token", "logprob", "top_logprobs", "text", "reasoning", "refusal"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON, JSON)
def test_no_shape_of_a_choice_is_an_exception(content: object, logprobs: object, index: object) -> None:
    parsed = parse({"message": {"content": content}, "logprobs": logprobs, "index": index})
    assert parsed
    parse(content)
    parse({"message": content, "logprobs": {"content": logprobs}})
    tokens = parse(
        {"message": {}, "logprobs": {"content": [{"token": content, "logprob": index, "top_logprobs": logprobs}]}}
    )
    assert tokens
    assert tokens.logprob is None or tokens.logprob <= 0
