"""Reads tasks/*.yaml. A task's problems come from a generator, a Hugging Face data set, or a local file.

The classes below define the fields of the YAML. One file may hold several `variants` of a task:
`bbh.yaml` gives `bbh-web-of-lies` and so on, and `bbh` stands for all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from ttc_bench.core import Grader, Problem, Task
from ttc_bench.errors import TaskError, nearest
from ttc_bench.grading.graders import GRADERS
from ttc_bench.grading.phrase import Checked
from ttc_bench.problems.generators import FAMILIES, reasoning_gym
from ttc_bench.problems.generators.base import problems as generate
from ttc_bench.problems.guessing import guess
from ttc_bench.problems.rows import read_hub, read_rows

_HERE = Path(__file__).parents[1]
SHIPPED_TASKS = next(p for p in (_HERE / "shipped_tasks", _HERE.parent / "tasks") if p.is_dir())


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Columns(_Strict):
    """The names of the data's columns. `after`: the gold answer is the text after the last such mark in its column."""

    question: str = "question"
    answer: str = "answer"
    id: str | None = None
    difficulty: str | None = None
    tags: tuple[str, ...] = ()
    after: str | None = None


class GeneratorSource(_Strict):
    generator: str
    count: int = Field(200, ge=1)
    seed: int = 0
    difficulty: tuple[int, int] | None = None
    examples: int = Field(0, ge=0)  # worked examples, taken from the training split


class HubSource(_Strict):
    hub: str
    config: str | None = None
    split: str = "test"
    revision: str
    columns: Columns = Columns()


class FileSource(_Strict):
    file: str  # JSONL, CSV or Parquet; relative to the YAML
    columns: Columns = Columns()


class ReasoningGymSource(_Strict):
    reasoning_gym: str  # the name of a data set of the package reasoning-gym
    count: int = Field(200, ge=1)
    seed: int = 0
    config: dict[str, Any] = {}  # the data set's own parameters


class Example(_Strict):
    """A worked example: `solution` ends with the answer in the task's answer format."""

    question: str
    solution: str
    answer: str


def _kind(value: Any) -> str:
    keys = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return next((kind for kind in ("generator", "hub", "file", "reasoning_gym") if kind in keys), "generator")


class Spec(_Strict):
    """One task, as its YAML states it."""

    name: str
    description: str = ""
    source: Annotated[
        Annotated[GeneratorSource, Tag("generator")]
        | Annotated[HubSource, Tag("hub")]
        | Annotated[FileSource, Tag("file")]
        | Annotated[ReasoningGymSource, Tag("reasoning_gym")],
        Discriminator(_kind),
    ]
    grader: str
    answers: tuple[str, ...] = ()  # the possible answers, for the grader `words`
    answer_format: str
    examples: tuple[Example, ...] = ()


def known() -> dict[str, Path]:
    """Name -> YAML file of every shipped task, each variant and each group of variants."""
    names = {}
    for path in sorted(SHIPPED_TASKS.glob("*.yaml")):
        raw = read(path)
        names[raw.get("name", path.stem)] = path
        names.update({f"{raw['name']}-{variant}": path for variant in raw.get("variants", {})})
    return names


def specs(name: str) -> list[tuple[Spec, Path]]:
    """The tasks that a name stands for: one, or every variant of a group. `name` is a shipped task or a YAML file.
    Raises TaskError with the file, the field and what was expected."""
    path = Path(name)
    task_name = None
    if path.suffix not in (".yaml", ".yml"):
        shipped = known()
        if name not in shipped:
            raise TaskError(nearest(name, list(shipped), "task") + "; a file of your own ends in .yaml")
        path, task_name = shipped[name], name
    raw = read(path)
    variants = raw.pop("variants", None)
    if variants is None:
        return [(_spec(raw, path), path)]
    if not isinstance(variants, dict) or not all(isinstance(v, dict | None) for v in variants.values()):
        raise TaskError(f"{path}: variants: expected names, each with the fields that differ")
    merged = {f"{raw['name']}-{v}": _merge(raw, changes or {}) for v, changes in variants.items()}
    chosen = merged if task_name in (None, raw["name"]) else {task_name: merged[task_name]}
    return [(_spec({**fields, "name": full_name}, path), path) for full_name, fields in chosen.items()]


