"""Changes to a sampled trace: cutting it at a budget, making it continue, having it revised.

Each is a `TraceChange`: it builds the request that continues a stored sample, and merges the two. The store links a
sample to its continuation, so everything here can be analysed again without a model. Cutting gives the forced-exit
curve: what the model would answer if it were stopped at the budget. It is not how the model would behave if it were
told of the budget; `--budget-mode rerun` measures that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

from ttc_bench import prompts
from ttc_bench.core import Change, Completion, Request, Task
from ttc_bench.sampling.store import Store

ANSWER_TOKENS = 128  # for the answer after thinking that was cut; it ends at a line end
Cut = Callable[[str, int, int], str]  # (text, n, tokens of the whole text) -> its first n tokens
Wanted = Sequence[tuple[Request, int | Sequence[int]]]
Fill = Callable[[Wanted], Awaitable[frozenset[str]]]  # -> addresses of requests that exceed the model's context


class TraceChange(Protocol):
    """`after`: the change that this one continues, None for the sampled trace itself."""

    @property
    def change(self) -> Change:
        """The change as curves name it."""
        ...

    @property
    def key(self) -> str:
        """Its key in the store: everything that affects the request."""
        ...

    @property
    def after(self) -> TraceChange | None: ...

    def request(self, original: Request, task: Task, before: Completion, cut: Cut) -> Request | None:
        """The request that continues `before`, the completion of `original`; None if the trace stays as it is."""
        ...

    def merge(self, task: Task, before: Completion, rest: Completion, prompt: int) -> Completion:
        """`before` and its continuation `rest` as one sample, with the tokens of both. `prompt`: prompt tokens of
        `before`."""
        ...


@dataclass(frozen=True)
class ForcedExit:
    """The trace is cut at `tokens`, its thinking is closed as the model would close it, and a short answer follows.

    Costs min(tokens, trace) + the answer. A trace that ended within the budget stays as it is."""

    tokens: int
    after: TraceChange | None = None

    @property
    def change(self) -> Change:
        return Change("budget", self.tokens)

    @property
    def key(self) -> str:
        return f"budget {self.tokens} exit"

    def request(self, original: Request, task: Task, before: Completion, cut: Cut) -> Request | None:
        thinks, trace, length, ended = _trace(before)
        if ended and length <= self.tokens:
            return None
        kept_trace = cut(trace, min(self.tokens, length), length)
        if thinks:
            opening = f"{prompts.THINK}\n{kept_trace}\n{prompts.END_THINK}\n\n"
        else:  # on a new line if the trace has several lines
            opening = kept_trace + ("\n" if "\n" in trace else " ")
        return replace(
            original, prefix=opening + prompts.closing(task), max_tokens=ANSWER_TOKENS, stop=(*original.stop, "\n")
        )

    def merge(self, task: Task, before: Completion, rest: Completion, prompt: int) -> Completion:
        _, _, length, _ = _trace(before)
        spent = min(self.tokens, length)
        usage = replace(before.usage, completion=spent + rest.usage.completion, reasoning=spent)
        # the cut trace counts as thinking: only the closing sentence and what follows is graded
        return replace(
            before,
            text=prompts.closing(task) + rest.text,
            reasoning=f"(the first {spent} tokens of the trace)",
            stop_reason=rest.stop_reason,
            usage=usage,
            signals={},
        )


@dataclass(frozen=True)
class Wait:
    """Budget forcing upwards (Muennighoff et al. 2025, arXiv:2501.19393): `times` times the end of the trace is
    replaced by `text` and the model continues. A trace that was truncated at its limit stays as it is."""

    times: int
    limit: int  # tokens of the whole trace
    text: str = prompts.WAIT

    @property
    def change(self) -> Change:
        return Change("wait", self.times)

    @property
    def key(self) -> str:
        return f"wait {self.times} {self.text}"

    @property
    def after(self) -> TraceChange | None:
        return replace(self, times=self.times - 1) if self.times > 1 else None

    def request(self, original: Request, task: Task, before: Completion, cut: Cut) -> Request | None:
        thinks, trace, length, ended = _trace(before)
        room = self.limit - length
        if not ended or before.stop_reason == "length" or room < 1:
            return None
        opening = f"{prompts.THINK}\n{trace}" if thinks else trace.rstrip()
        return replace(original, prefix=f"{opening}\n{self.text}", max_tokens=room)

    def merge(self, task: Task, before: Completion, rest: Completion, prompt: int) -> Completion:
        thinks, trace, length, _ = _trace(before)
        usage = replace(
            before.usage,
            completion=length + rest.usage.completion,
            reasoning=length + rest.usage.reasoning if thinks else 0,
        )
        joined = f"{trace.rstrip()}\n{self.text}"
        parts = (rest.text, joined + rest.reasoning) if thinks else (joined + rest.text, "")
        return replace(before, text=parts[0], reasoning=parts[1], stop_reason=rest.stop_reason, usage=usage, signals={})


@dataclass(frozen=True)
class Refine:
    """The model sees its answer, checks and revises it, `round` times (Madaan et al. 2023, arXiv:2303.17651). Every
    round reads the whole conversation again, and is charged for it."""

    round: int

    @property
    def change(self) -> Change:
        return Change("refine", self.round)

    @property
    def key(self) -> str:
        return f"refine {self.round}"

    @property
    def after(self) -> TraceChange | None:
        return Refine(self.round - 1) if self.round > 1 else None

    def request(self, original: Request, task: Task, before: Completion, cut: Cut) -> Request | None:
        return replace(original, messages=prompts.revise(task, original.messages, before.text))

    def merge(self, task: Task, before: Completion, rest: Completion, prompt: int) -> Completion:
        first = before.usage if not before.shares_prompt else replace(before.usage, prompt=prompt)
        return replace(rest, usage=first + rest.usage, shares_prompt=False, signals={})


def extensions(budgets: Sequence[int], waits: int, wait_text: str, rounds: int, limit: int) -> list[TraceChange]:
    """Every change of a run, each after the one that it continues."""
    return [
        *(ForcedExit(b) for b in budgets),
        *(Wait(i, limit, wait_text) for i in range(1, waits + 1)),
        *(Refine(i) for i in range(1, rounds + 1)),
    ]


async def extend(
    store: Store, requests: Sequence[tuple[Task, Request]], changes: Sequence[TraceChange], n: int, cut: Cut, fill: Fill
) -> None:
    """Samples the missing continuations of the first n stored samples of each request. Every sample has its own
    continuation, with the same index. Changes that do not depend on each other are filled together, so that an engine
    can read a trace once for all of them. A trace without room in the model's context stays as it is."""
    depths = {change.key: _depth(change) for change in changes}
    for depth in sorted(set(depths.values())):
        # by (address, index), since several changes may have the same continuation
        wanted: dict[tuple[str, int], tuple[Request, Sequence[int]]] = {}
        parents: dict[str, list[tuple[str, int, str]]] = {}
        together = [change for change in changes if depths[change.key] == depth]
        for change, (task, request) in product(together, requests):
            children = store.followed(request.address, change.key)
            for index, (before_request, before) in _stored(store, task, request, change.after, n).items():
                if index not in children:
                    children[index] = change.request(before_request, task, before, cut)
                    store.follow(request.address, index, change.key, children[index])
                child = children[index]
                if child is not None:
                    wanted[child.address, index] = (child, (index,))
                    parents.setdefault(child.address, []).append((request.address, index, change.key))
        for child_address in await fill(list(wanted.values())):
            for parent in parents[child_address]:
                store.follow(*parent, None)


