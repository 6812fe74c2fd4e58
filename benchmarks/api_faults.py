"""At least 10,000 calls under random faults: every sample arrives exactly once, as billed, and none of them is a fault.

    python benchmarks/api_faults.py [--calls 10000] [--rate 0.35] [--seed 1]

A server of ours meets each call with a fault by the given rate, drawn from all kinds it knows. Holes are asked for
again until none is left, with few retries, so that there are many. Every text is then compared with what the server
writes for its prompt and seed, and the tokens with what it billed. Prints what was met and what became of it; ends with
exit code 1 if anything is wrong."""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from fault_server import LACKING, ODD, PASSING, FaultServer, answer, tokens

from ttc_bench.backends.api.dialect import first_seed
from ttc_bench.backends.api.openai import OpenAIBackend
from ttc_bench.core import Job, Message, Request, Sample, Usage

KINDS = (*PASSING, *ODD, *LACKING, "no usage")


def faults(rate: float, seed: int) -> Iterator[str | None]:
    rng = random.Random(seed)
    while True:
        yield rng.choice(KINDS) if rng.random() < rate else None


def wrong(sample: Sample) -> bool:
    """Is this anything but the whole answer to its prompt and seed, with its true number of tokens?"""
    completion = sample.completion
    if completion is None:
        return True
    text = answer(sample.request.messages[0].content, first_seed(sample.request) + sample.index)
    exact = completion.usage.source == "estimate" or completion.usage.completion == tokens(text) + 1
    return completion.text != text or completion.stop_reason != "stop" or not exact


def counted(usage: Usage) -> int:
    """Tokens that a bill told of; those of replies without one are estimates."""
    return usage.prompt + usage.completion if usage.source == "api" else 0


async def run(least: int, rate: float, seed: int, n_per_request: int) -> bool:
    stored: dict[tuple[str, int], Sample] = {}
    twice, rounds, holes, spent = 0, 0, 0, 0
    started = time.perf_counter()
    async with FaultServer(faults(rate, seed), keep_log=False) as server:
        backend = OpenAIBackend(
            "m", base_url=server.url, concurrency=32, n_per_request=n_per_request, max_retries=2, first_wait_s=0.001
        )
        batch = 0
        while server.calls < least:
            batch += 1
            requests = [Request(backend.model, (Message("user", f"problem {batch}.{i}"),), 100) for i in range(100)]
            missing = {request.address: set(range(16)) for request in requests}
            while any(missing.values()):
                rounds += 1
                jobs = [Job(r, tuple(sorted(missing[r.address]))) for r in requests if missing[r.address]]
                async for sample in backend.sample(jobs):
                    spent += counted(sample.wasted)
                    if sample.completion is None:
                        holes += 1
                        continue
                    spent += counted(sample.completion.usage)
                    place = (sample.request.address, sample.index)
                    twice += place in stored
                    stored[place] = sample
                    missing[sample.request.address].discard(sample.index)
        await backend.close()
    bad = sum(wrong(sample) for sample in stored.values())
    asked_again = sum(count - 1 for count in server.served.values())
    print(f"n = {n_per_request}: {server.calls} calls in {time.perf_counter() - started:.1f} s, {rounds} rounds")
    print(f"  faults met: {sum(server.met.values())} = {dict(sorted(server.met.items()))}")
    print(f"  the backend counted: {dict(sorted(backend.counts.items()))}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    unread = server.odd + server.lacking  # bills beside something odd or missing, of which some cannot be believed
    print(f"  limit cut {backend.limiter.cuts} times; peak memory of client and server {peak:,.0f} MiB")
    print(f"  tokens billed {server.billed}, and {unread} in odd replies; accounted for as billed {spent}")
    print(f"  samples {len(stored)}, holes on the way {holes}, yielded twice {twice}")
    print(f"  that arrived and were asked for again {asked_again}, that are not the faultless answer {bad}", flush=True)
    return not (
        twice
        or bad
        or asked_again
        or not server.billed <= spent <= server.billed + unread
        or peak > 500
        or len(stored) != batch * 1600
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=0.35)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if not all(asyncio.run(run(args.calls // 2, args.rate, args.seed, n)) for n in (1, 4)):
        sys.exit(1)
    print(f"fault kinds: {len(set(KINDS))}; all samples whole")


if __name__ == "__main__":
    main()
