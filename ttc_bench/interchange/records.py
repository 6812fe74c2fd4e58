"""What every format of samples is read into, one sample at a time. A source says what it knows; None: it does not say.

To add a format: a module in sources/ with a subclass of Source, and a line in formats.py."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ttc_bench.problems.rows import Broken


@dataclass(frozen=True)
class Record:
    """One sample. Token counts are those that the source gives, as in core.Usage: never a guess, and never 0 for one
    that it does not give."""

    place: str  # in the file, for people: "line 7", "samples/12_epoch_3.json", "row 7, sample 2"
    text: str  # the answer part, without thinking
    id: str | None = None  # of the problem
    question: str | None = None  # or the whole prompt that has it
    gold: str | None = None  # as the source writes it
    reasoning: str = ""  # thinking that the source keeps apart
    length: bool | None = None  # whether it was cut at the token limit
    prompt: int | None = None  # tokens; 0 where an earlier sample of the same call has them (then `shares_prompt`)
    cached: int | None = None
    completion: int | None = None  # thinking included
    thought: int | None = None  # tokens of `reasoning`
    apportioned: bool = False  # the source counts several samples together: `completion` is this one's part by length
    shares_prompt: bool = False  # one prompt served all samples of the problem
    signals: Mapping[str, float] = field(default_factory=dict)  # "logprob" (mean of the tokens), or a verifier's score
    # scores of which nobody knows whether they saw the gold: verifiers by name, never unasked
    judged: Mapping[str, float] = field(default_factory=dict)
    recorded: bool | None = None  # whether the source held it right
    answer: str | None = None  # that the source read
    difficulty: float | None = None  # of the problem
    repeat: int | None = None  # which sample of its problem it is, where the source numbers them
    model: str | None = None  # whose it is, and its settings, where one file has several
    prompt_name: str | None = None  # as in prompts.PROMPTS, where one file has several


@dataclass(frozen=True)
class Hole:
    """A sample that the source itself failed to make."""

    place: str
    reason: str
    id: str | None = None  # of the problem


Row = Record | Broken | Hole  # Broken: refused, or left out and counted, as the user wishes


@dataclass(frozen=True)
class Facts:
    """What a file says of the run that made it."""

    model: str | None = None  # its name there
    task: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    tool: str | None = None  # and its version: "inspect_ai 0.3.285"
    remarks: tuple[str, ...] = ()  # sentences that a reader of the results must know


class Source(ABC):
    """A format. `read` streams: a file of a gigabyte never lies in memory."""

    name: str  # as --format names it
    about: str  # in a line, for people

    @abstractmethod
    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        """Whether a file is of this format. `first`: its first row, where it is JSONL, CSV or Parquet."""

    @abstractmethod
    def read(self, path: Path) -> Iterator[Row]:
        """The samples of a file, in its order. Raises errors.TtcError for a file that cannot be read at all."""

    def beside(self, paths: Sequence[Path]) -> Source:
        """This format, knowing what other files of the same import say of its samples, such as what was asked. A file
        that only says something of others has no samples to `read`."""
        return self

    def facts(self, path: Path) -> Facts:
        return Facts()
