#!/usr/bin/env python3
"""How fast the local engine draws N samples of each prompt, against transformers' generate and the machine's limit.

    python benchmarks/engine_speed.py hf:/path/to/model --task gsm8k --data test.jsonl --problems 8 --samples 16
    python benchmarks/engine_speed.py builtin --task chain-arithmetic --problems 64 --generate 16,64

Every contender does the whole work in a process of its own, one after the other in one run, so that ratios are fair
where absolute speeds are not. Tokens are those kept: up to and with the end-of-sequence token, never padding. Seconds
are of the processor as well as of the clock, because a machine with other tenants stretches the clock only. The limit
is the time that the model's matrix products alone take at the engine's number of rows."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_bench.backends.local import weights
from ttc_bench.core import Job, Request
from ttc_bench.problems import tasks
from ttc_bench.prompts import PROMPTS


@dataclass(frozen=True)
class Work:
    """What every contender does, and with how much of the machine."""

    model: str
    task: str
    data: str | None
    prompt: str
    problems: int
    samples: int
    max_tokens: int
    temperature: float
    rows: int
    threads: int
    dtype: str


def load(work: Work) -> tuple[Any, list[Job]]:
    """The model with its tokenizer, and the jobs."""
    import torch

    from ttc_bench.backends.local.hf_model import Loaded

    torch.set_num_threads(work.threads)
    resolved = weights.resolve(work.model)
    dtype = weights.pick_dtype(work.dtype, "cpu", resolved.size)
    loaded = Loaded(*weights.load(resolved, dtype, "cpu"))
    (task,) = tasks.load(work.task, limit=work.problems, data=Path(work.data) if work.data else None)
    render = PROMPTS[work.prompt].render
    return loaded, [
        Job(
            Request("m", render(task, problem), work.max_tokens, temperature=work.temperature),
            tuple(range(work.samples)),
        )
        for problem in task.problems
    ]


def engine(work: Work, _: int) -> tuple[int, Callable[[], int]]:
    """Our engine with `work.rows` rows."""
    loaded, jobs = load(work)

    def run() -> int:
        rows = [row for job in jobs for row in loaded.rows(job)]
        done = [loaded.completion(f, True) for batch in loaded.generate(rows, work.rows) for f in batch]
        return sum(completion.usage.completion for completion in done)

    return loaded.parameters, run


def generate(work: Work, prompts: int) -> tuple[int, Callable[[], int]]:
    """transformers' generate, `prompts` prompts in a call, padded on the left and sorted by length."""
    import torch

    loaded, jobs = load(work)
    model, tokenizer = loaded.model, loaded.tokenizer
    model.set_attn_implementation("sdpa")
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    ends = loaded._ends.nonzero()[:, 0]

    def run() -> int:
        texts = sorted((loaded.render(job.request) for job in jobs), key=lambda text: -len(text))
        special = not tokenizer.chat_template
        kept = 0
        for start in range(0, len(texts), prompts):
            batch = tokenizer(
                texts[start : start + prompts], padding=True, return_tensors="pt", add_special_tokens=special
            )
            out = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                do_sample=True,
                temperature=work.temperature,
                top_k=0,
                top_p=1.0,
                num_return_sequences=work.samples,
                max_new_tokens=work.max_tokens,
                pad_token_id=tokenizer.pad_token_id,
            )[:, batch["input_ids"].shape[1] :]
            ended = torch.isin(out, ends)
            first = torch.where(ended.any(1), ended.int().argmax(1) + 1, out.shape[1])
            kept += int(first.sum())
        return kept

    return loaded.parameters, run


