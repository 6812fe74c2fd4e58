"""The report's section on stopping rules: what each saves, in sentences, and every threshold in a table."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ttc_bench.analysis.stopped import Stopped
from ttc_bench.policies.stopping import sentences

COLUMNS = (
    "rule",
    "threshold",
    "accuracy",
    "95% interval",
    "samples",
    "tokens",
    "plain method at the same cost",
    "difference",
)
RULE = (
    "Each number is the mean over all orderings of a problem's samples, drawn without replacement. At the same cost the "
    "plain method (a vote, or best-of-n for stop-at-score) draws one of two neighbouring numbers of samples at random, so "
    "that its mean cost is the rule's. Differences are paired over problems, with 95% intervals, each by itself: the best "
    "of many thresholds is better than it will be again."
)


def section(rows: Sequence[Stopped]) -> str:
    """HTML, empty if there is no row."""
    if not rows:
        return ""
    notes = [RULE]
    if any(row.mc_error for row in rows):
        notes.append(
            "± is the standard error of an estimate: some problems have too many different answers for all orderings, and "
            "random ones were replayed."
        )
    if any(row.tokens is None for row in rows):
        notes.append("Nobody counted the tokens of some samples, so costs are samples, and the chart has no such line.")
    items = "\n".join(f"<li>{_text(sentence)}</li>" for sentence in sentences(rows))
    pools = dict.fromkeys((row.task, row.model, row.prompt, row.effort) for row in rows)
    tables = "\n".join(
        _table([row for row in rows if (row.task, row.model, row.prompt, row.effort) == pool]) for pool in pools
    )
    paragraphs = "\n".join(f'<p class="note">{_text(note)}</p>' for note in notes)
    title = '<h2 id="stopping-title">Stopping early</h2>'
    return (
        f'<section aria-labelledby="stopping-title">\n{title}\n<ul>\n{items}\n</ul>\n{tables}\n{paragraphs}\n</section>'
    )


def _table(rows: Sequence[Stopped]) -> str:
    body = []
    for row in rows:
        name = f"{row.rule} ({row.verifier})" if row.verifier else row.rule
        noise = f" ± {row.mc_error:.3f}" if row.mc_error else ""
        gain = ""
        if row.difference is not None:
            gain = f"{row.difference:+.3f} [{row.difference_low:+.3f}, {row.difference_high:+.3f}]"
        cells = (
            f"{row.threshold:.3g}",
            f"{row.accuracy:.3f}{noise}",
            f"{row.low:.3f} to {row.high:.3f}",
            f"{row.draws:.2f} of {row.cap}",
            "not known" if row.tokens is None else f"{row.tokens:,.1f}",
            f"{row.rival:.3f} at k = {row.rival_k:.2f}",
            gain,
        )
        body.append(f'<tr><th scope="row">{_text(name)}</th>' + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    r = rows[0]
    caption = " · ".join(part for part in (r.task, r.model, r.prompt, r.effort and f"effort {r.effort}") if part)
    caption += f" · all {r.cap} samples: " + ", ".join(_plain(rows))
    return (
        f'<div class="wide"><table><caption>{_text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>'
        + "\n".join(body)
        + "</tbody></table></div>"
    )


def _plain(rows: Sequence[Stopped]) -> list[str]:
    """What the plain methods reach with all samples."""
    names = {f"best-of-n ({row.verifier})" if row.verifier else "vote": row.plain for row in rows}
    return [f"{name} {accuracy:.3f}" for name, accuracy in names.items()]


def _text(value: str) -> str:
    return html.escape(value.replace("\0", "\ufffd"))
