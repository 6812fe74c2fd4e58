"""The one pass: tasks and prompts -> requests -> pools -> grades -> curves -> files. It alone knows all others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ttc_bench.analysis.analyse import SAME_TEXT, Analysis, analyse, merged
from ttc_bench.backends.by_name import Stored, make_backends, open_model
from ttc_bench.config import Config, from_fields
from ttc_bench.core import Backend, Request, Task, Verifier
from ttc_bench.errors import TaskError, TtcError
from ttc_bench.problems import tasks
from ttc_bench.report import manifest
from ttc_bench.report.folder import write
from ttc_bench.sampling.forecast import Forecast, forecast
from ttc_bench.sampling.plan import plan, to_continue
from ttc_bench.sampling.pool import Filled
from ttc_bench.sampling.run import SILENT, Watch, ended, fill_all
from ttc_bench.sampling.store import Store
from ttc_bench.verifiers import menu as verifiers
from ttc_bench.verifiers.stored import Setting


@dataclass(frozen=True)
class Result:
    """What a run or a report came to. `filled.made` is 0 where every sample was in the store already."""

    folder: Path
    analysis: Analysis
    filled: Filled
    manifest: dict[str, Any]


async def run(config: Config, backend: Backend | Mapping[str, Backend] | None = None, watch: Watch = SILENT) -> Result:
    """Samples what is missing, analyses everything, writes results/NAME. A second identical run samples nothing.

    `backend`: one of your own in place of `config.model`, or one for each of its names. Raises TtcError for anything
    the user has to mend; samples that had arrived by then are kept. Where one of several models fails for good that is
    a note, and the others go on. The curve depends on the samples alone, not on how many runs made them."""
    backends = make_backends(config, backend)
    try:
        config = _able(config, backends)
        chosen = load_tasks(config)
        wanted = {
            name: [(planned.request, config.samples) for planned in plan(config, chosen, one.model)]
            for name, one in backends.items()
        }
        store = Store(config.store_path)
        try:
            setting = partial(
                Setting, store=store, config=config, on_score=watch.on_score, open=partial(open_model, config)
            )
            able = _verifiers(config, chosen, {name: setting(one) for name, one in backends.items()})
            before = manifest.claim(config.folder, config, backends.values())
            described = manifest.describe(config, chosen, backends.values(), before)
            for entry, name in zip(described["models"], backends, strict=True):
                entry["verifiers"] = verifiers.identities(able[name])
            manifest.write(config.folder, described)
            filled = await fill_all(config, chosen, store, backends, wanted, watch)
            parts = []
            for entry, (name, one) in zip(described["models"], backends.items(), strict=True):
                reason = getattr(one, "likely_reason", lambda: SAME_TEXT)()
                if name in filled:  # the engine that sampled, and what the server really does, are known only now
                    entry |= manifest.model(one)
                size = entry.get("parameters")
                part = await analyse(config, chosen, name, one.model, store, able[name], reason, size)
                entry["verifiers"] = verifiers.identities(able[name])  # with the parameters, once they are known
                part.notes.extend(verifiers.remarks(entry["verifiers"]))
                if name in filled:
                    said = [*getattr(one, "notes", ()), *ended(config, one, filled[name])]
                    part.notes.extend(f"{name}: {note}" if len(backends) > 1 else note for note in said)
                parts.append(part)
        finally:
            store.close()
    finally:
        for one in backends.values():
            await one.close()
    analysis, total = merged(parts), sum((*filled.values(), *map(verifiers.did, able.values())), Filled())
    described = manifest.finish(described, total, analysis.quality, analysis.notes)
    write(config.folder, analysis, described)
    return Result(config.folder, analysis, total, described)


async def dry_run(
    config: Config, pilot: int = 0, backend: Backend | Mapping[str, Backend] | None = None, watch: Watch = SILENT
) -> dict[str, Forecast]:
    """What the run will still take, by model. `pilot`: sample the first so many problems of each task once, for a
    forecast from real lengths; these samples are kept and count towards the run. Raises TtcError."""
    backends = make_backends(config, backend)
    try:
        chosen = load_tasks(config)
        groups: dict[str, dict[tuple[str, str, str | None, str], list[Request]]] = {}
        for name, one in backends.items():
            for planned in plan(config, chosen, one.model):
                kind = (planned.task.name, planned.prompt, planned.effort, planned.variant)
                groups.setdefault(name, {}).setdefault(kind, []).append(planned.request)
        first = {
            name: [(request, 1) for requests in kinds.values() for request in requests[:pilot]]
            for name, kinds in groups.items()
        }
        store = Store(config.store_path)
        try:
            setting = partial(Setting, store=store, config=config, open=partial(open_model, config))
            able = _verifiers(config, chosen, {name: setting(one) for name, one in backends.items()})
            await fill_all(config, chosen, store, backends, first, watch, follow=False)
            found = {}
            for name, one in backends.items():
                known = list(groups[name].values())
                found[name] = dataclasses.replace(
                    forecast(one, store, known, config.samples, config.tariff(one.model)),
                    continuations=to_continue(config, chosen, one.model, store),
                    scores=verifiers.to_score(config, chosen, one.model, store, able[name]),
                )
            return found
        finally:
            store.close()
    finally:
        for one in backends.values():
            await one.close()


async def report(folder: Path, changes: dict[str, Any] | None = None) -> Result:
    """`replay` a run, and write its results folder anew."""
    result = await replay(folder, changes)
    write(folder, result.analysis, result.manifest)
    return result


async def replay(folder: Path, changes: dict[str, Any] | None = None) -> Result:
    """Analyses a finished or interrupted run again from its stored samples: no model is loaded, nothing is written.
    `changes` are config fields to change, such as method, verifier or samples. Raises TtcError where the samples are
    not to be found."""
    there = manifest.read(folder)
    config = from_fields({**there["config"], **(changes or {})}, str(folder / manifest.FILE))
    config = dataclasses.replace(
        config, out=str(folder.parent), name=folder.name, store=config.store or _store_of(folder)
    )
    entries = dict(zip(config.model, there["models"], strict=True))
    backends = {name: Stored(entry["id"], frozenset(entry["signals"])) for name, entry in entries.items()}
    chosen = load_tasks(config)
    if not config.store_path.exists():
        raise TtcError(f"{config.store_path}: the samples of {folder} are not there; give their file with --store")
    store = Store(config.store_path)
    try:
        settings = {
            name: Setting(one, store, config, recorded=entries[name].get("verifiers", {}))
            for name, one in backends.items()
        }
        able = _verifiers(config, chosen, settings)
        parts = [
            await analyse(config, chosen, name, entry["id"], store, able[name], parameters=entry.get("parameters"))
            for name, entry in entries.items()
        ]
    finally:
        store.close()
    analysis = merged(parts)
    models = [
        {**entry, "verifiers": entry.get("verifiers", {}) | verifiers.identities(able[name])}
        for name, entry in entries.items()
    ]
    analysis.notes.extend(note for entry in models for note in verifiers.remarks(entry["verifiers"]))
    described = {
        **there,
        "models": models,
        "quality": analysis.quality,
        "notes": analysis.notes,
        "analysed": manifest.now(),
    }
    return Result(folder, analysis, Filled(), described)


def _store_of(folder: Path) -> str:
    """The store beside a results folder, or one inside it (a folder that was copied together with its samples)."""
    inside = folder / "samples.sqlite"
    return str(inside if inside.exists() else folder.parent / "samples.sqlite")


def load_tasks(config: Config) -> list[Task]:
    """The tasks of a run. Raises TaskError, also for few-shot prompts of a task without examples."""
    data = Path(config.data) if config.data else None
    chosen = [
        task
        for name in config.task
        for task in tasks.load(
            name,
            limit=config.limit,
            data=data,
            difficulty=config.difficulty,
            skip_bad=config.skip_bad_problems,
        )
    ]
    for task in chosen:
        if "cot-few-shot" in config.prompts and not task.examples:
            raise TaskError(f"{task.name} has no worked examples for cot-few-shot; add 'examples' to its YAML")
    return chosen


def _verifiers(
    config: Config, chosen: Sequence[Task], settings: Mapping[str, Setting]
) -> dict[str, dict[str, list[Verifier]]]:
    """The verifiers of each model and task. One that serves some of the models is used there; one that serves none
    raises TaskError."""
    able: dict[str, dict[str, list[Verifier]]] = {name: {task.name: [] for task in chosen} for name in settings}
    for verifier in config.verifiers:
        refused = []
        for name, one in settings.items():
            try:
                taken = {v.name for few in able[name].values() for v in few}
                made = verifiers.make((verifier,), chosen, one, taken)
            except TaskError as error:
                refused.append(error)
            else:
                for task, few in made.items():
                    able[name][task] += few
        if len(refused) == len(settings):
            raise refused[0]
    return able


def _able(config: Config, backends: Mapping[str, Backend]) -> Config:
    """The config as these backends can serve it: where one cannot go on from a begun answer, budgets are announced to
    the models and sampled anew, which run.json and the chart say. Raises TtcError for --wait there."""
    unable = [name for name, one in backends.items() if not getattr(one, "prefills", True)]
    if not unable:
        return config
    if config.wait:
        raise TtcError(f"--wait: {', '.join(unable)} cannot go on from a begun answer; leave --wait out")
    return dataclasses.replace(config, budget_mode="rerun") if config.budgets else config
