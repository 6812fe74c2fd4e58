"""The data of the report's problem browser: an index of all problems, and their samples in compressed chunks.

A run that fits is in the page as a whole. One that does not is in samples.parquet beside the page, and the page holds
of each problem what is most worth reading: every problem has the same share of the room, and what it leaves goes to
those that follow. However large a run is, the page stays below the sum of the limits here.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ttc_bench.analysis.views import ProblemView, SampleView
from ttc_bench.report.export import ParquetFile, by_prompt, score_names
from ttc_bench.report.telling import order

FILE = "samples.parquet"
SAMPLES = 8_000_000  # most bytes of samples in a page, compressed and in base64
INDEX = 3_000_000  # the same for the index of a page with all samples; without, the next three limits bound it
LISTED = 20_000  # problems in a list
QUESTIONS = 3_000_000  # bytes of questions in JSON
MARKS = 6_000_000  # samples with a mark of their own, about a fifth of a byte each
NAME = 200  # characters of an id, a gold answer or an answer
TEXT = 65_536  # characters of a text that is in the page as a whole
SHORTEST = 400  # a text is not cut shorter
CHUNK = 1 << 18  # bytes of JSON that are compressed together, and unpacked together when a problem is opened
GUESS, WEIGHT = 2.0, 100_000  # bytes of JSON to a byte in the page, believed until so many bytes have been compressed

Groups = Mapping[str, Sequence[SampleView]]  # samples by prompt
Cut = str | list[str | int]  # a text, or its beginning, how many characters are left out, and its end


@dataclass
class Data:
    """The script elements of a page, `index` and `chunks` of samples, and how much is in them."""

    index: str
    chunks: list[str]
    samples: int
    embedded: int
    problems: int
    listed: int
    whole: bool

    def sentences(self) -> list[str]:
        """What the page holds, for its reader."""
        if self.whole:
            return []
        told = [
            f"{self.embedded:,} of {self.samples:,} samples are in this page: of every problem those that tell most (a "
            "right one, a wrong one, the majority's answer where that is wrong, one cut at the limit, one without an "
            "answer, the wrong one that a verifier scores highest), then a random choice. "
            f"All of them are in {FILE} beside it, in rows counted from 0."
        ]
        if self.listed < self.problems:
            told.append(f"{self.listed:,} of {self.problems:,} problems, a random choice, are listed.")
        return told


@dataclass(frozen=True)
class Room:
    """What a problem may take of the index: bytes of its question, and samples with marks of their own."""

    question: int
    marks: int


@dataclass
class Runs:
    """Where the records of a problem lie, as [chunk, first row, number of rows]."""

    ends: list[list[int]] = field(default_factory=list)

    def add(self, at: tuple[int, int]) -> None:
        chunk, row = at
        if self.ends and self.ends[-1][0] == chunk:
            self.ends[-1][2] += 1
        else:
            self.ends.append([chunk, row, 1])


@dataclass
class Chunks:
    """Samples as they are packed. A chunk is a list of records; `at` tells where the next record will be."""

    scripts: list[str] = field(default_factory=list)
    size: int = 0  # bytes of the scripts
    records: int = 0
    _pending: list[str] = field(default_factory=list)
    _waiting: int = 0  # bytes of JSON pending
    _packed: int = 0  # bytes of JSON in the scripts

    @property
    def ratio(self) -> float:
        """Bytes of JSON to a byte in the page."""
        return (GUESS * WEIGHT + self._packed) / (WEIGHT + self.size)

    @property
    def estimate(self) -> float:
        """Bytes that everything so far will take in the page."""
        return self.size + self._waiting / self.ratio

    @property
    def at(self) -> tuple[int, int]:
        """Chunk and row of the next record."""
        return len(self.scripts), len(self._pending)

    def add(self, record: str) -> None:
        self._pending.append(record)
        self._waiting += len(record)
        self.records += 1
        if self._waiting >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Compresses what is pending into a script element."""
        if self._pending:
            script = packed(f"samples-{len(self.scripts)}", f"[{','.join(self._pending)}]")
            self.scripts.append(script)
            self.size += len(script)
            self._packed += self._waiting
            self._pending, self._waiting = [], 0


def data(problems: Collection[ProblemView], path: Path) -> Data:
    """The data of a page: all samples, or, where they are too many, a choice, and all samples in a Parquet file at
    `path`. The problems are gone through once or twice."""
    whole = _everything(problems)
    if whole:
        return whole
    with ParquetFile(path, score_names(problems)) as file:
        return _chosen(problems, file)


def _everything(problems: Collection[ProblemView]) -> Data | None:
    """None, as soon as it is clear, where a page cannot hold all of this."""
    chunks = Chunks()
    index: list[dict[str, Any]] = []
    for problem in problems:
        groups, row, runs = by_prompt(problem), chunks.records, Runs()
        for number, samples in enumerate(groups.values()):
            for position, s in enumerate(samples):
                if max(len(s.text), len(s.reasoning)) > TEXT or chunks.size > SAMPLES:
                    return None
                runs.add(chunks.at)
                chunks.add(_record(s, number, position, TEXT))
        index.append(_entry(problem, groups, runs, row))
    chunks.flush()
    listed = packed("index", {"file": None, "problems": index})
    if chunks.size > SAMPLES or len(listed) > INDEX:
        return None
    return Data(listed, chunks.scripts, chunks.records, chunks.records, len(index), len(index), whole=True)


