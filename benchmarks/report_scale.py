"""Write the report of a large run, made up here, and open it in headless Chromium.

    python benchmarks/report_scale.py [many|long|models|small|all]

Prints for each run: seconds (on the clock, and of all processors) and peak memory of writing, the size of the page and
of samples.parquet, the samples in the page, and the seconds until Chromium shows the list of problems, the chart, and
the first problem opened, the fastest of three times. Texts are English-like sentences from a fixed vocabulary,
different in every sample. Making the samples is measured alone and subtracted. Needs no model and no network.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "support")]

from browser import CHROMIUM, Browser  # noqa: E402
from curves import story  # noqa: E402

from ttc_bench.analysis.analyse import Analysis  # noqa: E402
from ttc_bench.analysis.views import ProblemView, SampleView  # noqa: E402
from ttc_bench.report.browser import FILE  # noqa: E402
from ttc_bench.report.export import write as export  # noqa: E402
from ttc_bench.report.page import write_report  # noqa: E402

WORDS = 4000  # in the vocabulary, used as often as in English: the i-th word with weight 1/i


@dataclass(frozen=True)
class Run:
    """A run to make up. `characters`: mean length of a text."""

    problems: int
    samples: int
    characters: int
    models: int = 1


RUNS = {
    "small": Run(500, 16, 400),
    "many": Run(4000, 256, 1000),
    "long": Run(3, 4096, 50_000),
    "models": Run(1319, 64, 1000, models=4),
}


class Problems:
    """The problems of a run, made one at a time and anew each time they are gone through, as from a store."""

    score_names = ("logprob", "reward")

    def __init__(self, run: Run) -> None:
        self._run = run
        rng = random.Random(0)
        letters = "etaoinshrdlucmfwygpbvk"
        words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(WORDS)]
        chosen = rng.choices(words, [1 / (i + 1) for i in range(WORDS)], k=1_000_000)
        self._text = " ".join(f"{word}." if i % 11 == 0 else word for i, word in enumerate(chosen))

    def __len__(self) -> int:
        return self._run.problems

    def __iter__(self) -> Iterator[ProblemView]:
        for number in range(self._run.problems):
            rng = random.Random(number)
            skill = rng.random()
            question = self._piece(rng, 240)
            samples = [
                self._sample(rng, f"model-{m}, cot" if self._run.models > 1 else "cot", index, number, skill)
                for m in range(self._run.models)
                for index in range(self._run.samples)
            ]
            yield ProblemView("gsm8k", f"gsm8k/{number}", question, str(number), None, tuple(samples))

    def _sample(self, rng: random.Random, prompt: str, index: int, gold: int, skill: float) -> SampleView:
        text = self._piece(rng, int(self._run.characters * rng.uniform(0.5, 1.5)))
        answer = str(gold if rng.random() < skill else gold + int(rng.expovariate(0.2)) + 1)
        read = answer if rng.random() > 0.02 else None
        ending = "length" if read is None else "stop"
        scores = {"logprob": -rng.random(), "reward": rng.random()}
        text = f"{text} The answer is {answer}." if read else text
        return SampleView(prompt, index, text, "", read, read == str(gold), len(text) // 4, ending, "announced", scores)

    def _piece(self, rng: random.Random, characters: int) -> str:
        """A text of many short passages, so that two texts share words, but no long passage."""
        parts = []
        while characters > 0:
            start, size = rng.randrange(len(self._text) - 200), rng.randint(40, 160)
            parts.append(self._text[start : start + min(size, characters)])
            characters -= size
        return " ".join(parts)


def peak() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Clock:
    """Seconds since it was made: on the clock, and of all processors."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self._start[0], time.process_time() - self._start[1]


def written(run: Run, folder: Path, pipe: Any) -> None:
    """Makes the run alone, then with its report, then its exports; sends what each took. In a process of its own, for
    its memory."""
    problems = Problems(run)
    clock, before = Clock(), peak()
    for _ in problems:
        pass
    pipe.send((clock.read(), peak() - before))
    rows: dict[str, Any] = {name: [] for name in ("quality", "notes", "difficulty", "budgets", "findings", "diagnoses")}
    analysis = Analysis(points=story(), problems=problems, **rows)  # type: ignore[arg-type]
    clock = Clock()
    write_report(folder / "report.html", analysis, {})
    pipe.send((clock.read(), peak() - before))
    for kind in ("jsonl", "parquet"):
        clock = Clock()
        export(problems, folder / f"export.{kind}")
        pipe.send((clock.read(), peak() - before))


def opened(page: Path) -> tuple[float, float, float]:
    """Seconds from asking for the page to its list of problems, to its chart, and from a click to the first problem."""
    with Browser() as browser:
        start = time.perf_counter()
        browser.open(page)
        browser.wait("document.querySelector('.problem')")
        listed = time.perf_counter() - start
        browser.wait("document.documentElement.dataset.chart")
        drawn = time.perf_counter() - start
        start = time.perf_counter()
        browser.js("document.querySelector('.problem').click()")
        browser.wait("document.querySelector('.sample')")
        shown = time.perf_counter() - start
        assert not browser.trouble, browser.trouble
    return listed, drawn, shown


def measure(name: str, run: Run) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=written, args=(run, folder, there))
        process.start()
        there.close()
        samples = run.problems * run.samples * run.models
        texts = samples * run.characters / 1e6
        print(f"{name}: {run.problems:,} problems, {samples:,} samples, {texts:,.0f} MB of text")
        made, _ = made_and_memory = here.recv()
        print(line("samples", *made_and_memory))
        for kind in ("report", "jsonl", "parquet"):
            (wall, cpu), memory = here.recv()
            print(line(kind, (wall - made[0], cpu - made[1]), memory))
        process.join()
        page, rows = folder / "report.html", folder / FILE
        size = f", {FILE} {rows.stat().st_size / 1e6:,.0f} MB" if rows.exists() else ", all samples in it"
        print(f"  page     {page.stat().st_size / 1e6:6.1f} MB{size}")
        if CHROMIUM:
            listed, drawn, shown = map(min, zip(*(opened(page) for _ in range(3)), strict=True))
            print(
                f"  opening  {listed:6.2f} s to the list, {drawn:.2f} s to the chart; {shown:.2f} s to open a problem"
            )


def line(name: str, seconds: tuple[float, float], memory: float) -> str:
    return f"  {name:8} {seconds[0]:6.1f} s, {seconds[1]:6.1f} s of processors, peak {memory:,.0f} MB more"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("run", nargs="?", default="many", choices=[*RUNS, "all"])
    chosen = arguments.parse_args().run
    for name, run in RUNS.items():
        if chosen in (name, "all"):
            measure(name, run)


if __name__ == "__main__":
    main()
