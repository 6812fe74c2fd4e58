"""What can be done to a trace once it is sampled: cut it at a budget, make it go on, have it revised.

Each is a `TraceChange`: it writes the request that goes on from a stored sample, and lays the two together. What followed
from what stands in the store, so that everything here can be looked at again without a model. Cutting is the
forced-exit curve: what the model would answer if it were stopped there. It is not how the model would behave if it
had been told of the budget; `--budget-mode rerun` measures that one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

from ttc_bench import prompts
from ttc_bench.core import Change, Completion, Request, Task
from ttc_bench.sampling.store import Store

ANSWER_TOKENS = 128  # for the answer alone, after thinking that was cut; it ends with its line
Cut = Callable[[str, int, int], str]  # (text, tokens, tokens of the whole text) -> its first so many tokens
Wanted = Sequence[tuple[Request, int | Sequence[int]]]
Fill = Callable[[Wanted], Awaitable[frozenset[str]]]  # -> addresses that the model's context has no room for


class TraceChange(Protocol):
    """`after`: the change that this one goes on from, None for the sampled trace itself."""

    @property
    def change(self) -> Change:
        """What it does to a trace, as curves know it."""
        ...

    @property
    def key(self) -> str:
        """As the store knows it: with all that decides the request."""
        ...

    @property
    def after(self) -> TraceChange | None: ...

    def request(self, asked: Request, task: Task, before: Completion, cut: Cut) -> Request | None:
        """What goes on from `before`, which `asked` gave; None where nothing changes."""
        ...

    def merge(self, task: Task, before: Completion, rest: Completion, prompt: int) -> Completion:
        """Both as one sample, charged for both. `prompt`: tokens of the prompt that `before` answered."""
        ...


@dataclass(frozen=True)
class ForcedExit:
    """The trace cut at `tokens`, its thinking closed as the model closes it, and a short answer.

    Costs min(tokens, trace) + the answer. A trace that ended within the budget stays as it is."""

    tokens: int
    after: TraceChange | None = None

    @property
    def change(self) -> Change:
        return Change("budget", self.tokens)

    @property
    def key(self) -> str:
        return f"budget {self.tokens} exit"

    def request(self, asked: Request, task: Task, before: Completion, cut: Cut) -> Request | None:
        thinks, trace, length, ended = _trace(before)
        if ended and length <= self.tokens:
            return None
        kept = cut(trace, min(self.tokens, length), length)
        if thinks:
            opening = f"{prompts.THINK}\n{kept}\n{prompts.END_THINK}\n\n"
        else:  # on a line of its own where the trace is written in lines
            opening = kept + ("\n" if "\n" in trace else " ")
        return replace(
            asked, prefix=opening + prompts.closing(task), max_tokens=ANSWER_TOKENS, stop=(*asked.stop, "\n")
        )

    def merge(self, task: Task, before: Completion, rest: Completion, prompt: int) -> Completion:
        _, _, length, _ = _trace(before)
        spent = min(self.tokens, length)
        usage = replace(before.usage, completion=spent + rest.usage.completion, reasoning=spent)
        # the cut trace is thinking now, whatever it was: only what follows the closing sentence is graded
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
    """Budget forcing upwards: the end is taken away, `text` put in its place, and the model goes on, `times` times in
    all (Muennighoff et al. 2025, arXiv:2501.19393). A trace that was cut at its limit did not stop early: it stays."""

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

    def request(self, asked: Request, task: Task, before: Completion, cut: Cut) -> Request | None:
        thinks, trace, length, ended = _trace(before)
        room = self.limit - length
        if not ended or before.stop_reason == "length" or room < 1:
            return None
        opening = f"{prompts.THINK}\n{trace}" if thinks else trace.rstrip()
        return replace(asked, prefix=f"{opening}\n{self.text}", max_tokens=room)

    def merge(self, task: Task, before: Completion, rest: Completion, prompt: int) -> Completion:
        thinks, trace, length, _ = _trace(before)
        usage = replace(
            before.usage,
            completion=length + rest.usage.completion,
            reasoning=length + rest.usage.reasoning if thinks else 0,
        )
        joined = f"{trace.rstrip()}\n{self.text}"
        whole = (rest.text, joined + rest.reasoning) if thinks else (joined + rest.text, "")
        return replace(before, text=whole[0], reasoning=whole[1], stop_reason=rest.stop_reason, usage=usage, signals={})


@dataclass(frozen=True)
class Refine:
    """The model sees its answer, checks and revises it, `round` times in all (Madaan et al. 2023, arXiv:2303.17651).
    Every round reads the conversation again, and pays for it."""

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

    def request(self, asked: Request, task: Task, before: Completion, cut: Cut) -> Request | None:
        return replace(asked, messages=prompts.revise(task, asked.messages, before.text))

    def merge(self, task: Task, before: Completion, rest: Completion, prompt: int) -> Completion:
        first = before.usage if not before.shares_prompt else replace(before.usage, prompt=prompt)
        return replace(rest, usage=first + rest.usage, shares_prompt=False, signals={})


def extensions(budgets: Sequence[int], waits: int, wait_text: str, rounds: int, limit: int) -> list[TraceChange]:
    """Every change of a run, each after the one it goes on from."""
    return [
        *(ForcedExit(b) for b in budgets),
        *(Wait(i, limit, wait_text) for i in range(1, waits + 1)),
        *(Refine(i) for i in range(1, rounds + 1)),
    ]


async def extend(
    store: Store, asked: Sequence[tuple[Task, Request]], changes: Sequence[TraceChange], n: int, cut: Cut, fill: Fill
) -> None:
    """Makes what follows from the first n stored samples of each request exist: every sample has its own continuation,
    of the same index. Changes that need not wait for another are filled together, so that an engine can read a trace
    once for all of them. What has no room left in the model's context stays as it is."""
    depths = {change.key: _depth(change) for change in changes}
    for depth in sorted(set(depths.values())):
        # by (address, index): a trace that ended nowhere has the same continuation at every larger budget
        wanted: dict[tuple[str, int], tuple[Request, Sequence[int]]] = {}
        parents: dict[str, list[tuple[str, int, str]]] = {}
        together = [change for change in changes if depths[change.key] == depth]
        for change, (task, request) in product(together, asked):
            children = store.followed(request.address, change.key)
            for index, (before_asked, before) in _stored(store, task, request, change.after, n).items():
                if index not in children:
                    children[index] = change.request(before_asked, task, before, cut)
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