def lm_eval(work: Work, rows: int) -> tuple[int, Callable[[], int]]:
    """lm-evaluation-harness's `hf` backend, `rows` samples at a time, every repeat a request of its own as there."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    loaded, jobs = load(work)
    loaded.model.set_attn_implementation("sdpa")
    ends = loaded._ends.nonzero()[:, 0].tolist()
    loaded.tokenizer.pad_token = loaded.tokenizer.pad_token or loaded.tokenizer.eos_token
    backend = HFLM(loaded.model, tokenizer=loaded.tokenizer, batch_size=rows, device="cpu")
    options = {"do_sample": True, "temperature": work.temperature, "top_k": 0, "top_p": 1.0, "until": []}
    options["max_gen_toks"] = work.max_tokens

    def run() -> int:
        texts = [loaded.render(job.request) for job in jobs for _ in job.indices]
        asked = [Instance("generate_until", {}, (text, options), i) for i, text in enumerate(texts)]
        replies = backend.generate_until(asked, disable_tqdm=True)
        # It returns texts: their tokens are counted again, with one for the end where the limit was not reached.
        counts = [len(loaded.tokenizer(reply, add_special_tokens=False)["input_ids"]) for reply in replies]
        return sum(min(count + len(ends[:1]), work.max_tokens) for count in counts)

    return loaded.parameters, run


def limit(work: Work, _: int) -> tuple[int, Callable[[], int]]:
    """Only the model's matrix products, of `work.rows` rows, for the time of 20 steps."""
    import torch

    loaded, _jobs = load(work)
    layers = [m for m in loaded.model.modules() if isinstance(m, torch.nn.Linear)]
    inputs = {m.in_features: torch.randn(work.rows, m.in_features, dtype=m.weight.dtype) for m in layers}

    def run() -> int:
        for _ in range(20):
            for layer in layers:
                torch.nn.functional.linear(inputs[layer.in_features], layer.weight)
        return 20 * work.rows

    return loaded.parameters, run


CONTENDERS = {"engine": engine, "generate": generate, "lm-eval": lm_eval, "limit": limit}


def measure(pipe: Any, work: Work, name: str, argument: int) -> None:
    """In a process of its own: tokens, seconds and peak memory of one contender."""
    import torch

    with torch.inference_mode():
        _, run = CONTENDERS[name](work, argument)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        clock, processor = time.perf_counter(), time.process_time()
        tokens = run()
        seconds = (time.perf_counter() - clock, time.process_time() - processor)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send((tokens, *seconds, peak / 2**20, (peak - before) / 2**20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="builtin, or hf:FOLDER, hf:FILE.gguf, hf:HUB-ID")
    parser.add_argument("--task", default="chain-arithmetic")
    parser.add_argument("--data")
    parser.add_argument("--prompt", default="cot")
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=192)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--generate", default="1,2,4", help="prompts per call of generate, its batch sizes")
    parser.add_argument("--lm-eval", default="", help="rows per batch of lm-evaluation-harness (pip install lm_eval)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="auto")
    args = parser.parse_args()
    model = args.model.removeprefix("hf:")
    if args.model == "builtin":
        from ttc_bench.backends.by_name import BUILTIN_MODELS

        model = str(BUILTIN_MODELS / "medium")
    work = Work(
        model,
        args.task,
        args.data,
        args.prompt,
        args.problems,
        args.samples,
        args.max_tokens,
        args.temperature,
        args.rows,
        args.threads,
        args.dtype,
    )
    todo = [("limit", 0), ("engine", 0)]
    todo += [("generate", int(n)) for n in args.generate.split(",") if n]
    todo += [("lm-eval", int(n)) for n in args.lm_eval.split(",") if n]
    speeds: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}  # of the clock, of the processor
    context = multiprocessing.get_context("spawn")
    for name, argument in todo:
        mine, theirs = context.Pipe()
        process = context.Process(target=measure, args=(theirs, work, name, argument))
        process.start()
        theirs.close()
        tokens, clock, processor, peak, grown = mine.recv()
        process.join()
        speeds[name].append((tokens / clock, tokens / processor))
        label = f"{name} {argument}" + f" x {work.samples}" * (name == "generate") if argument else name
        print(
            f"{label:16s} {tokens:7d} tokens {tokens / clock:8.1f}/s of the clock {tokens / processor:8.1f}/s of the "
            f"processor  peak {peak:.2f} GiB (+{grown:.2f})",
            flush=True,
        )
    ours = speeds["engine"][0]
    result = {"share_of_limit": round(ours[1] / speeds["limit"][0][1], 2)}
    for name in ("generate", "lm-eval"):  # against the best batch size of each
        for unit, which in (("clock", 0), ("processor", 1)):
            if speeds[name]:
                result[f"times_{name}_{unit}"] = round(ours[which] / max(speed[which] for speed in speeds[name]), 2)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
