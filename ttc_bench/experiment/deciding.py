"""Several runs side by side: which is better, in which order to ask, what to spend on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ttc_bench.errors import TtcError, nearest
from ttc_bench.experiment.again import recorded_run, replayed
from ttc_bench.experiment.given import load_tasks
from ttc_bench.policies import choosing, planner
from ttc_bench.policies.common import shared
from ttc_bench.policies.comparison import Comparison, comparison
from ttc_bench.policies.plan_words import Asked, unit_of
from ttc_bench.policies.sides import Run, distinct
from ttc_bench.policies.sources import Contender, Source, contenders
from ttc_bench.policies.spending import Configuration, configuration, stopped
from ttc_bench.policies.stopping import frontiers, unfit
from ttc_bench.sampling.pool import SILENT, Watch
from ttc_bench.strategies.rules import RULES


async def compare(
    folders: Sequence[Path], only: Collection[str] = (), changes: dict[str, Any] | None = None, watch: Watch = SILENT
) -> Comparison:
    """Two or more runs side by side, on the problems that all of them have: each is analysed again from its stored
    samples of these alone. `only`: names of the tasks to compare; `changes`: config fields, such as prices. Raises
    TtcError where there is nothing to compare, or samples are not found."""
    named = distinct(folders)
    tasks_of = {}
    for name, folder in named.items():
        earlier, config = recorded_run(folder, changes)
        tasks_of[name] = load_tasks(config, folder, earlier.get("tasks", ()))
    common, notes = shared(tasks_of, only)
    runs = []
    for name, folder in named.items():
        problems = {part.names[name]: part.problems[name] for part in common if name in part.names}
        if problems:
            async with replayed(folder, changes, watch, problems) as again:
                runs.append(Run(name, again.result.analysis.points, again.pools))
    return comparison(runs, common, notes)


async def cascades(
    folders: Sequence[Path], changes: dict[str, Any] | None = None, watch: Watch = SILENT
) -> list[choosing.Pair]:
    """Small model first, for every pair of models of each task; see policies/choosing.py. `changes`: as for `replay`.
    Raises TtcError where no task has two models."""
    by_task = contenders(await sources_of(folders, changes, watch))
    pairs = [pair for task, models in by_task.items() for pair in choosing.pairs(task, models)]
    if not pairs:
        names = ", ".join(map(str, folders))
        raise TtcError(f"{names}: a cascade needs two models of one task, the first with several samples or a score")
    return pairs


async def plan_spending(
    folders: Sequence[Path],
    budget: tuple[Asked, float],
    problems: int,
    rules: Sequence[str] = (),
    changes: dict[str, Any] | None = None,
    watch: Watch = SILENT,
) -> tuple[list[planner.Plans], list[str]]:
    """For every task the plans for a budget (its unit and amount) for so many problems, and notes for the reader; see
    policies/planner.py. `rules`: stopping rules that are ways to spend, too. Raises TtcError where costs are not known
    in the unit."""
    for rule in rules:
        if rule not in RULES:
            raise TtcError(nearest(rule, list(RULES), "policy"))
    found, notes = [], []
    for task, models in contenders(await sources_of(folders, changes, watch)).items():
        ways = [configuration(m, c.rates, c.name) for c in models for m in c.measured()]
        ways += [way for c in models for way in _stopping(c, rules)]
        unit, said = unit_of(budget[0], ways, models)
        notes += [f"{task}: {note}" for note in said]
        found.append(planner.plans(task, models[0].problems, ways, unit, budget[1] / problems))
    return found, notes


def _stopping(model: Contender, rules: Sequence[str]) -> list[Configuration]:
    """The stopping rules on a model's votes; none where its pool is too small for them, or has no scores."""
    pool = model.voting()
    fitting = [rule for rule in rules if not unfit(pool, [rule])]
    return [way for f in frontiers(pool, fitting) for way in stopped(f, pool, model.rates, model.name)]


async def sources_of(folders: Sequence[Path], changes: dict[str, Any] | None, watch: Watch) -> list[Source]:
    """Every model of every folder, replayed. Raises TtcError for a folder that is given twice."""
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise TtcError(f"{', '.join(map(str, folders))}: one folder is given twice; give each once")
    found: list[Source] = []
    for folder in folders:
        async with replayed(folder, changes, watch) as again:
            found += again.sources
    return found
