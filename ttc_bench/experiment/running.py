"""Sampling: what is missing is made, then everything is analysed."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from ttc_bench.analysis.analyse import measure, merged
from ttc_bench.analysis.grading import grade, score
from ttc_bench.analysis.quality import failures
from ttc_bench.backends.by_name import make_backends, open_cluster, open_model
from ttc_bench.backends.cluster.link import Cluster
from ttc_bench.config import Config
from ttc_bench.core import Backend, Task, Verifier
from ttc_bench.errors import TtcError
from ttc_bench.experiment.given import load_tasks
from ttc_bench.experiment.result import Result, of_run, source_of, work_of
from ttc_bench.grading.many import Elsewhere
from ttc_bench.policies.extrapolation import outlooks
from ttc_bench.policies.stopping import with_policies
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
        parts, sources = [], []
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
            part = with_policies(part, plans[name], pools, entry.get("parameters"))
            sources.append(source_of(config, plans[name], entry, pools))
            ahead = outlooks(pools, plans[name].voted)
            parts.append(dataclasses.replace(part, notes=part.notes + notes, outlooks=ahead))
    total = work_of(filled, verifiers)
    analysis = merged(parts)
    described = manifest.finish(described, total, analysis)
    result = Result(config.folder, analysis, total, described, cascades=of_run(sources))
    write(config.folder, analysis, described, result.cascades)
    return result


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
        return work_of(filled, verifiers)


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


def _served(config: Config, backends: Mapping[str, Backend]) -> Config:
    """The config as these backends can serve it: if one cannot continue a begun answer, budgets are announced in the
    prompt and sampled anew (budget_mode "rerun"). Raises TtcError for --wait in that case."""
    unable = [name for name, backend in backends.items() if not backend.prefills]
    if not unable:
        return config
    if config.wait:
        raise TtcError(f"--wait: {', '.join(unable)} cannot go on from a begun answer; leave --wait out")
    return dataclasses.replace(config, budget_mode="rerun") if config.budgets else config
