"""Time and memory of a report over many samples, by phase: from ungraded and from graded samples.

    python benchmarks/analysis_scale.py --sizes 500x64,500x128,500x256,1319x256,4000x256

Makes pools of chains of thought of 1 KB (a problem's share of right answers is drawn from a wide distribution, wrong
ones from a long tail), and analyses them with every method that samples one prompt, two verifiers, and every power of
two up to n. Each size runs in a process of its own, so that the peak of memory is its own. Needs no model and no network;
4000x256 needs 2 GB of disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

METHODS = ("cot", "self-consistency", "best-of-n", "weighted-vote", "cisc", "filtered-vote")
WORDS = (
    "first we note that the number of apples in each box is given so total cost can be found by adding both parts then "
    "subtract what she paid before and divide by how many days remain because every week has seven of them"
)
TASK = """
name: scale
source: {{file: {file}, columns: {{question: question, answer: answer}}}}
grader: number
answer_format: 'End with "The answer is N."'
"""


def texts(rng: random.Random, gold: int, ease: float, n: int) -> Iterator[str]:
    """n chains of thought of about 1 KB for one problem."""
    wrong = [gold + rng.choice((-1, 1)) * rng.randint(1, 400) for _ in range(60)]
    body = " ".join(rng.choice(WORDS.split()) for _ in range(400))
    for _ in range(n):
        at = rng.randrange(len(body) - 900)
        steps = f"{rng.randint(2, 99)} + {rng.randint(2, 99)} = {rng.randint(4, 198)}"
        told = gold if rng.random() < ease else wrong[min(int(rng.expovariate(0.15)), 59)]
        end = "and so on" if rng.random() < 0.03 else f"The answer is {told}."
        yield f"Let us think. {body[at : at + 450]}. So {steps}.\n{body[at + 450 : at + 900]}.\n{end}"


def config_of(folder: Path, samples: int) -> Any:
    """The run over the pool in a folder."""
    from ttc_bench.config import from_fields

    return from_fields(
        {
            "model": ["scale"],
            "task": [str(folder / "scale.yaml")],
            "method": list(METHODS),
            "verifier": ["logprob", "self-certainty"],
            "samples": samples,
            "out": str(folder),
            "name": "scale",
        }
    )


def make(folder: Path, problems: int, samples: int) -> None:
    """A task, and a store with all samples of it."""
    from ttc_bench.experiment import load_tasks
    from ttc_bench.sampling.plan import plan
    from ttc_bench.sampling.store_file import connect

    rng = random.Random(0)
    golds = [rng.randint(1, 5000) for _ in range(problems)]
    rows = [{"question": f"Question {i}: how many are there in all?", "answer": gold} for i, gold in enumerate(golds)]
    (folder / "scale.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (folder / "scale.yaml").write_text(TASK.format(file="scale.jsonl"), encoding="utf-8")
    config = config_of(folder, samples)
    planned = plan(config, load_tasks(config), "scale", "scale").requests
    with closing(connect(config.store_path, read_only=False)) as db:
        db.execute("begin")
        for p, gold in zip(planned, golds, strict=True):
            request = p.request
            db.execute("insert into requests values (?, ?, ?)", (request.address, request.model, request.canonical))
            ease = rng.betavariate(0.7, 0.7)
            db.executemany(
                "insert into samples values (?, ?, ?, '', 'stop', 90, 0, ?, 0, 'tokenizer', 1, ?, '2026-01-01')",
                (
                    (
                        *(request.address, i, text, len(text) // 4),
                        json.dumps({"logprob": -rng.random(), "self_certainty": 10 * rng.random()}),
                    )
                    for i, text in enumerate(texts(rng, gold, ease, samples))
                ),
            )
        db.execute("commit")


@contextmanager
def phase(name: str, seconds: dict[str, float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began


async def analyse(config: Any) -> dict[str, float]:
    """Seconds of each phase of a report."""
    from ttc_bench.analysis.analyse import measure
    from ttc_bench.analysis.grading import grade, score
    from ttc_bench.experiment import load_tasks
    from ttc_bench.report.folder import write
    from ttc_bench.sampling.plan import plan
    from ttc_bench.sampling.store import Store
    from ttc_bench.verifiers import menu
    from ttc_bench.verifiers.stored import Setting

    seconds: dict[str, float] = {}
    with closing(Store(config.store_path, read_only=True)) as store:
        with phase("plan", seconds):
            tasks = load_tasks(config)
            planned = plan(config, tasks, "scale", "scale")
            setting = Setting("scale", frozenset({"logprob", "self_certainty"}), store, config)
            verifiers = menu.for_models(config.verifiers, tasks, {"scale": setting})["scale"]
        with phase("grades", seconds):
            pools = grade(planned, store)
        with phase("scores", seconds):
            pools = await score(planned, store, pools, verifiers)
        with phase("curves", seconds):
            analysis = measure(planned, pools, 10**9, store.path)
        with phase("report", seconds):
            config.folder.mkdir(exist_ok=True)
            write(config.folder, analysis, {"config": {}, "models": []})
    return seconds


def peak() -> float:
    """The most memory that this process, or one that it started, has held, in GB."""
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(own, children) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="500x64,500x128,500x256", help="PROBLEMSxSAMPLES, comma-separated")
    parser.add_argument("--folder", type=Path, help="where the pools are made (default: a temporary one)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        problems, samples = map(int, options.one.split("x"))
        if (options.folder / "samples.sqlite").exists():
            print(json.dumps({**asyncio.run(analyse(config_of(options.folder, samples))), "GB": peak()}))
        else:
            make(options.folder, problems, samples)
        return
    with tempfile.TemporaryDirectory(prefix="ttc-scale-") as place:
        measured: dict[str, list[dict[str, float]]] = {}
        for size in options.sizes.split(","):
            folder = (options.folder or Path(place)) / size
            folder.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, __file__, "--one", size, "--folder", str(folder)]
            subprocess.run(command, check=True)  # makes the pool
            for state in ("ungraded", "graded"):
                began = time.perf_counter()
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                row = {**json.loads(done.stdout), "whole process": time.perf_counter() - began}
                measured.setdefault(state, []).append(row)
                print(size, state, "  ".join(f"{name} {value:.1f}" for name, value in row.items()), flush=True)
    sizes = [int(p) * int(n) for p, n in (size.split("x") for size in options.sizes.split(","))]
    for state, rows in measured.items():
        for (a, first), (b, second) in pairwise(zip(sizes, rows, strict=True)):
            if a != b:
                exponents = {name: log(second[name] / first[name]) / log(b / a) for name in first if first[name] > 0.2}
                print(f"{state}, {a:,} to {b:,} samples, exponents:", {n: round(e, 2) for n, e in exponents.items()})


if __name__ == "__main__":
    main()
