#!/usr/bin/env python3
"""Does the local engine draw what transformers' generate draws? Greedy texts, and the accuracy of samples.

    python benchmarks/engine_agrees.py hf:/path/to/model --task gsm8k --data test.jsonl --problems 200 --max-tokens 64
    python benchmarks/engine_agrees.py builtin --problems 200 --samples 16 --max-tokens 160

Without --samples: the greedy text of every prompt by both ways, and how many are the same. With it: the share of right
answers among so many samples of each problem by both ways, and their paired difference with its 95 % interval."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ttc_bench.analysis.stats import paired_difference
from ttc_bench.backends.by_name import BUILTIN_MODELS
from ttc_bench.backends.local import weights
from ttc_bench.backends.local.hf_model import Loaded
from ttc_bench.core import Job, Request
from ttc_bench.problems import tasks
from ttc_bench.prompts import PROMPTS

SEED = 20261122  # of generate; the engine's draws depend on the request alone


def by_engine(loaded: Loaded, jobs: list[Job], rows: int) -> dict[str, list[str]]:
    """Texts by the request's address."""
    texts: dict[str, list[str]] = {job.request.address: [] for job in jobs}
    every = [row for job in jobs for row in loaded.rows(job)]
    for batch in loaded.generate(every, rows):
        for done in batch:
            texts[done.row.address].append(loaded.completion(done, True).text)
    return texts


def by_generate(loaded: Loaded, jobs: list[Job], rows: int) -> Iterator[tuple[str, list[str]]]:
    """(address, texts), prompts sorted by length and padded on the left."""
    tokenizer, samples = loaded.tokenizer, len(jobs[0].indices)
    loaded.model.set_attn_implementation("sdpa")
    tokenizer.padding_side, tokenizer.pad_token = "left", tokenizer.pad_token or tokenizer.eos_token
    ordered = sorted(((loaded.render(job.request), job) for job in jobs), key=lambda pair: len(pair[0]))
    width = max(1, rows // samples)
    torch.manual_seed(SEED)
    for start in range(0, len(ordered), width):
        part = ordered[start : start + width]
        first = part[0][1].request
        batch = tokenizer(
            [text for text, _ in part],
            padding=True,
            return_tensors="pt",
            add_special_tokens=not tokenizer.chat_template,
        )
        options: dict[str, Any] = {"do_sample": False}
        if first.temperature:
            options = {"do_sample": True, "temperature": first.temperature, "top_k": 0, "top_p": 1.0}
        out = loaded.model.generate(
            **{name: batch[name] for name in ("input_ids", "attention_mask")},
            num_return_sequences=samples,
            max_new_tokens=first.max_tokens,
            pad_token_id=tokenizer.pad_token_id,
            **options,
        )[:, batch["input_ids"].shape[1] :]
        texts = tokenizer.batch_decode(out, skip_special_tokens=True)
        for i, (_, job) in enumerate(part):
            yield job.request.address, texts[i * samples : (i + 1) * samples]
        print(f"generate: {start + len(part)} of {len(ordered)} prompts", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="builtin, or hf:FOLDER, hf:FILE.gguf, hf:HUB-ID")
    parser.add_argument("--task", default="chain-arithmetic")
    parser.add_argument("--data")
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--samples", type=int, default=0, help="of each problem; 0 (default): greedy texts")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    resolved = weights.resolve(
        str(BUILTIN_MODELS / "medium") if args.model == "builtin" else args.model.removeprefix("hf:")
    )
    loaded = Loaded(*weights.load(resolved, "float32", "cpu"))
    (task,) = tasks.load(args.task, limit=args.problems, data=Path(args.data) if args.data else None)
    temperature = 1.0 if args.samples else 0.0
    jobs = [
        Job(
            Request("m", PROMPTS["cot"].render(task, problem), args.max_tokens, temperature=temperature),
            tuple(range(args.samples or 1)),
        )
        for problem in task.problems
    ]
    with torch.inference_mode():
        ours = by_engine(loaded, jobs, args.rows)
        theirs = dict(by_generate(loaded, jobs, args.rows))
    addresses = [job.request.address for job in jobs]
    if not args.samples:
        same = sum(ours[a] == theirs[a] for a in addresses)
        print(json.dumps({"engine": loaded.engine, "prompts": len(jobs), "same_greedy_text": same}))
        return

    def accuracies(texts: dict[str, list[str]]) -> list[float]:
        graded = [
            [task.grader.correct(task.grader.extract(text).answer, problem) for text in texts[address]]
            for address, problem in zip(addresses, task.problems, strict=True)
        ]
        return [sum(right) / len(right) for right in graded]

    a, b = accuracies(ours), accuracies(theirs)
    difference = [round(x, 4) for x in paired_difference(a, b)]
    print(
        json.dumps(
            {
                "engine": round(sum(a) / len(a), 4),
                "generate": round(sum(b) / len(b), 4),
                "difference_low_high": difference,
            }
        )
    )


if __name__ == "__main__":
    main()
