"""When the next call to a server may start: adaptive concurrency, its rate-limit headers, and limits the user sets."""

from __future__ import annotations

import asyncio
import email.utils
import math
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

START = 32  # calls under way before anything is known about the server
QUICK = 3  # calls that one success adds while no limit is known: four times as many are under way one round trip later
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass
class Slot:
    """Leave to make one call. `expected` and `used` are tokens; `used` stays None when the bill never came."""

    started: float
    expected: int = 0
    used: int | None = None


class Pace:
    """At most `per_minute` units a minute, evenly spaced: no burst at the start of each minute."""

    def __init__(self, per_minute: float) -> None:
        self._seconds = 60.0 / per_minute
        self._next = -math.inf

    def reserve(self, amount: float, now: float) -> float:
        """Books `amount` units and returns the seconds to wait for them."""
        start = max(self._next, now)
        self._next = start + amount * self._seconds
        return start - now

    def correct(self, amount: float) -> None:
        """Books `amount` more units (or gives them back, below 0) once the true number is known."""
        self._next += amount * self._seconds


class Limiter:
    """How many calls may be under way. Starts low, grows with every success while calls are waiting, halves once per
    burst of overload signals (calls that began before the last cut belong to its burst), and never passes `ceiling`."""

    def __init__(
        self,
        ceiling: int,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ceiling = ceiling
        self.limit = float(min(START, ceiling))
        self.in_flight = 0
        self.peak = 0
        self.cuts = 0
        self._threshold = math.inf  # the limit after the last cut: above it, growth is slow
        self._cut_at = -math.inf
        self._resume_at = -math.inf
        self._requests = Pace(requests_per_minute) if requests_per_minute else None
        self._tokens = Pace(tokens_per_minute) if tokens_per_minute else None
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._clock = clock

    @asynccontextmanager
    async def slot(self, expected: int = 0) -> AsyncIterator[Slot]:
        """Waits for its turn (first come, first served), then holds one place until the block ends."""
        await self._enter()
        try:
            await self._pace(expected)
            slot = Slot(self._clock(), expected)
            yield slot
            if self._tokens and slot.used is not None:
                self._tokens.correct(slot.used - expected)
        finally:
            self.in_flight -= 1
            self._wake()

    async def _enter(self) -> None:
        if self._waiters or self.in_flight >= int(self.limit):
            turn = asyncio.get_running_loop().create_future()
            self._waiters.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # the place came in the moment of the cancellation: pass it on
                    self.in_flight -= 1
                    self._wake()
                elif turn in self._waiters:
                    self._waiters.remove(turn)
                raise
        else:
            self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def _wake(self) -> None:
        while self._waiters and self.in_flight < int(self.limit):
            turn = self._waiters.popleft()
            if not turn.cancelled():
                self.in_flight += 1
                turn.set_result(None)

    async def _pace(self, expected: int) -> None:
        now = self._clock()
        wait = max(
            self._requests.reserve(1, now) if self._requests else 0.0,
            self._tokens.reserve(expected, now) if self._tokens else 0.0,
        )
        until = now + wait
        while (wait := max(until, self._resume_at) - self._clock()) > 0:  # noqa: ASYNC110  a pause can grow meanwhile
            await asyncio.sleep(wait)

    def succeeded(self) -> None:
        """A call came back well: let more run at once, if any are waiting."""
        if self._waiters:
            quick = self.limit < self._threshold
            self.limit += QUICK if quick else max(1.0, self.ceiling / 16) / self.limit
            self.limit = min(self.limit, float(self.ceiling))
            self._wake()

    def overloaded(self, slot: Slot) -> None:
        """The server had too much to do: halve, once per burst."""
        if slot.started >= self._cut_at:
            self.limit = max(1.0, min(self.limit, self.in_flight) / 2)
            self._threshold = self.limit
            self._cut_at = self._clock()
            self.cuts += 1

    def pause(self, seconds: float) -> None:
        """No call starts for so long."""
        self._resume_at = max(self._resume_at, self._clock() + seconds)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait (`retry-after-ms`, `retry-after` as seconds or as a date), or None."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
            except (ValueError, TypeError, IndexError, OverflowError, OSError):  # absurd dates raise all of these
                continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def used_up(headers: Mapping[str, str], tokens: int) -> float:
    """Seconds until the server's rate limits allow one more call of `tokens` tokens, by its `x-ratelimit-*` headers:
    what is left of a limit fills up evenly until the reset time. 0 where the headers are absent or leave room."""
    longest = 0.0
    for kind, needed in (("requests", 1.0), ("tokens", float(max(tokens, 1)))):
        limit = _number(headers.get(f"x-ratelimit-limit-{kind}"))
        left = _number(headers.get(f"x-ratelimit-remaining-{kind}"))
        reset = _duration(headers.get(f"x-ratelimit-reset-{kind}"))
        if left is None or reset is None or left >= needed:
            continue
        share = (needed - left) / (limit - left) if limit and limit > left else 1.0
        longest = max(longest, reset * min(1.0, share))
    return longest


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _duration(text: str | None) -> float | None:
    """Seconds in "1s", "6m0s", "20ms" or a bare number."""
    if text is None:
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else _number(text)
