"""How much of the accuracy is decided by the token limit: what it would be if every cut answer were right, or wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ttc_bench.audit.findings import Finding, share, weighed
from ttc_bench.audit.material import Array, Material
from ttc_bench.audit.votes import majority, vote
from ttc_bench.grading.columns import Columns

LEAST_LIMIT = 16  # tokens: shorter answers are often equally long
AT_LIMIT = 0.01  # share of samples with exactly the largest count, from which that looks like a limit


def truncation(m: Material) -> Iterator[Finding]:
    """One finding. Cut answers count as right or wrong for k = 1; in a vote of all k they all have the gold answer, or
    all the wrong answer that most other samples have. Samples of unknown end widen the bounds, which are worth what the
    known ones decide; where no sample is known to be cut, it cannot be told."""
    cut = [g.samples.length for g in m.pool.problems]
    doubtful = [~written.ended for written in m.written]
    unknown = sum(int(of.sum()) for of in doubtful)
    total = int(m.pool.column("length").sum())
    if not total:
        sentence = f"none of {m.samples:,} samples was cut at the token limit"
        yield _untold(m, doubtful, unknown) if unknown else Finding("truncation", m.name, "fine", sentence, 0.0)
        return
    bounds = _bounds(m, cut)
    (one_low, one, one_high), voted = bounds["k=1"], bounds.get(f"maj@{m.pool.depth}")
    sentence = (
        f"{share(total, m.samples)} samples were cut at the token limit: accuracy of a sample is {one:.3f}, "
        f"{one_low:.3f} if all of them were wrong and {one_high:.3f} if all were right"
    )
    width = 100 * (one_high - one_low)
    if voted:
        low, ours, high = voted
        sentence += f"; maj@{m.pool.depth} is {ours:.3f}, {low:.3f} and {high:.3f}"
        width = max(width, 100 * (high - low))
    numbers: dict[str, Any] = {"cut": total, **bounds}
    if unknown:
        wider = _bounds(m, [a | b for a, b in zip(cut, doubtful, strict=True)])
        one_low, _, one_high = wider["k=1"]
        sentence += (
            f"; whether {share(unknown, m.samples)} more were cut is not known: with them accuracy of a sample is "
            f"{one_low:.3f} if wrong and {one_high:.3f} if right"
        )
        numbers |= {"unknown": unknown, **{f"{name}, with unknown ends": ends for name, ends in wider.items()}}
    cases = [(p, int(s)) for p, of in enumerate(cut) for s in np.flatnonzero(of)]
    yield Finding(
        *("truncation", m.name, weighed(width), sentence, width),
        *(100 * (one_low - one), 100 * (one_high - one), m.evidence(cases), total, numbers),
    )


def _bounds(m: Material, cut: Sequence[Array]) -> dict[str, list[float]]:
    """ "k=1" and "maj@n" -> accuracy if the cut samples were wrong, as it is, and if they were right. `cut`: [problem]
    of [sample] bool."""
    k = m.pool.depth
    rows = np.array([_row(g.samples, of, k) for g, of in zip(m.pool.problems, cut, strict=True)])
    one, (low, high) = rows[:, :3].mean(axis=0).tolist(), rows[:, 3:].mean(axis=0).tolist()
    return {"k=1": one} | ({f"maj@{k}": [low, float(majority(m.pool, k).mean()), high]} if k > 1 else {})


def _row(samples: Columns, cut: Array, k: int) -> tuple[float, float, float, float, float]:
    """Accuracy of a sample if the cut ones were wrong, as it is, and if they were right; and of the vote of k."""
    correct = samples.correct
    one = float((correct & ~cut).mean()), float(correct.mean()), float((correct | cut).mean())
    if k == 1 or not cut.any():
        ours = vote(samples.votes, correct, k)
        return *one, ours, ours
    return *one, vote(*_all_wrong(samples, cut), k), vote(*_all_right(samples, cut), k)


def _all_right(samples: Columns, cut: Array) -> tuple[Array, Array]:
    """Votes and correctness with the gold answer in place of every cut one: the class of equal answers that most right
    samples are in."""
    votes = samples.votes
    gold = _most(votes[samples.correct], len(samples.answers))
    return np.where(cut, gold, votes), samples.correct | cut


def _all_wrong(samples: Columns, cut: Array) -> tuple[Array, Array]:
    """The same with the most frequent wrong answer of the samples that were not cut."""
    votes = samples.votes
    wrong = _most(votes[~samples.correct & ~cut], len(samples.answers))
    return np.where(cut, wrong, votes), samples.correct & ~cut


def _most(votes: Array, none: int) -> int:
    """The most frequent of these answers; `none` where nobody gave one."""
    given = votes[votes >= 0]
    return int(np.bincount(given).argmax()) if len(given) else none


def _untold(m: Material, doubtful: Sequence[Array], unknown: int) -> Finding:
    """The source does not say which samples were cut; counts that pile up at the largest look like a limit."""
    sentence = f"whether {share(unknown, m.samples)} samples were cut at a token limit is not known"
    if unknown < m.samples:
        low, _, high = _bounds(m, doubtful)["k=1"]
        sentence += f": accuracy of a sample is {low:.3f} if they were wrong and {high:.3f} if right"
    counts = m.pool.column("completion")[np.concatenate([w.counted & ~w.ended for w in m.written])]
    largest = int(counts.max(initial=0))
    piled = int((counts == largest).sum()) if largest else 0
    if piled > 1 and piled >= AT_LIMIT * len(counts) and largest >= LEAST_LIMIT:
        sentence += f"; {piled:,} of them have exactly the largest count, {largest:,} tokens, which looks like a limit"
    numbers = {"unknown": unknown, "largest": largest, "at the largest": piled}
    return Finding("truncation", m.name, "cannot be told", sentence, total=unknown, numbers=numbers)
