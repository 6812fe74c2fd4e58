"""Any server that speaks OpenAI's chat-completions protocol: sampled concurrently, metered as billed, retried.

A failure is never an answer: what cannot be had after all retries is a hole; what no retry can mend ends the run."""

from __future__ import annotations

import asyncio
import math
import os
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ttc_bench.backends.api.dialect import Dialect, first_seed
from ttc_bench.backends.api.limiter import Limiter, Slot, retry_after, used_up
from ttc_bench.backends.api.replies import CutShort, Reply, read
from ttc_bench.backends.api.retries import Retries
from ttc_bench.backends.api.token_counts import rough_prompt
from ttc_bench.backends.api.wire import Passing, Refused, Wire, clean_url, fatal
from ttc_bench.core import Backend, Job, Request, Sample, SpendingLimit, Usage
from ttc_bench.errors import BackendError, MemberLost

OPENAI = "https://api.openai.com/v1"
AHEAD = 16  # tasks that wait for a place at the limiter, so that it is taken as soon as it is free
IN_A_ROW = 8  # calls that fail for good with no success in between: the server is down, stop asking
SHARD_CALLS = 8  # that one of several servers is handed at once
UNREACHED = 3  # attempts to connect to a server that was never reached, or to one of several where nobody listens now


@dataclass(frozen=True)
class _Unit:
    """Samples of one call, if the server takes n: consecutive indices of one request."""

    request: Request
    seed: int  # of the first
    indices: tuple[int, ...]

    def parts(self, positions: Sequence[int], most: int) -> list[_Unit]:
        """The samples at these positions, in units of their own: each a run of neighbours, at most `most`."""
        runs: list[list[int]] = []
        for position in positions:
            if runs and position == runs[-1][-1] + 1 and len(runs[-1]) < most:
                runs[-1].append(position)
            else:
                runs.append([position])
        return [_Unit(self.request, self.seed + run[0], tuple(self.indices[i] for i in run)) for run in runs]


@dataclass
class _Run:
    """One `sample` under way."""

    limit: SpendingLimit | None = None
    tasks: set[asyncio.Task[tuple[list[Sample], list[_Unit]]]] = field(default_factory=set)
    paid: set[asyncio.Task[Any]] = field(default_factory=set)  # their call is at the server: never cancelled
    stopped: bool = False

    def stop(self) -> None:
        self.stopped = True
        for task in self.tasks - self.paid:
            if task is not asyncio.current_task():
                task.cancel()


