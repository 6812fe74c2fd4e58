"""Flags that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

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
Policies = Annotated[
    str | None,
    typer.Option(
        help="Stopping rules to replay: adaptive-consistency, esc, esc-majority, ppr-1v1, lead-by, doubling, stop-at-score"
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
    typer.Option(
        help="Columns: question=A,answer=B,text=C and so on (id, tokens, stop, recorded, score.NAME: docs/interchange.md)"
    ),
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


def names(text: str | None) -> tuple[str, ...]:
    """The parts of a comma-separated list."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
