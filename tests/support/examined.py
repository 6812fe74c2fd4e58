"""Pools of samples in a store, for audits whose findings are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ttc_bench.analysis.graded import Graded, GradedPool
from ttc_bench.audit.material import Material, gather
from ttc_bench.core import Completion, Message, Problem, Request, Sample, Task, Usage
from ttc_bench.grading.columns import graded as columns_of
from ttc_bench.grading.graders import GRADERS
from ttc_bench.interchange.recorded import FILE, Recorded, RecordedWriter
from ttc_bench.interchange.records import Record
from ttc_bench.sampling.store import Store

Said = tuple[bool | None, str | None, str | None]  # the source's verdict, answer and gold


def says(answer: str | None, salt: object = "", size: int = 0, tokens: int = 10) -> Completion:
    """A sample with this answer. Its text is one of its own by `salt`, and at least `size` bytes long."""
    text = f"Trial {salt}." + (" I do not know." if answer is None else f" The answer is {answer}.")
    return Completion("la " * max(0, -(-(size - len(text)) // 3)) + text, "stop", Usage(completion=tokens))


def text(answer: str, size: int, tokens: int) -> Completion:
    """A sample with this answer, of exactly so many bytes."""
    ends = f" The answer is {answer}."
    return Completion("x" * (size - len(ends)) + ends, "stop", Usage(completion=tokens))


def material(
    folder: Path,
    *problems: Sequence[Completion],
    said: Sequence[Sequence[Said | Record]] = (),
    guess: float | None = None,
) -> Material:
    """What an audit looks at, of problems p0, p1, ... whose gold is 1, with these samples. `said`: what a source says
    of each sample, in the order of the file."""
    store, grader, made = Store(folder / "samples.sqlite"), GRADERS["number"](), []
    for p, samples in enumerate(problems):
        request, problem = (
            Request("m", (Message("user", f"Question {p}?"),), 64),
            Problem(f"p{p}", f"Question {p}?", "1"),
        )
        for index, completion in enumerate(samples):
            store.add(Sample(request, index, completion))
        made.append(Graded(problem, columns_of(grader, problem, dict(enumerate(samples))), request=request))
    task = Task("sums", tuple(g.problem for g in made), "", grader, guess=guess)
    pool = GradedPool(task, "cot", None, max(map(len, made)), tuple(made), model="m")
    if said:
        with RecordedWriter(folder / FILE) as file:
            for p, of_problem in enumerate(said):
                for index, of in enumerate(of_problem):
                    row = of if isinstance(of, Record) else _record(f"line {p + 1}, sample {index + 1}", *of)
                    file.add("sums", f"p{p}", "cot", index, row)
    return gather(pool, store, Recorded.of(folder))


def _record(place: str, recorded: bool | None, answer: str | None, gold: str | None) -> Record:
    return Record(place, "", recorded=recorded, answer=answer, gold=gold)


def uncounted(completion: Completion) -> Completion:
    """The same from a source that says nothing of tokens and end."""
    return replace(completion, stop_reason="unknown", usage=Usage(source="unknown"))


def cut(completion: Completion) -> Completion:
    return replace(completion, stop_reason="length")