def load(
    name: str,
    *,
    limit: int | None = None,
    data: Path | None = None,
    difficulty: tuple[int, int] | None = None,
    skip_bad: bool = False,
) -> list[Task]:
    """The tasks a name stands for, problems and few-shot examples included. `limit`: the first problems only;
    `data`: a local copy in place of a hub data set; `difficulty`: another range for a generator; `skip_bad`: leave out
    problems whose gold answer the grader cannot read, and count them in Task.skipped."""
    return [_task(spec, path, limit, data, difficulty, skip_bad) for spec, path in specs(name)]


def digest(task: Task) -> str:
    """sha256 over the problems and the wording (first 16 hex digits): equal digests mean equal questions."""
    contents = [(p.id, p.question, p.answer) for p in task.problems]
    return hashlib.sha256(json.dumps([task.name, task.answer_format, contents]).encode()).hexdigest()[:16]


def _task(
    spec: Spec, path: Path, limit: int | None, data: Path | None, difficulty: tuple[int, int] | None, skip_bad: bool
) -> Task:
    skipped = 0
    grader = _grader(spec, path)
    examples = tuple(
        Problem(f"example-{i}", e.question, e.answer, solution=e.solution) for i, e in enumerate(spec.examples)
    )
    source = spec.source
    if isinstance(source, GeneratorSource):
        family = FAMILIES[source.generator]
        low, high = difficulty or source.difficulty or (1, family.levels)
        count = source.count if limit is None else limit
        problems = generate(family, count, seed=source.seed, low=low, high=high)
        examples += generate(family, source.examples, seed=source.seed, low=low, high=high, split="train")
        chance = guess(problems, grader, family)
    else:
        if difficulty is not None:
            raise TaskError(f"{spec.name}: --difficulty works for generated tasks only; leave it out")
        if isinstance(source, ReasoningGymSource):
            count = source.count if limit is None else limit
            gym_problems = reasoning_gym.problems(source.reasoning_gym, count, seed=source.seed, config=source.config)
            return Task(spec.name, gym_problems, spec.answer_format, grader, examples, spec.description)
        if isinstance(source, HubSource) and data is None:
            rows = read_hub(source.hub, source.config, source.split, source.revision)
            where = source.hub
        else:
            file = _data_file(spec, path, data)
            rows, where = read_rows(file), str(file)
        problems, skipped = _problems(spec, rows, where, grader, limit, skip_bad)
        chance = guess(problems, grader)
    if not problems:
        reason = f"all {skipped} were skipped" if skipped else "its data set is empty or --limit is 0"
        raise TaskError(f"{spec.name}: no problems; {reason}")
    return Task(spec.name, problems, spec.answer_format, grader, examples, spec.description, chance, skipped)


def _data_file(spec: Spec, path: Path, data: Path | None) -> Path:
    """The local file of a task. A folder given as `data` holds one file per hub config or task."""
    if data is None:
        assert isinstance(spec.source, FileSource)
        return path.parent / spec.source.file
    if not data.is_dir():
        return data
    config = spec.source.config if isinstance(spec.source, HubSource) else None
    stems = [s for s in (config, spec.name, "test") if s]
    tried = [data / f"{stem}{suffix}" for stem in stems for suffix in (".jsonl", ".csv", ".parquet")]
    existing = next((file for file in tried if file.exists()), None)
    if existing is None:
        raise TaskError(f"{data}: no data for {spec.name}; expected one of {', '.join(file.name for file in tried)}")
    return existing


