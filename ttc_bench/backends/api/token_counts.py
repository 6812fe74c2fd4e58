"""What each choice of a call cost: the bill and the token lists laid beside each other, and which of them is believed.

A count is marked `api` only where the server listed the tokens or billed them for this choice alone, and nothing
contradicts it. Everything else is an estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ttc_bench.backends.api.choices import Choice, thinking_pieces
from ttc_bench.core import Request, Usage

MOST = 10**9  # tokens: a larger number in a bill is no count
DENSEST = 7  # characters per token, on average over a text: no tokenizer packs more into an ordinary one
FAR_BELOW = 0.9  # of max_tokens: a text that was cut at its limit should be about as long as the limit
STOP_TOKENS = 8  # of a stop string, at most
ONE_CHOICE = "the server bills one choice of a call for several: token counts are those of its token lists"
UNEQUAL = "the server bills fewer tokens than it lists: token counts are those of its token lists"
MORE = "the server bills more tokens than it lists: token counts are its bills, and marked as estimates"
IMPLAUSIBLE = "the server bills too few tokens for its texts: their counts are estimates"
EARLY = "texts were cut far below --max-tokens: the server's context is full, or it counts wrongly"
UNSURE = "the server's token lists leave tokens out (parts of characters, stop strings): such counts are estimates"


@dataclass(frozen=True)
class Bill:
    """The usage of a reply."""

    prompt: int
    cached: int
    completion: int
    reasoning: int | None = None  # None: the server does not say


@dataclass(frozen=True)
class Billing:
    """What the replies so far have shown of how a server bills. None: nothing yet."""

    whole: bool | None = None  # all choices of a call, or only its first
    end: bool | None = None  # the end-of-text token is billed, but not listed


@dataclass(frozen=True)
class Counts:
    """The usage of each choice; `notes` say where bill and list disagree, `sound` whether a call for several choices
    can be counted here, and `billing` what is known now."""

    usages: tuple[Usage, ...]
    billing: Billing = Billing()
    notes: tuple[str, ...] = ()
    sound: bool = True


def rough_tokens(text: str) -> int:
    """About how many tokens a text has: one for four characters. Only for what nobody counted."""
    return math.ceil(len(text) / 4)


def rough_prompt(request: Request) -> int:
    """About how many tokens the messages of a request have, with four for the frame of each message."""
    return sum(rough_tokens(message.content) + 4 for message in request.messages)


def share(total: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to the weights that sum to `total` (largest remainder; evenly where all are 0)."""
    if not sum(weights):
        weights = [1.0] * len(weights)
    quotas = [total * weight / sum(weights) for weight in weights]
    parts = [math.floor(quota) for quota in quotas]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - quotas[i], i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def bill(usage: object) -> Bill | None:
    """The bill in a reply's usage, or None where it holds none that can be read."""
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if not isinstance(usage, Mapping) or prompt is None or completion is None:
        return None
    cached = _count(usage.get("prompt_tokens_details"), "cached_tokens") or _count(usage, "prompt_cache_hit_tokens")
    reasoning = _count(usage.get("completion_tokens_details"), "reasoning_tokens")
    thought = None if reasoning is None else min(reasoning, completion)
    return Bill(prompt, min(cached or 0, prompt), completion, thought)


def count(billed: Bill | None, choices: Sequence[Choice], request: Request, known: Billing) -> Counts:
    """What each choice cost; the first carries the prompt. The counts sum to the bill unless a note says otherwise."""
    if billed is None:
        lengths = [len(c.pieces) or rough_tokens(c.text + c.reasoning) for c in choices]
        thinking, _ = _reasoning(None, choices, lengths)
        exact = [False] * len(choices)
        return Counts(_usages(Bill(rough_prompt(request), 0, 0), lengths, thinking, exact), known)
    of_one = len(choices) == 1
    lengths, exact, counts = (_single if of_one else _several)(billed, choices, request, known)
    whole = of_one or counts.billing.whole is not False
    agreed = billed if whole and sum(lengths) == billed.completion else replace(billed, reasoning=None)
    thinking, counted = _reasoning(agreed, choices, lengths)
    marks = [e and c for e, c in zip(exact, counted, strict=True)]
    notes = (*counts.notes, *_alarms(choices, lengths, request))
    return replace(counts, usages=_usages(billed, lengths, thinking, marks), notes=notes)


