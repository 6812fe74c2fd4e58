"""The API backend: every sample once, with its own seed and its own share of the bill, on whatever server."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from api_helpers import ask, backend_at, pool, whole
from fault_server import FaultServer, tokens

from ttc_bench.backends.api.dialect import first_seed
from ttc_bench.backends.api.openai import AHEAD, OpenAIBackend
from ttc_bench.core import Backend, Job
from ttc_bench.errors import BackendError
from ttc_bench.prices import DollarLimit, Price

SECRET = "sk-test-0123456789abcdef"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


async def test_every_sample_has_its_own_seed_whatever_the_calls() -> None:
    """A pool of 20 is the same pool if it was grown from 3, in calls of 8 or one by one."""
    async with FaultServer() as server:
        async with backend_at(server) as backend:
            assert isinstance(backend, Backend)
            request = ask(backend)
            at_once = await pool(backend, request, *range(20))
            grown = await pool(backend, request, 0, 1, 2) + await pool(backend, request, *range(3, 20))
            holed = await pool(backend, request, 3, 4, 7)
        async with backend_at(server, n_per_request=1) as backend:
            single = await pool(backend, request, *range(20))
    texts = [s.completion.text for s in at_once if s.completion]
    assert (
        texts
        == [s.completion.text for s in grown if s.completion]
        == [s.completion.text for s in single if s.completion]
    )
    assert [s.completion.text for s in holed if s.completion] == [texts[3], texts[4], texts[7]]
    assert len(set(texts)) == 20
    assert whole(at_once)


async def test_the_usage_of_a_pool_is_the_bill() -> None:
    """With n, the prompt is paid once a call; the choices' own tokens, their end token included, are exact."""
    async with FaultServer() as server, backend_at(server) as backend:
        got = await pool(backend, ask(backend), *range(20))
    completions = [s.completion for s in got if s.completion]
    assert server.calls == 3
    assert [c.usage.prompt for c in completions] == [3 if i in (0, 8, 16) else 0 for i in range(20)]
    assert all(c.usage.completion == tokens(c.text) + 1 for c in completions)
    assert all(c.shares_prompt for c in completions)
    assert {c.usage.source for c in completions} == {"api"}
    assert completions[0].usage.cached == 1
    assert completions[0].signals == {"logprob": -0.5}
    assert backend.notes == []


async def test_reasoning_is_counted_and_kept_apart() -> None:
    async with FaultServer() as server, backend_at(server, n_per_request=1) as backend:
        (sample,) = await pool(backend, ask(backend, "THINK hard", reasoning_effort="high"), 0)
    assert sample.completion
    assert sample.completion.usage.reasoning == tokens(sample.completion.reasoning) > 0
    assert sample.completion.usage.completion == tokens(sample.completion.reasoning + " " + sample.completion.text) + 1
    assert server.log[0]["reasoning_effort"] == "high"


async def test_what_a_request_says_is_what_is_sent() -> None:
    async with FaultServer() as server, backend_at(server, n_per_request=4) as backend:
        request = ask(backend, temperature=0.7, top_p=0.9, top_k=5, min_p=0.1, stop=("\n",), max_tokens=9)
        await pool(backend, request, 0, 1)
        await pool(backend, ask(backend, temperature=0.0), 0, 1)
    seed = first_seed(request)
    first, *greedy = server.log
    assert first == {
        "model": "m", "messages": [{"role": "user", "content": "two and two"}], "max_tokens": 9, "temperature": 0.7,
        "top_p": 0.9, "top_k": 5, "min_p": 0.1, "stop": ["\n"], "seed": seed, "logprobs": True, "n": 2,
    }  # fmt: skip
    assert len(greedy) == 2, "greedy samples are asked for one by one: vLLM refuses n for them"
    assert greedy[0]["top_k"] == -1, "a server's own default top_k must not cut what was asked for whole"


# -- what servers ignore or refuse ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "note"), [("ignored", "1 of 8 choices"), ("refused", "refuses n")])
async def test_servers_without_n_are_asked_once_per_sample(n: str, note: str) -> None:
    """`transformers serve` answers one choice for n = 8: the seven others must be asked for, the first not again."""
    async with FaultServer(n=n) as server, backend_at(server, concurrency=4) as backend:
        got = await pool(backend, ask(backend), *range(40))
    assert whole(got)
    assert len(got) == 40
    assert max(server.served.values()) == 1
    assert [x for x in backend.notes if note in x] == backend.notes
    assert all(s.completion and not s.completion.shares_prompt and s.completion.usage.prompt == 3 for s in got)


