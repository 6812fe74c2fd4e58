"""What is to be imported, and as what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttc_bench.config import Config
from ttc_bench.errors import TtcError, nearest
from ttc_bench.grading.graders import GRADERS
from ttc_bench.interchange.joining import TASK
from ttc_bench.interchange.records import Facts
from ttc_bench.prompts import PROMPTS
from ttc_bench.verifiers.menu import RECORDED

BAD_ROWS = ("refuse", "skip")


@dataclass(frozen=True, kw_only=True)
class Import:
    """What to import, and as what. Raises TtcError at construction for values that cannot work."""

    files: tuple[str, ...]  # FILE, or PROMPT=FILE where files were asked with different prompts
    task: str | None = None  # a task's name or YAML file; None: the problems come from the files
    format: str = "auto"
    mapping: str | None = None  # question=COLUMN,...
    prompt: str = "cot"  # of files without a prompt of their own; several, with commas, where the rows tell
    grader: str | None = None
    tokenizer: str | None = None  # that counts generated tokens in place of the files
    model: str | None = None  # in place of the name that the files give
    name: str | None = None
    out: str = "results"
    data: str | None = None
    method: tuple[str, ...] = ()
    verifier: tuple[str, ...] = ()
    bad_rows: str = "refuse"
    at_least: int = 1  # samples; problems with fewer are left out

    def __post_init__(self) -> None:
        for prompt in self.prompt.split(","):
            if prompt not in PROMPTS:
                raise TtcError(nearest(prompt, list(PROMPTS), "prompt"))
        if self.bad_rows not in BAD_ROWS:
            raise TtcError(f"bad_rows = {self.bad_rows!r}: expected {' or '.join(BAD_ROWS)}")
        if self.at_least < 1:
            raise TtcError(f"at_least = {self.at_least}: expected 1 or more samples")
        if self.task is not None and self.grader is not None:
            raise TtcError("--task has a grader of its own: leave --grader out, or --task")
        if self.grader is not None and self.grader not in _file_graders():
            raise TtcError(nearest(self.grader, _file_graders(), "grader"))

    @property
    def inputs(self) -> list[tuple[Path, str | None]]:
        """The files, each with the prompt that its samples were asked with; None: its rows tell."""
        every = self.prompt.split(",")
        found: list[tuple[Path, str | None]] = []
        for word in self.files:
            prompt, equals, path = word.partition("=")
            named = bool(equals) and prompt in PROMPTS and not Path(word).exists()
            found.append((Path(path), prompt) if named else (Path(word), every[0] if len(every) == 1 else None))
        return found

    @property
    def paths(self) -> list[Path]:
        return [path for path, _ in self.inputs]

    @property
    def prompts(self) -> list[str]:
        """All prompts that samples may have been asked with, in the order of the menu."""
        asked = {prompt for _, prompt in self.inputs if prompt}
        asked |= set(self.prompt.split(",")) if any(prompt is None for _, prompt in self.inputs) else set()
        return [prompt for prompt in PROMPTS if prompt in asked]

    @property
    def votes(self) -> str:
        """The prompt whose samples vote and are chosen from."""
        return next((prompt for prompt in reversed(self.prompts) if prompt != "direct"), "direct")

    @property
    def title(self) -> str:
        """The name of the first file."""
        return self.paths[0].stem


def config_of(
    wanted: Import, facts: Sequence[Facts], samples: int, scores: Sequence[str] = (), chosen: str | None = None
) -> Config:
    """The configuration that finds these samples again: its settings are part of their addresses. `scores`: signals by
    which best-of-n can choose; one that a trained verifier may have given is taken before the model's own."""
    names = dict.fromkeys(f.model for f in facts if f.model)
    name = wanted.model or chosen or " and ".join(names) or wanted.title
    methods = [*wanted.prompts, *(["self-consistency"] if samples > 1 else [])]
    scored = [*(name for name in scores if name not in RECORDED), *(name for name in scores if name in RECORDED)]
    methods += ["best-of-n"] if samples > 1 and scored else []
    own = tuple(name.replace("_", "-") if name in RECORDED else name for name in scored[:1]) if samples > 1 else ()
    return Config(
        model=(" ".join(name.replace(",", " ").split()),),
        task=(wanted.task or TASK,),
        method=wanted.method or tuple(methods),
        verifier=wanted.verifier or own,
        prompt=wanted.votes,
        samples=samples,
        data=wanted.data,
        out=wanted.out,
        name=wanted.name,
    )


def _file_graders() -> list[str]:
    """Those that need neither a list of answers nor a check of their own."""
    return [name for name in GRADERS if name not in ("words", "check")]
