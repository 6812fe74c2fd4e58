"""Which problem a sample answers: one of the task's, by its question or its id, or one that the file itself brings."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ttc_bench.core import Grader, Problem, Task
from ttc_bench.errors import TtcError
from ttc_bench.interchange.golds import read_gold
from ttc_bench.interchange.records import Record

ANSWER_FORMAT = "State the final answer at the end."  # of tasks made from files; their samples were asked otherwise
TASK = "task.yaml"  # in the results folder: problems that came with the samples
SLICE = 40  # characters of a question by which a prompt is searched for it
ENDS = "\n:.?!"  # what may stand before a question within a prompt
TAIL = 300  # characters that may follow it: instructions, "A:"


class Unfit(Exception):
    """A record that belongs to no problem. `reason` is the same for all that fail in one way."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Joiner(ABC):
    """Finds the problem of a record."""

    task: Task

    @abstractmethod
    def problem(self, record: Record) -> Problem:
        """Raises Unfit, and TtcError where no problem can be made of the file."""


@dataclass
class OfTask(Joiner):
    """The problems of a task. A question joins by itself, alone or as the last of a whole prompt; an id only where
    there is no question to check it by, as files of the same problems in another order have the same numbers."""

    task: Task
    golds: int = 0  # records whose gold answer is another than the task's
    unchecked: int = 0  # records that were joined by their id alone, without a question or a gold answer
    refused: int = 0  # records whose id and gold answer contradict each other
    _known: dict[tuple[str | None, str | None], Problem | Unfit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ids: dict[str, Problem] = {}
        self._questions: dict[str, list[Problem]] = {}
        self._starts: dict[str, list[tuple[str, Problem]]] = {}
        for p in self.task.problems:
            self._ids |= {p.id: p, p.id.removeprefix(f"{self.task.name}-"): p}
            self._questions.setdefault(_plain(p.question), []).append(p)
        lines = [(_lines(p.question), p) for p in self.task.problems]
        self._slice = min([SLICE, *(len(question) for question, _ in lines)])
        for question, p in lines:
            self._starts.setdefault(question[: self._slice], []).append((question, p))

    def problem(self, record: Record) -> Problem:
        key = record.id, record.question
        if key not in self._known:
            self._known[key] = self._found(record)
        found = self._known[key]
        if isinstance(found, Unfit):
            raise found
        same = record.gold is None or found.answer is None or self._same_gold(record.gold, found)
        if not same and record.question is None:
            self.refused += 1
            raise Unfit("no question, and another gold answer than the problem of that id")
        if not same and _plain(str(record.question)) not in self._questions:
            raise Unfit("a prompt that ends in a question of the task, and another gold answer than that")
        self.golds += not same
        self.unchecked += record.question is None and (record.gold is None or found.answer is None)
        return found

    def _found(self, record: Record) -> Problem | Unfit:
        by_id = self._ids.get(record.id) if record.id is not None else None
        if record.question is None:
            return by_id or Unfit("no question, and an id that the task does not have")
        same = self._questions.get(_plain(record.question)) or self._last(_lines(record.question))
        if by_id in same:
            return by_id
        if len(same) != 1:
            return Unfit("a question that several problems have" if same else "a question that the task does not have")
        return same[0]

    def _last(self, prompt: str) -> list[Problem]:
        """The problems whose question ends last in a prompt: examples come before. It stands for itself, after a line,
        a sentence or a word with a colon, and little comes after it: an example is followed by its answer, and then by
        the question that is meant."""
        found: list[tuple[int, int, Problem]] = []
        for at in range(len(prompt) - self._slice + 1):
            for question, p in self._starts.get(prompt[at : at + self._slice], ()):
                before, end = prompt[:at].rstrip(" "), at + len(question)
                if prompt.startswith(question, at) and (not before or before[-1] in ENDS) and len(prompt) - end <= TAIL:
                    found.append((end, len(question), p))
        best = max((f[:2] for f in found), default=None)
        return [p for *place, p in found if tuple(place) == best]

    def _same_gold(self, gold: str, problem: Problem) -> bool:
        read = read_gold(self.task.grader, gold)
        return read is not None and problem.answer is not None and self.task.grader.same(read, problem.answer)


class OfFile(Joiner):
    """Problems that the records themselves bring: one for each id, or for each question where there are no ids."""

    def __init__(self, name: str, grader: Grader) -> None:
        self.task = Task(name, (), ANSWER_FORMAT, grader)
        self.problems: dict[str, Problem] = {}
        self.written: dict[str, str] = {}  # gold answers as the file writes them
        self.reworded = 0  # records with another prompt under the id of an earlier one

    def problem(self, record: Record) -> Problem:
        if record.gold is None:
            raise Unfit("no gold answer; name its column with --map, or a task with --task")
        if record.question is None:
            raise Unfit("no question; name its column with --map, or a task with --task")
        key = record.id if record.id is not None else _plain(record.question)
        if key in self.problems:
            other = record.question != self.problems[key].question
            if self.written[key] != record.gold and other:
                raise TtcError(
                    f"{record.place}: another question and gold answer under the id {key} than before: samples of different "
                    "tasks have to be imported apart"
                )
            if self.written[key] != record.gold:
                raise Unfit("another gold answer than an earlier row of the same problem")
            self.reworded += other
            return self.problems[key]
        answer = read_gold(self.task.grader, record.gold)
        if answer is None:
            raise Unfit("a gold answer that the grader cannot read; choose another with --grader")
        number = record.id if record.id is not None else str(len(self.problems))
        self.problems[key] = Problem(f"{self.task.name}-{number}", record.question, answer, record.difficulty)
        self.written[key] = record.gold
        return self.problems[key]

    def write(self, folder: Path, grader: str) -> None:
        """Writes TASK and its data: what answers are read with, by the name of the grader, and the problems."""
        names = ("question", "answer", "difficulty")
        first = len(self.task.name) + 1  # of an id, without the name that a task puts before it
        rows = ({"id": p.id[first:], **{name: getattr(p, name) for name in names}} for p in self.problems.values())
        data = folder / f"{Path(TASK).stem}.jsonl"
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        data.write_text("".join(lines), encoding="utf-8", errors="replace")
        spec = {
            "name": self.task.name,
            "description": "Problems that came with imported samples.",
            "source": {"file": data.name, "columns": {name: name for name in ("id", *names)}},
            "grader": grader,
            "answer_format": self.task.answer_format,
        }
        (folder / TASK).write_text(yaml.safe_dump(spec, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _lines(text: str) -> str:
    """A text in which all white space within lines is alike, and none stands at their ends."""
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def _plain(text: str) -> str:
    """A text in which all white space is alike."""
    return " ".join(text.split())
