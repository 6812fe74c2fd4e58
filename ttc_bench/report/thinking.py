"""The report's section on thinking budgets: control, scaling, performance and overthinking."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ttc_bench.analysis.thinking import FORCED, BudgetFigures

BUDGET_COLUMNS = (
    "model, prompt",
    "budgets are",
    "control",
    "accuracy per doubling",
    "best accuracy",
    "at budget",
    "finished by itself",
    "overthought",
    "idle tokens",
)
EXPLAINED = {
    FORCED: "Forced exit: each trace was cut at the budget and brought to an answer. This is not how the model would "
    "behave if it were told of the budget.",
    "announced": "Announced: each budget was named in the prompt and sampled anew.",
}


def section(rows: Sequence[BudgetFigures], findings: Sequence[str]) -> str:
    """HTML, empty if there is neither a row nor a finding."""
    if not rows and not findings:
        return ""
    sentences = [EXPLAINED[mode] for mode in dict.fromkeys(row.mode for row in rows)]
    if any(row.overthought is not None for row in rows):
        sentences.append(
            "Overthought: wrong at the end, but right when stopped earlier. Idle: tokens after the answer was right "
            "for good, over the traces that end right."
        )
    paragraphs = "\n".join(f"<p>{html.escape(text)}</p>" for text in (*sentences, *findings))
    tables = "\n".join(
        _table([row for row in rows if row.task == task]) for task in dict.fromkeys(r.task for r in rows)
    )
    return (
        '<section aria-labelledby="budgets-title">\n<h2 id="budgets-title">Thinking longer</h2>\n'
        f"{tables}\n{paragraphs}\n</section>"
    )


def _table(rows: Sequence[BudgetFigures]) -> str:
    body = []
    for row in rows:
        name = ", ".join(part for part in (row.model, row.prompt, row.effort and f"effort {row.effort}") if part)
        idle = "" if row.idle_tokens is None else f"{row.idle_tokens:,.1f} ({row.idle_share or 0:.0%})"
        cells = (
            row.mode,
            f"{row.control:.0%}",
            "" if row.scaling is None else f"{row.scaling:+.3f}",
            f"{row.performance:.3f}",
            f"{row.performance_at:,}",
            f"{row.finished:.1%}",
            "" if row.overthought is None else f"{row.overthought:.1%}",
            idle,
        )
        body.append(
            f'<tr><th scope="row">{html.escape(name)}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in BUDGET_COLUMNS)
    return (
        f'<div class="wide"><table><caption>{html.escape(rows[0].task)}</caption><thead><tr>{head}</tr></thead><tbody>'
        + "\n".join(body)
        + "</tbody></table></div>"
    )