def _chosen(problems: Collection[ProblemView], file: ParquetFile) -> Data:
    """A choice for the page; everything goes into the file."""
    count, chunks, embedded = len(problems), Chunks(), 0
    index: list[dict[str, Any]] = []
    listed = set(random.Random(0).sample(range(count), LISTED)) if count > LISTED else range(count)
    room = Room(QUESTIONS // len(listed), MARKS // len(listed))
    for number, problem in enumerate(problems):
        row = file.written
        file.add(problem)
        if number in listed:
            share = (SAMPLES - chunks.estimate) / (len(listed) - len(index))
            runs = Runs()
            embedded += _embed(problem, chunks, runs, share, room)
            index.append(_entry(problem, by_prompt(problem), runs, row, room))
    chunks.flush()
    script = packed("index", {"file": FILE, "problems": index})
    return Data(script, chunks.scripts, file.written, embedded, count, len(index), whole=False)


def _embed(problem: ProblemView, chunks: Chunks, runs: Runs, share: float, room: Room) -> int:
    """Packs the samples of a problem that `share` bytes of the page have room for, and returns their number. A text is
    cut to a third of the share, so that one long text does not stand for a whole problem. A question that the index
    has cut comes first."""
    groups = by_prompt(problem)
    start, number = chunks.estimate, {prompt: i for i, prompt in enumerate(groups)}
    limit = max(SHORTEST, min(TEXT, round(share * chunks.ratio / 3)))
    records = (_record(groups[prompt][i], number[prompt], i, limit) for prompt, i in order(problem, groups))
    if _bytes(problem.question) > room.question:
        question = json.dumps({"question": cut(problem.question, limit)})
        runs.add(chunks.at)
        chunks.add(question)
    embedded = 0
    for record in records:
        if chunks.estimate - start + len(record) / chunks.ratio > share:
            break
        runs.add(chunks.at)
        chunks.add(record)
        embedded += 1
    return embedded


def _record(s: SampleView, group: int, position: int, limit: int) -> str:
    """A sample as JSON: `g` and `i` are its group and its position there. Both of its texts are cut at `limit`."""
    answer = s.answer if s.answer is None or len(s.answer) <= limit else f"{s.answer[:NAME]}…"
    shown: dict[str, Any] = {"g": group, "i": position, "index": s.index, "text": cut(s.text, limit)}
    shown |= {"reasoning": cut(s.reasoning, limit), "answer": answer, "correct": s.correct, "tokens": s.tokens}
    # JSON has no infinity: an infinite score is its name
    scores = {name: score if math.isfinite(score) else str(score) for name, score in s.scores.items()}
    return json.dumps({**shown, "stop_reason": s.stop_reason, "rung": s.rung, "scores": scores}, separators=(",", ":"))


def _entry(problem: ProblemView, groups: Groups, runs: Runs, row: int, room: Room | None = None) -> dict[str, Any]:
    """The entry of a problem in the index. `row`: of its first sample in the Parquet file. `room`: None has no end."""
    task, name, question, gold = problem.task, problem.id, problem.question, problem.gold
    if room:
        task, name, gold = _short(task, NAME), _short(name, NAME), gold and _short(gold, NAME)
        question = _short(question, room.question)
    entry: dict[str, Any] = {"task": task, "id": name, "question": question, "gold": gold}
    shown = []
    for prompt, samples in groups.items():
        # one letter a sample: right, wrong, unreadable
        marks = "".join("u" if s.answer is None else "r" if s.correct else "w" for s in samples)
        counts = [marks.count(letter) for letter in "rwu"]
        truncated = sum(s.stop_reason == "length" for s in samples)
        listed = marks if room is None or len(problem.samples) <= room.marks else None
        shown.append({"prompt": prompt, "marks": listed, "counts": counts, "truncated": truncated, "row": row})
        row += len(samples)
    return {**entry, "difficulty": problem.difficulty, "groups": shown, "runs": runs.ends}


def cut(text: str, limit: int) -> Cut:
    """The text, or where it is longer its beginning, how many characters are left out, and its end, where the answer
    stands."""
    end = limit // 4
    return text if len(text) <= limit else [text[: limit - end], len(text) - limit, text[-end:]]


def _short(text: str, room: int) -> str:
    """The beginning of a text that takes at most `room` bytes in JSON, with a sign that it was cut."""
    if _bytes(text) <= room:
        return text
    kept = text[:room]
    while _bytes(kept) > room - 6:
        kept = kept[: len(kept) * (room - 6) // _bytes(kept)]
    return f"{kept}…"


def _bytes(text: str) -> int:
    return len(json.dumps(text))


def packed(name: str, value: Any) -> str:
    """A script element with compressed ASCII JSON (a lone surrogate stays an escape); base64 cannot close an element. A
    text is taken for JSON already."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), allow_nan=False)
    data = base64.b64encode(gzip.compress(text.encode("ascii"), 6, mtime=0)).decode()
    return f'<script type="application/gzip" id="{name}">{data}</script>'
