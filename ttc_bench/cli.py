"""Flags, progress, tables and exit codes. No logic.

Exit codes: 0 done; 2 an error that the user can fix, reported in one line; 3 done, but some samples failed (`tasks
--solve`: some problems were not solved); 130 interrupted.
"""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ttc_bench.errors import Interrupted, TtcError, printable

if TYPE_CHECKING:
    from ttc_bench.interchange.outcome import Imported
    from ttc_bench.sampling.pool import Stop, Watch

INTERRUPTED = 130
GRACE_S = 15.0  # for calls that are paid for
T = TypeVar("T")
app = typer.Typer(
    name="ttc-bench",
    help="What does each extra token of thinking buy a language model? Accuracy against test-time compute.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Model = Annotated[
    str | None, typer.Option(help="builtin, hf:HUB-ID, hf:FOLDER, hf:FILE.gguf, openai:NAME; several are compared")
]
Tasks = Annotated[str | None, typer.Option(help="Task names or YAML files, comma-separated; see `ttc-bench tasks`")]
Methods = Annotated[
    str | None,
    typer.Option(
        help="Of direct, cot, cot-few-shot, self-consistency, best-of-n, weighted-vote, cisc, filtered-vote, refine "
        "(default direct, cot, self-consistency, best-of-n)"
    ),
]
Verifiers = Annotated[
    str | None,
    typer.Option(
        help="For best-of-n and weighted votes: self-certainty, logprob, tail-confidence, lowest-group-confidence, "
        "checker, reward:PATH-OR-ID, judge:MODEL, p-true (default: the first that serves)"
    ),
]
PromptName = Annotated[
    str | None, typer.Option(help="Prompt that voting methods sample with: direct, cot, cot-few-shot (default cot)")
]
OfTask = Annotated[
    str | None, typer.Option("--task", help="A task or YAML file whose problems these are (default those in the files)")
]
Format = Annotated[str, typer.Option(help="Of the files, such as inspect or lm-eval; auto looks at them")]
Map = Annotated[
    str | None,
    typer.Option(help="Columns: question=COL,answer=COL,text=COL[,id=,tokens=,reasoning=,stop=,score.NAME=, ...]"),
]
AskedWith = Annotated[
    str, typer.Option(help="How they were asked: direct, cot, cot-few-shot; several where the rows tell")
]
Grader = Annotated[
    str | None,
    typer.Option(help="Where there is no --task: number, math, choice, yes-no, boolean, text (default by the golds)"),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(help="Counts generated tokens in place of the source: tokenizer.json, GGUF file, folder or hub id"),
]
OfModel = Annotated[str | None, typer.Option("--model", help="The model's name; of several in a file, which one")]
BadRows = Annotated[str, typer.Option(help="Rows that cannot be read: refuse the files, or skip them")]
AtLeast = Annotated[int, typer.Option(help="Leave out problems with fewer samples")]
Data = Annotated[str | None, typer.Option(help="Local file or folder in place of a hub data set")]
Samples = Annotated[int | None, typer.Option(help="Samples per problem; stored ones are not made again (default 8)")]


