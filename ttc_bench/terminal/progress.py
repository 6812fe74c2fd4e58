"""Progress while a run samples, grades and scores: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ttc_bench.core import Sample
from ttc_bench.sampling.pool import Watch
from ttc_bench.terminal.words import plain

GRADING_S = 3.0  # after which a bar shows that samples are graded
PLAIN_EVERY = 10.0  # seconds between progress lines where there is no terminal


class Progress:
    """A bar on a terminal, plain lines elsewhere: samples done and total, tokens per second, time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=self._console) if self._console.is_terminal else None
        self._done = self._total = self._tokens = 0
        self._planned = self._grading = False
        self._start = self._printed_at = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def watch(self) -> Watch:
        """What calls this."""
        return Watch(self.plan, self.sample, self.score, self.grade, self.wait)

    def plan(self, wanted: int, missing: int) -> None:
        """Called before sampling, and again before each round of continuations."""
        have, first, self._planned = wanted - missing, not self._planned, True
        if not missing:
            if first:
                self._console.print(f"All {wanted:,} samples are in the store: nothing is sampled.")
            return
        stored = f"; {have:,} are in the store already" if have else ""
        kind = "samples to make" if first else "continuations to make"
        self._console.print(f"{missing:,} {kind}{stored}.", highlight=False)
        self._total, self._done, self._tokens = missing, 0, 0
        self._start = self._printed_at = time.monotonic()
        if self._bar:
            rate = "loading the model" if first else ""
            self._bar.add_task("sampling" if first else "going on", total=missing, rate=rate)
            self._bar.start()

    def sample(self, sample: Sample) -> None:
        """Called for every sample that arrives, and for every hole."""
        self._done += 1
        if sample.completion is not None:
            self._tokens += sample.completion.usage.completion
        now = time.monotonic()
        rate = self._tokens / max(now - self._start, 1e-9)
        if self._bar:
            self._bar.update(self._bar.task_ids[-1], completed=self._done, rate=f"{rate:,.0f} tokens/s")
        elif now - self._printed_at > PLAIN_EVERY or self._done == self._total:
            self._printed_at = now
            seconds_left = (self._total - self._done) * (now - self._start) / self._done
            print(
                f"sampling {self._done:,}/{self._total:,}, {rate:,.0f} tokens/s, {seconds_left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def wait(self, requests: int, runs: str) -> None:
        """Called once where samples are left that another run on the same store is making."""
        words = f"Waiting for the samples of {requests:,} prompts, which another run is making ({runs}): none is made twice."
        self._console.print(plain(words))

    def grade(self, done: int, missing: int) -> None:
        """Called for every request whose samples are graded; says so where it takes a while."""
        now = time.monotonic()
        if done == 1:
            self._start, self._printed_at, self._grading = now, now, False
        if self._bar and now - self._start > GRADING_S:
            if not self._grading:
                self._grading = True
                self._bar.add_task("grading", total=missing, rate="")
                self._bar.start()
            self._bar.update(self._bar.task_ids[-1], completed=done)
        elif not self._bar and now - self._printed_at > PLAIN_EVERY:
            self._printed_at = now
            print(f"graded {done:,}/{missing:,} prompts", file=sys.stderr, flush=True)

    def score(self, verifier: str, done: int, missing: int) -> None:
        """Called when a verifier begins, with `done` 0, and for every score that it gives."""
        now = time.monotonic()
        if done == 0:
            self._start = self._said = now
            self._console.print(plain(f"{missing:,} scores to make by {verifier}."))
            if self._bar:
                self._bar.add_task("scoring", total=missing, rate="loading the verifier")
                self._bar.start()
        elif self._bar:
            self._bar.update(self._bar.task_ids[-1], completed=done, rate="")
        elif now - self._printed_at > PLAIN_EVERY or done == missing:
            self._printed_at = now
            seconds_left = (missing - done) * (now - self._start) / done
            print(f"scoring {done:,}/{missing:,}, {seconds_left:.0f} s left", file=sys.stderr, flush=True)
