"""Are token counts those of padded batches? Then samples of one batch have one count, whatever the size of their texts.

A batch may be the samples of one problem, or any samples that were generated one after the other. Which ones is written
nowhere; but most tools write samples in the order in which they made them, so that neighbours shared a batch.

Sizes are bytes of UTF-8, as in tokens.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ttc_bench.audit.findings import SHOWN, Evidence, Finding, share, signed
from ttc_bench.audit.material import Array, Material
from ttc_bench.audit.votes import at, majority
from ttc_bench.interchange.recorded import UNKNOWN

UNEVEN, APART = 1.5, 80  # longest over shortest text, and bytes between them, from which equal counts are no chance
PADDED, LEAST = 0.2, 3  # share and number of equal counts for uneven texts, from which the axis is another one
SHUFFLES = 199  # none of them has as many equal neighbours as a padded file
MANY = 100_000  # samples whose order is looked at


@dataclass(frozen=True, eq=False)
class _Row:
    """Samples one after the other. Arrays are [sample]."""

    problem: Array  # place in the pool
    sample: Array  # place in the columns of its problem
    count: Array  # tokens
    size: Array  # bytes
    line: Array  # rank in the source's files; UNKNOWN where it has none

    def at(self, places: Array) -> _Row:
        return _Row(*(of[places] for of in (self.problem, self.sample, self.count, self.size, self.line)))

    @property
    def neighbours(self) -> tuple[int, int]:
        """Pairs of neighbours whose texts clearly differ in size, and how many of them have the same count."""
        size, count = self.size, self.count
        uneven = _uneven(np.minimum(size[1:], size[:-1]), np.maximum(size[1:], size[:-1]))
        return int(uneven.sum()), int((uneven & (count[1:] == count[:-1])).sum())


def padding(m: Material) -> Iterator[Finding]:
    """One finding; none where no two samples with counted tokens have texts of clearly different size. Cut samples are
    left out: those that a limit ended have as many tokens as it allows."""
    row = _row(m)
    of_problems = [of for of in _groups(row.problem) if len(of) > 1 and _is_uneven(row.size[of])]
    orders = [row.at(order) for order in _orders(row)]
    padded = [of for of in of_problems if len(np.unique(row.count[of])) == 1]
    if len(padded) >= max(LEAST, PADDED * len(of_problems)):
        where = f"in {share(len(padded), len(of_problems))} problems all samples have the same number of tokens"
        yield _found(m, row, padded, f"{where} though their texts differ in length: counts with padding", {})
        return
    if len(row.count) >= LEAST and len(np.unique(row.count)) == 1 and _is_uneven(row.size):
        where = f"all {len(row.count):,} samples have the same number of tokens though their texts differ in length"
        yield _found(m, row, [np.arange(len(row.count))], f"{where}: counts with padding", {})
        return
    for ordered, name in zip(orders, ("in the order of the file", "sample by sample"), strict=True):
        uneven, equal = ordered.neighbours
        if equal >= max(LEAST, PADDED * uneven) and equal > (most := _shuffled(ordered)):
            where = f"{share(equal, uneven)} pairs of neighbours {name} whose texts differ in length have the same "
            where += f"number of tokens, at most {most:,} if they are shuffled: counts padded to batches"
            runs = [of for of in _groups(ordered.count) if _is_uneven(ordered.size[of])]
            yield _found(m, ordered, runs, where, {"neighbours": uneven, "equal": equal, "shuffled": most})
            return
    if of_problems or any(ordered.neighbours[0] for ordered in orders):
        yield Finding("tokens", m.name, "fine", "token counts differ where the lengths of the texts do", 0.0)


def _row(m: Material) -> _Row:
    """All samples whose counts are told and no limit's, problem by problem. Where the end of a sample is not known, the
    largest count may be the limit."""
    parts = []
    for p, (_, samples, written, verdicts) in enumerate(m.problems):
        told = written.counted & ~samples.estimated & ~samples.length & (samples.completion > 0)
        places = np.flatnonzero(told)
        of = (samples.completion, written.size, verdicts.row, written.ended)
        parts.append((np.full(len(places), p), places, *(values[places] for values in of)))
    *columns, ended = (np.concatenate(of) for of in zip(*parts, strict=True))
    row = _Row(*columns)
    limit = row.count[~ended].max(initial=0)
    return row.at(np.flatnonzero(ended | (row.count < limit)))


def _orders(row: _Row) -> tuple[Array, Array]:
    """The order of the source's files (our own samples: problem by problem), and all first samples, all second ones
    and so on: what was sampled together where each call has a sample of every problem."""
    first = np.arange(len(row.line)) if (row.line == UNKNOWN).any() else np.argsort(row.line)
    problem, sample = row.problem[first], row.sample[first]
    return first[:MANY], first[np.lexsort((_ranks(problem), sample))][:MANY]


def _ranks(problem: Array) -> Array:
    """[sample]: the rank of its problem by first appearance."""
    _, first, where = np.unique(problem, return_index=True, return_inverse=True)
    return np.asarray(first[where])


def _groups(values: Array) -> list[Array]:
    """The places of each run of equal values."""
    return np.split(np.arange(len(values)), np.flatnonzero(values[1:] != values[:-1]) + 1)


def _is_uneven(sizes: Array) -> bool:
    return bool(_uneven(sizes.min(initial=1 << 62), sizes.max(initial=0)))


def _uneven(least: Array, most: Array) -> Array:
    return np.asarray((most >= UNEVEN * np.maximum(least, 1)) & (most - least >= APART))


def _shuffled(row: _Row) -> int:
    """The most equal neighbours of SHUFFLES random orders. If the order told nothing of the counts, the one at hand
    would be ahead of all of them with a chance of 1 / (SHUFFLES + 1)."""
    rng = np.random.default_rng(0)
    return max(row.at(rng.permutation(len(row.count))).neighbours[1] for _ in range(SHUFFLES))


def _found(m: Material, row: _Row, batches: Sequence[Array], sentence: str, numbers: dict[str, float]) -> Finding:
    factor = _factor(row, batches)
    sentence += f", about {factor:.1f} times too large"
    points: float | None = None
    k = m.pool.depth
    if k > 1:
        points = 100 * float((majority(m.pool, k) - at(m.pool, k / factor)).mean())
        sentence += (
            f"; on the right axis maj@{k} stands {factor:.1f} times further left ({signed(points)} at its tokens)"
        )
    return Finding(
        *("tokens", m.name, "serious", sentence, points),
        evidence=[_case(m, row, of) for of in batches[:SHOWN]],
        total=len(batches),
        numbers={"padded": len(batches), "factor": factor, **numbers},
    )


def _factor(row: _Row, batches: Sequence[Array]) -> float:
    """Counted tokens of the padded samples over true ones, if the longest text of each batch has no padding and all of
    it have as many bytes per token as that one."""
    paid = sum(int(row.count[of].sum()) for of in batches)
    return paid / sum(int(row.count[of[0]]) * float(row.size[of].sum() / row.size[of].max()) for of in batches)


def _case(m: Material, row: _Row, of: Array) -> Evidence:
    p, s, size = int(row.problem[of[0]]), int(row.sample[of[0]]), row.size[of]
    whole = len(of) == len(m.pool.problems[p]) and len(np.unique(row.problem[of])) == 1
    facts = {"samples": len(of), "tokens of each": int(row.count[of[0]]), "bytes": f"{size.min():,} to {size.max():,}"}
    index = None if whole else int(m.pool.problems[p].samples.index[s])
    return Evidence(m.pool.problems[p].problem.id, index, m.verdicts[p].place[s], "", facts)
