"""What all exports to other tools share: which samples make a file, its name, and that it appears when it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_bench.analysis.views import ProblemView, SampleView
from ttc_bench.errors import TtcError


@dataclass(frozen=True)
class Group:
    """The samples that lie in one file: those of a model on a task in one way of asking."""

    task: str
    model: str
    label: str  # SampleView.prompt

    @property
    def id(self) -> str:
        """22 hexadecimal digits, equal for equal groups."""
        return hashlib.sha256("\0".join((self.task, self.model, self.label)).encode("utf-8", "replace")).hexdigest()[
            :22
        ]


@dataclass(frozen=True)
class Run:
    """What run.json says that other tools want to know."""

    manifest: dict[str, Any]

    @property
    def config(self) -> dict[str, Any]:
        return dict(self.manifest.get("config") or {})

    @property
    def settings(self) -> dict[str, Any]:
        """temperature, top_p and max_tokens, where they are known. Of imported samples they are what the sources say,
        if these agree: those in config only make addresses."""
        given: dict[str, list[Any]] = {name: [self.config.get(name)] for name in ("temperature", "top_p", "max_tokens")}
        if isinstance(imported := self.manifest.get("imported"), dict):
            given = {name: [source.get(name) for source in imported.get("sources", ())] for name in given}
        return {name: of[0] for name, of in given.items() if of and of[0] is not None and of.count(of[0]) == len(of)}

    @property
    def models(self) -> list[str]:
        """As the user named them."""
        named = self.config.get("model") or []
        return [named] if isinstance(named, str) else list(named)

    @property
    def version(self) -> str:
        """Of ttc-bench, when the samples were made."""
        return str(self.manifest.get("ttc_bench") or "")

    @property
    def started(self) -> str:
        """ISO 8601, with its offset from UTC; the beginning of time where it was not recorded."""
        return str(self.manifest.get("started") or "1970-01-01T00:00:00+00:00")

    @property
    def stamp(self) -> str:
        """The same for names of files, without the offset."""
        return re.sub(r"[^\dT]", "-", self.started[:19])

    def identity(self, model: str) -> str:
        """What Request.model of a model's samples is: its weights or its server."""
        entries = self.manifest.get("models") or []
        return next((str(e.get("id")) for name, e in zip(self.models, entries, strict=False) if name == model), model)

    def groups(self, problem: ProblemView) -> dict[Group, list[SampleView]]:
        """The samples of a problem, by the file that they go into."""
        groups: dict[Group, list[SampleView]] = {}
        for sample in problem.samples:
            model = sample.model or next(iter(self.models), "")
            groups.setdefault(Group(problem.task, model, sample.prompt), []).append(sample)
        return groups


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place at the end, and goes where the writing breaks off."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns what the disk refuses into a TtcError that names the folder."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise TtcError(f"{folder} cannot be written ({reason}); give another folder with --to") from None


def file_name(text: str) -> str:
    """A text for the name of a file: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:80] or "samples"


def mean(values: Iterable[float]) -> float:
    """The mean; 0 of none."""
    values = list(values)
    return math.fsum(values) / len(values) if values else 0.0


def standard_error(values: list[float]) -> float | None:
    """sd / sqrt(n) with n - 1 degrees of freedom, one value a problem; None of fewer than two."""
    if len(values) < 2:
        return None
    centre = mean(values)
    return math.sqrt(math.fsum((v - centre) ** 2 for v in values) / (len(values) - 1) / len(values))


def tokens(sample: SampleView) -> int | None:
    """Tokens that were generated; None where nobody counted (a text is never of 0 tokens: its end is one)."""
    source = sample.usage.source if sample.usage else "tokenizer"
    return sample.tokens if sample.tokens and source != "unknown" else None
