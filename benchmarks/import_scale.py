"""Rows a second and peak memory of reading large files of samples: JSONL by --map, search-and-learn JSONL, Parquet.

    python benchmarks/import_scale.py --megabytes 1000
    python benchmarks/import_scale.py --megabytes 1000 --whole    the JSONL by --map: stored, graded, drawn

Makes each file in a temporary folder (rows of 8 chains of thought of about 1 KB) and reads it in a process of its own, so
that the peak of memory is its own. "samples" are the records that come out. Needs no model and no network, and as much
disk as one file.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORDS = (
    "first we note that the number of apples in each box is given so total cost can be found by adding both parts then "
    "subtract what she paid before and divide by how many days remain because every week has seven of them"
)
K = 8
MAP = "question=problem,answer=answer,text=completions,tokens=completion_tokens,id=unique_id"
KINDS = {"map-jsonl": ".jsonl", "search-and-learn": ".jsonl", "parquet": ".parquet"}


def rows() -> Iterator[dict[str, Any]]:
    """Rows of search-and-learn without end."""
    rng, words = random.Random(0), WORDS.split()
    body = " ".join(rng.choice(words) for _ in range(3000))
    number = 0
    while True:
        starts = [rng.randrange(len(body) - 1000) for _ in range(K)]
        yield {
            "problem": f"Question {number}: how many are there in all?",
            "answer": str(number % 97),
            "unique_id": f"q/{number}",
            "level": 1 + number % 5,
            "completions": [f"{body[at : at + 900]} So the answer is {rng.randint(1, 99)}." for at in starts],
            "completion_tokens": [rng.randint(150, 250) for _ in range(K)],
            "scores": [[round(rng.random(), 6) for _ in range(6)] for _ in range(K)],
        }
        number += 1


def make(path: Path, size: int) -> None:
    """A file of at least `size` bytes; of Parquet, of as many bytes of text (its own are fewer, as it compresses)."""
    if path.suffix == ".jsonl":
        with path.open("w", encoding="utf-8") as file:
            made = rows()
            while file.tell() < size:
                file.write(json.dumps(next(made)) + "\n")
        return
    import pyarrow as pa
    from pyarrow import parquet

    made, written, writer = rows(), 0, None
    while written < size:
        group = [next(made) for _ in range(1000)]
        written += sum(len(json.dumps(row)) for row in group)
        table = pa.Table.from_pylist(group)
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def read(kind: str, path: Path) -> None:
    """Prints the samples, seconds and peak memory (MB) of reading a file, as JSON."""
    from ttc_bench.interchange.formats import detect
    from ttc_bench.interchange.records import Record
    from ttc_bench.interchange.sources.table import Table, parse

    source = Table(parse(MAP)) if kind == "map-jsonl" else detect(path)
    start = time.perf_counter()
    samples = sum(isinstance(row, Record) for row in source.read(path))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"samples": samples, "seconds": seconds, "peak": peak}))


def whole(size: int) -> None:
    """Prints the time and the peak memory of an import with its report."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.jsonl"
        make(path, size)
        words = ("import", str(path), "--map", MAP, "--grader", "number", "--name", "whole", "--out", folder)
        start = time.perf_counter()
        told = subprocess.run(
            [sys.executable, "-m", "ttc_bench", *words], check=True, capture_output=True, text=True
        ).stdout
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(told.splitlines()[0])
    print(f"{seconds:.0f} s, {peak:,.0f} MB at most in one process")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--megabytes", type=int, default=100, help="of each file, as JSON")
    options.add_argument("--read", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    options.add_argument("--whole", action="store_true", help="run `ttc-bench import`")
    chosen = options.parse_args()
    if chosen.whole:
        whole(chosen.megabytes * 10**6)
        return
    if chosen.read:
        read(chosen.read[0], Path(chosen.read[1]))
        return
    print("file               MB on disk   samples   seconds   samples/s   MB/s   peak MB")
    for kind, suffix in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"samples{suffix}"
            make(path, chosen.megabytes * 10**6)
            size = path.stat().st_size / 10**6
            command = [sys.executable, __file__, "--read", kind, str(path)]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rate, speed = told["samples"] / told["seconds"], size / told["seconds"]
        print(
            f"{kind:18} {size:10.0f} {told['samples']:9d} {told['seconds']:9.1f} {rate:11.0f} {speed:6.0f} "
            f"{told['peak']:9.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
