"""Does the harness count what a real server counts? Every method against one server, and every token recounted.

    python benchmarks/server_agreement.py NAME --server "llama-server -m model.gguf --parallel 8 --metrics"
    python benchmarks/server_agreement.py MODEL_DIR --server "transformers serve MODEL_DIR" --tokenizer MODEL_DIR
    python benchmarks/server_agreement.py NAME --base-url http://127.0.0.1:8080/v1

A command is started with `--host 127.0.0.1 --port N` and stopped in the end. For each method a run of its own is
made, and its completion and prompt tokens are laid beside
  * the server's own counters before and after (llama.cpp's /metrics), which know nothing of choices or bills;
  * the texts, tokenized again by the server (llama.cpp's /tokenize) or by --tokenizer: a text that a model sampled need
    not have the tokens that it was sampled with, so a few of these may differ; what they sum to may not by much.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_bench.config import Config
from ttc_bench.errors import TtcError
from ttc_bench.experiment import run

METHODS: dict[str, dict[str, Any]] = {
    "direct": {"method": ("direct",)},
    "cot": {"method": ("cot",)},
    "self-consistency": {"method": ("self-consistency",)},
    "best-of-n (logprob)": {"method": ("best-of-n",), "verifier": ("logprob",)},
    "refine": {"method": ("refine",)},
    "cot, --thinking-budget 8,16": {"method": ("cot",), "thinking_budget": ("8", "16")},
    "cot, --budget-mode rerun": {"method": ("cot",), "thinking_budget": ("8", "16"), "budget_mode": "rerun"},
    "cot, --wait 1": {"method": ("cot",), "wait": 1},
    "best-of-n (judge)": {"method": ("best-of-n",), "verifier": ("judge:openai:{name}@{url}",)},
    "best-of-n (p-true)": {"method": ("best-of-n",), "verifier": ("p-true",)},
}


@dataclass(frozen=True)
class Counters:
    """What a server says it has read and written since it started."""

    prompt: int
    cached: int
    completion: int


@dataclass(frozen=True)
class Tokenizer:
    """Counts the tokens of a text, and of a conversation where the model's own files are at hand."""

    count: Callable[[str], int]
    prompt: Callable[[list[dict[str, str]]], int] | None = None


@contextmanager
def served(command: str, log: Path) -> Iterator[str]:
    """The server on a free port, as an API base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [*shlex.split(command), "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    with log.open("w") as out, subprocess.Popen(words, stdout=out, stderr=out, env=environment) as server:
        try:
            for _ in range(600):
                if server.poll() is not None:
                    sys.exit(f"the server ended: see {log}")
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def counters(url: str) -> Counters | None:
    """llama.cpp's totals, None where the server has none."""
    try:
        text = urllib.request.urlopen(url.removesuffix("/v1") + "/metrics", timeout=10).read().decode()
    except (urllib.error.URLError, OSError):
        return None
    totals = dict(line.split(" ", 1) for line in text.splitlines() if line.startswith("llamacpp:"))
    names = ("prompt_tokens_total", "prompt_tokens_cached_total", "tokens_predicted_total")
    if not all(f"llamacpp:{name}" in totals for name in names):
        return None
    return Counters(*(int(float(totals[f"llamacpp:{name}"])) for name in names))


def tokenizer(url: str, folder: str | None) -> Tokenizer | None:
    """That of the model's files, or that of the server; None where neither is there."""
    if folder:
        import transformers

        loaded = transformers.AutoTokenizer.from_pretrained(folder)
        return Tokenizer(
            lambda text: len(loaded(text, add_special_tokens=False)["input_ids"]),
            lambda talk: len(
                loaded.apply_chat_template(talk, add_generation_prompt=True, return_dict=True)["input_ids"]
            ),
        )

    def asked(text: str) -> int:
        body = json.dumps({"content": text, "add_special": False, "parse_special": True}).encode()
        request = urllib.request.Request(
            url.removesuffix("/v1") + "/tokenize", body, {"content-type": "application/json"}
        )
        return len(json.load(urllib.request.urlopen(request, timeout=30))["tokens"])

    try:
        asked("one")
    except (urllib.error.URLError, OSError, KeyError, ValueError):
        return None
    return Tokenizer(asked)


