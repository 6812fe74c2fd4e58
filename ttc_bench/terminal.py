"""The output of the command line: progress while sampling, tables and quality lines at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from ttc_bench.analysis import exchange
from ttc_bench.analysis.quality import MOST_REASONS, RARE, SHARES, Quality, failures
from ttc_bench.analysis.thinking import BudgetFigures
from ttc_bench.analysis.verifier_quality import Diagnosis
from ttc_bench.config import Config
from ttc_bench.core import CurvePoint, Sample
from ttc_bench.errors import counted, printable
from ttc_bench.experiment import Result, load_tasks
from ttc_bench.interchange.outcome import Imported
from ttc_bench.problems import tasks as task_files
from ttc_bench.problems.reference import solve
from ttc_bench.prompts import PROMPTS
from ttc_bench.report.folder import PICTURES, TABLES
from ttc_bench.sampling.forecast import Forecast, total
from ttc_bench.sampling.merge import Taken
from ttc_bench.sampling.pool import Filled, Watch
from ttc_bench.strategies.methods import METHODS

GRADING_S = 3.0  # after which a bar shows that samples are graded
PLAIN_EVERY = 10.0  # seconds between progress lines where there is no terminal


class Progress:
    """A bar on a terminal, plain lines elsewhere: samples done and total, tokens per second, time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=self._console) if self._console.is_terminal else None
        self._done = self._total = self._tokens = 0
        self._planned = self._grading = False
        self._start = self._printed_at = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def watch(self) -> Watch:
        """What calls this."""
        return Watch(self.plan, self.sample, self.score, self.grade, self.wait)

    def plan(self, wanted: int, missing: int) -> None:
        """Called before sampling, and again before each round of continuations."""
        have, first, self._planned = wanted - missing, not self._planned, True
        if not missing:
            if first:
                self._console.print(f"All {wanted:,} samples are in the store: nothing is sampled.")
            return
        stored = f"; {have:,} are in the store already" if have else ""
        kind = "samples to make" if first else "continuations to make"
        self._console.print(f"{missing:,} {kind}{stored}.", highlight=False)
        self._total, self._done, self._tokens = missing, 0, 0
        self._start = self._printed_at = time.monotonic()
        if self._bar:
            rate = "loading the model" if first else ""
            self._bar.add_task("sampling" if first else "going on", total=missing, rate=rate)
            self._bar.start()

    def sample(self, sample: Sample) -> None:
        """Called for every sample that arrives, and for every hole."""
        self._done += 1
        if sample.completion is not None:
            self._tokens += sample.completion.usage.completion
        now = time.monotonic()
        rate = self._tokens / max(now - self._start, 1e-9)
        if self._bar:
            self._bar.update(self._bar.task_ids[-1], completed=self._done, rate=f"{rate:,.0f} tokens/s")
        elif now - self._printed_at > PLAIN_EVERY or self._done == self._total:
            self._printed_at = now
            seconds_left = (self._total - self._done) * (now - self._start) / self._done
            print(
                f"sampling {self._done:,}/{self._total:,}, {rate:,.0f} tokens/s, {seconds_left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def wait(self, requests: int, runs: str) -> None:
        """Called once where samples are left that another run on the same store is making."""
        words = f"Waiting for the samples of {requests:,} prompts, which another run is making ({runs}): none is made twice."
        self._console.print(_plain(words))

    def grade(self, done: int, missing: int) -> None:
        """Called for every request whose samples are graded; says so where it takes a while."""
        now = time.monotonic()
        if done == 1:
            self._start, self._printed_at, self._grading = now, now, False
        if self._bar and now - self._start > GRADING_S:
            if not self._grading:
                self._grading = True
                self._bar.add_task("grading", total=missing, rate="")
                self._bar.start()
            self._bar.update(self._bar.task_ids[-1], completed=done)
        elif not self._bar and now - self._printed_at > PLAIN_EVERY:
            self._printed_at = now
            print(f"graded {done:,}/{missing:,} prompts", file=sys.stderr, flush=True)

    def score(self, verifier: str, done: int, missing: int) -> None:
        """Called when a verifier begins, with `done` 0, and for every score that it gives."""
        now = time.monotonic()
        if done == 0:
            self._start = self._said = now
            self._console.print(_plain(f"{missing:,} scores to make by {verifier}."))
            if self._bar:
                self._bar.add_task("scoring", total=missing, rate="loading the verifier")
                self._bar.start()
        elif self._bar:
            self._bar.update(self._bar.task_ids[-1], completed=done, rate="")
        elif now - self._printed_at > PLAIN_EVERY or done == missing:
            self._printed_at = now
            seconds_left = (missing - done) * (now - self._start) / done
            print(f"scoring {done:,}/{missing:,}, {seconds_left:.0f} s left", file=sys.stderr, flush=True)


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
                console.print(_plain(f"  {quality_line(quality)}"))
        diagnoses = (d for d in result.analysis.diagnoses if (d.task, d.model) == (task, model))
        for _, of_pool in groupby(diagnoses, key=lambda d: d.pool):
            console.print(verifier_table(list(of_pool)))
        for row in result.analysis.budgets:
            if (row.task, row.model) == (task, model):
                console.print(_plain(f"  {budget_line(row)}"))
    for sentence in [*exchange.sentences(points), *result.analysis.findings]:
        console.print(_plain(sentence))
    _note(console, (note for note in result.analysis.notes if note not in told))
    shown = " The table shows what each method costs, stored samples included." if points else ""
    console.print(f"This run spent: {paid(result.filled)}.{shown}")
    if not result.written:
        console.print(_plain(f"{result.folder} cannot be written to: its files are as they were."))
        return
    pictures = [f"{name}.png" for name in PICTURES if (result.folder / f"{name}.png").exists()]
    tables = [name for name in TABLES if (result.folder / name).exists()]
    files = ", ".join([*(["report.html"] if points else []), *pictures, *tables, "run.json"])
    console.print(_plain(f"Written to {result.folder}/: {files}"))


def show_sampled(filled: Filled, shard: str, store: Path) -> None:
    """Prints what the run of a shard made, what failed, and how to go on."""
    console = Console(highlight=False)
    reasons = failures(dict(list(filled.reasons.items())[:MOST_REASONS]))
    missing = [f"{len(filled.holes):,} samples are missing; the same command asks for them again"] if reasons else []
    _note(console, (*filled.notes, *reasons, *missing))
    console.print(f"This run spent: {paid(filled)}.")
    sentence = (
        f"Shard {shard} is in {store}; no curve is drawn of a part. Once all are: ttc-bench merge STORE... --into ALL, "
        "then the same command with --store ALL and without --shard."
    )
    console.print(_plain(sentence))


def show_merged(taken: Sequence[Taken], into: Path) -> None:
    """Prints what came from each store, and what was kept where rows differ."""
    console = Console(highlight=False)
    for t in taken:
        parts = [f"{t.samples:,} new samples"] + ([f"{t.samples_there:,} already there"] if t.samples_there else [])
        parts += [f"{t.scores:,} new scores"] if t.scores else []
        parts += [f"{t.scores_there:,} scores already there"] if t.scores_there else []
        console.print(_plain(f"{t.source}: {', '.join(parts)}"))
        for count, what in ((t.scores_differ, "scores"), (t.follow_ups_differ, "continuations")):
            if count:
                note = f"{count:,} {what} of {t.source} differ from those that were there, which stay as they are"
                _note(console, [note])
    console.print(
        _plain(
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
    console.print(_plain(sentence))
    if imported.unread:
        console.print(_plain(f"{counted(imported.unread, 'sample')} without a readable answer."))
    _note(console, imported.sentences())


def _note(console: Console, notes: Iterable[str]) -> None:
    for note in notes:
        console.print(Text.assemble(("note: ", "bold yellow"), _plain(note)))


def _plain(text: str) -> Text:
    """A text that holds words of strangers: no markup in it counts, and no control character reaches the terminal."""
    return Text(printable(text))


def paid(filled: Filled) -> str:
    """The samples and scores that a run made, and their tokens, in words."""
    parts = []
    if filled.made:
        tokens = f"{filled.spent.completion:,} generated and {filled.spent.prompt:,} prompt tokens"
        parts.append(f"{filled.made:,} samples, {tokens}")
    if filled.scores:
        tokens = f"{filled.scoring.completion:,} generated and {filled.scoring.prompt:,} prompt tokens"
        parts.append(f"{filled.scores:,} scores by verifiers, {tokens}")
    return "; ".join(parts) or "nothing"


def _table(task: str, points: list[CurvePoint]) -> Table:
    title = _plain(f"{task} · {points[0].model} · {points[0].problems:,} problems")
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
            _plain(label),
            f"{p.change.kind} {p.change.amount}" if p.change.amount else str(p.k),
            f"{p.accuracy:.3f}",
            _plain(f"[{p.low:.3f}, {p.high:.3f}]"),
            "?" if p.tokens is None else f"{p.tokens:,.0f}",
            "*" if p.pareto else "",
            style="dim" if p.bound else None,
        )
    known = "generated per problem" if all(p.tokens is not None for p in points) else "not known (?)"
    table.caption = f"tokens: {known} · * on the Pareto front · pass@k: perfect verifier"
    if points[0].guess is not None:
        table.caption += f" · random guess: {points[0].guess:.3f}"
    return table


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
    table.add_column(_plain(f"chosen from {c.k} ({d.pool})"), no_wrap=True)
    for head in ("selection loss", "coverage loss", "gap closed", "AUROC within"):
        table.add_column(head, justify="right")
    for d in diagnoses:
        c = d.choices[-1]
        gap = f"{c.recovered.value:.0%}" if c.recovered else ""
        within = f"{d.within.value:.2f}" if d.within else ""
        table.add_row(_plain(d.selector), f"{c.selection_loss:.3f}", f"{c.coverage_loss:.3f}", gap, within)
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


def show_forecast(forecasts: Mapping[str, Forecast]) -> None:
    """Prints calls, tokens and dollars of what is still missing, and how they are estimated: per model, and in
    total."""
    console = Console(highlight=False)
    for model, forecast in forecasts.items():
        if len(forecasts) > 1:
            console.print(Text(printable(model), style="bold"))
        _show_forecast(console, forecast)
    if len(forecasts) > 1:
        all_models = total(list(forecasts.values()))
        dollars = "" if all_models.dollars is None else f", about ${all_models.dollars:,.2f} where a price is known"
        console.print(
            f"[bold]In all[/] {all_models.samples:,} samples in {all_models.calls:,} calls: "
            f"about {all_models.usage.prompt:,} prompt and {all_models.usage.completion:,} generated tokens{dollars}."
        )


def _show_forecast(console: Console, forecast: Forecast) -> None:
    after = _after(forecast)
    if not forecast.samples:
        console.print(f"Every sample is in the store: {after or 'the run would cost nothing.'}")
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
    if after:
        console.print(f"Not in these figures: {after}")


def _after(forecast: Forecast) -> str:
    """The continuations and scores that follow the samples, in words; "" if there are none."""
    parts = {
        "continuations of traces (budgets, waiting, revision)": forecast.continuations,
        "answers for verifiers to score": forecast.scores,
    }
    counts = " and ".join(f"up to {count:,} {kind}" for kind, count in parts.items() if count)
    return f"{counts} are still to come." if counts else ""


def list_tasks() -> None:
    """Prints every shipped task with its source and description."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("task", no_wrap=True)
    table.add_column("source")
    table.add_column("about")
    for path in sorted(set(task_files.known().values())):
        raw = task_files.read(path)
        for spec, _ in task_files.specs(raw["name"]):
            kind = type(spec.source).__name__.removesuffix("Source").lower()
            table.add_row(_plain(spec.name), kind, _plain(spec.description))
    Console().print(table)


def show_problems(config: Config, data: Path | None) -> None:
    """Prints the first problems as a model will see them, message by message, with gold answer and worked solution."""
    from dataclasses import replace

    for task in load_tasks(replace(config, data=str(data) if data else None)):
        for problem in task.problems:
            level = "" if problem.difficulty is None else f", difficulty {problem.difficulty:g}"
            print(printable(f"--- {problem.id}{level}"))
            for message in PROMPTS[METHODS[config.method[0]].prompt].render(task, problem):
                print(printable(f"[{message.role}]\n{message.content}\n"))
            gold = "any answer that passes the check" if problem.answer is None else problem.answer
            print(printable(f"[gold] {gold}"))
            if problem.solution:
                print(printable(f"[solution] {problem.solution}"))
            print()


def show_solved(config: Config) -> bool:
    """Prints a line for each task on how its reference solver did; returns whether every problem was solved."""
    all_solved = True
    for solved in solve(config):
        print(solved.line, flush=True)
        all_solved = all_solved and not solved.missed
    return all_solved
