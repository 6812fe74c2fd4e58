"""Cascades and plans: sentences and a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ttc_bench.policies import cascade_words, plan_words
from ttc_bench.policies.cascades import Alone
from ttc_bench.policies.choosing import Judged, Pair
from ttc_bench.policies.planner import Plans
from ttc_bench.policies.spending import UNITS, amount
from ttc_bench.terminal.words import note, plain


def show_cascades(pairs: Sequence[Pair], folder: Path, files: Sequence[str]) -> None:
    """Prints a table for each pair, its sentences, and where the files are."""
    console = Console(highlight=False)
    for pair in pairs:
        console.print(_cascades(pair))
    for sentence in cascade_words.sentences(pairs):
        console.print(plain(sentence))
    console.print(cascade_words.RULE)
    console.print(plain(f"Written to {folder}/: {', '.join(files)}"))


def show_plans(every: Sequence[Plans], problems: int, notes: Sequence[str], folder: Path, files: Sequence[str]) -> None:
    """Prints the sentences and a table for each task, and where the files are."""
    console = Console(highlight=False)
    for plans in every:
        console.print(_plans(plans))
        for sentence in plan_words.sentences(plans, problems):
            console.print(plain(sentence))
    note(console, notes)
    console.print(plain(f"Written to {folder}/: {', '.join(files)}"))


def _cascades(pair: Pair) -> Table:
    title = plain(f"{pair.task} · {pair.small} first, then {pair.large} · {pair.problems:,} problems")
    table = Table(title=title, box=box.SIMPLE_HEAD, caption="cross-fitted: on problems that it was not chosen on")
    table.add_column("")
    for head in ("accuracy", "passed on", UNITS[pair.unit], "over the mixture"):
        table.add_column(head, justify="right")
    involved = [a for choice in pair.choices for a in (choice.cascade.small, choice.cascade.large)]
    for a in sorted({a.name: a for a in involved}.values(), key=lambda a: (a.model != pair.small, a.k)):
        table.add_row(*_alone(a, pair.unit))
    for choice in pair.choices:
        table.add_section()
        stays = cascade_words.condition(choice.cascade, choice.threshold)
        table.add_row(plain(f"{stays}, else {choice.cascade.large.name}"), *_judged(choice.plain, pair.unit))
        table.add_row("cross-fitted", *_judged(choice.crossed, pair.unit))
    return table


def _alone(a: Alone, unit: str) -> tuple[str, ...]:
    return plain(a.name).plain, f"{a.values.mean():.3f}", "", amount(float(a.costs[unit].mean())), ""


def _judged(judged: Judged, unit: str) -> tuple[str, ...]:
    difference, low, high = judged.over["mixture"]
    over = f"{difference:+.3f} ({low:+.3f} to {high:+.3f})"
    return f"{judged.accuracy[0]:.3f}", f"{judged.escalated:.0%}", amount(judged.costs[unit]), over


def _plans(plans: Plans) -> Table:
    title = plain(f"{plans.task} · {amount(plans.budget)} {UNITS[plans.unit]} per problem")
    table = Table(
        title=title,
        box=box.SIMPLE_HEAD,
        caption="accuracy and cost: of a configuration alone, on the problems of its row",
    )
    for head, justify in (("plan", "left"), ("share", "right"), ("configuration", "left"), ("accuracy", "right")):
        table.add_column(head, justify=justify)  # type: ignore[arg-type]
    table.add_column("cost", justify="right")
    last = None
    for row in plan_words.rows([plans]):
        name = f"difficulty {row['difficulty']}" if row["difficulty"] else row["plan"]
        if last and row["plan"] != last:
            table.add_section()
        last = row["plan"]
        cells = (f"{row['share']:.0%}", plain(row["configuration"]), f"{row['accuracy']:.3f}", amount(row["cost"]))
        table.add_row(plain(name), *cells)
    return table
