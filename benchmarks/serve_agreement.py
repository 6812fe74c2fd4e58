"""The same model behind `transformers serve` and in this process: do the two backends see the same thing?

    python benchmarks/serve_agreement.py MODEL_DIR [--task chain-arithmetic] [--limit 100] [--samples 8]

Prints: greedy texts and token counts that agree; accuracy of sampled answers with 95 % intervals; and the share of
identical samples as this backend asks for them, and as a plain client's `temperature` would have got them."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ttc_bench.backends.api.openai import OpenAIBackend
from ttc_bench.backends.local.hf import HFBackend
from ttc_bench.core import Backend, Job, Request, Sample, Task
from ttc_bench.problems import tasks
from ttc_bench.prompts import PROMPTS

Pools = dict[tuple[str, int], Sample]  # (problem id, index)


class Server(NamedTuple):
    url: str  # its API's base URL
    pid: int


@contextmanager
def served(model: str, log: Path) -> Iterator[Server]:
    """`transformers serve` with one model on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", model]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as server:
        try:
            for _ in range(600):
                if server.poll() is not None:
                    sys.exit(f"the server ended: see {log}")
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.5)
            yield Server(f"http://127.0.0.1:{port}/v1", server.pid)
        finally:
            server.terminate()


async def sample(backend: Backend, task: Task, prompt: str, count: int, temperature: float, max_tokens: int) -> Pools:
    """`count` samples of every problem; a hole ends the comparison."""
    names: dict[str, str] = {}
    jobs = []
    for problem in task.problems:
        messages = PROMPTS[prompt].render(task, problem)
        request = Request(backend.model, messages, max_tokens, temperature)
        names[request.address] = problem.id
        jobs.append(Job(request, tuple(range(count))))
    pools: Pools = {}
    async for reply in backend.sample(jobs):
        if reply.error:
            raise reply.error
        pools[names[reply.request.address], reply.index] = reply
    return pools


def accuracy(pools: Pools, task: Task) -> str:
    """Mean over problems with its 95 % interval (normal, one value per problem)."""
    problems = {problem.id: problem for problem in task.problems}
    right: dict[str, list[bool]] = {}
    for (name, _), reply in pools.items():
        assert reply.completion
        answer = task.grader.extract(reply.completion.text).answer
        right.setdefault(name, []).append(task.grader.correct(answer, problems[name]))
    values = [statistics.fmean(marks) for marks in right.values()]
    half = 1.96 * statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.fmean(values):.3f} ± {half:.3f}"


def identical(pools: Pools) -> float:
    """Share of samples whose text an earlier sample of their problem already had."""
    texts = {(name, reply.completion.text) for (name, _), reply in pools.items() if reply.completion}
    return 1 - len(texts) / len(pools)


def differences(served_pools: Pools, local: Pools) -> list[str]:
    """One line for every greedy answer that is not the same text with the same counts."""
    lines = []
    for place, remote in served_pools.items():
        a, b = remote.completion, local[place].completion
        assert a
        assert b
        if a.text != b.text or a.stop_reason != b.stop_reason:
            lines.append(f"{place[0]}: text {a.text!r} / {b.text!r}")
        elif (a.usage.prompt, a.usage.completion) != (b.usage.prompt, b.usage.completion):
            lines.append(f"{place[0]}: tokens {a.usage} / {b.usage}")
    return lines


async def compare(url: str, args: argparse.Namespace, task: Task) -> None:
    local = HFBackend(args.model, device="cpu")
    api = OpenAIBackend(args.model, base_url=url, concurrency=args.concurrency)
    common = (task, args.prompt)
    greedy = [await sample(backend, *common, 1, 0.0, args.max_tokens) for backend in (api, local)]
    wrong = differences(*greedy)
    print(f"greedy: {len(greedy[0]) - len(wrong)} of {len(greedy[0])} agree in text, stop reason and token counts")
    print("\n".join(wrong[:10]))
    sampled = [await sample(backend, *common, args.samples, 1.0, args.max_tokens) for backend in (api, local)]
    for name, pools in zip(("served", "local"), sampled, strict=True):
        print(f"temperature 1, {name}: accuracy {accuracy(pools, task)}, identical {identical(pools):.3f}")
    plain = OpenAIBackend(args.model, base_url=url, concurrency=args.concurrency)
    plain.dialect.dropped |= {"top_k", "min_p"}  # what the server refuses, so that it never teaches us its own way
    pools = await sample(plain, *common, args.samples, 1.0, args.max_tokens)
    print(f"temperature 1, plain client: accuracy {accuracy(pools, task)}, identical {identical(pools):.3f}")
    print(f"likely reason: {plain.likely_reason()}")
    print("notes: " + "; ".join(api.notes))
    for backend in (local, api, plain):
        await backend.close()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model directory")
    parser.add_argument("--task", default="chain-arithmetic")
    parser.add_argument("--prompt", default="cot", choices=sorted(PROMPTS))
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--log", type=Path, default=Path("serve.log"))
    args = parser.parse_args(argv)
    (task,) = tasks.load(args.task, limit=args.limit)
    with served(args.model, args.log) as (url, _):
        asyncio.run(compare(url, args, task))


if __name__ == "__main__":
    main()
