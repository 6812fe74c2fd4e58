"""What comes over the wire is bounded, and whatever it is, it ends as a reply, a passing failure or one sentence."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import json
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from fault_server import FaultServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ttc_bench.backends.api.limiter import retry_after, used_up
from ttc_bench.backends.api.openai import OpenAIBackend
from ttc_bench.backends.api.wire import FRAME_BYTES, reply_bytes
from ttc_bench.core import Job, Message, Request, Sample
from ttc_bench.errors import BackendError
from ttc_bench.prices import DollarLimit, Price

GOOD = {
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "4"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")


@asynccontextmanager
async def answering(write: Callable[[asyncio.StreamWriter], object]) -> AsyncIterator[str]:
    """A server that answers every request with what `write` writes, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            result = write(writer)
            if asyncio.iscoroutine(result):
                await result
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def asked(url: str, timeout_s: float = 10.0) -> Sample:
    backend = OpenAIBackend("m", base_url=url, max_retries=0, first_wait_s=0.001, timeout_s=timeout_s)
    try:
        request = Request(backend.model, (Message("user", "2 + 2"),), max_tokens=20)
        (sample,) = [s async for s in backend.sample([Job(request, (0,))])]
        return sample
    finally:
        await backend.close()


def head(length: int | None, *lines: str, status: int = 200) -> bytes:
    fields = [f"HTTP/1.1 {status} X", "content-type: application/json", "connection: close", *lines]
    fields += [] if length is None else [f"content-length: {length}"]
    return ("\r\n".join(fields) + "\r\n\r\n").encode("latin-1")


def memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # MiB, the most so far


async def test_an_endless_reply_is_cut_off_at_what_max_tokens_allows() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(head(None))
        for _ in range(20_000):
            writer.write(b" " * 65536)
            await writer.drain()

    before = memory()
    async with answering(endless) as url:
        sample = await asked(url)
    assert "a reply of more than 1," in str(sample.error)
    assert "--max-tokens" in str(sample.error)
    assert memory() - before < 64


@pytest.mark.parametrize("status", [200, 500])
async def test_a_small_reply_that_unpacks_to_a_gigabyte_is_never_unpacked(status: int) -> None:
    packed = b"".join([gzip.compress(b" " * 10**7)] * 100)
    before = memory()
    async with answering(lambda w: w.write(head(len(packed), "content-encoding: gzip", status=status) + packed)) as url:
        sample = await asked(url)
    assert sample.error
    assert memory() - before < 64


async def test_a_reply_that_drips_ends_with_the_time_limit() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(head(1000))
        for _ in range(100):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with answering(drip) as url:
        assert "no reply within 0.3 s" in str((await asked(url, timeout_s=0.3)).error)


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("opening", ["[", '{"message":', '{"choices":[{"message":{"content":[{"text":['])
@pytest.mark.parametrize("depth", [400, 100_000])
async def test_json_nested_beyond_reason_is_no_traceback(status: int, opening: str, depth: int) -> None:
    closing = {"[": "]", '{"message":': "}"}.get(opening, "]}]}}]}")
    data = (opening * depth + "1" + closing * depth).encode()[: FRAME_BYTES // 2]
    async with answering(lambda w: w.write(head(len(data), status=status) + data)) as url:
        await outcome(url)


async def test_one_wrong_byte_costs_one_character_and_not_the_reply() -> None:
    data = json.dumps(GOOD).encode().replace(b'"4"', b'"4\xff"')
    async with answering(lambda w: w.write(head(len(data)) + data)) as url:
        sample = await asked(url)
    assert sample.completion
    assert sample.completion.text == "4\ufffd"


async def outcome(url: str) -> None:
    """Fails where it is neither a sample nor a hole nor a fatal error in one line."""
    sample, sentence = None, ""
    try:
        sample = await asked(url)
    except BackendError as error:
        sentence = str(error)
    assert bool(sentence) == (sample is None)
    assert "\n" not in sentence
    assert len(sentence) < 600
    if sample and sample.completion:
        assert sample.error is None
        sample.completion.text.encode()
        usage = sample.completion.usage
        assert 0 <= usage.reasoning <= usage.completion < 2**31
        assert 0 <= usage.cached <= usage.prompt < 2**31
    elif sample:
        assert sample.error


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([10**30, "\ud800"])
)
WORDS = (
    "choices index message content reasoning_content refusal finish_reason logprobs token logprob top_logprobs usage "
    "prompt_tokens completion_tokens prompt_tokens_details cached_tokens completion_tokens_details reasoning_tokens "
    "error code detail msg loc model param"
)
KEYS = st.sampled_from(WORDS.split())
ANY = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5))
CHOICE = st.fixed_dictionaries(
    {"message": st.fixed_dictionaries({"content": ANY}, optional={"reasoning_content": ANY, "refusal": ANY})},
    optional={
        "index": LEAVES,
        "finish_reason": LEAVES,
        "logprobs": st.fixed_dictionaries(
            {
                "content": st.lists(
                    st.fixed_dictionaries({}, optional={"token": ANY, "logprob": ANY, "top_logprobs": ANY})
                )
            }
        ),
    },
)
REPLIES = ANY | st.fixed_dictionaries(
    {"choices": st.lists(CHOICE, max_size=3)}, optional={"usage": ANY, "error": ANY, "model": ANY, "timings": ANY}
)
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=12)
NAMES = st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens"])
STATUS = st.sampled_from([200, 200, 200, 201, 302, 400, 401, 404, 413, 429, 500, 503, 599])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(REPLIES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40), STATUS, NAMES, HEADER)
async def test_whatever_a_server_says_is_a_sample_a_hole_or_a_sentence(
    data: bytes, status: int, name: str, value: str
) -> None:
    async with answering(lambda w: w.write(head(len(data), f"{name}: {value}", status=status) + data)) as url:
        await asyncio.wait_for(outcome(url), 10)