@pytest.mark.parametrize(
    "words",
    [
        "Invalid n value (currently only n = 1 is supported)",
        "n must be 1 when using greedy sampling, got 8.",
        "n_cmpl cannot be greater than the number of slots, please increase -np",
        "Unsupported value: 'n' does not support 8 with this model.",
        "Only one completion choice is allowed",
    ],
)
async def test_a_refusal_of_n_is_recognised_in_each_servers_words(words: str) -> None:
    async with FaultServer(n="refused") as server, backend_at(server) as backend:
        server.n_words = words
        assert whole(await pool(backend, ask(backend), *range(10)))
    assert words in backend.notes[0]


@pytest.mark.parametrize(
    ("refuses", "note"),
    [
        ({"logprobs": "This model does not support logprobs."}, "no logprobs"),
        ({"seed": "Extra inputs are not permitted: seed"}, "refuses seeds"),
        ({"top_k": "Unrecognized request argument supplied: top_k"}, "refuses top_k"),
        ({"top_k": "property 'top_k' is unsupported", "min_p": "property 'min_p' is unsupported"}, "refuses min_p"),
        (
            {"temperature": "Unsupported value: 'temperature'. Only the default (1) is supported."},
            "refuses temperature",
        ),
        ({"max_tokens": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}, None),
    ],
)
async def test_refused_parameters_that_change_nothing_are_left_out(refuses: dict[str, str], note: str | None) -> None:
    async with FaultServer(refuses=refuses) as server, backend_at(server) as backend:
        got = await pool(backend, ask(backend), *range(30))
    assert all(s.completion for s in got)
    assert server.calls <= 5 + 4 * len(refuses), "learned once, not with every call"
    assert "max_tokens" not in refuses or server.log[-1]["max_completion_tokens"] == 100
    assert note is None or [note in x for x in backend.notes].count(True) == 1
    assert ("logprob" in backend.signals) == ("logprobs" not in refuses)


@pytest.mark.parametrize(
    ("refuses", "asked", "hint"),
    [
        (
            {"temperature": "Unsupported value: 'temperature' does not support 0.5"},
            {"temperature": 0.5},
            "--temperature 1",
        ),
        ({"top_k": "unknown field top_k"}, {"top_k": 5}, "decoding flags"),
        ({"stop": "'stop' is not supported with this model"}, {"stop": ("x",)}, "decoding flags"),
        (
            {"reasoning_effort": "Unrecognized argument: reasoning_effort"},
            {"reasoning_effort": "low"},
            "decoding flags",
        ),
        ({"max_tokens": "max_tokens is too large: 100. At most 64 completion tokens"}, {}, "--max-tokens"),
        ({"max_tokens": "unknown max_tokens", "max_completion_tokens": "unknown max_completion_tokens"}, {}, "unknown"),
    ],
)
async def test_refused_parameters_that_change_what_is_measured_end_the_run(
    refuses: dict[str, str], asked: dict[str, Any], hint: str
) -> None:
    """Dropping a temperature quietly would draw a curve of another experiment."""
    async with FaultServer(refuses=refuses) as server, backend_at(server) as backend:
        with pytest.raises(BackendError, match=hint) as caught:
            await pool(backend, ask(backend, **asked), *range(30))
    assert caught.value.fatal
    assert server.calls < 10
    assert not server.served


async def test_ignored_seeds_and_logprobs_are_told() -> None:
    async with FaultServer(ignores=("logprobs", "seed")) as server, backend_at(server) as backend:
        got = await pool(backend, ask(backend), *range(16))
        assert len({s.completion.text for s in got if s.completion}) < 16
        assert "seed" in backend.likely_reason()
    assert any("ignores logprobs" in note for note in backend.notes)
    assert backend.signals == frozenset()
    assert {s.completion.usage.source for s in got if s.completion} == {"estimate"}
    assert sum(s.completion.usage.completion for s in got if s.completion) == sum(
        tokens(s.completion.text) + 1 for s in got if s.completion
    )


async def test_transformers_serve_gets_its_parameters_where_it_reads_them() -> None:
    """It refuses top_k and min_p, and drops the temperature unless its own generation_config says do_sample."""
    words = "Unexpected fields in the request: {'top_k', 'min_p'}"
    async with FaultServer(refuses={"top_k": words}) as server, backend_at(server, n_per_request=1) as backend:
        await pool(backend, ask(backend, temperature=0.6), 0)
        await pool(backend, ask(backend, temperature=0.0), 0)
    assert '"do_sample": true' in server.log[1]["generation_config"]
    assert '"temperature": 0.6' in server.log[1]["generation_config"]
    assert '"do_sample": false' in server.log[2]["generation_config"]
    assert "temperature" not in server.log[1]
    assert any("generation_config" in note for note in backend.notes)