def _single(
    billed: Bill, choices: Sequence[Choice], request: Request, known: Billing
) -> tuple[list[int], list[bool], Counts]:
    """A call for one choice: its bill, unless the bill is smaller than the list or than the text allows."""
    (choice,) = choices
    listed, total = len(choice.pieces), billed.completion
    if not listed:
        cut_early = choice.finish == "length" and total < FAR_BELOW * request.max_tokens
        if cut_early and choice.size > DENSEST * (total + 8):
            return [rough_tokens(choice.text + choice.reasoning)], [False], Counts((), known, (IMPLAUSIBLE,))
        return [total], [True], Counts((), known)
    if total < listed:
        end = int(choice.ended and bool(known.end))
        return [listed + end], [known.end is not None or not choice.ended], Counts((), known, (UNEQUAL,))
    if choice.ended and _complete(choice, request) and total - listed < 2:
        known = replace(known, end=total > listed)
    explained = choice.reasoning or billed.reasoning or not _complete(choice, request)
    if total > listed + choice.ended and not explained:
        return [total], [False], Counts((), known, (MORE,))
    return [total], [True], Counts((), known)


def _several(
    billed: Bill, choices: Sequence[Choice], request: Request, known: Billing
) -> tuple[list[int], list[bool], Counts]:
    """A call for several choices. Its bill may be that of all of them or of the first; the end-of-text token may be in
    the lists or not. Counts are exact where all readings that fit the bill give the same."""
    total, ended = billed.completion, [int(c.ended) for c in choices]
    listed = [len(c.pieces) for c in choices]
    if not all(c.pieces or not c.size for c in choices):
        return _unlisted(billed, choices, request, known)
    with_end = [tokens + end for tokens, end in zip(listed, ended, strict=True)]
    if any(c.ended and c.pieces[-1:] == ("",) for c in choices):  # the end-of-text token itself, as llama.cpp lists it
        known = replace(known, end=False)
    readings = [
        (Billing(whole, end), counts)
        for whole in (True, False)
        for end, counts in ((False, listed), (True, with_end))
        if (sum(counts) if whole else counts[0]) == total and not (end and billed.reasoning)
    ]
    # what is known of the end-of-text token stands: with a choice too many, another reading fits now and then by chance
    readings = [r for r in readings if known.end in (None, r[0].end)]
    fitting = [r for r in readings if known.whole in (None, r[0].whole)] or readings
    distinct = {tuple(counts) for _, counts in fitting}
    complete = [_complete(c, request) for c in choices]
    ways, ends = ({getattr(billing, name) for billing, _ in fitting} for name in ("whole", "end"))
    # What the first list leaves out could be as much as the other lists hold: then a sum that fits proves nothing.
    telling = known.whole is not None or _omitted(choices[0], request) < sum(listed[1:])
    if telling and len(ways) == 1 and len(listed) - listed.count(0) > 1:
        known = replace(known, whole=ways.pop())
    if len(distinct) == len(ends) == 1 and all(complete):
        known = replace(known, end=ends.pop())
    if fitting and known.whole is not False:
        sure = len(distinct) == 1 and (telling or not any(listed[1:]))
        return list(min(distinct)), [sure] * len(choices), Counts((), known)
    if total >= sum(listed) and not fitting:  # more than was listed: hidden thinking, as far as anybody can say
        rest = share(total - sum(listed), [len(c.reasoning) for c in choices])
        lengths = [tokens + more for tokens, more in zip(listed, rest, strict=True)]
        return lengths, [False] * len(choices), Counts((), known)
    lengths = list(min(distinct)) if distinct else (with_end if known.end else listed)
    sure = len(distinct) == 1 or (not distinct and (known.end is not None or not any(ended)))
    # A text cut at its limit has as many tokens as the limit, whatever its list leaves out.
    lengths = [
        max(n, request.max_tokens) if c.finish == "length" and not whole_list else n
        for c, n, whole_list in zip(choices, lengths, complete, strict=True)
    ]
    exact = [sure and whole_list for whole_list in complete]
    if known.whole is False and total >= listed[0]:  # the one choice that was billed
        lengths[0], exact[0] = total, True
    note = ONE_CHOICE if known.whole is False else UNEQUAL
    sound = all(exact) or all(complete)
    return lengths, exact, Counts((), known, (note,) if sound else (note, UNSURE), sound)


