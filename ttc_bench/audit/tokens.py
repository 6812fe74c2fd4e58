"""Are the tokens those of the texts? Counts that no text of this size can have, and counts of nothing.

Sizes are bytes of UTF-8, of which a token holds about four in any script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ttc_bench.audit.findings import SHOWN, Evidence, Finding, Severity, share
from ttc_bench.audit.material import Array, Material, Written
from ttc_bench.errors import counted
from ttc_bench.grading.columns import Columns
from ttc_bench.interchange.recorded import Verdicts

FEW_BYTES, MANY_BYTES = 0.3, 12.0  # a token of real text holds between these
COUNTABLE = 50  # tokens, or bytes in place of tokens, from which a ratio says something
SPOILT = 0.01  # share of wrong counts, from which the axis is another one


def miscounts(m: Material) -> Iterator[Finding]:
    """One finding on counts that cannot be those of the texts, or that nobody made."""
    unknown = sum(int((~w.counted).sum()) for w in m.written)
    if unknown:
        sentence = f"the tokens of {share(unknown, m.samples)} samples are not known, so curves are drawn over k"
        yield Finding("tokens", m.name, "cannot be told", sentence, total=unknown, numbers={"unknown": unknown})
    cases: dict[str, list[tuple[int, int]]] = {}
    for p, (_, samples, written, verdicts) in enumerate(m.problems):
        for kind, wrong in _wrong(samples, written, verdicts).items():
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


def _wrong(samples: Columns, written: Written, verdicts: Verdicts) -> dict[str, Array]:
    """Kind of error -> [sample] bool. Thinking that a server does not hand out is tokens without a text: where it is
    counted apart it is taken off, elsewhere many tokens for a short text are no error. An import brings no thinking
    beyond the tokens into a sample, so what its source counted is looked at too, where its tokens are those used."""
    told = written.counted & ~samples.estimated
    tokens, size = samples.completion, written.size
    hidden = (samples.reasoning > 0) & (written.thinking == 0)
    visible = np.where(hidden, tokens - samples.reasoning, tokens)
    apart = samples.reasoning > 0
    return {
        "have a text of 0 tokens": told & (tokens == 0) & (size > 0),
        "have a text too long for its tokens": told & (tokens > 0) & ~hidden & _over(size, tokens, MANY_BYTES),
        "have more tokens than their text and thinking can hold": told & apart & _over(visible, size, 1 / FEW_BYTES),
        "have more thinking tokens than tokens": told & (_thought(samples, verdicts) > tokens),
    }


def _thought(samples: Columns, verdicts: Verdicts) -> Array:
    """[sample]: tokens of thinking as the source counted them, where its count of all is the one used."""
    return np.where(
        verdicts.tokens == samples.completion, np.maximum(verdicts.thought, samples.reasoning), samples.reasoning
    )


def _over(many: Any, few: Any, ratio: float) -> Array:
    """Whether there are more than `ratio` times as many, and enough to tell."""
    return np.asarray((many > COUNTABLE) & (many > ratio * np.maximum(few, 1)))


def _count_case(m: Material, kind: str, p: int, s: int) -> Evidence:
    samples, written = m.pool.problems[p].samples, m.written[p]
    facts = {
        "error": kind.removeprefix("have "),
        "tokens": int(samples.completion[s]),
        "of these thinking": int(_thought(samples, m.verdicts[p])[s]),
        "bytes": int(written.size[s]),
    }
    return m.case(p, s, facts=facts)
