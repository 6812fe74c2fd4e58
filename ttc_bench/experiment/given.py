"""The tasks of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ttc_bench.config import Config
from ttc_bench.core import Task
from ttc_bench.errors import TaskError
from ttc_bench.problems import tasks


def load_tasks(config: Config, folder: Path | None = None, recorded: Sequence[Mapping[str, Any]] = ()) -> list[Task]:
    """The tasks of a run, which may lie in its results folder; `recorded`: what run.json says of them, such as which
    problems there are samples of. Raises TaskError, also for few-shot prompts of a task without examples."""
    data = Path(config.data) if config.data else None
    only = {entry["name"]: frozenset(entry["only"]) for entry in recorded if "only" in entry}
    chosen = [
        _part(task, only.get(task.name))
        for name in config.task
        for task in tasks.load(
            str(folder / name) if folder and name.endswith(".yaml") and (folder / name).is_file() else name,
            limit=config.limit,
            data=data,
            difficulty=config.difficulty,
            skip_bad=config.skip_bad_problems,
        )
    ]
    for task in chosen:
        if "cot-few-shot" in config.prompts and not task.examples:
            raise TaskError(f"{task.name} has no worked examples for cot-few-shot; add 'examples' to its YAML")
    return chosen


def _part(task: Task, only: Collection[str] | None) -> Task:
    return task if only is None else dataclasses.replace(task, problems=tuple(p for p in task.problems if p.id in only))
