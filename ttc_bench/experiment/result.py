"""What a run came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ttc_bench.analysis.analyse import Analysis
from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.graded import GradedPool
from ttc_bench.config import Config
from ttc_bench.errors import TtcError
from ttc_bench.policies import choosing
from ttc_bench.policies.sources import Source, contenders
from ttc_bench.sampling.plan import Plan
from ttc_bench.sampling.pool import Filled
from ttc_bench.verifiers import menu

UNASKED = 5_000  # most samples of a run whose cascades are looked at without `ttc-bench cascade`


@dataclass(frozen=True)
class Result:
    """The outcome of a run or a report. `filled.made` is 0 if every sample was in the store already."""

    folder: Path
    analysis: Analysis = field(repr=False)  # asyncio.run makes a repr of what it returns, and throws it away
    filled: Filled
    manifest: dict[str, Any] = field(repr=False)
    written: bool = True  # False: the folder cannot be written to, as on a read-only disk
    cascades: Sequence[choosing.Pair] = field(default=(), repr=False)  # of runs with several models


def work_of(filled: Mapping[str, Filled], verifiers: Mapping[str, menu.ByTask]) -> Filled:
    """What a run made, and what its verifiers did."""
    work = [menu.work(of_model) for of_model in verifiers.values()]
    return sum((*filled.values(), *(Filled(scores=n, scoring=usage) for n, usage in work)), Filled())


def source_of(config: Config, of_model: Plan, entry: Mapping[str, Any], pools: Sequence[GradedPool]) -> Source:
    """A model of a run; `entry`: what run.json says of it."""
    rates = Rates(config.tariff(of_model.model), entry.get("parameters"))
    return Source(config.folder.name, of_model, rates, tuple(pools))


def of_run(sources: Sequence[Source]) -> list[choosing.Pair]:
    """The cascades of a run with several models; none where they have too few problems in common to choose on, or so
    many samples that a report should not wait for them."""
    if sum(int(pool.sizes.sum()) for source in sources for pool in source.pools) > UNASKED:
        return []
    try:
        return [pair for task, models in contenders(sources).items() for pair in choosing.pairs(task, models)]
    except TtcError:
        return []
