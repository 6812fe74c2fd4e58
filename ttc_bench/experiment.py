"""A run from start to end: tasks and prompts -> requests -> pools -> grades -> curves -> files."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ttc_bench.analysis.analyse import Analysis, measure, merged
from ttc_bench.analysis.graded import GradedPool
from ttc_bench.analysis.grading import grade, score
from ttc_bench.analysis.quality import failures
from ttc_bench.audit.examine import examine
from ttc_bench.audit.findings import Audit
from ttc_bench.backends.by_name import make_backends, open_cluster, open_model
from ttc_bench.backends.cluster.link import Cluster
from ttc_bench.config import Config, from_fields
from ttc_bench.core import Backend, Task, Verifier
from ttc_bench.errors import CannotWrite, TaskError, TtcError
from ttc_bench.grading.many import Elsewhere
from ttc_bench.interchange.recorded import Recorded
from ttc_bench.policies.extrapolation import outlooks
from ttc_bench.problems import tasks
from ttc_bench.report import manifest
from ttc_bench.report.folder import write
from ttc_bench.sampling.forecast import Forecast, forecast
from ttc_bench.sampling.plan import WHOLE, Plan, Shard, plan
from ttc_bench.sampling.pool import SILENT, Filled, Watch
from ttc_bench.sampling.run import fill_all
from ttc_bench.sampling.store import Store
from ttc_bench.verifiers import menu
from ttc_bench.verifiers.stored import Setting

Backends = Backend | Mapping[str, Backend] | None  # given by the caller: a single one, or one per name


@dataclass(frozen=True)
class Result:
    """The outcome of a run or a report. `filled.made` is 0 if every sample was in the store already."""

    folder: Path
    analysis: Analysis
    filled: Filled
    manifest: dict[str, Any]
    written: bool = True  # False: the folder cannot be written to, as on a read-only disk


@dataclass(frozen=True)
class Session:
    """The open resources of a run. `backends` and `plans` are by the names in config.model."""

    config: Config
    tasks: list[Task]
    store: Store
    backends: dict[str, Backend]
    plans: dict[str, Plan]
    cluster: Cluster | None = None  # of --cluster: its executor takes other work

    @property
    def elsewhere(self) -> Elsewhere | None:
        """Where much grading is done: on the machines of the cluster, if there is one."""
        return self.cluster.executor().map if self.cluster else None

    def verifiers(self, watch: Watch) -> dict[str, dict[str, list[Verifier]]]:
        """The verifiers by model and task. Raises TaskError for one that applies to no model."""
        settings = {
            name: Setting(
                backend.model,
                backend.signals,
                self.store,
                self.config,
                backend,
                open=partial(open_model, self.config),
                watch=watch,
            )
            for name, backend in self.backends.items()
        }
        return menu.for_models(self.config.verifiers, self.tasks, settings)


@asynccontextmanager
async def opened(config: Config, custom: Backends, shard: Shard = WHOLE) -> AsyncIterator[Session]:
    """A session whose store and backends are closed at the end, also after an error. Raises TtcError for anything that
    the user has to fix."""
    async with AsyncExitStack() as stack:
        cluster = open_cluster(config)
        if cluster is not None:
            stack.callback(cluster.close)
        backends = make_backends(config, custom, cluster)
        for backend in backends.values():
            stack.push_async_callback(backend.close)
        config = _served(config, backends)
        chosen = load_tasks(config)
        store = Store(config.store_path)
        stack.callback(store.close)
        plans = {name: plan(config, chosen, name, backend.model, shard) for name, backend in backends.items()}
        yield Session(config, chosen, store, backends, plans, cluster)


async def run(config: Config, backend: Backends = None, watch: Watch = SILENT) -> Result:
    """Samples what is missing, analyses everything, writes results/NAME. A second identical run samples nothing.

    `backend`: one of your own in place of `config.model`, or one for each of its names. Raises TtcError for anything
    the user has to fix; samples that arrived before are kept. If one of several models has a fatal error, that is a
    note and the others continue. The curve depends on the samples alone, not on how many runs made them."""
    async with opened(config, backend) as session:
        config, backends, plans, store = session.config, session.backends, session.plans, session.store
        verifiers = session.verifiers(watch)
        before = manifest.claim(config.folder, config, backends.values())
        if before and manifest.had_samples(before) and store.empty:
            raise TtcError(
                f"{store.path} holds no sample, but {config.folder} was made from some; give their file with --store, "
                "or choose another --name to sample anew"
            )
        described = manifest.describe(config, session.tasks, backends.values(), before)
        for entry, name in zip(described["models"], backends, strict=True):
            entry["verifiers"] = menu.identities(verifiers[name])
        manifest.write(config.folder, described)
        filled = await fill_all(store, backends, plans, watch)
        parts = []
        for entry, (name, answering) in zip(described["models"], backends.items(), strict=True):
            if name in filled:  # the engine and facts about the server are known only after sampling
                entry |= manifest.model(answering)
            graded = grade(plans[name], store, watch, session.elsewhere)
            pools = await score(plans[name], store, graded, verifiers[name])
            entry["verifiers"] = menu.identities(verifiers[name])  # with the parameters, once they are known
            notes = menu.remarks(entry["verifiers"])
            if name in filled:
                served = [*answering.notes, *filled[name].notes, *failures(filled[name].reasons)]
                notes += [f"{name}: {note}" if len(backends) > 1 else note for note in served]
            part = measure(plans[name], pools, entry.get("parameters"), store.path, answering.likely_reason())
            ahead = outlooks(pools, plans[name].voted)
            parts.append(dataclasses.replace(part, notes=part.notes + notes, outlooks=ahead))
    total = _work(filled, verifiers)
    analysis = merged(parts)
    described = manifest.finish(described, total, analysis)
    write(config.folder, analysis, described)
    return Result(config.folder, analysis, total, described)


async def sample(config: Config, shard: Shard, backend: Backends = None, watch: Watch = SILENT) -> Filled:
    """Samples the problems of a shard and scores the answers with verifiers that run a model, into the store alone: a
    curve of some problems would not be that of the run. Once the stores of all shards are merged, `run` finds
    everything in the store. Returns what was made. Raises TtcError."""
    async with opened(config, backend, shard) as session:
        verifiers = session.verifiers(watch)
        filled = await fill_all(session.store, session.backends, session.plans, watch)
        for name, of_model in session.plans.items():
            if any(menu.identities(verifiers[name]).values()):  # others cost nothing, and their scores are not stored
                await score(
                    of_model, session.store, grade(of_model, session.store, watch, session.elsewhere), verifiers[name]
                )
        return _work(filled, verifiers)


async def dry_run(
    config: Config, pilot: int = 0, backend: Backends = None, watch: Watch = SILENT, shard: Shard = WHOLE
) -> dict[str, Forecast]:
    """The forecast of what a run, or a shard of it, still needs, by model. `pilot`: first sample this many problems of
    each group once, to forecast from real lengths; these samples are kept for the run. Raises TtcError."""
    async with opened(config, backend, shard) as session:
        verifiers, store = session.verifiers(watch), session.store
        if pilot:
            await fill_all(store, session.backends, session.plans, watch, pilot)
        forecasts = {}
        for name, of_model in session.plans.items():
            requests = [[planned.request for planned in group] for group in of_model.groups]
            tariff = config.tariff(of_model.model)
            forecasts[name] = dataclasses.replace(
                forecast(session.backends[name], store, requests, config.samples, tariff),
                continuations=of_model.continuations(store),
                scores=menu.to_score(of_model, store, verifiers[name]),
            )
        return forecasts


async def report(folder: Path, changes: dict[str, Any] | None = None, watch: Watch = SILENT) -> Result:
    """`replay` a run, and write its results folder anew, where that can be done."""
    result = await replay(folder, changes, watch)
    try:
        write(folder, result.analysis, result.manifest)
    except CannotWrite:
        return dataclasses.replace(result, written=False)
    return result


async def replay(folder: Path, changes: dict[str, Any] | None = None, watch: Watch = SILENT) -> Result:
    """Analyses a finished or interrupted run again from its stored samples: no model is loaded, nothing is written.
    `changes` are config fields to change, such as method, verifier or samples. Raises TtcError if the samples
    are not found."""
    async with _replayed(folder, changes, watch) as again:
        return again.result


async def audit(folder: Path, watch: Watch = SILENT) -> Audit:
    """What a reviewer would ask of a run, answered from its stored samples. Raises TtcError if they are not found."""
    async with _replayed(folder, None, watch) as again:
        return examine(again.pools, again.result.analysis.points, again.store, Recorded.of(folder))


@dataclass(frozen=True)
class _Again:
    """A run that was analysed again, with its graded pools and the open store."""

    result: Result
    pools: list[GradedPool]
    store: Store


@asynccontextmanager
async def _replayed(folder: Path, changes: dict[str, Any] | None, watch: Watch) -> AsyncIterator[_Again]:
    earlier = manifest.read(folder)
    config = from_fields({**earlier["config"], **(changes or {})}, str(folder / manifest.FILE))
    config = dataclasses.replace(
        config, out=str(folder.parent), name=folder.name, store=config.store or _store_of(folder)
    )
    if len(config.model) != len(earlier["models"]):
        raise TtcError(f"{folder / manifest.FILE}: config.model and models do not name the same models; run it again")
    entries = dict(zip(config.model, earlier["models"], strict=True))
    chosen = load_tasks(config, folder, earlier.get("tasks", ()))
    if not config.store_path.exists():
        raise TtcError(f"{config.store_path}: the samples of {folder} are not there; give their file with --store")
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
        parts, every = [], []
        for name, entry in entries.items():
            of_model = plan(config, chosen, name, entry["id"])
            of_model = dataclasses.replace(of_model, imported=manifest.holes(earlier))
            pools = await score(of_model, store, grade(of_model, store, watch), verifiers[name])
            part = measure(of_model, pools, entry.get("parameters"), store.path)
            parts.append(dataclasses.replace(part, outlooks=outlooks(pools, of_model.voted)))
            every += pools
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
        yield _Again(Result(folder, analysis, _work({}, verifiers), described), every, store)


def _work(filled: Mapping[str, Filled], verifiers: Mapping[str, menu.ByTask]) -> Filled:
    """What a run made, and what its verifiers did."""
    work = [menu.work(of_model) for of_model in verifiers.values()]
    return sum((*filled.values(), *(Filled(scores=n, scoring=usage) for n, usage in work)), Filled())


def _store_of(folder: Path) -> str:
    """The path of the store: inside the results folder (copied together with its samples) if it exists, else beside
    it."""
    inside = folder / "samples.sqlite"
    return str(inside if inside.exists() else folder.parent / "samples.sqlite")


def load_tasks(config: Config, folder: Path | None = None, recorded: Sequence[Mapping[str, Any]] = ()) -> list[Task]:
    """The tasks of a run, which may lie in its results folder; `recorded`: what run.json says of them, such as which
    problems there are samples of. Raises TaskError, also for few-shot prompts of a task without examples."""
    data = Path(config.data) if config.data else None
    only = {entry["name"]: frozenset(entry["only"]) for entry in recorded if "only" in entry}
    chosen = [
        _part(task, only.get(task.name))
        for name in config.task
        for task in tasks.load(
            str(folder / name) if folder and name.endswith(".yaml") and (folder / name).is_file() else name,
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


def _part(task: Task, only: Collection[str] | None) -> Task:
    return task if only is None else dataclasses.replace(task, problems=tuple(p for p in task.problems if p.id in only))


def _served(config: Config, backends: Mapping[str, Backend]) -> Config:
    """The config as these backends can serve it: if one cannot continue a begun answer, budgets are announced in the
    prompt and sampled anew (budget_mode "rerun"). Raises TtcError for --wait in that case."""
    unable = [name for name, backend in backends.items() if not backend.prefills]
    if not unable:
        return config
    if config.wait:
        raise TtcError(f"--wait: {', '.join(unable)} cannot go on from a begun answer; leave --wait out")
    return dataclasses.replace(config, budget_mode="rerun") if config.budgets else config