def _problems(
    spec: Spec,
    rows: Sequence[tuple[str, Mapping[str, Any]]],
    where: str,
    grader: Grader,
    limit: int | None,
    skip_bad: bool,
) -> tuple[tuple[Problem, ...], int]:
    """The first `limit` problems from rows, and how many unreadable ones were passed over on the way (`skip_bad`; else
    the first of them raises TaskError). Each row comes with its place ("line 7") for error messages."""
    assert isinstance(spec.source, HubSource | FileSource)
    columns = spec.source.columns
    out: list[Problem] = []
    skipped = 0
    for i, (place, row) in enumerate(rows):
        if limit is not None and len(out) >= limit and skip_bad:
            break

        def cell(name: str, place: str = place, row: Mapping[str, Any] = row) -> str:
            if row.get(name) is None:
                raise TaskError(
                    f"{where}, {place}: no field '{name}'; it has {', '.join(k for k in row if row[k] is not None)}"
                )
            return str(row[name])

        gold = cell(columns.answer)
        if columns.after is not None:
            _, mark, gold = gold.rpartition(columns.after)
            if not mark:
                raise TaskError(
                    f"{where}, {place}: field '{columns.answer}' has no '{columns.after}' before the gold answer"
                )
        canonical = grader.read(gold)
        if canonical is None:
            if skip_bad:
                skipped += 1
                continue
            raise TaskError(
                f"{where}, {place}: gold answer {gold!r} cannot be read by the grader '{spec.grader}'; "
                f"--skip-bad-problems leaves such problems out and counts them"
            )
        level = row.get(columns.difficulty) if columns.difficulty else None
        out.append(
            Problem(
                id=f"{spec.name}-{cell(columns.id) if columns.id else i}",
                question=cell(columns.question),
                answer=canonical,
                difficulty=float(level) if isinstance(level, int | float) else None,
                tags=tuple(cell(tag) for tag in columns.tags),
            )
        )
    return tuple(out[:limit]), skipped


def _grader(spec: Spec, path: Path) -> Grader:
    if isinstance(spec.source, GeneratorSource):
        if spec.source.generator not in FAMILIES:
            raise TaskError(f"{path}: source.generator: {nearest(spec.source.generator, list(FAMILIES), 'generator')}")
        check = FAMILIES[spec.source.generator].check
        if check is not None:
            return Checked(check)
    if isinstance(spec.source, ReasoningGymSource):
        return Checked(reasoning_gym.check)
    if spec.grader not in GRADERS:
        raise TaskError(f"{path}: grader: {nearest(spec.grader, [*GRADERS, 'check'], 'grader')}")
    if spec.grader == "words":
        if not spec.answers:
            raise TaskError(f"{path}: answers: the grader 'words' needs the list of possible answers")
        return GRADERS["words"](spec.answers)
    return GRADERS[spec.grader]()


def _spec(raw: Mapping[str, Any], path: Path) -> Spec:
    try:
        return Spec.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        tags = ("generator", "hub", "file", "reasoning_gym")
        field = ".".join(str(part) for i, part in enumerate(first["loc"]) if not (i == 1 and part in tags))
        message = first["msg"]
        if first["type"] == "extra_forbidden":
            holder = _fields(first["loc"])
            message = nearest(str(first["loc"][-1]), holder, "field")
        elif first["type"] == "missing":
            message = "this field is missing"
        raise TaskError(f"{path}: {field}: {message}") from None


def _fields(loc: Sequence[int | str]) -> list[str]:
    """The field names that are allowed at a location of the YAML."""
    kinds: dict[str, type[BaseModel]] = {
        "generator": GeneratorSource,
        "hub": HubSource,
        "file": FileSource,
        "reasoning_gym": ReasoningGymSource,
    }
    if "columns" in loc[:-1]:
        return list(Columns.model_fields)
    if "examples" in loc[:-1]:
        return list(Example.model_fields)
    if loc[0] == "source" and len(loc) > 2:
        return list(kinds[str(loc[1])].model_fields)
    return list(Spec.model_fields)


def read(path: Path) -> dict[str, Any]:
    """The fields of a task file. Raises TaskError where it is not one."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TaskError(
            f"{path}: cannot be read ({error.strerror}); give a shipped task's name or a YAML file"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TaskError(f"{path}: not a YAML file in UTF-8 ({' '.join(str(error).split())[:200]})") from None
    if not isinstance(raw, dict) or "name" not in raw:
        raise TaskError(f"{path}: name: this field is missing")
    return raw


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `base`, updated recursively with `changes`."""
    out = dict(base)
    for key, value in changes.items():
        out[key] = (
            _merge(out[key], value) if isinstance(value, Mapping) and isinstance(out.get(key), Mapping) else value
        )
    return out
