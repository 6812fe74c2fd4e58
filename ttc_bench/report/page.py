"""CurvePoints and samples -> one self-contained report.html that makes no request.

Everything is inside the file: Vega, the specifications of the charts, the samples as far as browser.py lets them in
(gzip in base64, unpacked by the browser when a problem is opened). Text that a model wrote is untrusted. It never
reaches the HTML parser: it is stored as compressed JSON and shown through textContent. The page's
Content-Security-Policy allows the two scripts and the one style sheet in this file, by their hashes, and nothing else:
no other script, no eval (Vega interprets its expressions), no request to anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from ttc_bench.analysis import exchange
from ttc_bench.analysis.analyse import Analysis
from ttc_bench.analysis.quality import SHARES, Quality
from ttc_bench.charts import difficulty as chart_difficulty
from ttc_bench.charts import models as chart_models
from ttc_bench.charts import tokens as charts
from ttc_bench.charts.vegalite import svg
from ttc_bench.core import CurvePoint
from ttc_bench.policies.choosing import Pair
from ttc_bench.report import browser
from ttc_bench.report import forecasts as report_forecasts
from ttc_bench.report import spending as report_spending
from ttc_bench.report import stopping as report_stopping
from ttc_bench.report import thinking as report_thinking
from ttc_bench.report import vega as bundle
from ttc_bench.report import verifiers as report_verifiers

ASSETS = Path(__file__).with_name("assets")
NOTABLE = 0.05  # least share of spoilt samples that is highlighted
MODELS = {  # picture -> aria-label
    "accuracy_vs_flops": "Chart of accuracy against inference FLOPs, a line for each model and method",
    "accuracy_vs_parameters": "Chart of accuracy against the number of parameters, a line for each method",
}


def write_report(
    path: Path,
    analysis: Analysis,
    run: Mapping[str, Any],
    pictures: Mapping[str, str] | None = None,
    cascades: Sequence[Pair] = (),
) -> None:
    """Writes the report to `path`, and samples.parquet beside it if the page cannot hold all samples. `run` is the
    manifest as in run.json, `pictures` are SVGs by name, if those that the page shows are drawn already. Where the
    analysis has no row on difficulty, verifiers, budgets or forecasts, there is no section on it. Raises TtcError
    where there is no point to draw."""
    points, difficulty = analysis.points, analysis.difficulty
    specs = {
        axis: {
            "title": charts.AXES[axis][1],
            "wide": charts.accuracy_vs_tokens(points, x=axis, interactive=True),
            "narrow": charts.accuracy_vs_tokens(points, x=axis, interactive=True, narrow=True),
        }
        for axis in charts.axes(points)
    }
    # name -> specifications: drawn into figure-NAME
    figures = report_verifiers.figures(analysis.diagnoses) | report_forecasts.figures(analysis.outlooks)
    if difficulty:
        figures["difficulty"] = {
            "wide": chart_difficulty.accuracy_by_difficulty(difficulty, interactive=True),
            "narrow": chart_difficulty.accuracy_by_difficulty(difficulty, interactive=True, narrow=True),
        }
    css, script, vega = _asset("report.css"), _asset("report.js"), bundle.script()
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = browser.data(analysis.problems, path.with_name(browser.FILE))
    page = Template(_asset("report.html")).substitute(
        policy=f"default-src 'none'; script-src {_hash(vega)} {_hash(script)}; style-src {_hash(css)}; "
        "base-uri 'none'; form-action 'none'",
        title=_text(_title(points)),
        reading="\n".join(f"<p>{_text(sentence)}</p>" for sentence in reading(points)),
        tables="\n".join(_table(list(group)) for group in _panels(points)),
        models=_models(points, pictures or {}),
        cascades=report_spending.section(cascades, (pictures or {}).get(report_spending.CASCADES_PICTURE, "")),
        difficulty=_asset("difficulty.html") if difficulty else "",
        verifiers=report_verifiers.section(analysis.diagnoses),
        stopping=report_stopping.section(analysis.stopping),
        budgets=report_thinking.section(analysis.budgets, analysis.findings),
        forecasts=report_forecasts.section(analysis.outlooks),
        quality=_quality(analysis.quality),
        notes=_notes(analysis.notes),
        cost="samples" if charts.axes(points)[0] == "samples" else "tokens",
        manifest=_text(json.dumps(run, indent=2, default=str, ensure_ascii=False)),
        held="\n".join(f'<p class="note">{_text(sentence)}</p>' for sentence in samples.sentences()),
        data="\n".join([browser.packed("charts", specs), browser.packed("figures", figures), samples.index]),
        samples="\n".join(samples.chunks),
        css=css,
        vega=vega,
        script=script,
    )
    path.write_bytes(page.encode("utf-8", errors="replace"))


def _models(points: Sequence[CurvePoint], pictures: Mapping[str, str]) -> str:
    """The section that compares models: sentences and two pictures. Empty for one model, or unknown sizes."""
    specs = chart_models.specs(points)
    if not specs:
        return ""
    items = "\n".join(f"<li>{_text(sentence)}</li>" for sentence in exchange.sentences(points))
    figures = "\n".join(
        f'<div class="wide picture" role="img" aria-label="{MODELS[name]}">{pictures.get(name) or svg(spec)}</div>'
        for name, spec in specs.items()
    )
    title = '<h2 id="models-title">Size against thinking</h2>'
    rule = f'<p class="note">{_text(exchange.RULE)}</p>'
    return f'<section aria-labelledby="models-title">\n{title}\n<ul>\n{items}\n</ul>\n{rule}\n{figures}\n</section>'


def reading(points: Sequence[CurvePoint]) -> list[str]:
    """One sentence per task and model: what the most accurate method gains over the cheapest one, and its cost."""
    sentences = []
    for panel in _panels(points):
        methods = [p for p in panel if not p.bound] or panel
        cheap = min(methods, key=lambda p: (p.spent, -p.accuracy))
        best = max(methods, key=lambda p: (p.accuracy, -p.spent))
        where = f"On {best.task}, {best.model}"
        if best.accuracy <= cheap.accuracy:
            sentence = f"{where} reaches {_point(cheap)}; nothing that spent more did better."
        else:
            times = f", {best.tokens / cheap.tokens:,.0f} times the tokens" if best.tokens and cheap.tokens else ""
            sentence = f"{where} goes from {_point(cheap)} to {_point(best)}{times}."
        bounds = [p for p in panel if p.bound and p.k == max(q.k for q in panel if q.bound)]
        if bounds:
            sentence += f" With a perfect verifier {bounds[0].k} samples would reach {bounds[0].accuracy:.2f}."
        sentences.append(sentence)
    return sentences


def _point(p: CurvePoint) -> str:
    draws = f" of {p.k} samples" if p.k > 1 else ""
    if p.threshold is not None:
        draws = f" at {p.threshold:.3g}, up to {p.k} samples"
    cost = "tokens not known" if p.tokens is None else f"{p.tokens:,.0f} tokens per problem"
    return f"{p.accuracy:.2f} [{p.low:.2f}, {p.high:.2f}] with {p.label()}{draws} ({cost})"


def _panels(points: Sequence[CurvePoint]) -> list[list[CurvePoint]]:
    keys = dict.fromkeys((p.task, p.model) for p in points)
    return [[p for p in points if (p.task, p.model) == key] for key in keys]


def _title(points: Sequence[CurvePoint]) -> str:
    tasks, models = dict.fromkeys(p.task for p in points), dict.fromkeys(p.model for p in points)
    return f"{', '.join(tasks)} · {', '.join(models)}"


def _table(points: Sequence[CurvePoint]) -> str:
    """The HTML table of one task and model, line by line in the order of the points."""
    order = list(dict.fromkeys(p.line for p in points))
    rows = []
    for p in sorted(points, key=lambda p: (order.index(p.line), p.k)):
        noise = f" ± {p.mc_error:.3f}" if p.mc_error else ""
        kind = ' class="bound"' if p.bound else ""
        note = "upper bound" if p.bound else "Pareto front" if p.pareto else ""
        cells = (
            _step(p),
            f"{p.accuracy:.3f}{noise}",
            f"{p.low:.3f} to {p.high:.3f}",
        )
        costs = (
            *(charts.shown(p.tokens), charts.shown(p.total_tokens)),
            *([f"{p.flops:.3g}"] if p.flops is not None else []),
        )
        row = "".join(f"<td>{cell}</td>" for cell in (*cells, *costs, note))
        rows.append(f'<tr{kind}><th scope="row">{_text(p.label())}</th>{row}</tr>')
    heads = (
        "method",
        "k",
        "accuracy",
        "95% interval",
        "tokens generated per problem",
        "tokens in all per problem",
        *(["inference FLOPs per problem"] if points[0].flops is not None else []),
        "note",
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    p = points[0]
    guess = "" if p.guess is None else f" · random guess {p.guess:.3f}"
    caption = _text(f"{p.task} · {p.model} · {p.problems:,} problems{guess}")
    body = "\n".join(rows)
    return (
        f'<div class="wide"><table><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _step(p: CurvePoint) -> str:
    """The step of a point along its line: k, the amount of a change, or the threshold of a stopping rule."""
    if p.threshold is not None:
        return f"up to {p.k}, at {p.threshold:.3g}"
    return f"{p.change.kind} {p.change.amount}" if p.change.amount else f"{p.k}"


def _quality(rows: Sequence[Quality]) -> str:
    """The HTML table of shares, one row per pool. Shares of at least NOTABLE are highlighted."""
    body = []
    for row in rows:
        cells = []
        for share in (getattr(row, field) for field in SHARES):
            warning = ' class="warn"' if share is None or share >= NOTABLE else ""
            cells.append(f"<td{warning}>{'not known' if share is None else f'{share:.1%}'}</td>")
        cells += [f"<td>{row.samples:,}</td>", f"<td>{row.problems:,}</td>"]
        body.append(f'<tr><th scope="row">{_text(row.name)}</th>{"".join(cells)}</tr>')
    heads = ("samples of", *SHARES.values(), "samples", "problems")
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in heads)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _notes(notes: Sequence[str]) -> str:
    """What a reader must know, as a list; empty if that is nothing."""
    items = "".join(f"<li>{_text(note)}</li>" for note in notes)
    return f'<ul class="reservations">{items}</ul>' if items else ""


def _text(value: str) -> str:
    """Text for HTML: escaped, and without NUL, which HTML does not allow."""
    return html.escape(value.replace("\0", "\ufffd"))


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    """A Content-Security-Policy source that allows exactly this inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
