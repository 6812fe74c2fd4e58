"""Bills beside token lists: what is believed, what is said, and that no wrong count is ever marked as the server's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttc_bench.backends.api.replies import Reply, read
from ttc_bench.backends.api.token_counts import EARLY, IMPLAUSIBLE, MORE, ONE_CHOICE, UNEQUAL, UNSURE, Billing
from ttc_bench.core import Message, Request

REQUEST = Request("m", (Message("user", "How many?"),), max_tokens=50)


def choice(text: str, pieces: int = 0, finish: str = "stop", index: int = 0, **message: Any) -> dict[str, Any]:
    listed = {"content": [{"token": "x", "logprob": -0.5}] * pieces} if pieces else None
    return {"index": index, "finish_reason": finish, "message": {"content": text, **message}, "logprobs": listed}


def call(billed: int | None, *choices: dict[str, Any], known: Billing | None = None, **request: Any) -> Reply:
    usage = None if billed is None else {"prompt_tokens": 10, "completion_tokens": billed}
    asked = Request("m", REQUEST.messages, **({"max_tokens": 50} | request))
    numbered = [c | {"index": i} for i, c in enumerate(choices)]
    return read({"choices": numbered, "usage": usage}, len(choices), asked, known)


def counts(reply: Reply) -> list[int]:
    return [c.usage.completion for c in reply.completions]


def sources(reply: Reply) -> list[str]:
    return [c.usage.source for c in reply.completions]


def test_a_bill_of_one_choice_gives_way_to_the_lists() -> None:
    """llama.cpp: 8 answers of 7 tokens each, billed as 7. Splitting that bill makes each of them 1 token."""
    reply = call(7, *[choice("The answer is 180.", 7)] * 8)
    assert counts(reply) == [7] * 8
    assert sources(reply) == ["api"] * 8
    assert reply.notes == (ONE_CHOICE,)
    assert reply.billing == Billing(whole=False, end=False)
    assert reply.sound
    assert [c.usage.prompt for c in reply.completions] == [10] + [0] * 7


def test_the_end_token_is_added_where_the_bill_of_the_first_shows_it() -> None:
    reply = call(8, choice("a", 7), choice("b", 3), choice("c", 50, "length"))
    assert counts(reply) == [8, 4, 50]
    assert sources(reply) == ["api"] * 3
    assert reply.billing == Billing(whole=False, end=True)


def test_what_earlier_calls_showed_decides_where_two_readings_fit() -> None:
    """11 tokens: 10 and 1 of two choices, or the 10 of the first with its end token?"""
    choices = choice("a" * 30, 10), choice("b", 1)
    unknown = call(11, *choices)
    assert sources(unknown) == ["estimate"] * 2
    assert unknown.billing == Billing()
    for known, expected in (
        (Billing(whole=True), [10, 1]),
        (Billing(False, True), [11, 2]),
        (Billing(end=False), [10, 1]),
    ):
        reply = call(11, *choices, known=known)
        assert (counts(reply), sources(reply)) == (expected, ["api"] * 2)


def test_a_server_that_turns_out_to_bill_otherwise_is_believed_again() -> None:
    reply = call(20, choice("a" * 30, 12), choice("b" * 20, 8), known=Billing(whole=False, end=False))
    assert (counts(reply), sources(reply), reply.billing.whole) == ([12, 8], ["api"] * 2, True)


def test_lists_that_leave_tokens_out_are_not_taken_for_counts() -> None:
    """llama.cpp lists an emoji of four tokens once, and no stop string; only the choice it billed is certain."""
    smile = {"content": [{"token": "🍫", "logprob": -1.0}] * 3}
    emojis = choice("🍫🍫🍫", finish="length") | {"logprobs": smile}
    reply = call(7, choice("seven tokens in all", 7), emojis, choice("short", 2), known=Billing(False, False))
    assert sources(reply) == ["api", "estimate", "api"]
    assert counts(reply) == [7, 50, 2], "a text cut at its limit is as long as the limit"
    assert not reply.sound
    assert reply.notes == (ONE_CHOICE, UNSURE)
    stopped = call(4, choice("a b", 3), choice("a b c d", 5), stop=("\n",), known=Billing(False, False))
    assert sources(stopped) == ["api", "estimate"]
    assert counts(stopped)[0] == 4
    assert not stopped.sound
    assert stopped.billing.end is False, "a stop string is no end-of-text token"


def test_a_bill_that_fits_the_lists_needs_no_ascii() -> None:
    """vLLM lists every token, whatever is in it."""
    smile = {"content": [{"token": "ö", "logprob": -1.0}] * 3}
    umlauts = choice("ööö") | {"logprobs": smile}
    reply = call(13, umlauts, choice("ten tokens", 10))
    assert (counts(reply), sources(reply), reply.notes, reply.sound) == ([3, 10], ["api"] * 2, (), True)


def test_a_sum_that_fits_by_chance_proves_nothing() -> None:
    """12 tokens: the first wrote 12, of which its list leaves 9 out, and the second has 9."""
    smiles = choice("🍫🍫🍫") | {"logprobs": {"content": [{"token": "🍫", "logprob": -1.0}] * 3}}
    reply = call(12, smiles, choice("nine tokens", 9), known=Billing(end=False))
    assert (set(sources(reply)), reply.billing.whole) == ({"estimate"}, None)
    known = call(12, smiles, choice("nine tokens", 9), known=Billing(True, False))
    assert (counts(known), set(sources(known))) == ([3, 9], {"api"})


@pytest.mark.parametrize(
    "choices",
    [
        [choice("a text of some forty characters, or so it is")] * 8,  # 352 characters in 9 tokens
        [choice("x" * 30, finish="length")] * 3,  # three times 50 tokens at least
    ],
)
def test_without_lists_a_bill_too_small_for_the_texts_is_not_shared_out(choices: list[dict[str, Any]]) -> None:
    reply = call(9, *choices)
    assert set(sources(reply)) == {"estimate"}
    assert sum(counts(reply)) > 20
    assert IMPLAUSIBLE in reply.notes
    assert not reply.sound


def test_without_lists_a_plausible_bill_is_shared_out() -> None:
    reply = call(100, *[choice("x" * 40)] * 8)
    assert (sum(counts(reply)), set(sources(reply)), reply.notes, reply.sound) == (100, {"estimate"}, (), True)
    cut = call(100, *[choice("=" * 900, finish="length")] * 2)
    assert (counts(cut), cut.notes, cut.sound) == ([50, 50], (), True), "dense, but as long as the limit says"


def test_one_choice_is_what_its_bill_says_unless_that_cannot_be() -> None:
    assert (counts(call(9, choice("abc", 8))), sources(call(9, choice("abc", 8)))) == ([9], ["api"])
    less = call(3, choice("abc", 8, "length"))
    assert (counts(less), sources(less), less.notes) == ([8], ["api"], (UNEQUAL, EARLY))
    more = call(30, choice("abc", 8))
    assert (counts(more), sources(more), more.notes) == ([30], ["estimate"], (MORE,))
    tiny = call(1, choice("y" * 400, finish="length"))
    assert (counts(tiny), sources(tiny), tiny.notes[0]) == ([100], ["estimate"], IMPLAUSIBLE)
    thinking = call(30, choice("abc", 8, reasoning_content="hidden from the list"))
    assert (counts(thinking), thinking.notes) == ([30], ())


def test_a_text_cut_far_below_its_limit_is_an_alarm() -> None:
    assert call(20, choice("cut", 20, "length")).notes == (EARLY,)
    assert call(49, choice("cut", 49, "length")).notes == ()
    assert call(20, choice("ended", 20)).notes == ()
    assert call(20, choice("filtered", 20, "content_filter")).notes == ()


@pytest.mark.parametrize("absurd", [10**30, -1, True, "7", 7.5, None, [7]])
def test_an_absurd_bill_is_none(absurd: object) -> None:
    for usage in (
        {"prompt_tokens": 3, "completion_tokens": absurd},
        {"prompt_tokens": absurd, "completion_tokens": 3},
    ):
        reply = read({"choices": [choice("four words of text")], "usage": usage}, 1, REQUEST)
        assert reply.completions[0].usage.source == "estimate"
        assert 0 < reply.completions[0].usage.completion < 20


LENGTHS = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=5)


@given(
    LENGTHS, st.booleans(), st.booleans(), st.sampled_from([None, True, False]), st.sampled_from([None, True, False])
)
def test_no_wrong_count_is_marked_as_the_servers(
    lengths: list[tuple[int, bool]], whole: bool, end: bool, told: bool | None, told_end: bool | None
) -> None:
    """Whatever way a server bills, and whether or not it is known by now: what is marked `api` is right."""
    true = [n + (end and ended) for n, ended in lengths]
    choices = [choice("z" * 3 * n, n, "stop" if ended else "length") for n, ended in lengths]
    known = Billing(None if told is None else whole, None if told_end is None else end)
    reply = call(sum(true) if whole else true[0], *choices, known=known, max_tokens=12)
    for completion, tokens in zip(reply.completions, true, strict=True):
        assert completion.usage.source == "estimate" or completion.usage.completion == tokens
    if len(lengths) > 1 and reply.billing.whole is not None:
        assert reply.billing.whole == whole
    assert reply.billing.end in (None, end)
