"""A chat-completions reply, read: texts, thinking, and what each choice cost. Pure: JSON in, completions out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ttc_bench.backends.api.choices import BROKEN, CUT, Choice, parse, parted, repeated, split_thinking
from ttc_bench.backends.api.token_counts import Bill, Billing, bill, count
from ttc_bench.core import Completion, Request, Usage


class CutShort(Exception):
    """A reply that holds no complete answer. `wasted` is what it was billed all the same, where it says so."""

    def __init__(self, words: str, wasted: Usage | None = None) -> None:
        super().__init__(words)
        self.wasted = wasted or Usage()


@dataclass(frozen=True)
class Reply:
    """The answers of one call, with what it shows of its server."""

    completions: tuple[Completion, ...]
    positions: tuple[int, ...]  # which of the choices asked for each completion is, ascending
    returned: int  # choices of their own index in the reply, broken ones included
    filtered: int  # choices that the server's content filter cut
    spare: Usage  # billed for broken choices, or for choices beyond those asked for
    billing: Billing
    sound: bool  # the counts of a call for several choices can be told here
    notes: tuple[str, ...]  # about the counts
    llama_cpp: bool  # the reply has the timings that only llama.cpp gives
    thinks: bool  # the server parts thinking from answers
    repeats: bool  # the begun thinking of the request is in the reply again


def read(payload: object, asked: int, request: Request, billing: Billing | None = None) -> Reply:
    """Completions of a reply to a call for `asked` choices, in the order of their index; fewer where the server
    returned fewer. The first carries the prompt's tokens. `billing`: what earlier replies of this server have shown.

    Raises:
        CutShort: not a chat completion, or without any complete choice.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("choices"), list):
        raise CutShort("a reply without choices")
    billed = bill(payload.get("usage"))
    choices = [choice for raw in payload["choices"] if (choice := parse(raw, request.prefix)) is not None]
    if billed and not billed.completion and any(c.size for c in choices):
        billed = None  # a server that fills in zeros does not count
    thoughts = [thought for raw in payload["choices"] if (thought := parted(raw))]
    begun, _ = split_thinking(request.prefix)
    own = _own(choices)
    answers = _placed([c for c in own if c.finish not in BROKEN and not _void(c, billed, len(choices))], asked)
    if not answers:
        raise CutShort(_lack(choices), _whole(billed))
    # The prompt's tokens go to the first, which is an answer.
    rest = [c for c in choices if not any(c is answer for answer in answers.values())]
    counts = count(billed, [*answers.values(), *rest], request, billing or Billing())
    kept = [_completion(c, u, request) for c, u in zip(answers.values(), counts.usages, strict=False)]
    if len(kept) > 1:
        kept = [replace(completion, shares_prompt=True) for completion in kept]
    return Reply(
        tuple(kept),
        tuple(answers),
        len(own),
        sum(c.finish == "content_filter" for c in answers.values()),
        sum(counts.usages[len(kept) :], Usage()),
        counts.billing,
        counts.sound,
        counts.notes,
        "timings" in payload,
        bool(thoughts),
        bool(begun) and any(begun in repeated(raw) for raw in payload["choices"]),
    )


def _own(choices: Sequence[Choice]) -> list[Choice]:
    """The choices without those whose index another one already had: no independent samples."""
    seen: set[int] = set()
    own = []
    for choice in choices:
        if choice.position is None or choice.position not in seen:
            own.append(choice)
        if choice.position is not None:
            seen.add(choice.position)
    return own


def _placed(choices: Sequence[Choice], asked: int) -> dict[int, Choice]:
    """The choices by position among those asked for, ascending. Choice j of a call has its own seed, so it stays at j
    whatever the others came to; an index that says nothing takes a position that is left."""
    placed = {c.position: c for c in choices if c.position is not None and 0 <= c.position < asked}
    others = [c for c in choices if c.position is None or not 0 <= c.position < asked]
    free = (position for position in range(asked) if position not in placed)
    placed |= dict(zip(list(free), others, strict=False))
    return dict(sorted(placed.items()))


def _void(choice: Choice, billed: Bill | None, choices: int) -> bool:
    """Is it no answer at all, rather than an empty one: no text, and no tokens in the list or the bill? In a call for
    several choices the bill does not say whose tokens they are: it is asked for again alone."""
    spent = billed is not None and billed.completion > 0 and choices == 1
    return choice.silent and not spent


def _lack(choices: Sequence[Choice]) -> str:
    if not choices:
        return "a reply with no choice in it"
    if any(c.finish not in BROKEN for c in choices):
        return "a reply with neither text nor tokens"
    return "a reply whose choices were all aborted by the server"


def _completion(choice: Choice, usage: Usage, request: Request) -> Completion:
    signals = {} if choice.logprob is None else {"logprob": choice.logprob}
    signals |= {f"p:{text}": chance for text, chance in _chances(choice.first, request).items()}
    return Completion(choice.text, _stop(choice, usage, request), usage, choice.reasoning, False, signals)


def _stop(choice: Choice, usage: Usage, request: Request) -> Literal["stop", "length"]:
    if choice.finish is None:  # not said: a text that used up its limit was cut
        return "length" if usage.source == "api" and usage.completion >= request.max_tokens else "stop"
    return "length" if choice.finish in CUT else "stop"


def _chances(first: Sequence[tuple[str, float]], request: Request) -> dict[str, float]:
    """For each choice of the request the probability that the first token begins it; {} where none was listed."""
    if not first:
        return {}
    return {
        choice: sum(math.exp(logprob) for token, logprob in first if token.strip() and choice.startswith(token.strip()))
        for choice in request.choices
    }


def _whole(billed: Bill | None) -> Usage:
    return Usage(billed.prompt, billed.cached, billed.completion, billed.reasoning or 0, "api") if billed else Usage()