def pending(store: Store, asked: Sequence[tuple[Task, Request]], changes: Sequence[TraceChange], n: int) -> int:
    """How many continuations of n samples of each request are still to be made, at most: of a sample that is not made
    yet nobody knows whether it will need one."""
    made = sum(len(extended(store, task, request, change, n)) for change, (task, request) in product(changes, asked))
    return n * len(asked) * len(changes) - made


def _stored(
    store: Store, task: Task, request: Request, change: TraceChange | None, n: int
) -> dict[int, tuple[Request, Completion]]:
    """By index: the request that was asked last, and the sample as a whole."""
    if change is None:
        return {index: (request, completion) for index, completion in store.pool(request, n).items()}
    before = _stored(store, task, request, change.after, n)
    prompt = max((c.usage.prompt for _, c in before.values()), default=0)
    children = store.followed(request.address, change.key)
    out = {}
    for index, (asked, completion) in before.items():
        if index not in children:
            continue
        child = children[index]
        if child is None:
            out[index] = (asked, completion)
        elif (rest := store.pool(child).get(index)) is not None:
            out[index] = (child, change.merge(task, completion, rest, prompt))
    return out


def _trace(c: Completion) -> tuple[bool, str, int, bool]:
    """(whether the model marks its thinking, the trace, its tokens, whether it came to its own end)."""
    if c.reasoning:
        return True, c.reasoning, c.usage.reasoning, bool(c.text)
    return False, c.text, c.usage.completion, c.stop_reason == "stop"
