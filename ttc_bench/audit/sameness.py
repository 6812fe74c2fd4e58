"""Are the samples of a problem different samples? Copies, a constant seed, and seeds that are used twice.

Two samples can be equal by chance, the more easily the shorter they are: "42" and "42" prove nothing. Two signs do:

* Long texts that are equal. A text of LONG bytes is some 50 tokens; at the 0.3 nats per token that a confident model
  still has, two independent ones are equal with a chance of the order of exp(-7).
* The same two samples equal in more problems than other pairs are (seeds.py).

All samples of nearly every problem being one text is a sign too, the weaker the shorter the texts: a confident model
may say a BRIEF one every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ttc_bench.analysis.stats import pass_at_k
from ttc_bench.audit.findings import SHOWN, Evidence, Finding, Severity, share, signed, weighed, worst
from ttc_bench.audit.material import Material
from ttc_bench.audit.seeds import Pair, reused
from ttc_bench.audit.votes import majority, vote
from ttc_bench.errors import counted
from ttc_bench.grading.columns import Columns

LONG = 200  # bytes of a text that is not equal to another by chance
FEW = 0.01  # share of long copies that is not worth a word
BRIEF = 50  # bytes of a text that a confident model may give every time
NEARLY = 0.9  # share of problems of one text, from which a word is due whatever the length


def sameness(m: Material) -> Iterator[Finding]:
    """One finding; none for a pool of one sample per problem."""
    several = [p for p, g in enumerate(m.pool.problems) if len(g) > 1]
    if not several:
        return
    pair = reused(m, several)
    sure = None if pair and pair.order else pair
    copies = {p: _copies(m.pool.problems[p].samples) for p in several}
    long = [(p, s) for p in several for s in copies[p] if m.written[p].size[s] >= LONG]
    distinct = np.array([m.pool.problems[p].samples.distinct for p in several])
    one = [p for p, d in zip(several, distinct, strict=True) if d == 1]
    constant = [p for p in one if m.written[p].size[0] >= LONG]
    effective = float(np.mean([_effective(m.pool.problems[p].samples) for p in several]))
    worth = _worth(m) if long or sure else {}
    points = worth.get("points", 0.0)
    copied = sum(len(m.pool.problems[p]) for p in several) - int(distinct.sum())
    severity: Severity = "fine"
    if sure or len(constant) * 2 >= len(several):
        severity = "serious"
    elif len(long) >= FEW * m.samples:
        severity = worst("notable", weighed(points))
    if pair and pair.order:
        severity = worst(severity, "cannot be told")
    nearly = len(one) >= NEARLY * len(several)
    if nearly:
        usual = float(np.median([m.written[p].size[0] for p in one]))
        severity = worst(severity, "notable" if usual >= BRIEF else "cannot be told")
    shown = one if nearly else constant
    cases = [(p, copies[p][0]) for p in shown] or (sure.cases if sure else long)
    numbers = {
        "copies": copied,
        "long copies": len(long),
        "distinct": float(distinct.mean()),
        "effective": effective,
        "problems of one text": len(one),
        "of one long text": len(constant),
        "pair": [sure.i, sure.j] if sure else None,
        "pairs": sure.pairs if sure else 0,
        **worth,
    }
    told = len(shown) if nearly or len(constant) * 2 >= len(several) else 0
    yield Finding(
        *("sameness", m.name, severity, _sentence(m, copied, told, len(several), pair, numbers)),
        points if severity in ("serious", "notable") else 0.0 if severity == "fine" else None,
        evidence=_cases(m, cases) if severity != "fine" else (),
        total=len(cases) if severity != "fine" else 0,
        numbers=numbers,
    )


def _sentence(m: Material, copied: int, constant: int, several: int, pair: Pair | None, numbers: dict[str, Any]) -> str:
    """`constant`: the problems of one text that are worth a word, of `several`."""
    if not copied:
        return f"no two samples of a problem are the same text ({m.samples:,} samples)"
    text = f"{share(copied, m.samples)} samples are the text of an earlier sample of their problem"
    if pair and pair.order:
        text += f"; whether a seed was used twice cannot be told, as the file sorts the samples by {pair.order}"
    if not numbers["long copies"] and not constant and not numbers["pair"]:
        return f"{text}; all of these are short, as answers that are equal by chance are"
    if constant:
        text += f"; in {share(constant, several)} problems all samples are one text: more samples buy nothing there"
        text += ", as with a seed that never changes or at temperature 0" if not numbers["of one long text"] else ""
    if pair and not pair.order:
        text += (
            f"; sample {pair.i} is sample {pair.j} in {counted(len(pair.cases), 'problem')}"
            f"{f', and {pair.pairs - 1:,} more pairs are such' if pair.pairs > 1 else ''}: "
            "a seed used twice, or rows copied"
        )
        text += "" if pair.numbered else " (samples are numbered by their order in the file)"
    text += f"; a problem has {numbers['distinct']:.1f} different texts (effectively {numbers['effective']:.1f})"
    if "maj" in numbers:
        text += f"; with a vote for each different text maj@{m.pool.depth} is {numbers['maj of distinct']:.3f}, not "
        text += f"{numbers['maj']:.3f} ({signed(numbers['points'])})"
    return text


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
