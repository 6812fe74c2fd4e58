"""What a run asks for: every request that begins a trace, and what is done to the traces afterwards. Samples nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from ttc_bench.config import Config
from ttc_bench.core import Problem, Request, Task
from ttc_bench.prompts import PROMPTS, announce
from ttc_bench.sampling.changes import ANSWER_TOKENS, Change, extensions, pending
from ttc_bench.sampling.store import Store
from ttc_bench.strategies.methods import METHODS


@dataclass(frozen=True)
class Planned:
    """One request of a run, and what it asks."""

    task: Task
    prompt: str
    effort: str | None
    problem: Problem
    request: Request
    variant: str = ""  # an announced budget


def changes(config: Config, prompt: str) -> list[Change]:
    """What a run does to the traces of a prompt, each change after the one it goes on from. Direct answers have no
    thinking to change."""
    exits = config.budgets if config.budget_mode == "forced-exit" else ()
    revised = any(METHODS[m].revises and config.prompt_of(METHODS[m]) == prompt for m in config.method)
    rounds = config.rounds if revised else 0
    thinks = prompt != "direct"
    return extensions(exits if thinks else (), config.wait if thinks else 0, config.wait_text, rounds, config.longest)


def plan(config: Config, tasks: Sequence[Task], model: str) -> list[Planned]:
    """Every request of a run that begins a trace: each problem of each task, under each prompt that the methods need,
    at each effort, and once more for every budget that is announced to the model."""
    out = []
    for task, prompt, effort in product(tasks, config.prompts, config.efforts):
        announced = config.budgets if config.budget_mode == "rerun" and prompt != "direct" else ()
        for budget in (None, *announced):
            for p in task.problems:
                request = config.request(model, PROMPTS[prompt].render(task, p), effort)
                if budget is not None:
                    most = min(request.max_tokens, budget + ANSWER_TOKENS)
                    request = replace(request, messages=announce(request.messages, budget), max_tokens=most)
                variant = "" if budget is None else f"budget {budget} announced"
                out.append(Planned(task, prompt, effort, p, request, variant))
    return out


def to_continue(config: Config, tasks: Sequence[Task], model: str, store: Store) -> int:
    """How many continuations of a run's traces are still to be made, at most."""
    planned = [one for one in plan(config, tasks, model) if not one.variant]
    asked = {prompt: [(one.task, one.request) for one in planned if one.prompt == prompt] for prompt in config.prompts}
    return sum(pending(store, these, changes(config, prompt), config.samples) for prompt, these in asked.items())
