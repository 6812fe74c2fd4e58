"""Reading replies: whatever the shape, the shares sum to the bill and nothing incomplete becomes an answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttc_bench.backends.api.choices import split_thinking
from ttc_bench.backends.api.replies import CutShort, read
from ttc_bench.backends.api.token_counts import share
from ttc_bench.core import Message, Request, Usage

REQUEST = Request("m", (Message("user", "How many?"),), max_tokens=50)


def choice(text: str | None, finish: str | None = "stop", *, index: int = 0, **more: Any) -> dict[str, Any]:
    logprobs = more.pop("logprobs", None)
    reply = {"index": index, "finish_reason": finish, "message": {"role": "assistant", "content": text, **more}}
    if logprobs is not None:
        reply["logprobs"] = {"content": [{"token": t, "logprob": -0.25} for t in logprobs]}
    return reply


def reply(*choices: Any, prompt: int = 10, completion: int = 6, **usage: Any) -> dict[str, Any]:
    bill = {"prompt_tokens": prompt, "completion_tokens": completion, **usage}
    return {"choices": list(choices), "usage": bill}


@given(st.integers(0, 10_000), st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_shares_sum_to_the_total_and_stay_within_one_of_their_quota(total: int, weights: list[float]) -> None:
    parts = share(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    quotas = [total * w / whole if whole else total / len(weights) for w in weights]
    assert all(abs(part - quota) < 1 + 1e-6 for part, quota in zip(parts, quotas, strict=True))


@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30), st.integers(0, 9)), min_size=1, max_size=6),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(0, 300) | st.none(),
)
def test_what_the_choices_cost_sums_to_what_the_call_cost(
    parts: list[tuple[str, str, int]], prompt: int, completion: int, thought: int | None
) -> None:
    """Shares that do not sum to the bill make every curve cheaper or dearer than what was paid. Where they do not,
    because the bill cannot be that of these texts, a note says so."""
    choices = [
        choice(text, index=i, reasoning_content=thinking, logprobs=["x"] * listed)
        for i, (text, thinking, listed) in enumerate(parts)
    ]
    details = {} if thought is None else {"completion_tokens_details": {"reasoning_tokens": thought}}
    got = read(reply(*choices, prompt=prompt, completion=completion, **details), len(choices), REQUEST)
    usages = [c.usage for c in got.completions]
    if completion or not any(text or thinking for text, thinking, _ in parts):
        assert sum(u.completion for u in usages) == completion or got.notes
        assert {u.source for u in usages} == {"estimate"} or sum(u.completion for u in usages) >= completion
        assert [u.prompt for u in usages] == [prompt] + [0] * (len(usages) - 1)
    else:
        assert {u.source for u in usages} == {"estimate"}, "a server that bills 0 tokens for a text does not count"
    assert all(0 <= u.reasoning <= u.completion for u in usages)


def test_shares_counted_in_the_token_list_are_exact() -> None:
    """One token of each ended text, its end-of-text token, is billed but not listed by some servers."""
    choices = choice("a b c", logprobs="abc"), choice("d e f g h", "length", index=1, logprobs="defgh")
    for billed, expected in ((8, [3, 5]), (9, [4, 5])):
        got = read(reply(*choices, completion=billed), 2, REQUEST).completions
        assert [c.usage.completion for c in got] == expected
        assert {c.usage.source for c in got} == {"api"}
    got = read(reply(*choices, completion=13), 2, REQUEST).completions
    assert {c.usage.source for c in got} == {"estimate"}


def test_only_choices_of_one_call_share_a_prompt() -> None:
    one = read(reply(choice("a")), 1, REQUEST).completions[0]
    two = read(reply(choice("b", index=1), choice("a")), 2, REQUEST).completions
    assert not one.shares_prompt
    assert [c.shares_prompt for c in two] == [True, True]
    assert [c.text for c in two] == ["a", "b"], "in the order of their index"


def test_cached_and_reasoning_tokens_are_kept_apart() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 5}}
    assert read(reply(choice("x"), **details), 1, REQUEST).completions[0].usage == Usage(10, 4, 6, 5, "api")
    deepseek = read(reply(choice("x"), prompt_cache_hit_tokens=3), 1, REQUEST).completions[0]
    assert deepseek.usage == Usage(10, 3, 6, 0, "api")


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("<think>2 + 2</think>\n\n4", "2 + 2", "4"),
        ("2 + 2</think>4", "2 + 2", "4"),  # the template had opened the tag already
        ("<think>cut off", "cut off", ""),
        ("  <thinking>a\nb</thinking>c", "a\nb", "c"),
        ("4 <think>not at the start", "", "4 <think>not at the start"),
        ("plain", "", "plain"),
    ],
)
def test_think_tags_are_no_part_of_the_answer(text: str, thinking: str, answer: str) -> None:
    """Thinking text that reaches the grader is full of numbers that are not the answer."""
    assert split_thinking(text) == (thinking, answer)
    got = read(reply(choice(text)), 1, REQUEST).completions[0]
    assert (got.reasoning, got.text) == (thinking, answer)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_in_a_field_of_its_own(field: str) -> None:
    got = read(reply(choice("4", **{field: "2 + 2"})), 1, REQUEST).completions[0]
    assert (got.reasoning, got.text) == ("2 + 2", "4")
    assert got.usage.source == "estimate", "nobody counted the thinking tokens"
    assert 0 < got.usage.reasoning < got.usage.completion == 6


def test_thinking_is_counted_where_the_tokens_are_listed() -> None:
    pieces = ["<think>", "2", "+", "2", "</th", "ink>", "4"]
    got = read(reply(choice("".join(pieces), logprobs=pieces), completion=7), 1, REQUEST).completions[0]
    assert got.usage == Usage(10, 0, 7, 6, "api")
    cut = read(reply(choice("<think>2", "length", logprobs=["<think>", "2"]), completion=2), 1, REQUEST).completions[0]
    assert cut.usage == Usage(10, 0, 2, 2, "api")


@pytest.mark.parametrize(
    ("finish", "stop"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "length"), ("tool_calls", "stop"), (None, "stop")],
)
def test_stop_reasons(finish: str | None, stop: str) -> None:
    got = read(reply(choice("some", finish)), 1, REQUEST)
    assert got.completions[0].stop_reason == stop
    assert got.filtered == (finish == "content_filter")


def test_a_text_as_long_as_its_limit_was_cut_even_if_the_server_does_not_say_so() -> None:
    assert read(reply(choice("x", None), completion=50), 1, REQUEST).completions[0].stop_reason == "length"


def test_a_refusal_is_an_answer() -> None:
    assert read(reply(choice(None, refusal="I will not.")), 1, REQUEST).completions[0].text == "I will not."


def test_content_in_parts() -> None:
    got = read(reply(choice([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])), 1, REQUEST)  # type: ignore[arg-type]
    assert got.completions[0].text == "ab"


def test_the_mean_logprob_ignores_what_is_no_number() -> None:
    raw = choice("a b", logprobs=["a", "b"])
    raw["logprobs"]["content"].append({"token": "c", "logprob": None})
    raw["logprobs"]["content"].append({"token": "d", "logprob": float("-inf")})
    raw["logprobs"]["content"].append({"token": "e", "logprob": -9999.0})
    assert read(reply(raw), 1, REQUEST).completions[0].signals == {"logprob": -0.25}
    assert read(reply(choice("a")), 1, REQUEST).completions[0].signals == {}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "ok",
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [None, 3]},
        {"choices": [{"index": 0}]},
        {"choices": [{"message": "text"}]},
        {"choices": [choice("half an answ", "abort")]},
        {"choices": [choice("", "error")]},
    ],
)
def test_no_complete_choice_is_no_answer(payload: object) -> None:
    """An empty string for a failed call would be graded wrong and kept for ever."""
    with pytest.raises(CutShort) as caught:
        read(payload, 1, REQUEST)
    assert caught.value.wasted == Usage()


def test_a_broken_reply_may_have_been_billed() -> None:
    with pytest.raises(CutShort) as caught:
        read(reply(choice("half", "abort")), 1, REQUEST)
    assert caught.value.wasted == Usage(10, 0, 6, 0, "api")


def test_broken_and_superfluous_choices_are_waste() -> None:
    choices = (
        choice("a", "abort", logprobs="ab"),
        choice("b", index=1, logprobs="b"),
        choice("c", index=2, logprobs="cde"),
    )
    got = read(reply(*choices, completion=6), 1, REQUEST)
    assert [c.text for c in got.completions] == ["b"]
    assert got.spare == Usage(0, 0, 5, 0, "api")
    assert got.completions[0].usage == Usage(10, 0, 1, 0, "api")
    assert got.returned == 3


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": True}, "9"]
)
def test_missing_usage_is_estimated_and_says_so(usage: object) -> None:
    """A count of 0 would put the point at the left edge of the chart."""
    got = read({"choices": [choice("four words of text")], "usage": usage}, 1, REQUEST).completions[0].usage
    assert got.source == "estimate"
    assert got.completion == 5  # 18 characters
    assert got.prompt > 0


def test_no_text_is_an_empty_answer_only_where_its_own_bill_has_tokens() -> None:
    """A model that thought in secret until its limit wrote nothing, and that is what it answered."""
    hidden = read(reply(choice(None, "length"), completion=50), 1, REQUEST).completions[0]
    assert (hidden.text, hidden.stop_reason, hidden.usage.completion) == ("", "length", 50)
    for payload in (reply(choice(None), completion=0), {"choices": [choice(None)]}):
        with pytest.raises(CutShort, match="neither text nor tokens"):
            read(payload, 1, REQUEST)
    shared = read(reply(choice("a", index=1), choice(None, "length"), completion=51), 2, REQUEST)
    assert shared.positions == (1,), "whose tokens they are, the bill of both does not say"
    assert read(reply(choice(""), completion=0), 1, REQUEST).completions[0].text == ""
