"""Tasks and their problems, as a model sees them."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ttc_bench.config import Config
from ttc_bench.errors import printable
from ttc_bench.experiment import load_tasks
from ttc_bench.problems import tasks as task_files
from ttc_bench.problems.reference import solve
from ttc_bench.prompts import PROMPTS
from ttc_bench.strategies.methods import METHODS
from ttc_bench.terminal.words import plain


def list_tasks() -> None:
    """Prints every shipped task with its source and description."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("task", no_wrap=True)
    table.add_column("source")
    table.add_column("about")
    for path in sorted(set(task_files.known().values())):
        raw = task_files.read(path)
        for spec, _ in task_files.specs(raw["name"]):
            kind = type(spec.source).__name__.removesuffix("Source").lower()
            table.add_row(plain(spec.name), kind, plain(spec.description))
    Console().print(table)


def show_problems(config: Config, data: Path | None) -> None:
    """Prints the first problems as a model will see them, message by message, with gold answer and worked solution."""
    from dataclasses import replace

    for task in load_tasks(replace(config, data=str(data) if data else None)):
        for problem in task.problems:
            level = "" if problem.difficulty is None else f", difficulty {problem.difficulty:g}"
            print(printable(f"--- {problem.id}{level}"))
            for message in PROMPTS[METHODS[config.method[0]].prompt].render(task, problem):
                print(printable(f"[{message.role}]\n{message.content}\n"))
            gold = "any answer that passes the check" if problem.answer is None else problem.answer
            print(printable(f"[gold] {gold}"))
            if problem.solution:
                print(printable(f"[solution] {problem.solution}"))
            print()


def show_solved(config: Config) -> bool:
    """Prints a line for each task on how its reference solver did; returns whether every problem was solved."""
    all_solved = True
    for solved in solve(config):
        print(solved.line, flush=True)
        all_solved = all_solved and not solved.missed
    return all_solved
