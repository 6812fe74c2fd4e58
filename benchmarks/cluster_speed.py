"""How many samples a second one driver can take from the workers of a Ray cluster, and write.

    python benchmarks/cluster_speed.py [--pools 400] [--samples 256] [--size 1500]

A cluster on this machine, whose workers make samples of SIZE characters out of nothing. Prints the samples per second
that reach the driver, and that reach its store, and the time of the driver's own processor for each. A real worker
computes meanwhile; here workers, driver and store share the processor, so a driver alone on a machine is faster."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import cluster_models

from ttc_bench.backends.by_name import BACKENDS, make_backend, open_cluster
from ttc_bench.config import Config
from ttc_bench.core import Job, Request
from ttc_bench.experiment import load_tasks
from ttc_bench.sampling.plan import plan
from ttc_bench.sampling.pool import fill
from ttc_bench.sampling.store import Store


async def measure(args: argparse.Namespace) -> None:
    config = Config(
        model=("scripted",), task=("chain-arithmetic",), method=("cot",), limit=args.pools, cluster="auto", device="cpu"
    )
    backend = make_backend("scripted", config, open_cluster(config))
    requests: list[Request] = [p.request for p in plan(config, load_tasks(config), "scripted", backend.model).requests]
    indices = tuple(range(args.samples))
    async for _ in backend.sample([Job(request, (0,)) for request in requests[:8]]):
        pass  # the workers are there now

    began, spent, count = time.monotonic(), time.process_time(), 0
    async for _ in backend.sample([Job(request, indices) for request in requests]):
        count += 1
    report("to the driver", count, time.monotonic() - began, time.process_time() - spent)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "samples.sqlite")
        began, spent = time.monotonic(), time.process_time()
        made = await fill(store, backend, [(request, args.samples) for request in requests])
        store.close()
        report("to the store", made.made, time.monotonic() - began, time.process_time() - spent)
    await backend.close()


def report(name: str, count: int, seconds: float, busy: float) -> None:
    print(f"{name}: {count:,} samples, {count / seconds:,.0f} a second, {1e6 * busy / count:.0f} microseconds each")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, default in (("pools", 400), ("samples", 256), ("size", 1500)):
        parser.add_argument(f"--{flag}", type=int, default=default)
    args = parser.parse_args()
    BACKENDS["scripted"] = cluster_models.Paced
    cluster_models.connect("local", SIZE=str(args.size), PYTHONPATH=":".join(sys.path))
    asyncio.run(measure(args))


if __name__ == "__main__":
    main()
