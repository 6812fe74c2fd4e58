"""A backend at a fault server, and what its pools should hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fault_server import FaultServer, answer

from ttc_bench.backends.api.dialect import first_seed
from ttc_bench.backends.api.openai import OpenAIBackend
from ttc_bench.core import Job, Message, Request, Sample


@asynccontextmanager
async def backend_at(server: FaultServer, **options: Any) -> AsyncIterator[OpenAIBackend]:
    backend = OpenAIBackend("m", base_url=server.url, **{"first_wait_s": 0.0005, "concurrency": 8} | options)
    try:
        yield backend
    finally:
        await backend.close()


def ask(backend: OpenAIBackend, prompt: str = "two and two", **more: Any) -> Request:
    return Request(backend.model, (Message("user", prompt),), **{"max_tokens": 100} | more)


async def pool(backend: OpenAIBackend, request: Request, *indices: int) -> list[Sample]:
    got = [sample async for sample in backend.sample([Job(request, indices)])]
    return sorted(got, key=lambda sample: sample.index)


def expected(request: Request, index: int) -> str:
    return answer(request.messages[0].content, first_seed(request) + index)


def whole(samples: list[Sample]) -> bool:
    return all(s.completion and s.completion.text == expected(s.request, s.index) for s in samples)
