"""What the command line prints: progress while sampling, one table at the end, the quality line under it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from ttc_bench import tasks as task_files
from ttc_bench.config import Config
from ttc_bench.core import CurvePoint, Sample
from ttc_bench.diagnostics import Diagnosis
from ttc_bench.experiment import Result, load_tasks
from ttc_bench.forecast import Forecast
from ttc_bench.prompts import PROMPTS
from ttc_bench.report import SHARES
from ttc_bench.strategies import METHODS

PLAIN_EVERY = 10.0  # seconds between progress lines where there is no terminal


class Progress:
    """A bar on a terminal, plain lines elsewhere: samples done and total, tokens per second, time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (
            TextColumn("sampling"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=self._console) if self._console.is_terminal else None
        self._done = self._total = self._tokens = 0
        self._start = self._said = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def plan(self, wanted: int, missing: int) -> None:
        """Called once, before sampling."""
        have = wanted - missing
        if not missing:
            self._console.print(f"All {wanted:,} samples are in the store: nothing is sampled, no model is loaded.")
            return
        kept = f"; {have:,} are in the store already" if have else ""
        self._console.print(f"{missing:,} samples to make{kept}.", highlight=False)
        self._total = missing
        self._start = self._said = time.monotonic()
        if self._bar:
            self._bar.add_task("sampling", total=missing, rate="loading the model")
            self._bar.start()

    def sample(self, sample: Sample) -> None:
        """Called for every sample that arrives, and for every hole."""
        self._done += 1
        if sample.completion is not None:
            self._tokens += sample.completion.usage.completion
        now = time.monotonic()
        rate = self._tokens / max(now - self._start, 1e-9)
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=self._done, rate=f"{rate:,.0f} tokens/s")
        elif now - self._said > PLAIN_EVERY or self._done == self._total:
            self._said = now
            left = (self._total - self._done) * (now - self._start) / self._done
            print(
                f"sampling {self._done:,}/{self._total:,}, {rate:,.0f} tokens/s, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )


def show(result: Result) -> None:
    """The table of every task, the quality line under it, what this run spent, and where the files are."""
    console = Console(highlight=False)
    points = result.analysis.points
    if not points:
        console.print("Nothing can be drawn yet: some problems have no sample at all.")
    for task, group in groupby(points, key=lambda p: p.task):
        console.print(_table(task, list(group)))
        for name, quality in result.analysis.quality.items():
            if name.startswith(f"{task}, "):
                console.print(f"  {quality_line(name.removeprefix(f'{task}, '), quality)}")
        judged = (d for d in result.analysis.judged if d.task == task)
        for _, found in groupby(judged, key=lambda d: (d.model, d.pool)):
            console.print(verifier_table(list(found)))
    for note in result.analysis.notes:
        console.print(f"[bold yellow]note:[/] {note}")
    spent, made = result.filled.spent, result.filled.made
    paid = f"{made:,} samples, {spent.completion:,} generated and {spent.prompt:,} prompt tokens" if made else "nothing"
    console.print(f"This run spent: {paid}. The table shows what each method costs, stored samples included.")
    files = "report.html, accuracy_vs_tokens.png, curve.csv, run.json" if points else "run.json"
    files += ", verifiers.csv" if points and result.analysis.judged else ""
    console.print(f"Written to {result.folder}/: {files}")


def _table(task: str, points: list[CurvePoint]) -> Table:
    table = Table(title=f"{task} · {points[0].model} · {points[0].problems:,} problems", box=box.SIMPLE_HEAD)
    table.add_column("method")
    table.add_column("k", justify="right")
    table.add_column("accuracy", justify="right")
    table.add_column("95% interval", justify="right")
    table.add_column("tokens", justify="right")
    table.add_column("", width=1)
    last = ""
    for p in points:
        if last and p.method != last:
            table.add_section()
        label, last = ("" if p.method == last else p.method), p.method
        interval = f"[{p.low:.3f}, {p.high:.3f}]"
        table.add_row(
            label,
            str(p.k),
            f"{p.accuracy:.3f}",
            interval.replace("[", r"\["),
            f"{p.tokens:,.0f}",
            "*" if p.pareto else "",
            style="dim" if p.bound else None,
        )
    table.caption = "tokens: generated per problem · * on the Pareto front · pass@k: perfect verifier"
    return table


def quality_line(prompt: str, quality: Mapping[str, float]) -> str:
    """The shares that a reader must know before believing a curve, in one line."""
    shares = ", ".join(f"{quality[key]:.1%} {words}" for key, words in SHARES.items())
    return f"{prompt}: of {quality['samples']:,} samples {shares}"


def verifier_table(found: Sequence[Diagnosis]) -> Table:
    """Majority and the verifiers of one pool, a line each: what choosing one of the most samples loses and recovers."""
    d, c = found[0], found[0].choices[-1]
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column(f"chosen from {c.k} ({d.pool})", no_wrap=True)
    for head in ("selection loss", "coverage loss", "gap closed", "AUROC within"):
        table.add_column(head, justify="right")
    for d in found:
        c = d.choices[-1]
        gap = f"{c.recovered.value:.0%}" if c.recovered else ""
        within = f"{d.within.value:.2f}" if d.within else ""
        table.add_row(escape(d.selector), f"{c.selection_loss:.3f}", f"{c.coverage_loss:.3f}", gap, within)
    return table


def show_forecast(forecast: Forecast) -> None:
    """Calls, tokens and dollars of what is still missing, and how sure that is."""
    console = Console(highlight=False)
    if not forecast.samples:
        console.print("Every sample is in the store: the run would cost nothing.")
        return
    how = "at most, taking every answer to be as long as --max-tokens allows; --pilot 3 measures a few first"
    if forecast.measured == 1:
        how = "judging by stored samples of the same kind"
    elif forecast.measured > 0:
        how = f"{forecast.measured:.0%} of the samples judged by stored ones, the rest taken as long as --max-tokens"
    usage = forecast.usage
    console.print(
        f"The run would make {forecast.samples:,} samples in {forecast.calls:,} calls: about {usage.prompt:,} prompt "
        f"and {usage.completion:,} generated tokens ({how})."
    )
    if forecast.dollars is None:
        console.print("No price is known for this model: give one with --prices, or run it where tokens are free.")
    else:
        console.print(f"That is about ${forecast.dollars:,.2f}.")


def list_tasks() -> None:
    """Every shipped task with its source and description."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("task", no_wrap=True)
    table.add_column("source")
    table.add_column("about")
    for path in sorted(set(task_files.known().values())):
        raw = task_files.read(path)
        for spec, _ in task_files.specs(raw["name"]):
            kind = type(spec.source).__name__.removesuffix("Source").lower()
            table.add_row(spec.name, kind, spec.description)
    Console().print(table)


def show_problems(config: Config, data: Path | None) -> None:
    """The first problems as a model will see them, message by message, with gold answer and worked solution."""
    from dataclasses import replace

    for task in load_tasks(replace(config, data=str(data) if data else None)):
        for problem in task.problems:
            level = "" if problem.difficulty is None else f", difficulty {problem.difficulty:g}"
            print(f"--- {problem.id}{level}")
            for message in PROMPTS[METHODS[config.method[0]].prompt].render(task, problem):
                print(f"[{message.role}]\n{message.content}\n")
            print(f"[gold] {'any answer that passes the check' if problem.answer is None else problem.answer}")
            if problem.solution:
                print(f"[solution] {problem.solution}")
            print()
