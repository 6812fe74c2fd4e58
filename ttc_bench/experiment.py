"""The one pass: tasks and prompts -> requests -> pools -> grades -> curves -> files. It alone knows all others."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_bench import charts, diagnostics, manifest, tasks, verifiers
from ttc_bench.analysis import SAME_TEXT, Analysis, analyse, plan, tariff
from ttc_bench.config import Config, from_fields
from ttc_bench.core import Backend, CurvePoint, Job, Request, Sample, Task
from ttc_bench.errors import BackendError, PromptTooLong, TaskError, TtcError, nearest
from ttc_bench.forecast import Forecast, forecast
from ttc_bench.pool import Filled, fill
from ttc_bench.report import write_report
from ttc_bench.store import Store

BUILTIN = Path(__file__).parent / "models"
DEFAULT_BUILTIN = "medium"


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
DRAWN = ("curve.csv", "verifiers.csv", "report.html", "accuracy_vs_tokens.png", "accuracy_vs_tokens.svg")


async def run(config: Config, backend: Backend | None = None, watch: Watch = SILENT) -> Result:
    """Samples what is missing, analyses everything, writes results/NAME. A second identical run samples nothing.

    `backend`: one of your own in place of `config.model`. Raises TtcError for anything the user has to mend; samples
    that had arrived by then are kept. The curve depends on the samples alone, not on how many runs made them."""
    backend = backend or make_backend(config)
    try:
        chosen = load_tasks(config)
        able = verifiers.make(config.verifiers, chosen, backend)
        manifest.claim(config.folder, config, backend)
        wanted = [(one.request, config.samples) for one in plan(config, chosen, backend.model)]
        store = Store(config.store_path)
        try:
            missing = sum(len(indices) for _, indices in store.missing(wanted))
            watch.on_plan(config.samples * len({r.address for r, _ in wanted}), missing)
            described = manifest.describe(config, chosen, backend)
            manifest.write(config.folder, described)
            filled = await _fill(config, chosen, store, backend, wanted, watch)
            reason = getattr(backend, "likely_reason", lambda: SAME_TEXT)()
            analysis = await analyse(config, chosen, backend.model, store, able, reason)
        finally:
            store.close()
        if missing:  # the engine that sampled, and what the server really does, are known only now
            described["model"] |= {**backend.identity(), "signals": sorted(backend.signals)}
            analysis.notes.extend(getattr(backend, "notes", ()))
            budget = getattr(backend, "budget", None)
            if budget is not None and budget.used_up:
                analysis.notes.append(
                    f"stopped before --max-cost ${config.max_cost:g} (${budget.spent:.4f} spent by this run); "
                    "the same command goes on"
                )
    finally:
        await backend.close()
    described = manifest.finish(described, filled, analysis.quality, analysis.notes)
    write(config.folder, analysis, described)
    return Result(config.folder, analysis, filled, described)


async def dry_run(config: Config, pilot: int = 0, backend: Backend | None = None, watch: Watch = SILENT) -> Forecast:
    """What the run will still take. `pilot`: sample the first so many problems of each task once, for a forecast from
    real lengths; these samples are kept and count towards the run. Raises TtcError."""
    backend = backend or make_backend(config)
    try:
        chosen = load_tasks(config)
        verifiers.make(config.verifiers, chosen, backend)
        planned = plan(config, chosen, backend.model)
        groups: dict[tuple[str, str, str | None], list[Request]] = {}
        for one in planned:
            groups.setdefault((one.task.name, one.prompt, one.effort), []).append(one.request)
        store = Store(config.store_path)
        try:
            first = [(request, 1) for requests in groups.values() for request in requests[:pilot]]
            watch.on_plan(len(first), sum(len(i) for _, i in store.missing(first)))
            await _fill(config, chosen, store, backend, first, watch)
            return forecast(backend, store, list(groups.values()), config.samples, tariff(config, backend.model))
        finally:
            store.close()
    finally:
        await backend.close()


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
    backend = _Stored(there["model"]["id"], frozenset(there["model"]["signals"]))
    chosen = load_tasks(config)
    able = verifiers.make(config.verifiers, chosen, backend)
    if not config.store_path.exists():
        raise TtcError(f"{config.store_path}: the samples of {folder} are not there; give their file with --store")
    store = Store(config.store_path)
    try:
        analysis = await analyse(config, chosen, backend.model, store, able)
    finally:
        store.close()
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


def make_backend(config: Config) -> Backend:
    """The backend that `config.model` names by its prefix. Raises TtcError for an unknown one."""
    kind, _, name = config.model.partition(":")
    if config.max_cost is not None and kind != "openai":
        raise TtcError("--max-cost is for models that cost money; leave it out for a model on this machine")
    if kind not in BACKENDS:
        known = [f"{k}:" if k != "builtin" else k for k in BACKENDS]
        raise TtcError(nearest(f"{kind}:", known, "model prefix") + "; for example builtin, or hf:HUB-ID-OR-PATH")
    return BACKENDS[kind](name, config)


def _hf(name: str, config: Config) -> Backend:
    from ttc_bench.backends.hf import HFBackend

    if not name:
        raise TtcError("model hf: names no model; give hf:HUB-ID, hf:FOLDER or hf:FILE.gguf")
    return HFBackend(name, device=config.device, dtype=config.dtype, max_rows=config.rows)


def _builtin(size: str, config: Config) -> Backend:
    sizes = sorted(path.name for path in BUILTIN.iterdir() if (path / "config.json").exists())
    size = size or DEFAULT_BUILTIN
    if size not in sizes:
        raise TtcError(nearest(size, sizes, "built-in model"))
    return _hf(str(BUILTIN / size), config)


def _openai(name: str, config: Config) -> Backend:
    from ttc_bench.backends.budget import Budget
    from ttc_bench.backends.openai_api import OpenAIBackend

    if not name:
        raise TtcError("model openai: names no model; give openai:NAME, with --base-url for a server of your own")
    backend = OpenAIBackend(
        name,
        base_url=config.base_url,
        concurrency=config.concurrency,
        requests_per_minute=config.requests_per_minute,
        tokens_per_minute=config.tokens_per_minute,
    )
    if config.max_cost is not None:
        known = tariff(config, backend.model)
        if known is None:
            raise TtcError(
                f"--max-cost needs the price of {backend.model}, and none is known; give it with --prices FILE"
            )
        backend.budget = Budget(config.max_cost, known)
    return backend


# To add a backend: a file in backends/ and a line here.
BACKENDS: dict[str, Callable[[str, Config], Backend]] = {"builtin": _builtin, "hf": _hf, "openai": _openai}


@dataclass(frozen=True)
class _Stored:
    """In place of a backend where only stored samples are looked at."""

    model: str
    signals: frozenset[str]

    def identity(self) -> dict[str, Any]:
        return {}

    def sample(self, jobs: Sequence[Job]) -> Any:
        raise AssertionError("a report never samples")

    def calls(self, jobs: Sequence[Job]) -> int:
        return 0

    async def close(self) -> None:
        return None


async def _fill(
    config: Config,
    chosen: Sequence[Task],
    store: Store,
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
        raise TtcError(f"{config.model}: {error}") from error


def write(folder: Path, analysis: Analysis, described: dict[str, Any]) -> None:
    """run.json, and, where there is a point to draw, curve.csv, the pictures and report.html. There is none while a
    problem has no sample at all: leaving it out of the mean would flatter the model."""
    manifest.write(folder, described)
    for name in DRAWN:  # of an earlier run with other samples
        (folder / name).unlink(missing_ok=True)
    if not analysis.points:
        return
    with (folder / "curve.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, [f.name for f in dataclasses.fields(CurvePoint)], lineterminator="\n")
        rows.writeheader()
        rows.writerows(dataclasses.asdict(point) for point in analysis.points)
    diagnostics.save(analysis.judged, folder)
    charts.save(analysis.points, folder)
    write_report(
        folder / "report.html",
        analysis.points,
        described,
        analysis.quality,
        analysis.problems,
        judged=analysis.judged,
    )
