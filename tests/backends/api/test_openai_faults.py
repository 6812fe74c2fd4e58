"""The API backend when things fail: tried again, a hole, or the end of the run, and never an answer or a leaked key."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from api_helpers import ask, backend_at, pool, whole
from fault_server import BILLED, LACKING, PASSING, FaultServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ttc_bench.backends.api.openai import OpenAIBackend
from ttc_bench.core import Job, Sample, Usage
from ttc_bench.errors import BackendError, PromptTooLong

SECRET = "correct horse battery staple"  # looks like no key, so only the key itself can be searched for

STRANGE = "sk-proj-0123456789abcdef"  # a key that is not ours: a gateway's own, in its error


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.mark.parametrize("fault", PASSING)
async def test_every_passing_fault_is_tried_again(fault: str) -> None:
    async with FaultServer(iter([fault, None, fault, fault])) as server, backend_at(server) as backend:
        got = await pool(backend, ask(backend), *range(10))
    assert whole(got)
    assert len(got) == 10
    assert server.calls == 2 + 3
    assert sum(n for kind, n in backend.counts.items() if kind != "calls") == 3
    wasted = sum((s.wasted for s in got), Usage())
    assert (wasted.completion > 0) == (fault in BILLED), "what a failed attempt was billed is spending"


FAULTS = st.lists(st.sampled_from([None, *PASSING, *LACKING, "no usage"]), max_size=60)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(FAULTS, st.sampled_from([1, 3, 8]), st.integers(1, 12), st.sampled_from(["yes", "ignored", "refused"]))
async def test_whatever_fails_the_finished_pool_is_that_of_a_faultless_run(
    faults: list[str | None], n_per_request: int, concurrency: int, n: str
) -> None:
    """Few retries, so that some calls become holes: asking for the holes until none is left ends with the same pool,
    nothing that had arrived was asked for again, and no fault became an answer."""
    async with FaultServer(iter(faults), n=n) as server:
        options = {"n_per_request": n_per_request, "concurrency": concurrency, "max_retries": 2}
        async with backend_at(server, **options) as backend:
            requests = [
                ask(backend, prompt) for prompt in ("one", "two LENGTH", "three FILTER", "four REFUSE", "THINK")
            ]
            stored: dict[tuple[str, int], Sample] = {}
            missing = {(r.address, i) for r in requests for i in range(6)}
            while missing:
                jobs = [Job(r, tuple(i for i in range(6) if (r.address, i) in missing)) for r in requests]
                async for sample in backend.sample([job for job in jobs if job.indices]):
                    place = (sample.request.address, sample.index)
                    assert place in missing
                    if sample.completion:
                        missing.remove(place)
                        stored[place] = sample
                    else:
                        assert sample.error
                        assert not sample.error.fatal
        assert max(server.served.values()) == 1
        server.faults = iter(())
        async with backend_at(server, **options) as clean:
            faultless = {
                (s.request.address, s.index): s async for s in clean.sample([Job(r, tuple(range(6))) for r in requests])
            }
    assert stored.keys() == faultless.keys()
    for place, sample in stored.items():
        mine, theirs = sample.completion, faultless[place].completion
        assert mine
        assert theirs
        assert (mine.text, mine.reasoning, mine.stop_reason) == (theirs.text, theirs.reasoning, theirs.stop_reason)


async def test_what_cannot_be_had_is_a_hole_with_its_reason_and_its_waste() -> None:
    async with FaultServer(iter(["empty"] * 3)) as server, backend_at(server, max_retries=2) as backend:
        got = await pool(backend, ask(backend), 0, 1, 2)
    assert [s.completion for s in got] == [None] * 3
    assert all(s.error and "no choice" in str(s.error) and not s.error.fatal for s in got)
    assert got[0].wasted.prompt == 9
    assert got[1].wasted == got[2].wasted == Usage()


async def test_a_server_that_stopped_answering_is_not_asked_for_ever() -> None:
    """10,000 jobs x 9 attempts x half a minute is not an error message."""
    async with FaultServer(iter([None] * 4 + ["500"] * 10**6)) as server, backend_at(server, max_retries=2) as backend:
        got = [s async for s in backend.sample([Job(ask(backend, f"q{i}"), (0,)) for i in range(500)])]
    assert len(got) == 500
    assert sum(s.completion is not None for s in got) == 4
    assert server.calls < 100
    assert sum("stopped answering" in str(s.error) for s in got) > 400


async def test_a_server_that_never_listened_is_an_error() -> None:
    async with FaultServer() as server:
        pass
    async with backend_at(server) as backend:
        with pytest.raises(BackendError, match=r"cannot reach http://127\.0\.0\.1.*--base-url") as caught:
            await pool(backend, ask(backend), 0)
    assert caught.value.fatal


async def test_a_call_that_hangs_is_timed_out_and_tried_again() -> None:
    async with FaultServer(latency=0.5) as server, backend_at(server, timeout_s=0.1, max_retries=1) as backend:
        (sample,) = await pool(backend, ask(backend), 0)
    assert server.calls == 2
    assert "no reply within 0.1 s" in str(sample.error)


async def test_retry_after_is_honoured_by_every_call() -> None:
    """The limit is the account's: a second call that starts before the time is over only prolongs it."""
    options = {"concurrency": 2, "n_per_request": 1}
    async with FaultServer(iter(["429 in 0.2"]), latency=0.02) as server, backend_at(server, **options) as backend:
        assert whole(await pool(backend, ask(backend), 0, 1, 2))
    first, second, *later = server.times
    assert len(later) == 2
    assert second - first < 0.1
    assert min(later) - first >= 0.2


