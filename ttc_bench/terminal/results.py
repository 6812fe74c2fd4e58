"""What a run, a shard, a merge or an import came to: tables, quality lines, notes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ttc_bench.analysis import exchange
from ttc_bench.analysis.quality import MOST_REASONS, RARE, SHARES, Quality, failures
from ttc_bench.analysis.thinking import BudgetFigures
from ttc_bench.analysis.verifier_quality import Diagnosis
from ttc_bench.core import CurvePoint
from ttc_bench.errors import counted
from ttc_bench.experiment import Result
from ttc_bench.interchange.outcome import Imported
from ttc_bench.policies.stopping import sentences as stopping_sentences
from ttc_bench.report.folder import PICTURES, TABLES
from ttc_bench.sampling.merge import Taken
from ttc_bench.sampling.pool import Filled
from ttc_bench.terminal.words import note, paid, plain


def show(result: Result, told: Collection[str] = ()) -> None:
    """Prints a table and a quality line for every task, what this run spent, and where the files are. `told`: notes
    that the user has read already."""
    console = Console(highlight=False)
    points = result.analysis.points
    if not points:
        console.print("Nothing can be drawn yet: some problems have no sample at all.")
    for (task, model), group in groupby(points, key=lambda p: (p.task, p.model)):
        console.print(_table(task, list(group)))
        for quality in result.analysis.quality:
            if (quality.task, quality.model) == (task, model):
                console.print(plain(f"  {quality_line(quality)}"))
        diagnoses = (d for d in result.analysis.diagnoses if (d.task, d.model) == (task, model))
        for _, of_pool in groupby(diagnoses, key=lambda d: d.pool):
            console.print(verifier_table(list(of_pool)))
        for row in result.analysis.budgets:
            if (row.task, row.model) == (task, model):
                console.print(plain(f"  {budget_line(row)}"))
    for sentence in [
        *exchange.sentences(points),
        *result.analysis.findings,
        *stopping_sentences(result.analysis.stopping),
    ]:
        console.print(plain(sentence))
    note(console, (note for note in result.analysis.notes if note not in told))
    shown = " The table shows what each method costs, stored samples included." if points else ""
    console.print(f"This run spent: {paid(result.filled)}.{shown}")
    if not result.written:
        console.print(plain(f"{result.folder} cannot be written to: its files are as they were."))
        return
    pictures = [f"{name}.png" for name in PICTURES if (result.folder / f"{name}.png").exists()]
    tables = [name for name in TABLES if (result.folder / name).exists()]
    files = ", ".join([*(["report.html"] if points else []), *pictures, *tables, "run.json"])
    console.print(plain(f"Written to {result.folder}/: {files}"))


def show_sampled(filled: Filled, shard: str, store: Path) -> None:
    """Prints what the run of a shard made, what failed, and how to go on."""
    console = Console(highlight=False)
    reasons = failures(dict(list(filled.reasons.items())[:MOST_REASONS]))
    missing = [f"{len(filled.holes):,} samples are missing; the same command asks for them again"] if reasons else []
    note(console, (*filled.notes, *reasons, *missing))
    console.print(f"This run spent: {paid(filled)}.")
    sentence = (
        f"Shard {shard} is in {store}; no curve is drawn of a part. Once all are: ttc-bench merge STORE... --into ALL, "
        "then the same command with --store ALL and without --shard."
    )
    console.print(plain(sentence))


def show_merged(taken: Sequence[Taken], into: Path) -> None:
    """Prints what came from each store, and what was kept where rows differ."""
    console = Console(highlight=False)
    for t in taken:
        parts = [f"{t.samples:,} new samples"] + ([f"{t.samples_there:,} already there"] if t.samples_there else [])
        parts += [f"{t.scores:,} new scores"] if t.scores else []
        parts += [f"{t.scores_there:,} scores already there"] if t.scores_there else []
        console.print(plain(f"{t.source}: {', '.join(parts)}"))
        for count, what in ((t.scores_differ, "scores"), (t.follow_ups_differ, "continuations")):
            if count:
                differing = f"{count:,} {what} of {t.source} differ from those that were there, which stay as they are"
                note(console, [differing])
    console.print(
        plain(
            f"{sum(t.samples for t in taken):,} samples and {sum(t.scores for t in taken):,} scores went into {into}."
        )
    )


def show_imported(imported: Imported) -> None:
    """Prints what came in, of how much, and what a reader must know of it, before anything is drawn."""
    of = f" of {imported.of_task:,}" if imported.of_task > imported.problems else ""
    sizes = counted(imported.most, "sample")
    sizes = sizes if imported.fewest == imported.most else f"{imported.fewest:,} to {sizes}"
    sentence = f"{counted(imported.samples, 'sample')} imported: {imported.problems:,}{of} problems, {sizes} each."
    console = Console(highlight=False)
    console.print(plain(sentence))
    if imported.unread:
        console.print(plain(f"{counted(imported.unread, 'sample')} without a readable answer."))
    note(console, imported.sentences())


def _table(task: str, points: list[CurvePoint]) -> Table:
    title = plain(f"{task} · {points[0].model} · {points[0].problems:,} problems")
    table = Table(title=title, box=box.SIMPLE_HEAD)
    table.add_column("method")
    table.add_column("k", justify="right")
    table.add_column("accuracy", justify="right")
    table.add_column("95% interval", justify="right")
    table.add_column("tokens", justify="right")
    table.add_column("", width=1)
    last = None
    for p in points:
        if last and p.line != last:
            table.add_section()
        label, last = ("" if p.line == last else p.label()), p.line
        table.add_row(
            plain(label),
            _step(p),
            f"{p.accuracy:.3f}",
            plain(f"[{p.low:.3f}, {p.high:.3f}]"),
            "?" if p.tokens is None else f"{p.tokens:,.0f}",
            "*" if p.pareto else "",
            style="dim" if p.bound else None,
        )
    known = "generated per problem" if all(p.tokens is not None for p in points) else "not known (?)"
    table.caption = f"tokens: {known} · * on the Pareto front · pass@k: perfect verifier"
    if points[0].guess is not None:
        table.caption += f" · random guess: {points[0].guess:.3f}"
    return table


def _step(p: CurvePoint) -> str:
    """The step of a point along its line: k, the amount of a change, or the threshold of a stopping rule."""
    if p.threshold is not None:
        return f"at {p.threshold:.3g}"
    return f"{p.change.kind} {p.change.amount}" if p.change.amount else str(p.k)


def quality_line(quality: Quality) -> str:
    """The shares of spoilt samples, in one line."""
    values = {field: getattr(quality, field) for field in SHARES}
    parts = {field: "not known how many" if v is None else f"{v:.1%}" for field, v in values.items()}
    shares = ", ".join(f"{parts[field]} {SHARES[field]}" for field, v in values.items() if v or field not in RARE)
    return f"{quality.samples_of}: of {quality.samples:,} samples {shares}"


def verifier_table(diagnoses: Sequence[Diagnosis]) -> Table:
    """A row for majority and each verifier of one pool: what choosing one of the largest k samples loses and
    recovers."""
    d, c = diagnoses[0], diagnoses[0].choices[-1]
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column(plain(f"chosen from {c.k} ({d.pool})"), no_wrap=True)
    for head in ("selection loss", "coverage loss", "gap closed", "AUROC within"):
        table.add_column(head, justify="right")
    for d in diagnoses:
        c = d.choices[-1]
        gap = f"{c.recovered.value:.0%}" if c.recovered else ""
        within = f"{d.within.value:.2f}" if d.within else ""
        table.add_row(plain(d.selector), f"{c.selection_loss:.3f}", f"{c.coverage_loss:.3f}", gap, within)
    return table


def budget_line(row: BudgetFigures) -> str:
    """How a model uses its thinking budget, in one line."""
    parts = [f"best {row.performance:.3f} at budget {row.performance_at}"]
    if row.scaling is not None:
        parts.append(f"{row.scaling:+.3f} per doubling")
    if row.overthought is not None:
        parts.append(f"overthought {row.overthought:.1%}")
    if row.idle_share is not None:
        parts.append(f"{row.idle_share:.0%} of tokens after the answer was right")
    return f"{row.prompt}, {row.mode}: " + ", ".join(parts)
