"""How fast samples go into a store and come back, and what joining stores takes.

    python benchmarks/store_speed.py [--samples 1000000] [--parts inserts,reads] [--folder DIR]

Real files on the disk of DIR. Where seconds are printed, microseconds of processor time for each sample follow, which
say more on a busy machine. The requests of a pool come in turns of 64, as from calls under way at once, or all pools
in turn, the worst order for the index. Prints samples per second, seconds and the highest memory of each step; `old` is
a transaction for each row, as the store wrote before."""

from __future__ import annotations

import argparse
import asyncio
import random
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


class Timer:
    """Wall and processor time since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def told(self, n: int) -> str:
        """For n samples, in words."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return f"{n / wall:,.0f}/s ({wall:.1f} s, {cpu / n * 1e6:.1f} us each)"


def peak() -> str:
    return f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB"


def inserts(folder: Path, n: int) -> None:
    for size in (100, 1000, 10_000):
        of_size = min(n, 20_000_000 // size * 10)
        some, text = requests(max(1, of_size // PER_POOL)), completion(size)
        for together, order in ((64, "64 pools in turn"), (len(some), "all in turn")):
            path = folder / f"{size}-{together}.sqlite"
            store, timer, longest = Store(path), Timer(), 0.0
            for request, index in in_turns(of_size, together):
                before = time.perf_counter()
                store.add(Sample(some[request], index, text))
                longest = max(longest, time.perf_counter() - before)
            store.close()
            told = timer.told(len(some) * PER_POOL)
            size_mb = path.stat().st_size / 1e6
            print(f"add     {size:6,} B, {order:16}: {told}, longest add {longest * 1000:.0f} ms, {size_mb:,.0f} MB")
            path.unlink()
        store, timer = Store(folder / f"old-{size}.sqlite"), Timer()
        for index in range(2000):
            store.add(Sample(some[index % len(some)], index, text))
            store._writer.flush()
        store.close()
        print(f"old add {size:6,} B: {timer.told(2000)}")


def killed(folder: Path, n: int) -> None:
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
    store, pools, text = Store(folder / "read.sqlite"), n // PER_POOL, completion(1000)
    backend = ScriptedBackend(lambda request, index: text)
    backend.asked = _Nothing()
    wanted = [(request, PER_POOL) for request in requests(pools)]
    timer = Timer()
    made = asyncio.run(fill(store, backend, wanted)).made
    print(f"fill    {made:,} samples of 1,000 B: {timer.told(made)}, {peak()}")
    timer = Timer()
    assert store.missing(wanted) == []
    print(f"missing {pools:,} requests x {PER_POOL}, all there: {timer.told(made)}")
    timer = Timer()
    assert len(store.missing([(request, PER_POOL + 1) for request, _ in wanted])) == pools
    print(f"missing the same, one more wanted: {timer.told(made)}")
    timer = Timer()
    assert sum(len(store.pool(request)) for request, _ in wanted) == made
    print(f"pool    of each request: {timer.told(made)}")
    items = [f"{i:064x}" for i in range(n)]
    random.Random(1).shuffle(items)  # as addresses come
    timer = Timer()
    for item in items:
        store.add_score("v", item, Score(0.5, Usage(prompt=100)))
    store.settle()
    print(f"scores  {n:,} added: {timer.told(n)}")
    timer = Timer()
    assert len(store.scores("v", items)) == n
    print(f"scores  read: {timer.told(n)}, {peak()}")
    store.close()


def merges(folder: Path, n: int) -> None:
    """12 stores, more than SQLite attaches, each with a twelfth of the problems; then the same again."""
    parts = [folder / f"part{i}.sqlite" for i in range(12)]
    text = completion(1000)
    for i, path in enumerate(parts):
        store = Store(path)
        for request in requests(n // PER_POOL)[i::12]:
            for index in range(PER_POOL):
                store.add(Sample(request, index, text))
        store.close()
    command = [sys.executable, "-m", "ttc_bench", "merge", *map(str, parts), "--into", str(folder / "all.sqlite")]
    for kind in ("into a new store", "again, all there already"):
        began = time.perf_counter()
        words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        took = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"merge   of 12 stores, {kind}: {took:.1f} s, peak {memory:,.0f} MB ({words.split(' and')[0]})")
    for path in (*parts, folder / "all.sqlite"):
        path.unlink()


class _Nothing(list):  # type: ignore[type-arg]
    """Remembers nothing: the scripted backend's record would count as the harness's memory."""

    def append(self, item: object) -> None:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--parts", default="killed,inserts,reads,merges", help="what to measure")
    parser.add_argument("--folder", type=Path, help="whose disk is measured (default: the one for temporary files)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for part in (killed, inserts, reads, merges):
            if part.__name__ in args.parts.split(","):
                part(Path(folder), args.samples)


if __name__ == "__main__":
    main()
