"""The plan of a run: every request that begins a trace, and the changes to the traces afterwards. Samples nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

from ttc_bench.config import Config
from ttc_bench.core import UNCHANGED, Change, Problem, Request, Task
from ttc_bench.errors import TtcError
from ttc_bench.prompts import PROMPTS, announce
from ttc_bench.sampling.changes import ANSWER_TOKENS, TraceChange, extensions, pending
from ttc_bench.sampling.store import Store
from ttc_bench.strategies.methods import METHODS


class Shard(NamedTuple):
    """Of every `of` problems of a task, in its order, the one at `place` (1..of): what one of several runs samples."""

    place: int
    of: int

    @classmethod
    def read(cls, text: str) -> Shard:
        """From "2/8". Raises TtcError."""
        place, slash, of = text.partition("/")
        if not (slash and place.isdecimal() and of.isdecimal() and 1 <= int(place) <= int(of)):
            raise TtcError(f"shard = {text!r}: expected the number of this run and of all, such as 2/8")
        return cls(int(place), int(of))


WHOLE = Shard(1, 1)


@dataclass(frozen=True)
class Planned:
    """A request and its origin. `change`: the budget that it announces to the model, if any."""

    task: Task
    prompt: str
    effort: str | None
    problem: Problem
    request: Request
    change: Change = UNCHANGED


@dataclass(frozen=True)
class Plan:
    """What a run asks of one model. `name`: as in config.model; `model`: its identity in the requests."""

    config: Config
    tasks: tuple[Task, ...]
    name: str
    model: str
    requests: tuple[Planned, ...]
    # of imported samples: how many failed where they were made, by prompt; None: what is missing is to be sampled
    imported: Mapping[str, int] | None = None

    @property
    def wanted(self) -> list[tuple[Request, int]]:
        """All requests, each with the number of samples of the run."""
        return [(planned.request, self.config.samples) for planned in self.requests]

    @property
    def groups(self) -> list[list[Planned]]:
        """The requests by task, prompt, effort and announced budget: a group is one request per problem."""
        groups: dict[tuple[str, str, str | None, Change], list[Planned]] = {}
        for planned in self.requests:
            kind = (planned.task.name, planned.prompt, planned.effort, planned.change)
            groups.setdefault(kind, []).append(planned)
        return list(groups.values())

    @property
    def voted(self) -> frozenset[str]:
        """The prompts that some method samples several times."""
        methods = (METHODS[name] for name in self.config.method)
        return frozenset(self.config.prompt_of(method) for method in methods if method.votes)

    def pilot(self, problems: int) -> list[tuple[Request, int]]:
        """One sample for each of the first `problems` problems of every group."""
        return [(planned.request, 1) for group in self.groups for planned in group[:problems]]

    def traces(self, prompt: str) -> list[tuple[Task, Request]]:
        """The requests under a prompt whose samples may be changed: all but those that announce a budget."""
        return [(p.task, p.request) for p in self.requests if p.prompt == prompt and not p.change]

    def changes(self, prompt: str) -> list[TraceChange]:
        """The changes to the traces of a prompt, each after the one that it continues. Direct answers have no thinking
        to cut or to prolong."""
        config = self.config
        revised = any(METHODS[m].revises and config.prompt_of(METHODS[m]) == prompt for m in config.method)
        thinks = prompt != "direct"
        exits = config.budgets if thinks and config.budget_mode == "forced-exit" else ()
        waits = config.wait if thinks else 0
        return extensions(exits, waits, config.wait_text, config.rounds if revised else 0, config.longest)

    def continuations(self, store: Store) -> int:
        """An upper bound of the missing continuations of traces."""
        return sum(pending(store, self.traces(p), self.changes(p), self.config.samples) for p in self.config.prompts)


def plan(config: Config, tasks: Sequence[Task], name: str, model: str, shard: Shard = WHOLE) -> Plan:
    """Every request that begins a trace: each problem of each task (those of the shard), under each prompt that the
    methods need, at each effort, and once more for every budget that is announced to the model."""
    requests = []
    for task, prompt, effort in product(tasks, config.prompts, config.efforts):
        announced = config.budgets if config.budget_mode == "rerun" and prompt != "direct" else ()
        for budget, problem in product((None, *announced), task.problems[shard.place - 1 :: shard.of]):
            request = config.request(model, PROMPTS[prompt].render(task, problem), effort)
            change = UNCHANGED
            if budget is not None:
                max_tokens = min(request.max_tokens, budget + ANSWER_TOKENS)
                request = replace(request, messages=announce(request.messages, budget), max_tokens=max_tokens)
                change = Change("budget", budget, announced=True)
            requests.append(Planned(task, prompt, effort, problem, request, change))
    return Plan(config, tuple(tasks), name, model, tuple(requests))
