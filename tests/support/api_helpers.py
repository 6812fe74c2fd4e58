"""A backend at a fault server, and what its pools should hold."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from fault_server import FaultServer, answer

from ttc_bench.backends.api.dialect import first_seed
from ttc_bench.backends.api.openai import OpenAIBackend
from ttc_bench.backends.spread import Spread
from ttc_bench.core import Backend, Job, Message, Request, Sample


@asynccontextmanager
async def backend_at(server: FaultServer, **options: Any) -> AsyncIterator[OpenAIBackend]:
    backend = OpenAIBackend("m", base_url=server.url, **{"first_wait_s": 0.0005, "concurrency": 8} | options)
    try:
        yield backend
    finally:
        await backend.close()


@asynccontextmanager
async def spread_over(*urls: str, **options: Any) -> AsyncIterator[Spread]:
    """Several servers as one backend: as by_name.py makes it, but with less patience."""
    chosen = {"first_wait_s": 0.0005, "max_retries": 3, "concurrency": 4} | options
    servers = {url: OpenAIBackend("m", base_url=url, alone=False, **chosen) for url in urls}
    for server in servers.values():
        server.model = servers[urls[0]].model
    spread = Spread(servers)
    try:
        yield spread
    finally:
        await spread.close()


@asynccontextmanager
async def shared_by(*servers: FaultServer, **options: Any) -> AsyncIterator[Spread]:
    """The same over servers that it starts and ends."""
    async with AsyncExitStack() as stack:
        urls = [(await stack.enter_async_context(server)).url for server in servers]
        yield await stack.enter_async_context(spread_over(*urls, **options))


def ask(backend: Backend, prompt: str = "two and two", **more: Any) -> Request:
    return Request(backend.model, (Message("user", prompt),), **{"max_tokens": 100} | more)


async def pool(backend: Backend, request: Request, *indices: int) -> list[Sample]:
    got = [sample async for sample in backend.sample([Job(request, indices)])]
    return sorted(got, key=lambda sample: sample.index)


def expected(request: Request, index: int) -> str:
    return answer(request.messages[0].content, first_seed(request) + index)


def whole(samples: list[Sample]) -> bool:
    return all(s.completion and s.completion.text == expected(s.request, s.index) for s in samples)


@contextmanager
def serving(**options: object) -> Iterator[FaultServer]:
    """A fault server in a thread of its own, so that a run in another process or event loop can reach it."""
    server = FaultServer(**options)  # type: ignore[arg-type]
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        async with server:
            ready.set()
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
