"""The report's section on what more samples or more thinking would bring: sentences, a picture, and a table of the
laws."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from ttc_bench.analysis.outlook import Outlook
from ttc_bench.charts import forecasts as chart_forecasts
from ttc_bench.policies import prospects

COLUMNS = ("curve", "law", "error of the law, fitted to half", "95% interval of the error", "typical error", "used")
FIGURE = (
    '<div id="figure-forecasts" class="wide figure" role="group" '
    'aria-label="Chart of forecasts; forecasts.csv holds the same numbers"></div>'
)


def section(outlooks: Sequence[Outlook]) -> str:
    """HTML, empty without outlooks. The chart is drawn into the element figure-forecasts."""
    if not outlooks:
        return ""
    items = "\n".join(f"<li>{_text(sentence)}</li>" for sentence in prospects.sentences(outlooks))
    made = [o for o in outlooks if not o.withheld]
    shown = f'<p class="note">{_text(prospects.HOW)}</p>\n{FIGURE}\n{_table(made)}\n' if made else ""
    title = '<h2 id="forecasts-title">What more would bring</h2>'
    return f'<section aria-labelledby="forecasts-title">\n{title}\n<ul>\n{items}\n</ul>\n{shown}</section>'


def figures(outlooks: Sequence[Outlook]) -> dict[str, dict[str, Any]]:
    """Name of a figure -> its specification for a wide and for a narrow page."""
    if not any(not o.withheld for o in outlooks):
        return {}
    draw = chart_forecasts.forecasts
    return {"forecasts": {"wide": draw(outlooks), "narrow": draw(outlooks, narrow=True)}}


def _table(outlooks: Sequence[Outlook]) -> str:
    """How well each law did on each curve."""
    body = []
    for o in outlooks:
        for trial in o.trials:
            interval = f"{trial.low:+.3f} to {trial.high:+.3f}"
            used = "yes" if trial is o.trials[0] else ""
            cells = (trial.law, f"{trial.error:+.3f}", interval, f"{trial.typical:.3f}", used)
            name = _text(f"{o.task} · {o.model} · {o.pool} · {o.what}")
            body.append(f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    rows = "\n".join(body)
    return (
        "<details><summary>How well each law did</summary>\n"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></div></details>'
    )


def _text(value: str) -> str:
    return html.escape(value.replace("\0", "\ufffd"))
