"""The files of an import: their formats, what they say of the run that made them, and their identity."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ttc_bench.errors import TtcError
from ttc_bench.interchange.formats import detect
from ttc_bench.interchange.records import Facts, Source
from ttc_bench.interchange.wanted import Import


def of_one_model(wanted: Import) -> tuple[Import, list[Source], list[Facts]]:
    """What is wanted of files of one model, their formats and what they say. Where they are of several, --model
    chooses; raises TtcError where it does not."""
    beside: dict[str, Source] = {}  # a format looks at all files once
    sources = []
    for path in wanted.paths:
        source = _source(path, wanted)
        if source.name not in beside:
            beside[source.name] = source.beside(wanted.paths)
        sources.append(beside[source.name])
    facts = [source.facts(path) for source, path in zip(sources, wanted.paths, strict=True)]
    models = list(dict.fromkeys(f.model for f in facts if f.model))
    if len(models) < 2:
        return wanted, sources, facts
    if wanted.model not in models:
        raise TtcError(
            f"the files are of different models, {', '.join(models)}: import them apart, or choose with --model"
        )
    kept = [i for i, f in enumerate(facts) if f.model in (None, wanted.model)]
    chosen = replace(wanted, files=tuple(wanted.files[i] for i in kept))
    return chosen, [sources[i] for i in kept], [facts[i] for i in kept]


def digest(paths: Sequence[Path]) -> str:
    """Of the files in their order, 16 hex digits of sha256. Raises TtcError for a file given twice."""
    seen: dict[str, Path] = {}
    for path in paths:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest in seen:
            raise TtcError(
                f"{path} has the same content as {seen[digest]}: its samples would count twice; leave one out"
            )
        seen[digest] = path
    return hashlib.sha256(" ".join(seen).encode()).hexdigest()[:16]


def _source(path: Path, wanted: Import) -> Source:
    if wanted.mapping is not None:
        from ttc_bench.interchange.sources.table import Table, parse

        if not path.is_file():
            raise TtcError(f"{path}: no such file; give files of samples")
        return Table(parse(wanted.mapping))
    return detect(path, wanted.format)
