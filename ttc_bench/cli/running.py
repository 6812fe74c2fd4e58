"""Commands that sample: run, and merge for those that were shared out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttc_bench.cli.flags import Data, Methods, Model, Policies, PromptName, Samples, Tasks, Verifiers
from ttc_bench.cli.front import app, interruptible


@app.command()
def run(
    model: Model = None,
    task: Tasks = None,
    method: Methods = None,
    verifier: Verifiers = None,
    policy: Policies = None,
    prompt: PromptName = None,
    samples: Samples = None,
    limit: Annotated[int | None, typer.Option(help="Only the first problems of each task")] = None,
    difficulty: Annotated[str | None, typer.Option(help="Range for generated tasks, such as 2-5")] = None,
    data: Data = None,
    skip_bad_problems: Annotated[
        bool | None,
        typer.Option("--skip-bad-problems", help="Leave out, and count, those with unreadable gold answers"),
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Most tokens generated per sample (default 512)")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy (default 1.0)")] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus sampling (default 1.0, off)")] = None,
    top_k: Annotated[int | None, typer.Option(help="Most likely tokens kept (default 0, all)")] = None,
    min_p: Annotated[float | None, typer.Option(help="Least share of the top probability (default 0, off)")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed is an independent repetition (default 0)")] = None,
    reasoning_effort: Annotated[str | None, typer.Option(help="Such as low,medium,high: one curve each")] = None,
    thinking_budget: Annotated[
        str | None, typer.Option(help="Tokens, such as 8,16,32 or 128..4096: accuracy if stopped there")
    ] = None,
    budget_mode: Annotated[
        str | None, typer.Option(help="forced-exit: cut one trace (default); rerun: announce each budget")
    ] = None,
    wait: Annotated[int | None, typer.Option(help="Take the end away so many times (default 0)")] = None,
    wait_text: Annotated[str | None, typer.Option(help="What is put in its place (default Wait)")] = None,
    rounds: Annotated[int | None, typer.Option(help="Revisions that refine makes (default 2)")] = None,
    base_url: Annotated[
        str | None,
        typer.Option(help="Of an OpenAI-compatible server, ending in /v1; URL,URL,... of several share the work"),
    ] = None,
    concurrency: Annotated[int | None, typer.Option(help="Most calls at once, to each server (default 64)")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for the whole of one call (default 1200)")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(help="Limit of each server, where it tells none")] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(help="The same for tokens")] = None,
    prices: Annotated[str | None, typer.Option(help="YAML of prices, looked at before the shipped one")] = None,
    max_cost: Annotated[float | None, typer.Option(help="Stop before this many dollars; a rerun goes on")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what the run would take")] = False,
    pilot: Annotated[int, typer.Option(min=0, help="With --dry-run: sample so many problems once, to measure")] = 0,
    shard: Annotated[
        str | None, typer.Option(help="I/N: sample every Nth problem from the Ith on, and draw nothing; see merge")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Results folder (default made from model and tasks)")] = None,
    out: Annotated[str | None, typer.Option(help="Where results folders lie (default results)")] = None,
    store: Annotated[str | None, typer.Option(help="File of all samples (default OUT/samples.sqlite)")] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda (all GPUs), cuda:0,cuda:2 (default auto: all GPUs, else cpu)")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16, float16; packed for GGUF (default auto)")
    ] = None,
    rows: Annotated[int | None, typer.Option(help="Most samples in a local batch (default as memory allows)")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Sample local models on Ray: auto, local, or HOST:PORT of a running cluster")
    ] = None,
    cpus_per_worker: Annotated[
        int | None, typer.Option(help="Cores of a cluster's worker without GPU (default all of a node)")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML of these flags, or run.json of an earlier run")] = None,
) -> None:
    """Sample what is missing, then draw accuracy against tokens."""
    flags = {key: value for key, value in locals().items() if key not in ("config", "dry_run", "pilot", "shard")}
    from ttc_bench import experiment
    from ttc_bench.config import from_fields, from_file
    from ttc_bench.sampling.plan import WHOLE, Shard
    from ttc_bench.terminal.forecasts import show_forecast
    from ttc_bench.terminal.progress import Progress
    from ttc_bench.terminal.results import show, show_sampled

    flags_set = {key: value for key, value in flags.items() if value is not None}
    run_config = from_fields({**(from_file(config) if config else {}), **flags_set}, str(config or ""))
    part = Shard.read(shard) if shard is not None else WHOLE
    with Progress() as progress:
        watch = progress.watch()
        if dry_run:
            show_forecast(interruptible(experiment.dry_run(run_config, pilot, watch=watch, shard=part), watch.stop))
            return
        if shard is not None:
            filled = interruptible(experiment.sample(run_config, part, watch=watch), watch.stop)
            show_sampled(filled, shard, run_config.store_path)
            raise typer.Exit(3 if filled.holes else 0)
        result = interruptible(experiment.run(run_config, watch=watch), watch.stop)
    show(result)
    raise typer.Exit(3 if result.filled.holes else 0)


@app.command()
def merge(
    stores: Annotated[list[Path], typer.Argument(help="Files of samples, as of runs with --shard")],
    into: Annotated[Path, typer.Option(help="The store that takes them all; made where there is none")],
) -> None:
    """Join stores of samples into one; those that disagree are refused."""
    from ttc_bench.sampling.merge import merge as joined
    from ttc_bench.terminal.results import show_merged

    show_merged(joined(stores, into), into)
