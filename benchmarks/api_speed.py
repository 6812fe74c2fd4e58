"""How close the API backend comes to the ideal against a server that answers after a fixed latency.

    python benchmarks/api_speed.py [--samples 2000] [--concurrency 128] [--latency 0.2]

The ideal is calls x latency / concurrency. The server runs in a process of its own; where there is a second core,
the client is held to one. Prints one row per run: seconds, ideal, ratio, client CPU, and the growth of its memory."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from ttc_bench.backends.api.openai import OpenAIBackend
from ttc_bench.core import Job, Message, Request

SERVER = Path(__file__).parents[1] / "tests" / "support" / "fault_server.py"


async def measure(url: str, samples: int, concurrency: int, latency: float) -> None:
    backend = OpenAIBackend("bench", base_url=url, concurrency=concurrency, n_per_request=1, logprobs=False)

    def jobs(count: int, name: str) -> list[Job]:
        requests = [Request(backend.model, (Message("user", f"{name} {i}"),), 64) for i in range(count // 8)]
        return [Job(request, tuple(range(8))) for request in requests]

    async for _ in backend.sample(jobs(8, "warm")):  # imports, the first connections: not what is measured
        pass
    backend.limiter = type(backend.limiter)(concurrency)  # but the climb from few calls to many is
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu = time.perf_counter(), time.process_time()
    got = 0
    async for sample in backend.sample(jobs(samples, "bench")):
        got += sample.completion is not None
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    await backend.close()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    ideal = samples * latency / concurrency
    print(
        f"{got} samples, concurrency {concurrency}, latency {latency:g} s: {took:.2f} s, ideal {ideal:.2f} s, "
        f"ratio {took / ideal:.3f}, client CPU {cpu:.2f} s ({1000 * cpu / samples:.2f} ms a call), "
        f"memory +{grown / 1024:.1f} MiB, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=128)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    command = [sys.executable, str(SERVER), "--latency", str(args.latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(server.pid, cores[:1])
            os.sched_setaffinity(0, cores[1:2])
        try:
            assert server.stdout
            url = server.stdout.readline().strip()
            for _ in range(args.runs):
                asyncio.run(measure(url, args.samples, args.concurrency, args.latency))
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
