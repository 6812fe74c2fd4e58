"""The report's section on verifiers: a table at the largest k, a sentence on the cost of each, and elements for
charts."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from ttc_bench.analysis.verifier_quality import Diagnosis, Interval, sentence
from ttc_bench.charts import verifiers as chart_verifiers

TEMPLATE = Path(__file__).with_name("assets") / "verifiers.html"
VERIFIER_COLUMNS = (
    "chosen by",
    "accuracy",
    "selection loss",
    "coverage loss",
    "share of the gap recovered",
    "AUROC within problems",
    "AUROC of all samples",
    "calibration error",
    "its tokens per sample",
    "its FLOPs per sample",
)
RELIABILITY = (
    '<div id="figure-reliability" class="wide figure" role="group" aria-label="Share right against score"></div>'
)


def section(diagnoses: Sequence[Diagnosis]) -> str:
    """HTML, empty without diagnoses. Charts are drawn into the elements figure-losses and figure-reliability."""
    if not diagnoses:
        return ""
    groups = dict.fromkeys((d.task, d.model, d.pool) for d in diagnoses)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        tables="\n".join(_table([d for d in diagnoses if (d.task, d.model, d.pool) == key]) for key in groups),
        reliability=RELIABILITY if any(d.bins for d in diagnoses) else "",
    )


def figures(diagnoses: Sequence[Diagnosis]) -> dict[str, dict[str, Any]]:
    """Name of a figure -> its specification for a wide and for a narrow page."""
    if not diagnoses:
        return {}
    out = {
        "losses": {"wide": chart_verifiers.losses(diagnoses), "narrow": chart_verifiers.losses(diagnoses, narrow=True)}
    }
    wide, narrow = chart_verifiers.reliability(diagnoses), chart_verifiers.reliability(diagnoses, narrow=True)
    if wide and narrow:
        out["reliability"] = {"wide": wide, "narrow": narrow}
    return out


def _table(diagnoses: Sequence[Diagnosis]) -> str:
    rows = []
    for d in diagnoses:
        c = d.choices[-1]
        ece = "" if d.ece is None else f"{d.ece:.3f}"
        tokens = ("not known" if d.read is None else f"{d.generated + d.read:,.1f}") if d.judged else ""
        flops = "" if d.flops is None else f"{d.flops:.2g}"
        shares = (f"{c.accuracy:.3f}", f"{c.selection_loss:.3f}", f"{c.coverage_loss:.3f}", _interval(c.recovered))
        cells = (*shares, _interval(d.within), _interval(d.auroc), ece, tokens, flops)
        rows.append(f'<tr><th scope="row">{_text(d.selector)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    d, c = diagnoses[0], diagnoses[0].choices[-1]
    reach = f"pass@1 {c.one:.3f}, pass@{c.k} {c.reach:.3f}"
    caption = _text(f"{d.task} · {d.model} · {d.pool} · one of {c.k} samples chosen · {reach}")
    head = "".join(f'<th scope="col">{name}</th>' for name in VERIFIER_COLUMNS)
    sentences = "\n".join(f"<p>{_text(_capital(sentence(d)))}</p>" for d in diagnoses if d.judged)
    body = "\n".join(rows)
    return (
        f'<div class="wide"><table><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>\n{sentences}"
    )


def _interval(i: Interval | None) -> str:
    return "" if i is None else f"{i.value:.2f} [{i.low:.2f}, {i.high:.2f}]"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _text(value: str) -> str:
    return html.escape(value.replace("\0", "\ufffd"))
