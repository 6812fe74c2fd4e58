"""Ten-line tasks and models for tests that need no real ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.config import Config
from ttc_bench.core import Completion, Request, Usage


def arithmetic(request: Request, index: int) -> str:
    """A model of `chain-arithmetic`: answers right about half the time, by (request, index) alone."""
    from ttc_bench.core import Problem
    from ttc_bench.generators.chain_arithmetic import solve

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
