"""What is sent to whom, and what a refusal may change."""

from __future__ import annotations

from typing import Any

import pytest

from ttc_bench.backends.api.dialect import Dialect, first_seed
from ttc_bench.backends.api.replies import read
from ttc_bench.core import Message, Request
from ttc_bench.errors import BackendError

OPENAI = "https://api.openai.com/v1"
LOCAL = "http://127.0.0.1:8000/v1"


def request(**more: Any) -> Request:
    return Request("m", (Message("user", "q"),), 50, **more)


def test_openai_is_not_sent_the_defaults_that_its_reasoning_models_refuse() -> None:
    body = Dialect(OPENAI).body("gpt-5-mini", request(reasoning_effort="low"), 7, 1)
    assert body == {
        "model": "gpt-5-mini", "messages": [{"role": "user", "content": "q"}], "max_completion_tokens": 50,
        "reasoning_effort": "low", "seed": 7, "logprobs": True,
    }  # fmt: skip
    asked = Dialect(OPENAI).body("gpt-4o", request(temperature=0.5, top_k=3), 7, 4)
    assert (asked["temperature"], asked["top_k"], asked["n"]) == (0.5, 3, 4), "what was asked for is never left out"


def test_logprobs_need_not_be_asked_for() -> None:
    quiet = Dialect(LOCAL, logprobs=False)
    assert "logprobs" not in quiet.body("m", request(), 0, 1)
    assert quiet.signals == frozenset()
    assert Dialect(LOCAL).signals == {"logprob"}


def test_a_parameter_that_was_dropped_at_its_default_is_still_sent_with_another_value() -> None:
    """A server that refuses temperature 1 must not get a request for 0.5 without it."""
    dialect = Dialect(LOCAL)
    assert dialect.learn(dialect.body("m", request(), 0, 1), request(), "unsupported parameter: 'temperature'")
    assert "temperature" not in dialect.body("m", request(), 0, 1)
    assert dialect.body("m", request(temperature=0.5), 0, 1)["temperature"] == 0.5


def test_the_field_that_a_server_names_goes_before_words_that_only_mention_others() -> None:
    dialect = Dialect(LOCAL)
    sent = dialect.body("m", request(), 0, 4)
    assert dialect.learn(sent, request(), "logprobs cannot be used with this temperature", "logprobs")
    assert not dialect.logprobs
    assert "temperature" in dialect.body("m", request(), 0, 1)


@pytest.mark.parametrize("words", ["the model is overloaded by n-grams", "no", "content must not be empty"])
def test_words_about_something_else_teach_nothing(words: str) -> None:
    dialect = Dialect(LOCAL)
    before = dialect.body("m", request(), 0, 4)
    assert not dialect.learn(before, request(), words)
    assert dialect.body("m", request(), 0, 4) == before
    assert dialect.version == 0


def test_a_refused_temperature_says_what_to_pass() -> None:
    dialect = Dialect(OPENAI)
    hot = request(temperature=0.7)
    with pytest.raises(BackendError, match=r"temperature 0\.7 .*--temperature 1") as caught:
        dialect.learn(dialect.body("m", hot, 0, 1), hot, "Unsupported value: 'temperature'", "temperature")
    assert caught.value.fatal


def test_seeds_fit_where_servers_take_32_bits_and_follow_each_other() -> None:
    seeds = {first_seed(Request("m", (Message("user", str(i)),), 9)) for i in range(200)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**31 - 100_000 for seed in seeds)
    assert first_seed(request()) != first_seed(request(seed=1)), "an independent repetition draws anew"


THINKING = "<think>\n2 + 2\n</think>\n\nThe answer is"
APART = {"role": "assistant", "content": "The answer is", "reasoning_content": "2 + 2"}
TOGETHER = {"role": "assistant", "content": THINKING}


def reply(**message: str) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": "4", **message}}
    return {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


@pytest.mark.parametrize(
    ("payload", "form"),
    [
        (reply(), TOGETHER),  # any server without llama.cpp's timings
        (reply(reasoning_content="hm"), TOGETHER),  # vLLM with a reasoning parser
        (reply() | {"timings": {}}, APART),  # llama.cpp, of whose template nothing is known: tried
        (reply(reasoning_content="hm") | {"timings": {}}, APART),
    ],
)
def test_begun_thinking_is_sent_as_the_server_goes_on_from_it(payload: dict[str, Any], form: dict[str, str]) -> None:
    """llama.cpp closes the thinking of a template before the text begins: a <think> in the text is a second one."""
    dialect = Dialect(LOCAL)
    asked = request()
    dialect.heed(read(payload, 1, asked), dialect.body("m", asked, 0, 1), asked)
    assert dialect.body("m", request(prefix=THINKING), 0, 1)["messages"][-1] == form
    assert dialect.body("m", request(prefix="The answer is"), 0, 1)["messages"][-1]["content"] == "The answer is"


def test_a_server_that_drops_begun_thinking_is_sent_it_as_text_from_then_on() -> None:
    dialect = Dialect(LOCAL)
    asked = request(prefix=THINKING)
    body = dialect.body("m", asked, 0, 1)
    assert body["messages"][-1] == APART
    assert dialect.lost(read(reply(), 1, asked), body)
    body = dialect.body("m", asked, 0, 1)
    assert body["messages"][-1] == TOGETHER
    assert not dialect.lost(read(reply(), 1, asked), body)


def test_a_server_that_repeats_begun_thinking_has_gone_on_from_it() -> None:
    dialect = Dialect(LOCAL)
    asked = request(prefix=THINKING)
    body = dialect.body("m", asked, 0, 1)
    for payload in (reply(reasoning_content="2 + 2"), reply(content="<think>2 + 2</think>The answer is 4")):
        assert not dialect.lost(read(payload, 1, asked), body)
    assert dialect.body("m", asked, 0, 1)["messages"][-1] == APART
    assert dialect.lost(read(reply(), 1, asked), body), "one reply that lost it is tried again"
    assert dialect.body("m", asked, 0, 1)["messages"][-1] == APART
