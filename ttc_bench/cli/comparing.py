"""Commands that decide between runs: compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttc_bench.cli.flags import names
from ttc_bench.cli.front import app, finish


@app.command()
def compare(
    folders: Annotated[
        list[Path], typer.Argument(help="results/NAME of two or more runs; the others against the first")
    ],
    task: Annotated[str | None, typer.Option(help="Only these tasks, comma-separated (default all in common)")] = None,
    power: Annotated[
        bool, typer.Option("--power", help="Also what these problems could show, and how many it would take")
    ] = False,
    prices: Annotated[str | None, typer.Option(help="YAML of prices, looked at before those of the runs")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for it (default compare-A-B beside the first run)")] = None,
) -> None:
    """Compare runs on the problems they have in common, at equal k, tokens, dollars and FLOPs. No model runs."""
    from ttc_bench import experiment
    from ttc_bench.policies.power import powers
    from ttc_bench.report.comparison import folder_of, write
    from ttc_bench.terminal.comparison import show_comparison
    from ttc_bench.terminal.progress import Progress

    where = out or folder_of(folders)
    changes = {} if prices is None else {"prices": prices}
    with Progress() as progress:
        found = finish(experiment.compare(folders, names(task), changes, progress.watch()))
    asked = powers(found) if power else []
    files = write(found, asked, where)
    show_comparison(found, asked, where, files)