# -- running ----------------------------------------------------------------------------------------------------------


async def test_stopping_keeps_what_is_paid_and_starts_nothing() -> None:
    """A budget that is used up must not cost the answers under way, nor let a queued call start."""
    async with FaultServer(latency=0.05) as server, backend_at(server, concurrency=4, n_per_request=1) as backend:
        original = server._reply

        def stop_at_the_sixth(body: dict[str, Any]) -> Any:
            if sum(server.served.values()) == 5:
                backend.stop()  # while others wait at the server
            return original(body)

        server._reply = stop_at_the_sixth  # type: ignore[method-assign]
        got = await pool(backend, ask(backend), *range(200))
        assert 6 < server.calls == len(got) <= 6 + 3
        assert whole(got)
        assert whole(await pool(backend, ask(backend), 150)), "the next run is not stopped"


async def test_leaving_early_ends_every_task() -> None:
    async with FaultServer(latency=0.05) as server, backend_at(server, n_per_request=1) as backend:
        samples = backend.sample([Job(ask(backend), tuple(range(100)))])
        await anext(samples)
        await samples.aclose()  # type: ignore[attr-defined]
        assert asyncio.all_tasks() == {asyncio.current_task(), *server._connections}
        assert backend.limiter.in_flight == 0


async def test_concurrency_is_used_and_never_passed() -> None:
    async with FaultServer(latency=0.03) as server, backend_at(server, concurrency=24, n_per_request=1) as backend:
        await pool(backend, ask(backend), *range(120))
    assert backend.limiter.peak == 24
    assert 16 <= server.most_under_way <= 24


async def test_tasks_stay_as_few_as_calls() -> None:
    """A task per sample of a long run would be hundreds of megabytes before the first answer."""

    def endless() -> Iterator[Job]:
        for i in range(10**9):
            most.append(len(asyncio.all_tasks()))
            yield Job(ask(backend, f"q{i}"), (0,))

    most: list[int] = []
    async with FaultServer() as server, backend_at(server) as backend:
        samples = backend.sample(endless())  # type: ignore[arg-type]
        for _ in range(300):
            await anext(samples)
        await samples.aclose()  # type: ignore[attr-defined]
    assert max(most) < 8 * 4 + AHEAD  # ours, those of the HTTP client, and the server's in the same loop


async def test_limits_per_minute_are_kept() -> None:
    async with FaultServer() as server, backend_at(server, n_per_request=1, requests_per_minute=1200) as backend:
        await pool(backend, ask(backend), *range(5))
    assert server.times[4] - server.times[1] > 0.14, "1,200 a minute is one every 50 ms"
    async with FaultServer() as server, backend_at(server, n_per_request=1, tokens_per_minute=60_000) as backend:
        await pool(backend, ask(backend), 0, 1, 2)
    assert server.times[2] - server.times[1] > 0.09, "a call that may take 107 tokens, at 1,000 a second"


def test_the_endpoint_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gateway.example/v1/")
    assert OpenAIBackend("m").model == "openai:m@http://gateway.example/v1"
    assert OpenAIBackend("m", base_url="http://127.0.0.1/v1").model == "openai:m@http://127.0.0.1/v1"


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"n_per_request": 0}])
def test_numbers_that_would_never_ask_anything_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BackendError, match="at least 1"):
        OpenAIBackend("m", **wrong)  # type: ignore[arg-type]


async def test_a_budget_is_never_passed_and_what_was_paid_is_kept() -> None:
    """The most a call can cost is set aside before it is sent, so that many calls at once cannot overshoot."""
    price = Price(1.0, 1.0, 2.0, datetime.date(2026, 1, 1), "a test")
    limit = DollarLimit(0.0030, price)
    async with FaultServer() as server, backend_at(server, concurrency=16) as backend:
        request = ask(backend)
        got = [s async for s in backend.sample([Job(request, tuple(range(400)))], limit)]
        assert limit.used_up
        assert 0 < len(got) < 400
        assert all(s.completion for s in got)
        paid = sum(price.cost(s.completion.usage) for s in got if s.completion)
        assert paid == pytest.approx(limit.spent)
        assert limit.spent <= limit.limit
        assert limit.held == pytest.approx(0)
