"""Trying again: only failures that may pass, exponentially later with jitter, bounded in number and in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import tenacity

from ttc_bench.backends.api.wire import Passing

LONGEST_WAIT_S = 30.0  # between two attempts, unless the server itself asks for more

T = TypeVar("T")


class Retries:
    """At most `most` further attempts, with at most `longest_s` seconds of waiting between them in all."""

    def __init__(self, most: int, longest_s: float, first_wait_s: float) -> None:
        self.most = most
        self.longest_s = longest_s
        self._backoff = tenacity.wait_random_exponential(first_wait_s, LONGEST_WAIT_S, min=first_wait_s / 2)

    async def run(
        self, attempt: Callable[[], Awaitable[T]], enough: Callable[[int], bool], failed: Callable[[Passing], None]
    ) -> T:
        """What the first attempt that does not raise `Passing` returns. `enough(attempts)` ends the series early;
        `failed` hears of every failure.

        Raises:
            Passing: that of the last attempt.
        """

        def wait(state: tenacity.RetryCallState) -> float:
            return max(self._backoff(state), _error(state).wait)

        def stop(state: tenacity.RetryCallState) -> bool:
            attempts, waited = state.attempt_number, state.idle_for + state.upcoming_sleep
            return attempts > self.most or waited > self.longest_s or enough(attempts)

        def after(state: tenacity.RetryCallState) -> None:
            failed(_error(state))

        try:
            return await attempt()
        except Passing as error:
            first = error  # tenacity takes over from here: a call that works, as most do, need not pay for it

        async def again() -> T:
            if retrying.statistics["attempt_number"] == 1:
                raise first
            return await attempt()

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Passing), wait=wait, stop=stop, after=after, reraise=True
        )
        return await retrying(again)


def _error(state: tenacity.RetryCallState) -> Passing:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, Passing)  # nothing else is retried
    return error