def _depth(change: TraceChange) -> int:
    return 0 if change.after is None else 1 + _depth(change.after)


def extended(store: Store, task: Task, request: Request, change: TraceChange | None, n: int) -> dict[int, Completion]:
    """The first n samples of a request after a change, by index; those whose continuation is missing are left out."""
    return {index: completion for index, (_, completion) in _stored(store, task, request, change, n).items()}


def pending(store: Store, requests: Sequence[tuple[Task, Request]], changes: Sequence[TraceChange], n: int) -> int:
    """An upper bound of the missing continuations of n samples of each request: a sample that does not exist yet may
    need none."""
    done = sum(len(extended(store, task, request, change, n)) for change, (task, request) in product(changes, requests))
    return n * len(requests) * len(changes) - done


def _stored(
    store: Store, task: Task, request: Request, change: TraceChange | None, n: int
) -> dict[int, tuple[Request, Completion]]:
    """By index: the last request of the sample, and the merged completion."""
    if change is None:
        return {index: (request, completion) for index, completion in store.pool(request, n).items()}
    before = _stored(store, task, request, change.after, n)
    prompt = max((c.usage.prompt for _, c in before.values()), default=0)
    children = store.followed(request.address, change.key)
    out = {}
    for index, (last_request, completion) in before.items():
        if index not in children:
            continue
        child = children[index]
        if child is None:
            out[index] = (last_request, completion)
        elif (continuation := store.pool(child).get(index)) is not None:
            out[index] = (child, change.merge(task, completion, continuation, prompt))
    return out


def _trace(c: Completion) -> tuple[bool, str, int, bool]:
    """(whether the model marks its thinking, the trace, its number of tokens, whether the trace is complete)."""
    if c.reasoning:
        return True, c.reasoning, c.usage.reasoning, bool(c.text)
    return False, c.text, c.usage.completion, c.stop_reason == "stop"
