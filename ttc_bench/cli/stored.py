"""Commands that look at what is there: report, tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttc_bench.cli.flags import Methods, Policies, PromptName, Samples, Verifiers
from ttc_bench.cli.front import app, finish


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="results/NAME of an earlier run")],
    method: Methods = None,
    verifier: Verifiers = None,
    policy: Policies = None,
    prompt: PromptName = None,
    samples: Samples = None,
    store: Annotated[str | None, typer.Option(help="File of all samples, where it has moved")] = None,
) -> None:
    """Analyse a run again from its stored samples. No model is loaded, but verifiers that have imported ones to
    score."""
    from ttc_bench.experiment import report as report_again
    from ttc_bench.terminal.progress import Progress
    from ttc_bench.terminal.results import show

    changes = {"method": method, "verifier": verifier, "policy": policy, "prompt": prompt, "samples": samples}
    changes |= {"store": store}
    changes_set = {key: value for key, value in changes.items() if value is not None}
    with Progress() as progress:
        result = finish(report_again(folder, changes_set, progress.watch()))
    show(result)


@app.command()
def tasks(
    name: Annotated[str | None, typer.Argument(help="A task or a YAML file; without it, all tasks are listed")] = None,
    n: Annotated[int | None, typer.Option("--n", min=1, help="Problems to show (default 3) or to solve (all)")] = None,
    method: Annotated[str, typer.Option(help="The method whose prompt is shown")] = "cot",
    difficulty: Annotated[str | None, typer.Option(help="Range for generated tasks, such as 2-5")] = None,
    data: Annotated[Path | None, typer.Option(help="Local file or folder in place of a hub data set")] = None,
    solve: Annotated[
        bool, typer.Option("--solve", help="Grade the reference solver of a generated task, or all")
    ] = False,
) -> None:
    """List tasks, or show the first problems of one exactly as a model will see them, with gold answers."""
    from ttc_bench.config import from_fields
    from ttc_bench.problems import reference
    from ttc_bench.terminal import tasks as terminal

    if name is None and not solve:
        terminal.list_tasks()
        return
    fields = {"model": "none", "task": name or reference.generated(), "method": method, "difficulty": difficulty}
    if solve:
        raise typer.Exit(0 if terminal.show_solved(from_fields({**fields, "limit": n})) else 3)
    terminal.show_problems(from_fields({**fields, "limit": n or 3}), data)
