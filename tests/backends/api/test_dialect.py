"""What is sent to whom, and what a refusal may change."""

from __future__ import annotations

from typing import Any

import pytest

from ttc_bench.backends.api.dialect import Dialect, first_seed
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
