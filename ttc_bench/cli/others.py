"""Commands on samples of others, and for other tools: import, audit, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ttc_bench.cli.flags import (
    AskedWith,
    AtLeast,
    BadRows,
    Data,
    Format,
    Grader,
    Map,
    Methods,
    OfModel,
    OfTask,
    Tokenizer,
)
from ttc_bench.cli.flags import names as split
from ttc_bench.cli.front import app, finish
from ttc_bench.errors import TtcError

if TYPE_CHECKING:
    from ttc_bench.interchange.outcome import Imported
    from ttc_bench.sampling.pool import Watch


@app.command("import")
def import_(
    files: Annotated[
        list[str], typer.Argument(help="Logs or files of samples of one model: FILE, or PROMPT=FILE, as direct=a.jsonl")
    ],
    task: OfTask = None,
    format: Format = "auto",
    map: Map = None,
    prompt: AskedWith = "cot",
    grader: Grader = None,
    tokenizer: Tokenizer = None,
    model: OfModel = None,
    bad_rows: BadRows = "refuse",
    at_least: AtLeast = 1,
    data: Data = None,
    method: Methods = None,
    verifier: Annotated[str | None, typer.Option(help="As in `run`, or the name of a score in the files")] = None,
    name: Annotated[str | None, typer.Option(help="Results folder (default imported- and the file's name)")] = None,
    out: Annotated[str, typer.Option(help="Where results folders lie")] = "results",
) -> None:
    """Make pools of samples that exist: logs of inspect_ai, lm-eval, lighteval, NeMo-Skills, search-and-learn, batch
    files of an API, tables. No model runs."""
    flags = dict(locals())
    from ttc_bench.experiment import report as report_again
    from ttc_bench.terminal.progress import Progress
    from ttc_bench.terminal.results import show

    with Progress() as progress:
        imported = _imported(flags, progress.watch())
        result = finish(report_again(imported.folder, watch=progress.watch()))
    show(result, imported.sentences())


def _imported(flags: dict[str, Any], watch: Watch) -> Imported:
    """What an import with these flags took, and says so."""
    from ttc_bench.interchange.importing import import_samples
    from ttc_bench.interchange.wanted import Import
    from ttc_bench.terminal.results import show_imported

    mapping = flags.pop("map")
    flags = {**flags, "files": tuple(flags["files"]), "mapping": mapping}
    flags |= {key: split(flags[key]) for key in ("method", "verifier") if key in flags}
    imported = import_samples(Import(**flags), watch)
    show_imported(imported)
    return imported


@app.command()
def audit(
    target: Annotated[list[str], typer.Argument(help="results/NAME, or files as for `import`")],
    task: OfTask = None,
    format: Format = "auto",
    map: Map = None,
    prompt: AskedWith = "cot",
    grader: Grader = None,
    tokenizer: Tokenizer = None,
    model: OfModel = None,
    bad_rows: BadRows = "refuse",
    at_least: AtLeast = 1,
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="Folder for audit.md and audit.json (default results/NAME)")] = None,
) -> None:
    """Ask of any run what a reviewer would, from its samples alone. No model runs."""
    flags = {key: value for key, value in locals().items() if key not in ("target", "out")}
    of_files = [key for key in ("task", "map", "grader", "tokenizer", "model", "data") if flags[key] is not None]
    from tempfile import TemporaryDirectory

    from ttc_bench.audit import telling
    from ttc_bench.experiment import audit as audited
    from ttc_bench.terminal.progress import Progress

    with TemporaryDirectory(prefix="ttc-bench-") as place, Progress() as progress:
        of_results = Path(target[0]) if len(target) == 1 and Path(target[0]).is_dir() else None
        if of_results and of_files:
            raise TtcError(f"--{of_files[0]} says how to read files, and {of_results} is a run: leave it out")
        watch = progress.watch()
        folder = of_results or _imported({**flags, "files": target, "out": place}, watch).folder
        result = finish(audited(folder, watch))
    for line in telling.lines(result):
        typer.echo(line)
    if where := out or of_results:
        where.mkdir(parents=True, exist_ok=True)
        telling.write(result, where)
        typer.echo(f"Written to {where}/: {', '.join(reversed(telling.FILES))}")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="results/NAME of an earlier run")],
    to: Annotated[
        str, typer.Option(help="inspect, lm-eval, hf-dataset, jsonl, csv, parquet; or FILE.jsonl, .csv, .parquet")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for it (default results/NAME/export/TO)")] = None,
) -> None:
    """Write a run's samples, with their grades and scores, for other tools."""
    from ttc_bench.experiment import replay
    from ttc_bench.interchange import exporting

    exporting.check(to)
    result = finish(replay(folder))
    for line in exporting.export(result.analysis.problems, result.manifest, folder, to, out):
        typer.echo(line)