def row(name: str, store: Path, before: Counters | None, after: Counters | None, tokenizer: Tokenizer | None) -> str:
    """One line of the table, from what a run stored."""
    with sqlite3.connect(store) as db:
        sources = dict(db.execute("select token_source, count(*) from samples group by 1"))
        stored = db.execute(
            "select text, reasoning, stop_reason, completion_tokens, reasoning_tokens, prompt_tokens, request "
            "from samples join requests using (address)"
        ).fetchall()
    completion, thinking, prompt = (sum(sample[i] for sample in stored) for i in (3, 4, 5))
    cells = [name, str(len(stored)), ", ".join(f"{n} {source}" for source, n in sorted(sources.items()))]
    cells.append(f"{completion:,}" + (f" ({thinking:,} thinking)" if thinking else ""))
    cells += [f"{after.completion - before.completion:,}" if before and after else "–", f"{prompt:,}"]
    if before and after:
        cells.append(f"{after.prompt + after.cached - before.prompt - before.cached:,}")
    elif tokenizer and tokenizer.prompt:
        talks = [json.loads(sample[6])["messages"] for sample in stored]
        cells.append(f"{sum(map(tokenizer.prompt, talks)):,} by its template")
    else:
        cells.append("–")
    if tokenizer:
        again = [tokenizer.count(_written(*sample[:2])) + (sample[2] == "stop") for sample in stored]
        equal = sum(tokens == sample[3] for tokens, sample in zip(again, stored, strict=True))
        # the end of a text that never closed its thinking is thinking too
        thought = sum(
            tokenizer.count(s[1].removeprefix("\n") + ("</think>" if s[0] else "")) + (s[2] == "stop" and not s[0])
            for s in stored
            if s[1]
        )
        cells.append(f"{equal} of {len(stored)}, {sum(again):,}" + (f" ({thought:,} thinking)" if thinking else ""))
    else:
        cells.append("–")
    return "| " + " | ".join(cells) + " |"


def _written(text: str, reasoning: str) -> str:
    """What the model wrote, its thinking included: without the line break that a template begins the thinking with."""
    reasoning = reasoning.removeprefix("\n")
    return f"{reasoning}</think>{text}" if reasoning and text else reasoning + text


async def measure(url: str, args: argparse.Namespace) -> None:
    tokens = tokenizer(url, args.tokenizer)
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    print(
        "| run | samples | marked | completion here | at the server | prompt here | at the server | tokenized again |"
    )
    print("|---|---|---|---|---|---|---|---|")
    notes: dict[str, list[str]] = {}
    for name, changes in METHODS.items():
        if args.only and not any(part in name for part in args.only):
            continue
        fields = {key: value for key, value in changes.items() if key != "verifier"}
        if "verifier" in changes:
            fields["verifier"] = tuple(v.format(name=args.model, url=url) for v in changes["verifier"])
        with tempfile.TemporaryDirectory() as folder:
            config = Config(
                model=(f"openai:{args.model}",), base_url=url, task=(args.task,), samples=args.samples,
                limit=args.limit, max_tokens=args.max_tokens, concurrency=args.concurrency, out=folder, **fields,
            )  # fmt: skip
            before = counters(url)
            try:
                result = await run(config)
            except TtcError as error:
                print(f"| {name} | refused: {error} | | | | | | |", flush=True)
                continue
            print(row(name, Path(config.store_path), before, counters(url), tokens), flush=True)
            if args.keep:
                shutil.copy(config.store_path, args.keep / f"{re.sub(r'[^a-z0-9]+', '-', name)}.sqlite")
            for note in result.analysis.notes:
                notes.setdefault(note, []).append(name)
            holes = len(result.filled.holes)
            if holes:
                print(f"  {holes} holes: {result.filled.holes[0].error}")
    print("\nnotes:")
    for note, names in notes.items():
        print(f"  * {note}  [{len(names)} runs, first {names[0]}]")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the model's name at the server")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--server", help="command that starts it; --host and --port are appended")
    where.add_argument("--base-url", help="a server that runs already")
    parser.add_argument("--tokenizer", help="directory with the model's tokenizer")
    parser.add_argument("--task", default="chain-arithmetic")
    parser.add_argument("--limit", type=int, default=8)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--only", nargs="*", help="runs whose name holds one of these words")
    parser.add_argument("--keep", type=Path, help="folder for the stores of the runs")
    parser.add_argument("--log", type=Path, default=Path("serve.log"), help="what the server prints")
    args = parser.parse_args(argv)
    if args.base_url:
        asyncio.run(measure(args.base_url, args))
    else:
        with served(args.server, args.log) as url:
            asyncio.run(measure(url, args))


if __name__ == "__main__":
    main()