def _unlisted(
    billed: Bill, choices: Sequence[Choice], request: Request, known: Billing
) -> tuple[list[int], list[bool], Counts]:
    """Shares of a bill by the length of the texts, if it can be that of all of them; never exact."""
    size, total = sum(c.size for c in choices), billed.completion
    least = sum(request.max_tokens if c.finish == "length" else len(c.pieces) for c in choices)
    unsure = [False] * len(choices)
    dense = size > DENSEST * total and not all(c.finish == "length" for c in choices)
    if known.whole is False or total < FAR_BELOW * least or dense:
        rough = [len(c.pieces) or rough_tokens(c.text + c.reasoning) for c in choices]
        return rough, unsure, Counts((), known, (IMPLAUSIBLE,), sound=False)
    return share(total, [c.size for c in choices]), unsure, Counts((), known)


def _omitted(choice: Choice, request: Request) -> int:
    """The most tokens that the list of a choice may leave out: llama.cpp lists a character that takes several tokens
    once, and drops a stop string."""
    wide = sum(not character.isascii() for character in "".join(choice.pieces))
    return 3 * wide + (STOP_TOKENS if request.stop and choice.ended else 0)


def _complete(choice: Choice, request: Request) -> bool:
    return not _omitted(choice, request)


def _alarms(choices: Sequence[Choice], lengths: Sequence[int], request: Request) -> tuple[str, ...]:
    """A text cut at its limit that is far shorter than the limit: the context is full, or the count is wrong."""
    least = FAR_BELOW * request.max_tokens - 1
    short = any(c.finish == "length" and n < least for c, n in zip(choices, lengths, strict=True))
    return (EARLY,) if short else ()


def _usages(billed: Bill, lengths: Sequence[int], thinking: Sequence[int], exact: Sequence[bool]) -> tuple[Usage, ...]:
    source: dict[bool, Literal["api", "estimate"]] = {True: "api", False: "estimate"}
    return tuple(
        Usage(0 if i else billed.prompt, 0 if i else billed.cached, lengths[i], thinking[i], source[exact[i]])
        for i in range(len(lengths))
    )


def _reasoning(billed: Bill | None, choices: Sequence[Choice], lengths: Sequence[int]) -> tuple[list[int], list[bool]]:
    """Thinking tokens of each choice, each at most its length, and whether they are counted rather than estimated."""
    if billed and billed.reasoning is not None:
        if len(choices) == 1 or not billed.reasoning:
            return [billed.reasoning if i == 0 else 0 for i in range(len(choices))], [True] * len(choices)
        listed = [len(c.pieces) for c in choices]
        if all(listed) and billed.reasoning == billed.completion - sum(listed):
            parts = [length - tokens for length, tokens in zip(lengths, listed, strict=True)]
        else:
            parts = share(billed.reasoning, lengths)
        return [min(part, length) for part, length in zip(parts, lengths, strict=True)], [False] * len(choices)
    counted = [thinking_pieces(c) for c in choices]
    estimated = [round(n * len(c.reasoning) / c.size) if c.size else 0 for c, n in zip(choices, lengths, strict=True)]
    parts = [min(e if n is None else n, m) for n, e, m in zip(counted, estimated, lengths, strict=True)]
    return parts, [n is not None for n in counted]


def _count(mapping: object, *names: str) -> int | None:
    if isinstance(mapping, Mapping):
        for name in names:
            value: Any = mapping.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST:
                return value
    return None
