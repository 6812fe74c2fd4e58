"""Samples a run: the pools of each model, and the continuations of their traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ttc_bench.core import Backend, Job
from ttc_bench.errors import BackendError, PromptTooLong, TaskError, TtcError
from ttc_bench.prices import DollarLimit
from ttc_bench.sampling import changes
from ttc_bench.sampling.plan import Plan
from ttc_bench.sampling.pool import Filled, Watch, fill, remainder
from ttc_bench.sampling.store import Store
from ttc_bench.sampling.store_file import StoreError


async def fill_all(
    store: Store, backends: Mapping[str, Backend], plans: Mapping[str, Plan], watch: Watch, pilot: int | None = None
) -> dict[str, Filled]:
    """Fills the pools and then the continuations of one model after the other, so that each has all memory of the
    machine. `pilot`: only one sample for so many problems of each group. Returns the outcome of each model that had
    samples to make. A model with a fatal error leaves holes; if every model has one, the first is raised."""
    wanted = {name: plan.wanted if pilot is None else plan.pilot(pilot) for name, plan in plans.items()}
    all_wanted = [pair for pairs in wanted.values() for pair in pairs]
    jobs = {
        name: [Job(request, lacking) for request, lacking in store.missing(pairs)] for name, pairs in wanted.items()
    }
    watch.on_plan(
        sum(n for _, n in dict.fromkeys(all_wanted)),
        sum(len(job.indices) for lacking in jobs.values() for job in lacking),
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
        except StoreError:  # nobody's samples can be kept: no other model may be asked, and paid
            raise
        except TtcError as error:
            errors.append(error)
            if len(errors) == len(backends):
                raise errors[0] from None
            words = str(error).removeprefix(f"{name}: ")
            filled[name] = filling.noted(remainder(store, jobs[name], BackendError(words, fatal=True)))
        spent = filling.limit.spent if filling.limit else spent
        await backend.close()
    return filled


def _limit(plan: Plan, spent: float) -> DollarLimit | None:
    """The limit of --max-cost, which holds for the whole run: `spent` dollars went to earlier models. None for a model
    without a price."""
    price = plan.config.tariff(plan.model)
    return DollarLimit(plan.config.max_cost, price, spent) if price and plan.config.max_cost is not None else None


@dataclass(frozen=True)
class _Filling:
    """Fills the samples of one model."""

    store: Store
    backend: Backend
    plan: Plan
    watch: Watch
    limit: DollarLimit | None

    async def _fill(self, wanted: changes.Wanted) -> Filled:
        return await fill(self.store, self.backend, wanted, self.watch, self.limit)

    async def pools(self, wanted: changes.Wanted) -> Filled:
        """Fills the pools. Raises TtcError; for a prompt that is too long it names the problem."""
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
        """Samples the continuations of the stored traces: cut at budgets, continued after waits, revised."""
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
            traces, of_prompt = plan.traces(prompt), plan.changes(prompt)
            await changes.extend(self.store, traces, of_prompt, plan.config.samples, self.backend.cut, fill_fitting)
        return total

    def noted(self, filled: Filled) -> Filled:
        """The same with sentences on known reasons for missing samples."""
        fatal = [str(hole.error) for hole in filled.holes if hole.error and hole.error.fatal]
        notes = [f"{words}; the same command asks it again" for words in dict.fromkeys(fatal)]
        if self.limit is not None and self.limit.used_up:
            notes.append(
                f"stopped before --max-cost ${self.limit.limit:g} (${self.limit.spent:.4f} spent by this run); "
                "the same command goes on"
            )
        return filled + Filled(notes=tuple(notes))
