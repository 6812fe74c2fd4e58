"""Makes the samples of a run exist: the pools of each model, and what follows from their traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ttc_bench.core import Backend, Job, Sample
from ttc_bench.errors import BackendError, PromptTooLong, TaskError, TtcError
from ttc_bench.prices import DollarLimit
from ttc_bench.sampling import changes
from ttc_bench.sampling.plan import Plan
from ttc_bench.sampling.pool import Filled, Stop, fill, left
from ttc_bench.sampling.store import Store


def _ignore(*_: object) -> None:
    return None


@dataclass(frozen=True)
class Watch:
    """What a caller may want to see of a run while it lasts."""

    on_plan: Callable[[int, int], None] = _ignore  # samples in all, and to be made; before each filling
    on_sample: Callable[[Sample], None] = _ignore
    on_score: Callable[[str, int, int], None] = _ignore  # verifier, scores done, scores to make
    on_wait: Callable[[int, str], None] = _ignore  # requests that other runs are sampling, and which runs
    stop: Stop = field(default_factory=Stop)  # by which the caller ends it early


SILENT = Watch()


async def fill_all(
    store: Store, backends: Mapping[str, Backend], plans: Mapping[str, Plan], watch: Watch, pilot: int | None = None
) -> dict[str, Filled]:
    """Fills the pools of one model after the other, so that each has the machine's memory to itself, and then what
    follows from their traces; with `pilot` only one sample of so many problems of each kind. Returns what came of the
    models that had samples to make. A model that fails for good leaves holes; where every model does, it raises."""
    wanted = {name: plan.wanted if pilot is None else plan.pilot(pilot) for name, plan in plans.items()}
    every = [pair for pairs in wanted.values() for pair in pairs]
    jobs = {
        name: [Job(request, lacking) for request, lacking in store.missing(pairs)] for name, pairs in wanted.items()
    }
    watch.on_plan(
        sum(n for _, n in dict.fromkeys(every)), sum(len(job.indices) for lacking in jobs.values() for job in lacking)
    )
    filled: dict[str, Filled] = {}
    spent, errors = 0.0, []
    for name, backend in backends.items():
        filling = _Filling(store, backend, plans[name], watch, _limit(plans[name], spent))
        try:
            result = await filling.pools(wanted[name]) if jobs[name] else Filled()
            result += await filling.continuations() if pilot is None else Filled()
            if jobs[name] or result.made or result.holes:
                filled[name] = filling.noted(result)
        except TtcError as error:
            errors.append(error)
            if len(errors) == len(backends):
                raise errors[0] from None
            words = str(error).removeprefix(f"{name}: ")
            filled[name] = filling.noted(left(store, jobs[name], BackendError(words, fatal=True)))
        spent = filling.limit.spent if filling.limit else spent
        await backend.close()
    return filled


def _limit(plan: Plan, spent: float) -> DollarLimit | None:
    """--max-cost, which is for the run: `spent` went to the models before this one. None for a model without a price."""
    price = plan.config.tariff(plan.model)
    return DollarLimit(plan.config.max_cost, price, spent) if price and plan.config.max_cost is not None else None


@dataclass(frozen=True)
class _Filling:
    """One model's samples under way."""

    store: Store
    backend: Backend
    plan: Plan
    watch: Watch
    limit: DollarLimit | None

    async def _fill(self, wanted: changes.Wanted) -> Filled:
        watch = self.watch
        return await fill(self.store, self.backend, wanted, watch.on_sample, self.limit, watch.on_wait, watch.stop)

    async def pools(self, wanted: changes.Wanted) -> Filled:
        """Brings the pools to the samples that are wanted. Raises TtcError, naming the problem of a prompt that is too
        long."""
        try:
            return await self._fill(wanted)
        except PromptTooLong as error:
            for planned in self.plan.requests:
                if planned.request.address == error.address:
                    raise TaskError(
                        f"{planned.task.name}, problem {planned.problem.id}, prompt {planned.prompt}: {error}; "
                        "leave the problem out, or use a model with a longer context"
                    ) from None
            raise
        except BackendError as error:
            raise TtcError(f"{self.plan.name}: {error}") from error

    async def continuations(self) -> Filled:
        """Makes what follows from the stored traces exist: cut at budgets, made to go on, revised."""
        total = Filled()

        async def fill_fitting(wanted: changes.Wanted) -> frozenset[str]:
            nonlocal total
            crowded: set[str] = set()
            if not wanted:
                return frozenset()
            self.watch.on_plan(len(wanted), sum(len(lacking) for _, lacking in self.store.missing(wanted)))
            while True:
                try:
                    fitting = [(request, n) for request, n in wanted if request.address not in crowded]
                    total += await self._fill(fitting)
                    return frozenset(crowded)
                except PromptTooLong as error:
                    crowded.add(error.address)
                except BackendError as error:
                    raise TtcError(f"{self.plan.name}: {error}") from error

        plan = self.plan
        for prompt in plan.config.prompts:
            traces, done = plan.traces(prompt), plan.changes(prompt)
            await changes.extend(self.store, traces, done, plan.config.samples, self.backend.cut, fill_fitting)
        return total

    def noted(self, filled: Filled) -> Filled:
        """The same with a sentence on why samples are missing, where that was not chance."""
        fatal = [str(hole.error) for hole in filled.holes if hole.error and hole.error.fatal]
        notes = [f"{words}; the same command asks it again" for words in dict.fromkeys(fatal)]
        if self.limit is not None and self.limit.used_up:
            notes.append(
                f"stopped before --max-cost ${self.limit.limit:g} (${self.limit.spent:.4f} spent by this run); "
                "the same command goes on"
            )
        return filled + Filled(notes=tuple(notes))
