"""The limiter: fast up, down once per burst, and never past what a server or a user allows."""

from __future__ import annotations

import asyncio
import email.utils
import itertools
import time

import pytest

from ttc_bench.backends.api.limiter import QUICK, START, Limiter, Pace, retry_after, used_up


class Server:
    """Calls that end when told; counts how many are under way."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter
        self.waiting: list[asyncio.Future[bool]] = []
        self.ended = 0

    async def call(self) -> None:
        async with self.limiter.slot() as slot:
            future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self.waiting.append(future)
            if await future:
                self.limiter.succeeded()
            else:
                self.limiter.overloaded(slot)
        self.ended += 1

    async def round(self, ok: bool = True) -> int:
        """Ends all calls that are under way, and says how many there were."""
        batch, self.waiting = self.waiting, []
        for future in batch:
            future.set_result(ok)
        await settle()
        return len(batch)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_number_under_way_grows_quickly_up_to_the_ceiling() -> None:
    """Doubling from 8 would take five round trips to reach 128: too slow for a run of sixteen."""
    limiter = Limiter(128)
    server = Server(limiter)
    tasks = [asyncio.create_task(server.call()) for _ in range(600)]
    await settle()
    assert [await server.round() for _ in range(3)] == [START, min(128, START * (1 + QUICK)), 128]
    while await server.round():
        assert len(server.waiting) <= 128
    await asyncio.gather(*tasks)
    assert limiter.peak == 128
    assert limiter.in_flight == 0


async def test_a_burst_of_429s_halves_the_number_once() -> None:
    """128 calls that meet one full bucket are one signal, not 128: the limit must not fall to 1."""
    clock = iter(range(10**6))
    limiter = Limiter(64, clock=lambda: float(next(clock)))
    server = Server(limiter)
    tasks = [asyncio.create_task(server.call()) for _ in range(400)]
    await settle()
    await server.round()
    assert await server.round(ok=False) == 64
    assert (limiter.limit, limiter.cuts) == (32.0, 1)
    assert await server.round(ok=False) == 32, "calls that began after the cut are a new burst"
    assert (limiter.limit, limiter.cuts) == (16.0, 2)
    await server.round()
    assert 16 < limiter.limit < 32, "growth is slow where a limit has been met"
    while await server.round():
        pass
    await asyncio.gather(*tasks)


async def test_without_demand_the_limit_does_not_grow() -> None:
    """Successes of a run that never used its limit say nothing about what the server can bear."""
    limiter = Limiter(100)
    for _ in range(50):
        async with limiter.slot():
            limiter.succeeded()
    assert limiter.limit == START


async def test_a_cancelled_waiter_leaves_no_place_taken() -> None:
    """A place handed to a task in the moment of its cancellation was lost for ever: the run then stood still."""
    limiter = Limiter(1)
    entered: list[str] = []

    async def call(name: str) -> None:
        async with limiter.slot():
            entered.append(name)

    async with limiter.slot():
        tasks = [asyncio.create_task(call(name)) for name in ("early", "late", "last")]
        await settle()
        tasks[1].cancel()  # while it waits
    tasks[0].cancel()  # its place was given to it a moment ago, and it has not run since
    await asyncio.wait_for(tasks[2], 1)
    assert entered == ["last"]
    assert limiter.in_flight == 0


async def test_a_pause_holds_every_call() -> None:
    limiter = Limiter(4)
    limiter.pause(0.05)
    started = time.monotonic()
    async with limiter.slot() as slot:
        pass
    assert slot.started - started >= 0.049


async def test_requests_per_minute_are_spaced_evenly() -> None:
    """A minute's allowance spent in its first second is refused by servers that count by the second."""
    limiter = Limiter(10, requests_per_minute=3000)

    async def start() -> float:
        async with limiter.slot() as slot:
            return slot.started

    times = sorted(await asyncio.gather(*(start() for _ in range(6))))
    assert all(later - earlier >= 0.015 for earlier, later in itertools.pairwise(times))


async def test_tokens_per_minute_are_corrected_by_the_bill() -> None:
    """A call that was expected to be long and was short gives its tokens back."""
    limiter = Limiter(10, tokens_per_minute=60_000)
    async with limiter.slot(1000) as slot:
        slot.used = 20
    started = time.monotonic()
    async with limiter.slot(10):
        waited = time.monotonic() - started
    assert 0.01 < waited < 0.5, "20 tokens take 20 ms at 1,000 a second; 1,000 would take a second"


def test_pace_books_ahead() -> None:
    pace = Pace(60)
    assert [pace.reserve(1, 0.0) for _ in range(3)] == [0.0, 1.0, 2.0]
    pace.correct(-1)
    assert pace.reserve(1, 0.0) == 2.0
    assert pace.reserve(1, 100.0) == 0.0, "what was not used in time is no credit"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "20", "retry-after": "1"}, 0.02),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date() -> None:
    wait = retry_after({"retry-after": email.utils.formatdate(time.time() + 30, usegmt=True)})
    assert wait is not None
    assert 25 < wait <= 30


@pytest.mark.parametrize(
    ("left", "reset", "tokens", "seconds"),
    [
        ({"requests": ("100", "5")}, {"requests": "6s"}, 1, 0.0),
        ({"requests": ("60", "0")}, {"requests": "1m0s"}, 1, 1.0),  # 60 come back in 60 s: one in 1 s
        ({"tokens": ("1000", "0")}, {"tokens": "10s"}, 100, 1.0),
        ({"tokens": ("1000", "500")}, {"tokens": "500ms"}, 600, 0.1),
        ({"tokens": ("1000", "0")}, {"tokens": "2h"}, 5000, 7200.0),
        ({"requests": ("60", "0")}, {}, 1, 0.0),
        ({"requests": ("sixty", "0")}, {"requests": "3"}, 1, 3.0),
    ],
)
def test_rate_limit_headers(
    left: dict[str, tuple[str, str]], reset: dict[str, str], tokens: int, seconds: float
) -> None:
    """A limit refills evenly, so waiting for its full reset would waste most of it."""
    headers = {f"x-ratelimit-limit-{kind}": limit for kind, (limit, _) in left.items()}
    headers |= {f"x-ratelimit-remaining-{kind}": rest for kind, (_, rest) in left.items()}
    headers |= {f"x-ratelimit-reset-{kind}": when for kind, when in reset.items()}
    assert used_up(headers, tokens) == pytest.approx(seconds)
