"""How fast samples go into a store and come back, and what joining stores takes.

    python benchmarks/store_speed.py [--samples 1000000] [--folder DIR]

Real files on the disk of DIR. The requests of a pool come in turns of 64, as from calls under way at once, or all pools
in turn, the worst order for the index. Prints samples per second, seconds and the highest memory of each step; `old` is
a transaction for each row, as the store wrote before."""

from __future__ import annotations

import argparse
import asyncio
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.core import Completion, Message, Request, Sample, Score, Usage
from ttc_bench.sampling.pool import fill
from ttc_bench.sampling.store import Store

PER_POOL = 256


def completion(size: int) -> Completion:
    return Completion("word " * (size // 5), "stop", Usage(5, 0, 100, 0, "tokenizer"), signals={"logprob": -0.5})


def requests(n: int) -> list[Request]:
    return [Request("m", (Message("user", f"question {i} " + "x" * 300),), 512) for i in range(n)]


def in_turns(n: int, together: int) -> Iterator[tuple[int, int]]:
    """(request, index) of n samples, `together` requests at a time."""
    pools = max(1, n // PER_POOL)
    for first in range(0, pools, together):
        for index in range(PER_POOL):
            for request in range(first, min(first + together, pools)):
                yield request, index


def peak() -> str:
    return f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB"


def inserts(folder: Path, n: int) -> None:
    for size in (100, 1000, 10_000):
        of_size = min(n, 20_000_000 // size * 10)
        some, text = requests(max(1, of_size // PER_POOL)), completion(size)
        for together, order in ((64, "64 pools in turn"), (len(some), "all in turn")):
            path = folder / f"{size}-{together}.sqlite"
            store, began = Store(path), time.perf_counter()
            longest = 0.0
            for request, index in in_turns(of_size, together):
                before = time.perf_counter()
                store.add(Sample(some[request], index, text))
                longest = max(longest, time.perf_counter() - before)
            store.close()
            took = time.perf_counter() - began
            made = len(some) * PER_POOL
            print(
                f"add     {size:6,} B, {order:16}: {made / took:8,.0f}/s ({made:,} samples in {took:.1f} s, longest add "
                f"{longest * 1000:.0f} ms, {path.stat().st_size / 1e6:,.0f} MB)"
            )
            path.unlink()
        store, began = Store(folder / f"old-{size}.sqlite"), time.perf_counter()
        for index in range(2000):
            store.add(Sample(some[index % len(some)], index, text))
            store._writer.flush()
        store.close()
        print(f"old add {size:6,} B: {2000 / (time.perf_counter() - began):8,.0f}/s")


def killed(folder: Path) -> None:
    """What a process that adds 2,000 samples/s has lost when it is killed."""
    script = (
        "import sys, time; from benchmarks_store import completion, requests; from ttc_bench.sampling.store import Store\n"
        "from ttc_bench.core import Sample\n"
        "store, request, text = Store(sys.argv[1]), requests(1)[0], completion(1000)\n"
        "for i in range(10**9):\n"
        "    store.add(Sample(request, i, text)); print(i, time.monotonic(), flush=True); time.sleep(0.0004)\n"
    ).replace("benchmarks_store", Path(__file__).stem)
    worst = 0.0
    for kill in range(20):
        path = folder / f"killed-{kill}.sqlite"
        command = [sys.executable, "-c", script, str(path)]
        place = str(Path(__file__).parent)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=place) as writer:
            assert writer.stdout is not None
            said, until = [], time.monotonic() + 60
            while not said or (said[-1] - said[0] < 1 + kill / 20 and time.monotonic() < until):
                said.append(float(writer.stdout.readline().split()[1]))
            writer.kill()
            at = time.monotonic()
            said += [float(line.split()[1]) for line in writer.stdout if line.endswith("\n")]
        kept = sqlite3.connect(path).execute("select count(*) from samples").fetchone()[0]
        worst = max(worst, at - said[kept] if kept < len(said) else 0)
    print(f"kill -9 of a process that adds steadily, 20 times: the oldest lost sample was {worst:.3f} s old")


def reads(folder: Path, n: int) -> None:
    store, pools = Store(folder / "read.sqlite"), n // PER_POOL
    backend, text = ScriptedBackend(lambda request, index: text), completion(1000)
    backend.asked = _Nothing()
    wanted = [(request, PER_POOL) for request in requests(pools)]
    began = time.perf_counter()
    made = asyncio.run(fill(store, backend, wanted)).made
    took = time.perf_counter() - began
    print(f"fill    {made:,} samples of 1,000 B: {took:.1f} s, {made / took:,.0f}/s, {peak()}")
    began = time.perf_counter()
    assert store.missing(wanted) == []
    print(f"missing {pools:,} requests x {PER_POOL}, all there: {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    assert len(store.missing([(request, PER_POOL + 1) for request, _ in wanted])) == pools
    print(f"missing the same, one more wanted: {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    assert sum(len(store.pool(request)) for request, _ in wanted) == made
    print(f"pool    of each request: {time.perf_counter() - began:.1f} s")
    items = [f"{i:064x}" for i in range(n)]
    began = time.perf_counter()
    for item in items:
        store.add_score("v", item, Score(0.5, Usage(prompt=100)))
    store.settle()
    took = time.perf_counter() - began
    print(f"scores  {n:,} added: {took:.1f} s, {n / took:,.0f}/s")
    began = time.perf_counter()
    assert len(store.scores("v", items)) == n
    print(f"scores  {n:,} read: {time.perf_counter() - began:.1f} s, {peak()}")
    store.close()


class _Nothing(list):  # type: ignore[type-arg]
    """Remembers nothing: the scripted backend's record would count as the harness's memory."""

    def append(self, item: object) -> None:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="whose disk is measured (default: the one for temporary files)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        killed(Path(folder))
        inserts(Path(folder), args.samples)
        reads(Path(folder), args.samples)


if __name__ == "__main__":
    main()
