"""The one pass: tasks and prompts -> requests -> pools -> grades -> curves -> files. It alone knows all others."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_bench import chart_models, charts, manifest, tasks, verifiers
from ttc_bench.analysis import SAME_TEXT, Analysis, analyse, merged, plan, tariff
from ttc_bench.config import Config, from_fields
from ttc_bench.core import Backend, CurvePoint, Job, Request, Sample, Task, Verifier
from ttc_bench.errors import BackendError, PromptTooLong, TaskError, TtcError
from ttc_bench.forecast import Forecast, forecast
from ttc_bench.pool import Filled, fill, left
from ttc_bench.report import write_report
from ttc_bench.resolve import Stored, make_backends
from ttc_bench.store import Store


@dataclass(frozen=True)
class Result:
    """What a run or a report came to. `filled.made` is 0 where every sample was in the store already."""

    folder: Path
    analysis: Analysis
    filled: Filled
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Watch:
    """What a caller may want to see of a run while it lasts."""

    on_plan: Callable[[int, int], None] = lambda wanted, missing: None  # samples in all, samples to be made
    on_sample: Callable[[Sample], None] = lambda sample: None


SILENT = Watch()
PICTURES = ("accuracy_vs_tokens", "accuracy_vs_flops", "accuracy_vs_parameters")  # the last two of several models
DRAWN = ("curve.csv", "report.html", *(f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")))


async def run(config: Config, backend: Backend | Mapping[str, Backend] | None = None, watch: Watch = SILENT) -> Result:
    """Samples what is missing, analyses everything, writes results/NAME. A second identical run samples nothing.

    `backend`: one of your own in place of `config.model`, or one for each of its names. Raises TtcError for anything
    the user has to mend; samples that had arrived by then are kept. Where one of several models fails for good that is
    a note, and the others go on. The curve depends on the samples alone, not on how many runs made them."""
    backends = make_backends(config, backend)
    try:
        chosen = load_tasks(config)
        able = _verifiers(config, chosen, backends)
        before = manifest.claim(config.folder, config, backends.values())
        wanted = {
            name: [(planned.request, config.samples) for planned in plan(config, chosen, one.model)]
            for name, one in backends.items()
        }
        store = Store(config.store_path)
        try:
            described = manifest.describe(config, chosen, backends.values(), before)
            manifest.write(config.folder, described)
            filled = await _fill_all(config, chosen, store, backends, wanted, watch)
            parts = []
            for entry, (name, one) in zip(described["models"], backends.items(), strict=True):
                reason = getattr(one, "likely_reason", lambda: SAME_TEXT)()
                if name in filled:  # the engine that sampled, and what the server really does, are known only now
                    entry |= manifest.model(one)
                size = entry.get("parameters")
                part = await analyse(config, chosen, name, one.model, store, able[name], reason, size)
                if name in filled:
                    said = [*getattr(one, "notes", ()), *_ended(config, one, filled[name])]
                    part.notes.extend(f"{name}: {note}" if len(backends) > 1 else note for note in said)
                parts.append(part)
        finally:
            store.close()
    finally:
        for one in backends.values():
            await one.close()
    analysis, total = merged(parts), sum(filled.values(), Filled())
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
        _verifiers(config, chosen, backends)
        groups: dict[str, dict[tuple[str, str, str | None], list[Request]]] = {}
        for name, one in backends.items():
            for planned in plan(config, chosen, one.model):
                kind = (planned.task.name, planned.prompt, planned.effort)
                groups.setdefault(name, {}).setdefault(kind, []).append(planned.request)
        first = {
            name: [(request, 1) for requests in kinds.values() for request in requests[:pilot]]
            for name, kinds in groups.items()
        }
        store = Store(config.store_path)
        try:
            await _fill_all(config, chosen, store, backends, first, watch)
            return {
                name: forecast(one, store, list(groups[name].values()), config.samples, tariff(config, one.model))
                for name, one in backends.items()
            }
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
    able = _verifiers(config, chosen, backends)
    if not config.store_path.exists():
        raise TtcError(f"{config.store_path}: the samples of {folder} are not there; give their file with --store")
    store = Store(config.store_path)
    try:
        parts = [
            await analyse(config, chosen, name, entry["id"], store, able[name], parameters=entry.get("parameters"))
            for name, entry in entries.items()
        ]
    finally:
        store.close()
    analysis = merged(parts)
    described = {**there, "quality": analysis.quality, "notes": analysis.notes, "analysed": manifest.now()}
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
        for task in tasks.load(name, limit=config.limit, data=data, difficulty=config.difficulty)
    ]
    for task in chosen:
        if "cot-few-shot" in config.prompts and not task.examples:
            raise TaskError(f"{task.name} has no worked examples for cot-few-shot; add 'examples' to its YAML")
    return chosen


def _verifiers(
    config: Config, chosen: Sequence[Task], backends: Mapping[str, Backend]
) -> dict[str, dict[str, list[Verifier]]]:
    """The verifiers of each model and task. One that serves some of the models is used there; one that serves none
    raises TaskError."""
    able: dict[str, dict[str, list[Verifier]]] = {name: {task.name: [] for task in chosen} for name in backends}
    for verifier in config.verifiers:
        refused = []
        for name, one in backends.items():
            try:
                made = verifiers.make((verifier,), chosen, one)
            except TaskError as error:
                refused.append(error)
            else:
                for task, few in made.items():
                    able[name][task] += few
        if len(refused) == len(backends):
            raise refused[0]
    return able


async def _fill_all(
    config: Config,
    chosen: Sequence[Task],
    store: Store,
    backends: Mapping[str, Backend],
    wanted: Mapping[str, list[tuple[Request, int]]],
    watch: Watch,
) -> dict[str, Filled]:
    """Fills the pools of one model after the other, so that each has the machine's memory to itself. Returns what came
    of those that had samples to make. A model that fails for good leaves holes; where every model does, it raises."""
    every = [pair for pairs in wanted.values() for pair in pairs]
    jobs = {
        name: [Job(request, lacking) for request, lacking in store.missing(pairs)] for name, pairs in wanted.items()
    }
    missing = sum(len(job.indices) for few in jobs.values() for job in few)
    watch.on_plan(sum(n for _, n in dict.fromkeys(every)), missing)
    filled: dict[str, Filled] = {}
    dollars, errors = 0.0, []
    for name, one in backends.items():
        if not jobs[name]:
            continue
        budget = getattr(one, "budget", None)
        if budget is not None:
            budget.spent = dollars  # --max-cost is for the run
        try:
            filled[name] = await _fill(config, chosen, store, name, one, wanted[name], watch)
        except TtcError as error:
            errors.append(error)
            if len(errors) == len(backends):
                raise errors[0] from None
            filled[name] = left(store, jobs[name], BackendError(str(error).removeprefix(f"{name}: "), fatal=True))
        dollars = budget.spent if budget is not None else dollars
        await one.close()
    return filled


async def _fill(
    config: Config,
    chosen: Sequence[Task],
    store: Store,
    name: str,
    backend: Backend,
    wanted: list[tuple[Request, int]],
    watch: Watch,
) -> Filled:
    try:
        return await fill(store, backend, wanted, watch.on_sample)
    except PromptTooLong as error:
        for one in plan(config, chosen, backend.model):
            if one.request.address == error.address:
                raise TaskError(
                    f"{one.task.name}, problem {one.problem.id}, prompt {one.prompt}: {error}; "
                    "leave the problem out, or use a model with a longer context"
                ) from None
        raise
    except BackendError as error:
        raise TtcError(f"{name}: {error}") from error


def _ended(config: Config, backend: Backend, filled: Filled) -> list[str]:
    """Why a model has not made all its samples, where that was not chance."""
    said = [f"{hole.error}; the same command asks it again" for hole in filled.holes if hole.error and hole.error.fatal]
    budget = getattr(backend, "budget", None)
    if budget is not None and budget.used_up:
        said.append(
            f"stopped before --max-cost ${config.max_cost:g} (${budget.spent:.4f} spent by this run); "
            "the same command goes on"
        )
    return list(dict.fromkeys(said))


def write(folder: Path, analysis: Analysis, described: dict[str, Any]) -> None:
    """run.json, and, where there is a point to draw, curve.csv, the pictures and report.html. There is none while a
    problem has no sample at all: leaving it out of the mean would flatter the model."""
    manifest.write(folder, described)
    for name in DRAWN:  # of an earlier run with other samples
        (folder / name).unlink(missing_ok=True)
    if not analysis.points:
        return
    with (folder / "curve.csv").open("w", newline="", encoding="utf-8") as file:
        names = [f.name for f in dataclasses.fields(CurvePoint) if f.name != "values"]
        rows = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        rows.writeheader()
        rows.writerows(vars(point) for point in analysis.points)
    draw(folder, analysis, described)


def draw(folder: Path, analysis: Analysis, described: dict[str, Any]) -> None:
    """The pictures and report.html."""
    charts.save(analysis.points, folder)
    chart_models.save(analysis.points, folder)
    write_report(folder / "report.html", analysis.points, described, analysis.quality, analysis.problems)