@given(
    st.dictionaries(
        NAMES | st.sampled_from(["x-ratelimit-reset-tokens"]), HEADER | st.sampled_from(["9" * 400, "1e999"])
    )
)
def test_no_header_is_an_exception(headers: dict[str, str]) -> None:
    told = retry_after(headers)
    assert told is None or told >= 0
    assert used_up(headers, 10) >= 0


@pytest.mark.parametrize(
    "value",
    ["Fri, 31 Dec 999999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 +2359", "nan", "-inf", "Thu, 99 Foo", "", "1e400"],
)
def test_an_absurd_date_asks_for_no_wait(value: str) -> None:
    told = retry_after({"retry-after": value})
    assert told is None or told == 0


def test_the_bound_follows_from_what_was_asked_for() -> None:
    body = {"messages": [], "max_tokens": 1000}
    assert reply_bytes(body) < reply_bytes(body | {"n": 8}) < reply_bytes(body | {"n": 8, "logprobs": True})
    assert reply_bytes({"messages": [], "max_completion_tokens": 1000}) == reply_bytes(body)


async def test_a_key_is_stripped_and_one_that_cannot_be_sent_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultServer() as server:
        monkeypatch.setenv("OPENAI_API_KEY", " horse battery \n")
        assert (await asked(server.url)).completion
        assert server.authorization == {"Bearer horse battery"}
        for key in ("horse\nbattery", "hörse", "horse\x1b"):
            monkeypatch.setenv("OPENAI_API_KEY", key)
            with pytest.raises(BackendError, match="OPENAI_API_KEY holds a character") as caught:
                await asked(server.url)
            assert "rse" not in str(caught.value)


async def test_a_redirect_is_not_followed() -> None:
    """The prompts went to the other host, and its answers were kept under the first one's name."""
    async with FaultServer() as other:
        there = other.url.replace("http://", "http://user:secret@") + "/chat/completions?key=sk-abcdefghij"
        async with answering(lambda w: w.write(head(0, f"location: {there}", status=307))) as url:
            with pytest.raises(
                BackendError, match=r"redirects to http://127\.0\.0\.1:\d+/v1, where the prompts"
            ) as caught:
                await asked(url)
        assert other.calls == 0
        assert "secret" not in str(caught.value)
        assert "abcdefghij" not in str(caught.value)


async def test_a_lost_call_may_have_been_billed() -> None:
    """A call whose reply never came was counted as costing nothing: a limit in dollars could be passed by such calls."""
    price = Price(1.0, 1.0, 2.0, datetime.date(2026, 1, 1), "a test")
    limit = DollarLimit(1.0, price)
    async with answering(lambda w: w.write(head(100) + b'{"choices": [')) as url:
        backend = OpenAIBackend("m", base_url=url, max_retries=1, first_wait_s=0.001, timeout_s=5)
        request = Request(backend.model, (Message("user", "2 + 2"),), max_tokens=20)
        (sample,) = [s async for s in backend.sample([Job(request, (0,))], limit)]
        await backend.close()
    assert sample.completion is None
    held = DollarLimit(1.0, price).hold(request, 1)
    assert limit.spent == pytest.approx(2 * (held or 0.0))
    assert limit.held == pytest.approx(0)
    assert list(backend.notes) == ["2 calls got no readable reply: what the server bills for them is not known"]
