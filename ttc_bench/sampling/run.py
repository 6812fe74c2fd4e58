"""Makes the samples of a run exist: the pools of each model, and what follows from their traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ttc_bench.config import Config
from ttc_bench.core import Backend, Job, Request, Sample, Task
from ttc_bench.errors import BackendError, PromptTooLong, TaskError, TtcError
from ttc_bench.sampling.changes import Wanted, by_characters, extend
from ttc_bench.sampling.plan import changes, plan
from ttc_bench.sampling.pool import Filled, fill, left
from ttc_bench.sampling.store import Store


@dataclass(frozen=True)
class Watch:
    """What a caller may want to see of a run while it lasts."""

    on_plan: Callable[[int, int], None] = lambda wanted, missing: (
        None
    )  # samples in all, to be made; before each filling
    on_sample: Callable[[Sample], None] = lambda sample: None
    on_score: Callable[[str, int, int], None] = lambda verifier, done, missing: None  # of verifiers that run a model


SILENT = Watch()


async def fill_all(
    config: Config,
    chosen: Sequence[Task],
    store: Store,
    backends: Mapping[str, Backend],
    wanted: Mapping[str, list[tuple[Request, int]]],
    watch: Watch,
    *,
    follow: bool = True,
) -> dict[str, Filled]:
    """Fills the pools of one model after the other, so that each has the machine's memory to itself, and what follows
    from their traces unless `follow` is False. Returns what came of those that had samples to make. A model that
    fails for good leaves holes; where every model does, it raises."""
    every = [pair for pairs in wanted.values() for pair in pairs]
    jobs = {
        name: [Job(request, lacking) for request, lacking in store.missing(pairs)] for name, pairs in wanted.items()
    }
    missing = sum(len(job.indices) for few in jobs.values() for job in few)
    watch.on_plan(sum(n for _, n in dict.fromkeys(every)), missing)
    filled: dict[str, Filled] = {}
    dollars, errors = 0.0, []
    for name, one in backends.items():
        budget = getattr(one, "budget", None)
        if budget is not None:
            budget.spent = dollars  # --max-cost is for the run
        try:
            made = await _fill(config, chosen, store, name, one, wanted[name], watch) if jobs[name] else Filled()
            made += await _extend(config, chosen, store, name, one, watch) if follow else Filled()
            if jobs[name] or made.made or made.holes:
                filled[name] = made
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


def ended(config: Config, backend: Backend, filled: Filled) -> list[str]:
    """Why a model has not made all its samples, where that was not chance."""
    said = [f"{hole.error}; the same command asks it again" for hole in filled.holes if hole.error and hole.error.fatal]
    budget = getattr(backend, "budget", None)
    if budget is not None and budget.used_up:
        said.append(
            f"stopped before --max-cost ${config.max_cost:g} (${budget.spent:.4f} spent by this run); "
            "the same command goes on"
        )
    return list(dict.fromkeys(said))


async def _extend(
    config: Config, chosen: Sequence[Task], store: Store, name: str, backend: Backend, watch: Watch
) -> Filled:
    """Makes what follows from the stored traces exist: cut at budgets, made to go on, revised."""
    total = Filled()

    async def fill_these(wanted: Wanted) -> frozenset[str]:
        nonlocal total
        crowded: set[str] = set()
        if not wanted:
            return frozenset()
        watch.on_plan(len(wanted), sum(len(i) for _, i in store.missing(wanted)))
        while True:
            try:
                fitting = [(request, n) for request, n in wanted if request.address not in crowded]
                total += await fill(store, backend, fitting, watch.on_sample)
                return frozenset(crowded)
            except PromptTooLong as error:
                crowded.add(error.address)
            except BackendError as error:
                raise TtcError(f"{name}: {error}") from error

    cut = getattr(backend, "cut", by_characters)
    planned = [one for one in plan(config, chosen, backend.model) if not one.variant]
    for prompt in config.prompts:
        asked = [(one.task, one.request) for one in planned if one.prompt == prompt]
        await extend(store, asked, changes(config, prompt), config.samples, cut, fill_these)
    return total
