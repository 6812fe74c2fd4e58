"""Files of cascades and plans, and the report's section "Small first, then large"."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttc_bench.charts import spending as chart
from ttc_bench.charts import vegalite
from ttc_bench.policies import cascade_words, plan_words
from ttc_bench.policies.choosing import Choice, Pair
from ttc_bench.policies.planner import Plans
from ttc_bench.policies.spending import UNITS, amount
from ttc_bench.report.manifest import writing
from ttc_bench.report.tables import write_table

CASCADES, PLAN = "cascades.csv", "plan.csv"
CASCADES_PICTURE, PLAN_PICTURE = "cascades", "plan"
HEADS = ("rule", "accuracy", "95% interval", "passed on", "against the mixture", "against small", "against large")


def write_cascades(folder: Path, pairs: Sequence[Pair]) -> list[str]:
    """Writes cascades.csv and the picture; returns the names of the files. Raises CannotWrite."""
    return _write(folder, CASCADES, cascade_words.rows(pairs), CASCADES_PICTURE, chart.cascades(pairs))


def write_plans(folder: Path, plans: Sequence[Plans]) -> list[str]:
    """Writes plan.csv and the picture; returns the names of the files. Raises CannotWrite."""
    return _write(folder, PLAN, plan_words.rows(plans), PLAN_PICTURE, chart.plan(plans))


def _write(
    folder: Path, table: str, rows: Sequence[Mapping[str, Any]], picture: str, spec: Mapping[str, Any]
) -> list[str]:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder / table, rows)
        return [table, *(path.name for path in vegalite.draw(picture, spec, folder))]


def section(pairs: Sequence[Pair], picture: str) -> str:
    """HTML: sentences, the picture (SVG) and a table of each pair. Empty where there is no pair."""
    if not pairs:
        return ""
    items = "\n".join(f"<li>{_text(sentence)}</li>" for sentence in cascade_words.sentences(pairs))
    tables = "\n".join(_table(pair) for pair in pairs)
    label = "Chart of accuracy against cost: mixtures of two models, with cascades and without"
    return (
        '<section aria-labelledby="cascades-title">\n<h2 id="cascades-title">Small first, then large</h2>\n'
        f'<ul>\n{items}\n</ul>\n<p class="note">{_text(cascade_words.RULE)}</p>\n'
        f'<div class="wide picture" role="img" aria-label="{label}">{picture}</div>\n{tables}\n</section>'
    )


def _table(pair: Pair) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in (*HEADS, UNITS[pair.unit]))
    body = "\n".join(_row(choice, pair.unit) for choice in pair.choices)
    caption = _text(
        f"{pair.task} · {pair.small} first, then {pair.large} · {pair.problems:,} problems · on problems that the "
        "threshold was not chosen on"
    )
    return (
        f'<div class="wide"><table><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _row(choice: Choice, unit: str) -> str:
    crossed = choice.crossed
    accuracy, low, high = crossed.accuracy
    cells = [f"{accuracy:.3f}", f"{low:.3f} to {high:.3f}", f"{crossed.escalated:.0%}"]
    cells += [f"{d:+.3f} [{least:+.3f}, {most:+.3f}]" for d, least, most in crossed.over.values()]
    cells.append(amount(crossed.costs[unit]))
    name = _text(choice.cascade.sureness.rule)
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _text(value: str) -> str:
    return html.escape(value.replace("\0", "\ufffd"))
