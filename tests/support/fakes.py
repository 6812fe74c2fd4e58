"""Ten-line tasks and models for tests that need no real ones."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.config import Config
from ttc_bench.core import Completion, Problem, Request, Score, Usage
from ttc_bench.sampling.store import Store
from ttc_bench.verifiers.stored import Setting


def arithmetic(request: Request, index: int) -> str:
    """A model of `chain-arithmetic`: answers right about half the time, by (request, index) alone."""
    from ttc_bench.core import Problem
    from ttc_bench.problems.generators.chain_arithmetic import solve

    question = request.messages[-1].content
    draw = hashlib.sha256(f"{request.address}/{index}".encode()).digest()
    answer = solve(Problem("", question, None)) if draw[0] < 128 else str(draw[1] % 100)
    return f"thinking it over {draw.hex()[:6]}. The answer is {answer}."


def signalled(request: Request, index: int) -> Completion:
    """The same with a self-certainty that knows a little about being right."""
    text = arithmetic(request, index)
    return Completion(text, "stop", Usage(prompt=20, completion=7), signals={"self_certainty": float(len(text) % 5)})


def model(script: object = signalled, name: str = "scripted") -> ScriptedBackend:
    return ScriptedBackend(script, model=name, signals=frozenset({"self_certainty"}))  # type: ignore[arg-type]


def config(folder: Path, **changes: object) -> Config:
    fields: dict[str, object] = {"model": ("scripted",), "task": ("chain-arithmetic",), "samples": 4, "limit": 6}
    return Config(**{**fields, "out": str(folder), **changes})  # type: ignore[arg-type]


def setting(folder: Path, backend: ScriptedBackend) -> Setting:
    return Setting(backend.model, backend.signals, Store(folder / "samples.sqlite"), config(folder), backend)


class Longest:
    """A scorer that runs no model: longer answers are better. It remembers what it was asked; `fails` names texts that
    leave a hole, and it breaks off after `most` scores."""

    def __init__(self, id: str = "longest@1", fails: frozenset[str] = frozenset(), most: int = 10**6) -> None:
        self.id, self.fails, self.most = id, fails, most
        self.asked: list[str] = []
        self.closed = 0

    def identity(self) -> dict[str, Any]:
        return {"kind": "fake", "revision": "1"}

    async def verdicts(self, items: Sequence[tuple[Problem, Completion]]) -> AsyncIterator[tuple[int, Score]]:
        for i, (_, completion) in sorted(enumerate(items), key=lambda item: len(item[1][1].text)):
            if len(self.asked) == self.most:
                raise KeyboardInterrupt
            self.asked.append(completion.text)
            if completion.text not in self.fails:
                value = float(len(completion.text)) if completion.text else None
                yield i, Score(value, Usage(prompt=11, completion=2), parameters=1000)

    async def close(self) -> None:
        self.closed += 1
