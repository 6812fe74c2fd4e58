"""Are the tokens those of the texts? Padding, counts that no text of this size can have, and counts of nothing.

Sizes are bytes of UTF-8, of which a token holds about four in any script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ttc_bench.audit.findings import SHOWN, Evidence, Finding, Severity, share, signed
from ttc_bench.audit.material import Array, Material, Written
from ttc_bench.audit.votes import at, majority
from ttc_bench.errors import counted
from ttc_bench.grading.columns import Columns

UNEVEN, APART = 1.5, 80  # longest over shortest text, and bytes between them, from which equal counts are no chance
PADDED = 0.2  # share of problems whose counts are padding, from which the axis is another one
FEW_BYTES, MANY_BYTES = 0.3, 12.0  # a token of real text holds between these
COUNTABLE = 50  # tokens, or bytes in place of tokens, from which a ratio says something
SPOILT = 0.01  # share of wrong counts, from which the axis is another one


def padding(m: Material) -> Iterator[Finding]:
    """One finding; none where no problem has two texts of clearly different length with counted tokens."""
    uneven, padded = [], []
    for p, (_, samples, written, _) in enumerate(m.problems):
        if _uneven(samples, written):
            uneven.append(p)
            if len(np.unique(samples.completion)) == 1:
                padded.append(p)
    if not uneven:
        return
    if len(padded) < max(3, PADDED * len(uneven)):
        yield Finding("tokens", m.name, "fine", "token counts differ where the lengths of the texts do", 0.0)
        return
    factor = _factor(m, padded)
    sentence = (
        f"in {share(len(padded), len(uneven))} problems all samples have the same number of tokens though their texts "
        f"differ in length: counts with padding, about {factor:.1f} times too large"
    )
    points: float | None = None
    k = m.pool.depth
    if k > 1:
        points = 100 * float((majority(m.pool, k) - at(m.pool, k / factor)).mean())
        sentence += (
            f"; on the right axis maj@{k} stands {factor:.1f} times further left ({signed(points)} at its tokens)"
        )
    yield Finding(
        *("tokens", m.name, "serious", sentence, points),
        evidence=[_padded_case(m, p) for p in padded[:SHOWN]],
        total=len(padded),
        numbers={"padded": len(padded), "compared": len(uneven), "factor": factor},
    )


def _uneven(samples: Columns, written: Written) -> bool:
    if len(samples) < 2 or not written.counted.all() or samples.estimated.any() or not samples.completion.any():
        return False
    most, least = int(written.size.max()), int(written.size.min())
    return most >= UNEVEN * max(least, 1) and most - least >= APART


def _factor(m: Material, padded: list[int]) -> float:
    """Counted tokens over true ones, if the longest text of each problem has no padding and all have as many bytes per
    token as that one."""
    paid = sum(int(m.pool.problems[p].samples.completion.sum()) for p in padded)
    true = 0.0
    for p in padded:
        size = m.written[p].size
        true += int(m.pool.problems[p].samples.completion[0]) * float(size.sum() / size.max())
    return paid / true


def _padded_case(m: Material, p: int) -> Evidence:
    g, size = m.pool.problems[p], m.written[p].size
    facts = {"tokens of every sample": int(g.samples.completion[0]), "bytes": f"{size.min():,} to {size.max():,}"}
    return Evidence(g.problem.id, None, m.verdicts[p].place[0], "", facts)


def miscounts(m: Material) -> Iterator[Finding]:
    """One finding on counts that cannot be those of the texts, or that nobody made."""
    unknown = sum(int((~w.counted).sum()) for w in m.written)
    if unknown:
        sentence = f"the tokens of {share(unknown, m.samples)} samples are not known, so curves are drawn over k"
        yield Finding("tokens", m.name, "cannot be told", sentence, total=unknown, numbers={"unknown": unknown})
    cases: dict[str, list[tuple[int, int]]] = {}
    for p, (_, samples, written, _) in enumerate(m.problems):
        for kind, wrong in _wrong(samples, written).items():
            cases.setdefault(kind, []).extend((p, s) for s in np.flatnonzero(wrong).tolist())
    found = {kind: places for kind, places in cases.items() if places}
    if not found:
        if not unknown:
            yield Finding("tokens", m.name, "fine", f"{_each(m.samples)} tokens that its text can have", 0.0)
        return
    total = sum(map(len, found.values()))
    parts = [f"{len(places):,} {kind}" for kind, places in found.items()]
    severity: Severity = "serious" if total >= SPOILT * m.samples else "notable"
    yield Finding(
        *(
            "tokens",
            m.name,
            severity,
            f"of {m.samples:,} samples {', '.join(parts)}: the tokens of the curve are wrong",
        ),
        evidence=[_count_case(m, kind, *case) for kind, of in found.items() for case in of[: SHOWN // len(found)]],
        total=total,
        numbers={kind: len(places) for kind, places in found.items()},
    )


def _each(samples: int) -> str:
    return f"each of {counted(samples, 'sample')} has as many"


def _wrong(samples: Columns, written: Written) -> dict[str, Array]:
    """Kind of error -> [sample] bool. Thinking that a server does not hand out is tokens without a text: where it is
    counted apart it is taken off, elsewhere many tokens for a short text are no error."""
    told = written.counted & ~samples.estimated
    tokens, size = samples.completion, written.size
    hidden = (samples.reasoning > 0) & (written.thinking == 0)
    visible = np.where(hidden, tokens - samples.reasoning, tokens)
    apart = samples.reasoning > 0
    return {
        "have a text of 0 tokens": told & (tokens == 0) & (size > 0),
        "have a text too long for its tokens": told & (tokens > 0) & ~hidden & _over(size, tokens, MANY_BYTES),
        "have more tokens than their text and thinking can hold": told & apart & _over(visible, size, 1 / FEW_BYTES),
        "have more thinking tokens than tokens": told & (samples.reasoning > tokens),
    }


def _over(many: Any, few: Any, ratio: float) -> Array:
    """Whether there are more than `ratio` times as many, and enough to tell."""
    return np.asarray((many > COUNTABLE) & (many > ratio * np.maximum(few, 1)))


def _count_case(m: Material, kind: str, p: int, s: int) -> Evidence:
    samples, written = m.pool.problems[p].samples, m.written[p]
    facts = {
        "error": kind.removeprefix("have "),
        "tokens": int(samples.completion[s]),
        "of these thinking": int(samples.reasoning[s]),
        "bytes": int(written.size[s]),
    }
    return m.case(p, s, facts=facts)
