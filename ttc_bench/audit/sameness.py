"""Are the samples of a problem different samples? Copies, a constant seed, and seeds that are used twice.

Two samples can be equal by chance, the more easily the shorter they are: "42" and "42" prove nothing. Two signs do:

* Long texts that are equal. A text of LONG bytes is some 50 tokens; at the 0.3 nats per token that a confident model
  still has, two independent ones are equal with a chance of the order of exp(-7).
* Sample i equal to sample j in more problems than other pairs are. If the samples of a problem are independent, all of
  its pairs are equally likely to be the equal ones, whatever the texts and their length. So the number of problems in
  which one given pair is equal is a sum of independent events of known chances, each the share of equal pairs in that
  problem. Its tail is bounded by exp(-Q KL(x, mean)) (Hoeffding 1963, theorem 1), times the number of pairs looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log
from typing import Any, NamedTuple

import numpy as np

from ttc_bench.analysis.stats import pass_at_k
from ttc_bench.audit.findings import SHOWN, Evidence, Finding, Severity, share, signed, weighed, worst
from ttc_bench.audit.material import Array, Material
from ttc_bench.audit.votes import majority, vote
from ttc_bench.errors import counted
from ttc_bench.grading.columns import Columns

LONG = 200  # bytes of a text that is not equal to another by chance
FEW = 0.01  # share of long copies that is not worth a word
PAIRED = 256  # sample indices whose pairs are compared
SURE = 1e-3  # chance with which a pair stands out among independent samples


class Pair(NamedTuple):
    """Two sample indices that are the same text in more problems than others are."""

    i: int
    j: int
    pairs: int  # that stand out so, this one included
    problems: list[int]


def sameness(m: Material) -> Iterator[Finding]:
    """One finding; none for a pool of one sample per problem."""
    several = [p for p, g in enumerate(m.pool.problems) if len(g) > 1]
    if not several:
        return
    pair = _reused(m, several)
    copies = {p: _copies(m.pool.problems[p].samples) for p in several}
    long = [(p, s) for p in several for s in copies[p] if m.written[p].size[s] >= LONG]
    distinct = np.array([m.pool.problems[p].samples.distinct for p in several])
    constant = [p for p, d in zip(several, distinct, strict=True) if d == 1 and m.written[p].size[0] >= LONG]
    effective = float(np.mean([_effective(m.pool.problems[p].samples) for p in several]))
    worth = _worth(m) if long or pair else {}
    points = worth.get("points", 0.0)
    copied = sum(len(m.pool.problems[p]) for p in several) - int(distinct.sum())
    severity: Severity = "fine"
    if pair or len(constant) * 2 >= len(several):
        severity = "serious"
    elif len(long) >= FEW * m.samples:
        severity = worst("notable", weighed(points))
    cases = [(p, copies[p][0]) for p in constant] or (_second(m, pair) if pair else long)
    numbers = {
        "copies": copied,
        "long copies": len(long),
        "distinct": float(distinct.mean()),
        "effective": effective,
        "problems of one text": len(constant),
        "pair": [pair.i, pair.j] if pair else None,
        "pairs": pair.pairs if pair else 0,
        **worth,
    }
    yield Finding(
        *("sameness", m.name, severity, _sentence(m, copied, len(long), len(constant), len(several), pair, numbers)),
        points if severity != "fine" else 0.0,
        evidence=_cases(m, cases) if severity != "fine" else (),
        total=len(cases) if severity != "fine" else 0,
        numbers=numbers,
    )


def _sentence(
    m: Material, copied: int, long: int, constant: int, several: int, pair: Pair | None, numbers: dict[str, Any]
) -> str:
    if not copied:
        return f"no two samples of a problem are the same text ({m.samples:,} samples)"
    text = f"{share(copied, m.samples)} samples are the text of an earlier sample of their problem"
    if not long and not pair:
        return f"{text}; all of these are short, as answers that are equal by chance are"
    if constant * 2 >= several:
        text += f"; in {share(constant, several)} problems all samples are one text: more samples buy nothing there"
    if pair:
        text += (
            f"; sample {pair.i} is sample {pair.j} in {counted(len(pair.problems), 'problem')}"
            f"{f', and {pair.pairs - 1:,} more pairs are such' if pair.pairs > 1 else ''}: "
            "a seed used twice, or rows copied"
        )
    text += f"; a problem has {numbers['distinct']:.1f} different texts (effectively {numbers['effective']:.1f})"
    if "maj" in numbers:
        text += f"; with a vote for each different text maj@{m.pool.depth} is {numbers['maj of distinct']:.3f}, not "
        text += f"{numbers['maj']:.3f} ({signed(numbers['points'])})"
    return text


def _reused(m: Material, several: list[int]) -> Pair | None:
    """The pair of sample indices that stands out most from the others; None where none does."""
    size = min(max(int(m.pool.problems[p].samples.index.max()) for p in several) + 1, PAIRED)
    seen, expected, problems = (np.zeros((size, size)) for _ in range(3))
    for p in several:
        equal, at = _equal(m.pool.problems[p].samples, size)
        if len(equal) > 2:  # the only pair there is stands out from none
            seen[at] += equal
            expected[at] += equal[np.triu_indices(len(equal), 1)].mean()
            problems[at] += 1
    ahead = np.argwhere(np.triu((seen > expected) & (seen >= 3), 1)).tolist()
    pairs = size * (size - 1) / 2
    found = sorted((_tail(seen[i, j], expected[i, j], problems[i, j]) * pairs, i, j) for i, j in ahead)
    sure = [(i, j) for chance, i, j in found if chance <= SURE]
    if not sure:
        return None
    i, j = sure[0]
    return Pair(i, j, len(sure), [p for p in several if _is_pair(m.pool.problems[p].samples, i, j)])


def _equal(samples: Columns, size: int) -> tuple[Array, tuple[Array, ...]]:
    """[sample, sample] bool: which are the same text, and where those stand in an array over indices below `size`."""
    kept = samples.index < size
    twins, index = samples.twin[kept], samples.index[kept]
    return twins[:, None] == twins, np.ix_(index, index)


def _is_pair(samples: Columns, i: int, j: int) -> bool:
    twins = dict(zip(samples.index.tolist(), samples.twin.tolist(), strict=True))
    return i in twins and twins[i] == twins.get(j)


def _second(m: Material, pair: Pair) -> list[tuple[int, int]]:
    """The later sample of the pair in each of its problems."""
    return [(p, m.pool.problems[p].samples.index.tolist().index(pair.j)) for p in pair.problems]


def _tail(seen: float, expected: float, trials: float) -> float:
    """At least the chance of so many of `trials` independent events, of which so many are expected (Hoeffding)."""
    x, mean = seen / trials, expected / trials
    if mean >= 1:
        return 1.0
    divergence = x * log(x / mean) + (0.0 if x == 1 else (1 - x) * log((1 - x) / (1 - mean)))
    return exp(-trials * divergence)


def _copies(samples: Columns) -> list[int]:
    """The samples that are the text of an earlier one."""
    first = np.unique(samples.twin, return_index=True)[1]
    return [int(s) for s in np.setdiff1d(np.arange(len(samples)), first)]


def _effective(samples: Columns) -> float:
    """The number of equally frequent texts of the same diversity: n^2 / sum of squared counts (Simpson 1949)."""
    counts = np.unique(samples.twin, return_counts=True)[1]
    return float(len(samples) ** 2 / (counts**2).sum())


def _worth(m: Material) -> dict[str, float]:
    """Accuracy with each different text counted once: the vote of all of them, and pass@k for as many as every problem
    has, against ours at the same k. `points`: the larger of the differences."""
    k = m.pool.depth
    once = [_once(g.samples) for g in m.pool.problems]
    fewest = min(map(len, once))
    voted = float(np.mean([vote(s.votes, s.correct, len(s)) for s in once]))
    ours = float(majority(m.pool, k).mean())
    reach = float(np.mean([pass_at_k(len(g), int(g.samples.correct.sum()), fewest) for g in m.pool.problems]))
    reached = float(np.mean([pass_at_k(len(s), int(s.correct.sum()), fewest) for s in once]))
    return {
        "maj": ours,
        "maj of distinct": voted,
        "k of pass": fewest,
        "pass": reach,
        "pass of distinct": reached,
        "points": 100 * max(voted - ours, reached - reach, key=abs),
    }


def _once(samples: Columns) -> Columns:
    return samples.only(np.sort(np.unique(samples.twin, return_index=True)[1]))


def _cases(m: Material, cases: list[tuple[int, int]]) -> list[Evidence]:
    """Each with the index of the sample that it is a copy of."""
    out = []
    for p, s in cases[:SHOWN]:
        samples = m.pool.problems[p].samples
        first = int(samples.index[np.flatnonzero(samples.twin == samples.twin[s])[0]])
        out.append(m.case(p, s, facts={"same as sample": first}))
    return out
