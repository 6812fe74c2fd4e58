"""A backend that is a function from (request, index) to a text: for tests, documentation and users' own experiments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ttc_bench.core import Backend, Completion, Job, Request, Sample, SpendingLimit, Usage
from ttc_bench.errors import BackendError


@dataclass
class ScriptedBackend(Backend):
    """Answers with `script(request, index)`: a text, a Completion, or a BackendError (a hole; fatal ones are raised).

    Tokens of a text are its words, cut at the request's `max_tokens` as a model would be: no tokenizer counts so, and
    the usage says that it is an estimate. `asked` records every
    (address, index), so a test can see what was paid for."""

    script: Callable[[Request, int], str | Completion | BackendError]
    model: str = "scripted"
    signals: frozenset[str] = frozenset()
    parameters: int | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)
    closed: bool = False

    def identity(self) -> dict[str, Any]:
        known = {} if self.parameters is None else {"parameters": self.parameters}
        return {"kind": "scripted", "name": self.model, **known}

    async def sample(self, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> AsyncIterator[Sample]:
        for job in jobs:
            for index in job.indices:
                self.asked.append((job.request.address, index))
                answer = self.script(job.request, index)
                if isinstance(answer, BackendError):
                    if answer.fatal:
                        raise answer
                    yield Sample(job.request, index, error=answer)
                elif isinstance(answer, Completion):
                    yield Sample(job.request, index, answer)
                else:
                    yield Sample(job.request, index, _complete(job.request, answer))

    async def close(self) -> None:
        self.closed = True


def _complete(request: Request, text: str) -> Completion:
    words = text.split(" ")
    cut = len(words) > request.max_tokens
    prompt = sum(len(m.content.split()) for m in request.messages)
    usage = Usage(prompt=prompt, completion=min(len(words), request.max_tokens), source="estimate")
    return Completion(" ".join(words[: request.max_tokens]), "length" if cut else "stop", usage)
