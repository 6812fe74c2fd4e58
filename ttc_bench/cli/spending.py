"""Commands that decide how to spend, from stored samples alone: cascade, plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ttc_bench.cli.flags import Verifiers
from ttc_bench.cli.flags import names as split
from ttc_bench.cli.front import app, finish

DEFAULT_RULE = "adaptive-consistency"  # of those that a plan may use
Results = Annotated[list[Path], typer.Argument(help="results/NAME of runs over the same problems, imported ones too")]
Out = Annotated[Path | None, typer.Option(help="Folder for the files (default the first of RESULTS)")]
Prices = Annotated[str | None, typer.Option(help="YAML of prices, looked at before the shipped one")]


def _changes(verifier: str | None, prices: str | None) -> dict[str, Any]:
    return ({"verifier": split(verifier)} if verifier else {}) | ({"prices": prices} if prices else {})


@app.command()
def cascade(results: Results, verifier: Verifiers = None, prices: Prices = None, out: Out = None) -> None:
    """Small model first, the large one where it is not sure: every rule and threshold, replayed. No model runs."""
    from ttc_bench.experiment import cascades
    from ttc_bench.report.spending import write_cascades
    from ttc_bench.terminal.progress import Progress
    from ttc_bench.terminal.spending import show_cascades

    with Progress() as progress:
        pairs = finish(cascades(results, _changes(verifier, prices), progress.watch()))
    folder = out or results[0]
    show_cascades(pairs, folder, write_cascades(folder, pairs))


@app.command()
def plan(
    results: Results,
    problems: Annotated[int, typer.Option(min=1, help="How many problems like these the budget is for")],
    dollars: Annotated[float | None, typer.Option(help="Budget for all of them, in US dollars")] = None,
    tokens: Annotated[float | None, typer.Option(help="The same in tokens, read and generated")] = None,
    flops: Annotated[float | None, typer.Option(help="The same in inference FLOPs, such as 1e15")] = None,
    verifier: Verifiers = None,
    policy: Annotated[str, typer.Option(help="Stopping rules that may be used, as in `report`")] = DEFAULT_RULE,
    prices: Prices = None,
    out: Out = None,
) -> None:
    """The best use of a budget: which model, method, k and stopping rule for what share of the problems. No model
    runs."""
    from ttc_bench.experiment import plan_spending
    from ttc_bench.policies.plan_words import asked
    from ttc_bench.report.spending import write_plans
    from ttc_bench.terminal.progress import Progress
    from ttc_bench.terminal.spending import show_plans

    budget = asked({"dollars": dollars, "tokens": tokens, "flops": flops})
    with Progress() as progress:
        changes = _changes(verifier, prices)
        plans, notes = finish(plan_spending(results, budget, problems, split(policy), changes, progress.watch()))
    folder = out or results[0]
    show_plans(plans, problems, notes, folder, write_plans(folder, plans))