class OpenAIBackend(Backend):
    """A model behind an OpenAI-compatible endpoint. The key comes from OPENAI_API_KEY; a server on this machine needs
    none. `model` names model and endpoint, for the same name elsewhere can be other weights.

    `notes` says, once each, what the server does not do as asked. `counts` counts calls, retries and their reasons.
    `retry_s` bounds the waiting between the attempts of one call, `timeout_s` one attempt. `alone` False: it is one of
    several servers (spread.py), which leaves them where it would otherwise leave holes without asking."""

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        concurrency: int = 64,
        n_per_request: int = 8,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        timeout_s: float = 600.0,
        max_retries: int = 8,
        retry_s: float = 600.0,
        first_wait_s: float = 0.5,
        logprobs: bool = True,
        alone: bool = True,
    ) -> None:
        if min(concurrency, n_per_request) < 1:
            raise BackendError("concurrency and n_per_request must be at least 1", fatal=True)
        self.name = name
        self.base_url, removed = clean_url(base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI)
        self.model = f"openai:{name}@{self.base_url}"
        self.concurrency = concurrency
        self.n_per_request = n_per_request
        self.shard = n_per_request * min(SHARD_CALLS, concurrency)
        self.counts: Counter[str] = Counter()
        self.dialect = Dialect(self.base_url, logprobs=logprobs)
        self.signals = self.dialect.signals
        self.prefills = not self.dialect.openai  # OpenAI's own endpoint goes on from no begun answer
        if removed:
            self.dialect.note(f"{removed} left out of the base URL: keys come from OPENAI_API_KEY only")
        self.limiter = Limiter(
            concurrency, requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute
        )
        self._retries = Retries(max_retries, retry_s, first_wait_s)
        self._wire = Wire(self.base_url, timeout_s=timeout_s, connections=concurrency)
        self._served: set[str] = set()
        self._runs: list[_Run] = []
        self._alone = alone
        self._failed_in_a_row = 0
        self._last_failure = ""
        self._lost = 0  # calls whose bill is not known
        self._typical: float | None = None  # tokens of a completion here, a moving average

    @property
    def at_once(self) -> float:
        """Calls that fill its places, and some that wait for one."""
        return int(self.limiter.limit) + max(1, min(AHEAD, self.concurrency // 4))

    @property
    def notes(self) -> list[str]:
        """What the server does not do as asked, and how many calls were lost after they had been sent."""
        lost = self._lost
        words = f"{lost:,} call{'s' * (lost != 1)} got no readable reply: what the server bills for them is not known"
        return [*self.dialect.notes, *([words] if lost else [])]

    def identity(self) -> dict[str, Any]:
        """Name and endpoint, and the models that the server said it ran (a snapshot behind an alias shows here)."""
        return {"kind": "openai", "name": self.name, "base_url": self.base_url, "served": sorted(self._served)}

    def calls(self, jobs: Sequence[Job]) -> int:
        """How many calls the jobs take if nothing fails, by what is known of the server so far."""
        return sum(math.ceil(len(unit.indices) / self.dialect.most(len(unit.indices))) for unit in self._units(jobs))

    def likely_reason(self) -> str:
        """Why samples of one request at temperature > 0 may all be the same text here."""
        return self.dialect.likely_reason()

    def stop(self) -> bool:
        """Starts no further call. Those at the server are paid for: `sample` still yields them, then ends."""
        for run in self._runs:
            run.stop()
        return True

    async def close(self) -> None:
        self._failed_in_a_row = 0
        await self._wire.close()

    async def sample(self, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> AsyncIterator[Sample]:
        """Yields every sample that arrives, and a hole for each that does not. A call that could pass the `limit` is
        not sent, and none after it.

        Raises:
            BackendError: fatal, after everything that had arrived was yielded.
        """
        units, again = self._units(jobs), deque[_Unit]()
        done: asyncio.Queue[asyncio.Task[tuple[list[Sample], list[_Unit]]]] = asyncio.Queue()
        run = _Run(limit)
        self._runs.append(run)
        if self._alone:  # one of several is not asked again until it was closed
            self._failed_in_a_row = 0
        broken: BaseException | None = None
        try:
            while True:
                # Hardly more tasks than calls: memory stays flat however long the list of jobs is.
                while len(run.tasks) < self.concurrency + AHEAD and not run.stopped:
                    unit = again.popleft() if again else next(units, None)
                    if unit is None:
                        break
                    task = asyncio.create_task(self._answer(unit, run))
                    run.tasks.add(task)
                    task.add_done_callback(done.put_nowait)
                if not run.tasks:
                    break
                task = await done.get()
                run.tasks.discard(task)
                if task.cancelled():
                    continue
                if error := task.exception():
                    broken = broken or error
                    run.stop()
                    continue
                samples, left = task.result()
                again.extend(left)
                for sample in samples:
                    yield sample
            if broken:
                raise broken
        finally:
            self._runs.remove(run)
            for task in run.tasks:
                task.cancel()
            await asyncio.gather(*run.tasks, return_exceptions=True)

    def _units(self, jobs: Sequence[Job]) -> Iterator[_Unit]:
        for job in jobs:
            seed = first_seed(job.request)
            start = 0
            while start < len(job.indices):
                # Greedy samples are one text: nobody needs n for them, and vLLM refuses it.
                most = self.dialect.most(self.n_per_request) if job.request.temperature > 0 else 1
                first = job.indices[start]
                end = start + 1
                while end < len(job.indices) and end - start < most and job.indices[end] == first + end - start:
                    end += 1
                yield _Unit(job.request, seed + first, job.indices[start:end])
                start = end

    async def _answer(self, unit: _Unit, run: _Run) -> tuple[list[Sample], list[_Unit]]:
        """The samples of one unit, and the units that are left to ask for."""
        wasted, unheard = Usage(), 0

        def failed(error: Passing) -> None:
            nonlocal wasted, unheard
            wasted += error.wasted
            unheard = unheard + 1 if error.kind == "connection" else 0
            self.counts[error.kind] += 1

        def gone() -> bool:
            return unheard >= UNREACHED and not (self._alone and self._wire.reached)

        def enough(attempts: int) -> bool:
            return run.stopped or gone()

        try:
            reply = await self._retries.run(lambda: self._call(unit, run), enough, failed)
        except Passing as error:
            if not self._wire.reached:
                run.stop()
                words = f"cannot reach {self.base_url} ({error}): is the server running, and is --base-url right?"
                raise MemberLost(words, fatal=True) from None
            self._failed_in_a_row = IN_A_ROW if gone() else self._failed_in_a_row + 1
            self._last_failure = str(error)
            return self._holes(unit, MemberLost(f"no answer from {self.base_url}: {error}"), wasted), []
        except BackendError as error:
            lost = isinstance(error, MemberLost)
            if error.fatal or (lost and wasted == Usage()):  # with a bill it is told by holes; the next call raises
                run.stop()  # here, before the place that this call held lets another one start
                raise
            words = str(error)  # without the frames that an error holds on to
            return self._holes(unit, MemberLost(words) if lost else BackendError(words), wasted), []
        except asyncio.CancelledError:
            if self._alone or not run.stopped or wasted == Usage():
                raise
            return self._holes(unit, MemberLost(f"{self.base_url} was not asked again"), wasted), []
        self._failed_in_a_row = 0
        return self._samples(unit, reply, wasted)

    async def _call(self, unit: _Unit, run: _Run) -> Reply:
        """One attempt: a reply with at least one answer. Refusals that teach the dialect are part of the attempt."""
        request = unit.request
        while not run.stopped:
            async with self.limiter.slot(self._expected(unit)) as slot:
                if self._failed_in_a_row >= IN_A_ROW:
                    raise self._stopped_answering()
                asked, version = self.dialect.most(len(unit.indices)), self.dialect.version
                body = self.dialect.body(self.name, request, unit.seed, asked)
                held = run.limit.hold(request, asked) if run.limit else 0.0
                if held is None:
                    run.stop()
                    break
                billed: Usage | None = Usage()
                try:
                    reply = await self._attempt(body, request, asked, slot, run)
                    billed = sum((c.usage for c in reply.completions), reply.spare)
                    return reply
                except Refused as refusal:
                    self._learn(refusal, body, request, version)
                except Passing as error:
                    billed = None if error.unbilled else error.wasted
                    self._lost += error.unbilled
                    raise
                finally:
                    if run.limit:
                        run.limit.settle(held, billed)
        raise asyncio.CancelledError

    async def _attempt(self, body: dict[str, Any], request: Request, asked: int, slot: Slot, run: _Run) -> Reply:
        """One call over the wire, and what the limiter learns from it."""
        run.paid.add(task := _this_task())
        self.counts["calls"] += 1
        try:
            payload, headers = await self._wire.post(body)
        except Passing as error:
            if error.overload:
                self.limiter.overloaded(slot)
            told = retry_after(error.headers)
            error.wait = used_up(error.headers, slot.expected) if told is None else told
            self._pause(error.wait)
            raise
        finally:
            run.paid.discard(task)
        self.limiter.succeeded()
        self._pause(used_up(headers, slot.expected))
        reply = self._read(payload, asked, request, body)
        slot.used = sum(c.usage.prompt + c.usage.completion for c in reply.completions)
        return reply

    def _stopped_answering(self) -> BackendError:
        words = f"{self.base_url} had stopped answering"
        return BackendError(f"not asked for: {words}") if self._alone else MemberLost(f"{words} ({self._last_failure})")

    def _expected(self, unit: _Unit) -> int:
        """Tokens that a call for this unit may take, for the tokens-per-minute limit."""
        choices = self.dialect.most(len(unit.indices))
        return rough_prompt(unit.request) + round(choices * (self._typical or unit.request.max_tokens))

    def _pause(self, seconds: float) -> None:
        if 0 < seconds <= self._retries.longest_s:  # beyond that, every call gives up by itself
            self.limiter.pause(seconds)

    def _learn(self, refusal: Refused, sent: dict[str, Any], request: Request, version: int) -> None:
        self.counts["refusals"] += 1
        # Calls under way together meet the same refusal: only the first of them has something to learn.
        if version == self.dialect.version and not self.dialect.learn(sent, request, refusal.words, refusal.param):
            raise fatal(refusal, self.name, self.base_url, request) from None
        self.signals = self.dialect.signals

    def _read(self, payload: object, asked: int, request: Request, body: dict[str, Any]) -> Reply:
        try:
            reply = read(payload, asked, request, self.dialect.billing)
        except CutShort as cut:
            raise Passing(str(cut), "cut short", wasted=cut.wasted) from None
        except RecursionError:
            raise Passing("a reply nested too deep", "invalid JSON") from None
        self.dialect.heed(reply, body, request)
        if self.dialect.lost(reply, body):
            wasted = sum((c.usage for c in reply.completions), reply.spare)
            raise Passing("the server dropped the begun thinking", "begun thinking dropped", wasted=wasted)
        self.signals = self.dialect.signals
        self.counts.update({"filtered": reply.filtered} if reply.filtered else {})
        for completion in reply.completions:
            length = completion.usage.completion
            self._typical = length if self._typical is None else 0.9 * self._typical + 0.1 * length
        if isinstance(payload, dict) and isinstance(payload.get("model"), str):
            self._served.add(payload["model"])
        return reply

    def _samples(self, unit: _Unit, reply: Reply, wasted: Usage) -> tuple[list[Sample], list[_Unit]]:
        wasted += reply.spare
        samples = [
            Sample(unit.request, unit.indices[position], completion, wasted=Usage() if i else wasted)
            for i, (position, completion) in enumerate(zip(reply.positions, reply.completions, strict=True))
        ]
        missing = [i for i in range(len(unit.indices)) if i not in reply.positions]
        return samples, unit.parts(missing, self.dialect.most(self.n_per_request))

    def _holes(self, unit: _Unit, error: BackendError, wasted: Usage) -> list[Sample]:
        self.counts["holes"] += len(unit.indices)
        return [
            Sample(unit.request, index, error=error, wasted=Usage() if i else wasted)
            for i, index in enumerate(unit.indices)
        ]


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None  # every call runs in a task of `sample`
    return task
