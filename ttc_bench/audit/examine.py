"""The menu of checks, and an audit of all of them. No model is needed, and nothing is sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ttc_bench.analysis.graded import GradedPool
from ttc_bench.audit.ballots import ballots, placeholders
from ttc_bench.audit.findings import Audit, Finding
from ttc_bench.audit.headline import headline
from ttc_bench.audit.material import Material, gather
from ttc_bench.audit.oddities import guessing, unanimous
from ttc_bench.audit.padding import padding
from ttc_bench.audit.regraded import golds, regraded
from ttc_bench.audit.sameness import sameness
from ttc_bench.audit.spread import dependence
from ttc_bench.audit.tokens import miscounts
from ttc_bench.audit.truncation import truncation
from ttc_bench.core import CurvePoint
from ttc_bench.interchange.recorded import Recorded
from ttc_bench.sampling.store import Store

Check = Callable[[Material], Iterator[Finding]]
OF_POOL: tuple[Check, ...] = (
    *(regraded, golds, truncation, sameness, ballots, placeholders),
    *(padding, miscounts, dependence, guessing, unanimous),
)


def examine(
    pools: Sequence[GradedPool], points: Sequence[CurvePoint], store: Store, recorded: Recorded | None = None
) -> Audit:
    """The audit of a run: its graded pools, the points of its Analysis with their values, the store that the samples
    came from, and what their source said of them. Pools after a change are looked at through their points alone: their
    samples are parts of others. A pool with a problem without any sample has no accuracy, and that is what is said of
    it. Raises StoreError, and TtcError for an imported.parquet that cannot be read."""
    findings = list(headline(points))
    for pool in (p for p in pools if p.after is None and p.problems):
        if pool.depth:
            material = gather(pool, store, recorded)
            findings += [finding for check in OF_POOL for finding in check(material)]
        else:
            findings.append(_unfinished(pool))
    return Audit.of(findings)


def _unfinished(pool: GradedPool) -> Finding:
    lacking = int((pool.sizes == 0).sum())
    sentence = f"{lacking:,} of {len(pool.problems):,} problems have no sample, so there is no accuracy to ask about"
    return Finding("truncation", f"{pool.task.name}, {pool.label()}", "cannot be told", sentence, total=lacking)
