"""Stored samples, analysed again: no model is loaded, but verifiers that have imported ones to score."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ttc_bench.analysis.analyse import measure, merged
from ttc_bench.analysis.graded import GradedPool
from ttc_bench.analysis.grading import grade, score
from ttc_bench.analysis.quality import failures
from ttc_bench.audit.examine import examine
from ttc_bench.audit.findings import Audit
from ttc_bench.backends.by_name import open_model
from ttc_bench.config import Config, from_fields
from ttc_bench.core import Problem
from ttc_bench.errors import CannotWrite, TtcError
from ttc_bench.experiment.given import load_tasks
from ttc_bench.experiment.result import Result, of_run, source_of, work_of
from ttc_bench.interchange.recorded import Recorded
from ttc_bench.policies.extrapolation import outlooks
from ttc_bench.policies.sources import Source
from ttc_bench.policies.stopping import with_policies
from ttc_bench.report import manifest
from ttc_bench.report.folder import write
from ttc_bench.sampling.plan import plan
from ttc_bench.sampling.pool import SILENT, Watch
from ttc_bench.sampling.store import Store
from ttc_bench.verifiers import menu
from ttc_bench.verifiers.stored import Setting


async def report(folder: Path, changes: dict[str, Any] | None = None, watch: Watch = SILENT) -> Result:
    """`replay` a run, and write its results folder anew, where that can be done."""
    result = await replay(folder, changes, watch)
    try:
        write(folder, result.analysis, result.manifest, result.cascades)
    except CannotWrite:
        return dataclasses.replace(result, written=False)
    return result


async def replay(folder: Path, changes: dict[str, Any] | None = None, watch: Watch = SILENT) -> Result:
    """Analyses a finished or interrupted run again from its stored samples: no model is loaded, nothing is written.
    `changes` are config fields to change, such as method, verifier or samples. Raises TtcError if the samples
    are not found."""
    async with replayed(folder, changes, watch) as again:
        return again.result


async def audit(folder: Path, watch: Watch = SILENT) -> Audit:
    """What a reviewer would ask of a run, answered from its stored samples. Raises TtcError if they are not found."""
    async with replayed(folder, None, watch) as again:
        return examine(again.pools, again.result.analysis.points, again.store, Recorded.of(folder))


@dataclass(frozen=True)
class Again:
    """A run that was analysed again, with its graded pools, by model too, and the open store."""

    result: Result
    pools: list[GradedPool]
    store: Store
    sources: list[Source]


@asynccontextmanager
async def replayed(
    folder: Path,
    changes: dict[str, Any] | None,
    watch: Watch,
    only: Mapping[str, tuple[Problem, ...]] | None = None,
) -> AsyncIterator[Again]:
    """`only`: the problems to look at, in this order, by task; None: all."""
    earlier, config = recorded_run(folder, changes)
    if len(config.model) != len(earlier["models"]):
        raise TtcError(f"{folder / manifest.FILE}: config.model and models do not name the same models; run it again")
    entries = dict(zip(config.model, earlier["models"], strict=True))
    chosen = load_tasks(config, folder, earlier.get("tasks", ()))
    if only is not None:
        chosen = [dataclasses.replace(task, problems=only[task.name]) for task in chosen if task.name in only]
    if not config.store_path.exists():
        raise TtcError(
            f"{config.store_path}: the samples of {folder} are not there; put them back, or `report` with --store FILE"
        )
    # nobody can run imported samples again, so that verifiers with a model score them here
    asking = "imported" in earlier and menu.asks(config.verifiers)
    opening = partial(open_model, config) if asking else None
    with closing(Store(config.store_path, read_only=opening is None)) as store:
        settings = {
            name: Setting(
                *(entry["id"], frozenset(entry.get("signals", ())), store, config),
                open=opening,
                recorded=entry.get("verifiers", {}),
                watch=watch,
            )
            for name, entry in entries.items()
        }
        verifiers = menu.for_models(config.verifiers, chosen, settings)
        parts, every, sources = [], [], []
        for name, entry in entries.items():
            of_model = plan(config, chosen, name, entry["id"])
            of_model = dataclasses.replace(of_model, imported=manifest.holes(earlier))
            pools = await score(of_model, store, grade(of_model, store, watch), verifiers[name])
            part = measure(of_model, pools, entry.get("parameters"), store.path)
            part = with_policies(part, of_model, pools, entry.get("parameters"))
            parts.append(dataclasses.replace(part, outlooks=outlooks(pools, of_model.voted)))
            every += pools
            sources.append(source_of(config, of_model, entry, pools))
        models = [
            {**entry, "verifiers": entry.get("verifiers", {}) | menu.identities(verifiers[name])}
            for name, entry in entries.items()
        ]
        analysis = merged(parts)
        notes = [note for entry in models for note in menu.remarks(entry["verifiers"])]
        if any(row.failed for row in analysis.quality):
            notes += failures(manifest.reasons(earlier))
        notes += manifest.imported(earlier)
        analysis = dataclasses.replace(analysis, notes=analysis.notes + notes)
        described = manifest.analysed({**earlier, "models": models}, analysis)
        result = Result(folder, analysis, work_of({}, verifiers), described, cascades=of_run(sources))
        yield Again(result, every, store, sources)


def recorded_run(folder: Path, changes: dict[str, Any] | None) -> tuple[dict[str, Any], Config]:
    """The manifest of a run, and its configuration where it lies now, with these changes. Raises TtcError."""
    earlier = manifest.read(folder)
    config = from_fields({**earlier["config"], **(changes or {})}, str(folder / manifest.FILE))
    return earlier, dataclasses.replace(
        config, out=str(folder.parent), name=folder.name, store=config.store or store_of(folder)
    )


def store_of(folder: Path) -> str:
    """The path of the store: inside the results folder (copied together with its samples) if it exists, else beside
    it."""
    inside = folder / "samples.sqlite"
    return str(inside if inside.exists() else folder.parent / "samples.sqlite")