async def test_waiting_is_bounded_in_time() -> None:
    """A day's quota that is used up, or a server that says 429 for ever, must not hold a run for hours."""
    async with FaultServer(iter(["429 in 86400"])) as server, backend_at(server) as backend:
        (told,) = await pool(backend, ask(backend), 0)
        (after,) = await asyncio.wait_for(pool(backend, ask(backend), 1), 10)
    options = {"retry_s": 0.05, "first_wait_s": 0.02, "max_retries": 100}
    always = (429, {"error": {"message": "slow down"}})
    async with FaultServer(always=always) as server, backend_at(server, **options) as backend:
        (untold,) = await pool(backend, ask(backend), 0)
    assert "429" in str(told.error)
    assert after.completion, "one call that was told to wait a day must not hold all others as long"
    assert "slow down" in str(untold.error)
    assert 1 < server.calls < 10


async def test_rate_limit_headers_hold_the_next_call_back() -> None:
    limits = {
        "x-ratelimit-limit-requests": "1",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "80ms",
    }
    async with FaultServer(headers=limits) as server, backend_at(server, concurrency=1, n_per_request=1) as backend:
        started = time.monotonic()
        await pool(backend, ask(backend), 0, 1, 2)
    assert time.monotonic() - started > 0.16


# -- fatal errors and secrets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "match"),
    [
        (401, {"error": {"message": f"Incorrect API key provided: {SECRET}"}}, "401.*OPENAI_API_KEY"),
        (401, {"error": {"message": f"Incorrect key: {STRANGE}"}}, "401"),
        (403, {"error": {"message": "no access"}}, "no access.*may use m"),
        (404, {"error": {"message": "The model `m` does not exist"}}, "does not exist.*model name 'm'"),
        (400, {"error": {"message": f"Bearer {SECRET} is odd"}}, "decoding flags"),
        (422, {"detail": [{"loc": ["body", "model"], "msg": "field required"}]}, "body.model: field required"),
        (402, {"error": {"message": "pay"}}, "billing"),
        (429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}, "billing"),
    ],
)
async def test_errors_that_no_retry_mends_end_the_run_in_the_servers_words(
    status: int, body: dict[str, Any], match: str
) -> None:
    async with FaultServer(always=(status, body)) as server, backend_at(server) as backend:
        with pytest.raises(BackendError, match=match) as caught:
            await pool(backend, ask(backend), *range(100))
    assert caught.value.fatal
    assert server.calls <= 8
    assert SECRET not in str(caught.value)
    assert STRANGE not in str(caught.value)
    assert caught.value.__cause__ is None
    assert SECRET not in repr((backend.identity(), backend.model, backend.notes, dict(backend.counts)))


async def test_no_answer_that_arrived_is_lost_to_a_fatal_error() -> None:
    """They are paid for: first they are yielded, then the error ends the run."""
    async with FaultServer(latency=0.02) as server, backend_at(server, concurrency=6, n_per_request=1) as backend:
        jobs = [Job(ask(backend, f"q{i}", top_k=1 if i == 3 else 0), (0,)) for i in range(6)]
        server.refuses = {}
        original = server._reply
        server._reply = lambda body: (
            (401, {"error": {"message": "revoked"}}, None) if body["top_k"] == 1 else original(body)
        )  # type: ignore[method-assign]
        got: list[Sample] = []

        async def collect() -> None:
            async for sample in backend.sample(jobs):
                got.append(sample)

        with pytest.raises(BackendError, match="revoked"):
            await collect()
    assert sum(server.served.values()) == len(got) == 5


async def test_a_prompt_beyond_the_context_names_its_request() -> None:
    words = "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens."
    async with FaultServer(refuses={"messages": words}) as server, backend_at(server) as backend:
        request = ask(backend)
        with pytest.raises(PromptTooLong) as caught:
            await pool(backend, request, 0)
    assert (caught.value.address, caught.value.tokens, caught.value.context) == (request.address, 5000, 4096)


async def test_a_prompt_that_the_filter_refuses_is_a_hole_not_the_end() -> None:
    """One filtered problem of a thousand must not end the run; no retry would help it either."""
    always = (400, {"error": {"message": "The prompt was filtered", "code": "content_filter"}})
    async with FaultServer(always=always) as server, backend_at(server) as backend:
        (sample,) = await pool(backend, ask(backend), 0)
    assert server.calls == 1
    assert "filtered" in str(sample.error)


async def test_a_web_page_is_no_api() -> None:
    async with FaultServer() as server, backend_at(server) as backend:
        server.headers = {"content-type": "text/html"}
        server._completion = lambda body: {"choices": []}  # type: ignore[method-assign]
        server.faults = iter(["bad json"])
        with pytest.raises(BackendError, match="web page"):
            await pool(backend, ask(backend), 0)


async def test_without_a_key_only_loopback_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    async with FaultServer() as server, backend_at(server) as backend:
        assert whole(await pool(backend, ask(backend), 0))
        assert server.authorization == {"Bearer none"}
    remote = OpenAIBackend("m")
    assert remote.model == "openai:m@https://api.openai.com/v1"
    with pytest.raises(BackendError, match="OPENAI_API_KEY"):
        await pool(remote, ask(remote), 0)


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://user:pass@Host:80/v1/?token=abc#x", "http://host:80/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
    ],
)
def test_the_identity_holds_the_endpoint_and_no_secret(url: str, clean: str) -> None:
    backend = OpenAIBackend("m", base_url=url)
    assert backend.model == f"openai:m@{clean}"
    assert "pass" not in repr((backend.identity(), backend.notes)).replace("user and password", "")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x/v1", "http://"])
def test_a_base_url_must_be_one(url: str) -> None:
    with pytest.raises(BackendError, match="http://host:port/v1"):
        OpenAIBackend("m", base_url=url)