@app.command()
def run(
    model: Model = None,
    task: Tasks = None,
    method: Methods = None,
    verifier: Verifiers = None,
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
    from ttc_bench.terminal import Progress, show, show_forecast, show_sampled

    flags_set = {key: value for key, value in flags.items() if value is not None}
    run_config = from_fields({**(from_file(config) if config else {}), **flags_set}, str(config or ""))
    part = Shard.read(shard) if shard is not None else WHOLE
    with Progress() as progress:
        watch = progress.watch()
        if dry_run:
            show_forecast(_interruptible(experiment.dry_run(run_config, pilot, watch=watch, shard=part), watch.stop))
            return
        if shard is not None:
            filled = _interruptible(experiment.sample(run_config, part, watch=watch), watch.stop)
            show_sampled(filled, shard, run_config.store_path)
            raise typer.Exit(3 if filled.holes else 0)
        result = _interruptible(experiment.run(run_config, watch=watch), watch.stop)
    show(result)
    raise typer.Exit(3 if result.filled.holes else 0)


@app.command()
def merge(
    stores: Annotated[list[Path], typer.Argument(help="Files of samples, as of runs with --shard")],
    into: Annotated[Path, typer.Option(help="The store that takes them all; made where there is none")],
) -> None:
    """Join stores of samples into one; those that disagree are refused."""
    from ttc_bench.sampling.merge import merge as joined
    from ttc_bench.terminal import show_merged

    show_merged(joined(stores, into), into)


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
    from ttc_bench.terminal import Progress, show

    with Progress() as progress:
        imported = _imported(flags, progress.watch())
        result = asyncio.run(report_again(imported.folder, watch=progress.watch()))
    show(result, imported.sentences())


def _imported(flags: dict[str, Any], watch: Watch) -> Imported:
    """What an import with these flags took, and says so."""
    from ttc_bench.interchange.importing import import_samples
    from ttc_bench.interchange.wanted import Import
    from ttc_bench.terminal import show_imported

    mapping = flags.pop("map")
    flags = {**flags, "files": tuple(flags["files"]), "mapping": mapping}
    flags |= {key: _names(flags[key]) for key in ("method", "verifier") if key in flags}
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
    from tempfile import TemporaryDirectory

    from ttc_bench.audit import telling
    from ttc_bench.experiment import audit as audited
    from ttc_bench.terminal import Progress

    with TemporaryDirectory(prefix="ttc-bench-") as place, Progress() as progress:
        of_results = Path(target[0]) if len(target) == 1 and Path(target[0]).is_dir() else None
        watch = progress.watch()
        folder = of_results or _imported({**flags, "files": target, "out": place}, watch).folder
        result = asyncio.run(audited(folder, watch))
    for line in telling.lines(result):
        typer.echo(line)
    if where := out or of_results:
        where.mkdir(parents=True, exist_ok=True)
        telling.write(result, where)
        typer.echo(f"Written to {where}/: {', '.join(reversed(telling.FILES))}")


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="results/NAME of an earlier run")],
    method: Methods = None,
    verifier: Verifiers = None,
    prompt: PromptName = None,
    samples: Samples = None,
    store: Annotated[str | None, typer.Option(help="File of all samples, where it has moved")] = None,
) -> None:
    """Analyse a run again from its stored samples. No model is loaded, but verifiers that have imported ones to
    score."""
    from ttc_bench.experiment import report as report_again
    from ttc_bench.terminal import Progress, show

    changes = {"method": method, "verifier": verifier, "prompt": prompt, "samples": samples, "store": store}
    changes_set = {key: value for key, value in changes.items() if value is not None}
    with Progress() as progress:
        result = asyncio.run(report_again(folder, changes_set, progress.watch()))
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
    from ttc_bench import terminal
    from ttc_bench.config import from_fields
    from ttc_bench.problems import reference

    if name is None and not solve:
        terminal.list_tasks()
        return
    fields = {"model": "none", "task": name or reference.generated(), "method": method, "difficulty": difficulty}
    if solve:
        raise typer.Exit(0 if terminal.show_solved(from_fields({**fields, "limit": n})) else 3)
    terminal.show_problems(from_fields({**fields, "limit": n or 3}), data)


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
    result = asyncio.run(replay(folder))
    for line in exporting.export(result.analysis.problems, result.manifest, folder, to, out):
        typer.echo(line)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _interruptible(work: Coroutine[Any, Any, T], stop: Stop) -> T:
    """Runs `work`. Ctrl-C or SIGTERM: no further call starts, those under way are waited for a little, as they are paid
    for. A second one, or one while nothing is under way, ends at once. Raises Interrupted."""

    async def main() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

        def asked(number: int, frame: object) -> None:
            if stop.wanted or not stop.request():
                loop.call_soon_threadsafe(task.cancel)
                raise KeyboardInterrupt  # also out of what keeps the loop busy, such as drawing
            print(
                f"\nEnding: calls under way are waited for, {GRACE_S:.0f} s at most; again ends at once.",
                file=sys.stderr,
            )
            loop.call_soon_threadsafe(lambda: loop.call_later(GRACE_S, task.cancel))

        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as for a shell's background jobs
                signal.signal(number, asked)
        return await task

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return asyncio.run(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    """The console script: every error that a user can fix is one line and exit code 2."""
    try:
        code: Any = app(standalone_mode=False)
    except Interrupted:
        code = INTERRUPTED
    except TtcError as error:
        code = _fail(str(error))
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's own complaints about flags have it
            raise
        code = _fail(error.format_message())
    if code == INTERRUPTED:  # typer turns Ctrl-C into this
        command = shlex.join(["ttc-bench", *sys.argv[1:]])
        print(f"\nInterrupted; every finished sample is kept. To go on:\n  {command}", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> int:
    print(f"ttc-bench: {printable(' '.join(message.split()))}", file=sys.stderr)
    return 2
