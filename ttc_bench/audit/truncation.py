"""How much of the accuracy is decided by the token limit: what it would be if every cut answer were right, or wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ttc_bench.audit.findings import Finding, share, weighed
from ttc_bench.audit.material import Array, Material
from ttc_bench.audit.votes import majority, vote
from ttc_bench.grading.columns import Columns

LEAST_LIMIT = 16  # tokens: shorter answers are often equally long
AT_LIMIT = 0.01  # share of samples with exactly the largest count, from which that looks like a limit


def truncation(m: Material) -> Iterator[Finding]:
    """One finding. Cut answers count as right or wrong for k = 1; in a vote of all k they all have the gold answer, or
    all the wrong answer that most other samples have."""
    unknown = sum(int((~written.ended).sum()) for written in m.written)
    if unknown:
        yield _untold(m, unknown)
        return
    cut = int(m.pool.column("length").sum())
    if not cut:
        yield Finding("truncation", m.name, "fine", f"none of {m.samples:,} samples was cut at the token limit", 0.0)
        return
    k = m.pool.depth
    rows = np.array([_row(g.samples, k) for g in m.pool.problems])
    (one_low, one, one_high), (low, high) = rows[:, :3].mean(axis=0), rows[:, 3:].mean(axis=0)
    sentence = (
        f"{share(cut, m.samples)} samples were cut at the token limit: accuracy of a sample is {one:.3f}, "
        f"{one_low:.3f} if all of them were wrong and {one_high:.3f} if all were right"
    )
    width = 100 * (one_high - one_low)
    numbers = {"cut": cut, "k=1": [one_low, one, one_high]}
    if k > 1:
        ours = float(majority(m.pool, k).mean())
        sentence += f"; maj@{k} is {ours:.3f}, {low:.3f} and {high:.3f}"
        width, numbers[f"maj@{k}"] = max(width, 100 * (high - low)), [low, ours, high]
    cases = [(p, int(s)) for p, g in enumerate(m.pool.problems) for s in np.flatnonzero(g.samples.length)]
    yield Finding(
        *("truncation", m.name, weighed(width), sentence, width),
        *(100 * (one_low - one), 100 * (one_high - one), m.evidence(cases), cut, numbers),
    )


def _row(samples: Columns, k: int) -> tuple[float, float, float, float, float]:
    """Accuracy of a sample if the cut ones were wrong, as it is, and if they were right; and of the vote of k."""
    cut, correct = samples.length, samples.correct
    one = float((correct & ~cut).mean()), float(correct.mean()), float((correct | cut).mean())
    if k == 1 or not cut.any():
        ours = vote(samples.votes, correct, k)
        return *one, ours, ours
    return *one, vote(*_all_wrong(samples), k), vote(*_all_right(samples), k)


def _all_right(samples: Columns) -> tuple[Array, Array]:
    """Votes and correctness with the gold answer in place of every cut one: the class of equal answers that most right
    samples are in."""
    cut, votes = samples.length, samples.votes
    gold = _most(votes[samples.correct], len(samples.answers))
    return np.where(cut, gold, votes), samples.correct | cut


def _all_wrong(samples: Columns) -> tuple[Array, Array]:
    """The same with the most frequent wrong answer of the samples that were not cut."""
    cut, votes = samples.length, samples.votes
    wrong = _most(votes[~samples.correct & ~cut], len(samples.answers))
    return np.where(cut, wrong, votes), samples.correct & ~cut


def _most(votes: Array, none: int) -> int:
    """The most frequent of these answers; `none` where nobody gave one."""
    given = votes[votes >= 0]
    return int(np.bincount(given).argmax()) if len(given) else none


def _untold(m: Material, unknown: int) -> Finding:
    """The source does not say which samples were cut; counts that pile up at the largest look like a limit."""
    sentence = f"whether {share(unknown, m.samples)} samples were cut at a token limit is not known"
    counts = m.pool.column("completion")[np.concatenate([w.counted & ~w.ended for w in m.written])]
    largest = int(counts.max(initial=0))
    piled = int((counts == largest).sum()) if largest else 0
    if piled > 1 and piled >= AT_LIMIT * len(counts) and largest >= LEAST_LIMIT:
        sentence += f"; {piled:,} of them have exactly the largest count, {largest:,} tokens, which looks like a limit"
    numbers = {"unknown": unknown, "largest": largest, "at the largest": piled}
    return Finding("truncation", m.name, "cannot be told", sentence, total=unknown, numbers=numbers)
