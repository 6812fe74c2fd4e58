"""Two runs side by side: what is ahead at which budget, what the problems could show, which of them changed sides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ttc_bench.errors import counted
from ttc_bench.policies import power as powering
from ttc_bench.policies.comparison import Comparison, Moved, Pair, Row
from ttc_bench.policies.power import Power
from ttc_bench.policies.verdicts import amount, largest, main, sentences
from ttc_bench.terminal.words import note, plain

READ = 5  # problems that are listed in either direction
ID = 18  # letters of a problem's id


def show_comparison(comparison: Comparison, powers: Sequence[Power], folder: Path, files: Sequence[str]) -> None:
    """Prints a table for every pair, then sentences, the problems that moved most, and where the files are."""
    console = Console(highlight=False)
    for pair in comparison.pairs:
        _legend(console, pair)
        console.print(_rows(pair))
        of_pair = [p for p in powers if p.pair is pair]
        if of_pair:
            console.print(_power(of_pair))
        _moved(console, pair)
    for sentence in (*sentences(comparison), *powering.sentences(powers)):
        console.print(plain(sentence))
    note(console, comparison.notes)
    console.print(plain(f"Written to {folder}/: {', '.join(files)}"))


def _legend(console: Console, pair: Pair) -> None:
    size = counted(len(pair.problems), "common problem")
    console.print(plain(f"\n{pair.task} · {size}"), style="bold")
    for letter, side in (("A", pair.first), ("B", pair.second)):
        console.print(plain(f"  {letter} = {side.named}"))


def _rows(pair: Pair) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("method", max_width=22)
    table.add_column("at", justify="right", no_wrap=True)
    for head in ("A", "B", "B - A", "95% interval", "p"):
        table.add_column(head, justify="right", no_wrap=True)
    last = ""
    for row in pair.rows:
        if last and row.what != last:
            table.add_section()
        interval = f"[{row.low:+.3f}, {row.high:+.3f}]"
        table.add_row(
            plain("" if row.what == last else row.what),
            amount(row.axis, row.budget),
            *(f"{policy.accuracy:.3f}{' ' if policy.reached else '*'}" for policy in (row.first, row.second)),
            f"{row.difference:+.3f}",
            plain(interval),
            _chance(row),
        )
        last = row.what
    ends = (
        " · * its end, which costs less" if any(not p.reached for r in pair.rows for p in (r.first, r.second)) else ""
    )
    table.caption = f"paired over problems · p: after Holm's correction · rows like one above are left out{ends}"
    return table


def _chance(row: Row) -> str:
    return "<.001" if row.corrected < 0.001 else f"{row.corrected:.3f}".removeprefix("0")


def _power(powers: Sequence[Power]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("method", max_width=22)
    for head in ("k", "seen", "shown", "problems", "sampling", "samples"):
        table.add_column(head, justify="right", no_wrap=True)
    for p in powers:
        needed = "no number" if p.floor is not None else "?"
        if p.samples is not None:
            a, b = p.samples
            needed = f"{a:,}" if a == b else f"A {a:,}, B {b:,}"
        table.add_row(
            plain(p.row.what),
            f"{p.row.budget:.4g}",
            f"{p.row.difference:+.3f}",
            f"{p.least:.3f}",
            "enough" if p.shown else "?" if p.problems is None else f"{p.problems:,}",
            "?" if p.sampling is None else f"{p.sampling:.0%}",
            "enough" if p.shown else needed,
        )
    table.caption = (
        "shown: what these problems show with a chance of 80% · problems, samples: needed for what was seen · "
        "sampling: share of the variance"
    )
    table.caption += " · ?: cannot be told" if any(p.sampling is None and p.least for p in powers) else ""
    return table


def _moved(console: Console, pair: Pair) -> None:
    moved = main(pair)
    gained, lost = largest(moved, READ)
    if not gained and not lost:
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("problem", no_wrap=True)
    for head in ("A", "B"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column(plain(f"right with {moved[0].what} at {amount('k', moved[0].k)}"), no_wrap=True, max_width=46)
    for rows in (gained, lost):
        for m in rows:
            table.add_row(plain(_end(m.problem.id)), f"{m.first:.2f}", f"{m.second:.2f}", plain(_start(m)))
        table.add_section()
    console.print(table)


def _end(name: str) -> str:
    """The end of an id tells problems apart."""
    return name if len(name) <= ID else f"…{name[1 - ID :]}"


def _start(m: Moved) -> str:
    return " ".join(m.problem.question.split())
