"""A chat-completions reply, read: texts, thinking, and what each choice cost. Pure: JSON in, completions out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ttc_bench.core import Completion, Request, Usage

CUT = {"length", "max_tokens", "model_length", "content_filter"}  # finish reasons of a text that was not ended
BROKEN = {"abort", "error", "cancelled"}  # finish reasons of a text that the server gave up: a failure, not an answer
UNLISTED = -9999.0  # what OpenAI and vLLM write for a token outside the listed ones: no number to average
_THINK = re.compile(r"\s*<(think|thinking)>(.*?)(?:</\1>|\Z)(.*)", re.DOTALL)
_THOUGHT = re.compile(r"(.*?)</(?:think|thinking)>(.*)", re.DOTALL)


class CutShort(Exception):
    """A reply that holds no complete answer. `wasted` is what it was billed all the same, where it says so."""

    def __init__(self, words: str, wasted: Usage | None = None) -> None:
        super().__init__(words)
        self.wasted = wasted or Usage()


@dataclass(frozen=True)
class Reply:
    """The answers of one call, their usage summing to its bill."""

    completions: tuple[Completion, ...]
    returned: int  # choices in the reply, broken ones included
    filtered: int  # choices that the server's content filter cut
    spare: Usage  # billed for broken choices, or for choices beyond those asked for


@dataclass(frozen=True)
class _Choice:
    text: str
    reasoning: str
    finish: str | None
    pieces: tuple[str, ...]  # the generated tokens, where the server listed them
    logprob: float | None  # their mean
    first: tuple[tuple[str, float], ...]  # the likeliest first tokens with their log-probabilities

    @property
    def size(self) -> int:
        return len(self.text) + len(self.reasoning)


@dataclass(frozen=True)
class _Bill:
    prompt: int
    cached: int
    completion: int
    reasoning: int | None  # None: the server does not say


def rough_tokens(text: str) -> int:
    """About how many tokens a text has: one for four characters. Only for what nobody counted."""
    return math.ceil(len(text) / 4)


def rough_prompt(request: Request) -> int:
    """About how many tokens the messages of a request have, with four for the frame of each message."""
    return sum(rough_tokens(message.content) + 4 for message in request.messages)


def split_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer) of a text with think tags: closed, cut before the closing tag, or opened by the prompt."""
    if match := _THINK.match(text):
        return match[2].strip(), match[3].lstrip()
    if match := _THOUGHT.match(text):
        return match[1].strip(), match[2].lstrip()
    return "", text


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


def read(payload: object, asked: int, request: Request) -> Reply:
    """Completions of a reply to a call for `asked` choices, in the server's order; fewer where the server returned
    fewer. The first carries the prompt's tokens.

    Raises:
        CutShort: not a chat completion, or without any complete choice.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("choices"), list):
        raise CutShort("a reply without choices")
    bill = _bill(payload.get("usage"))
    parsed = [_choice(c) for c in sorted(payload["choices"], key=_position)]
    # Broken ones last: the prompt's tokens go to the first, and belong to an answer if there is one.
    choices = sorted((c for c in parsed if c is not None), key=lambda c: c.finish in BROKEN)
    if bill and not bill.completion and any(c.size for c in choices):
        bill = None  # a server that fills in zeros does not count
    if not any(c.finish not in BROKEN for c in choices):
        words = "a reply whose choices were all aborted by the server" if choices else "a reply with no choice in it"
        raise CutShort(words, _whole(bill))
    usages = _usages(bill, choices, request)
    kept: list[Completion] = []
    spare = Usage()
    filtered = 0
    for choice, usage in zip(choices, usages, strict=True):
        if choice.finish in BROKEN or len(kept) == asked:
            spare += usage
            continue
        filtered += choice.finish == "content_filter"
        signals = {} if choice.logprob is None else {"logprob": choice.logprob}
        signals |= {f"p:{text}": chance for text, chance in _chances(choice.first, request).items()}
        kept.append(
            Completion(choice.text, _stop(choice, usage, request), usage, choice.reasoning, False, signals),
        )
    if len(kept) > 1:
        kept = [replace(completion, shares_prompt=True) for completion in kept]
    return Reply(tuple(kept), len(payload["choices"]), filtered, spare)


def _position(choice: object) -> int:
    position = choice.get("index") if isinstance(choice, dict) else None
    return position if isinstance(position, int) else 0


def _stop(choice: _Choice, usage: Usage, request: Request) -> Literal["stop", "length"]:
    if choice.finish is None:  # not said: a text that used up its limit was cut
        return "length" if usage.source == "api" and usage.completion >= request.max_tokens else "stop"
    return "length" if choice.finish in CUT else "stop"


def _choice(raw: object) -> _Choice | None:
    message = raw.get("message") if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or not isinstance(message, dict):
        return None
    # A refusal is what the model answered; it is graded like any other text.
    text = _text(message.get("content")) or _text(message.get("refusal"))
    reasoning = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    if not reasoning:
        reasoning, text = split_thinking(text)
    finish = raw.get("finish_reason")
    logprobs = raw.get("logprobs")
    listed = logprobs.get("content") if isinstance(logprobs, dict) else None
    tokens = [t for t in listed if isinstance(t, dict)] if isinstance(listed, list) else []
    said = [t.get("logprob") for t in tokens]
    top = (tokens[0].get("top_logprobs") or []) if tokens else []
    values = [v for v in said if isinstance(v, int | float) and v > UNLISTED]
    return _Choice(
        text,
        reasoning,
        finish if isinstance(finish, str) and finish else None,
        tuple(_text(t.get("token")) for t in tokens),
        sum(values) / len(values) if values else None,
        tuple((_text(t.get("token")), float(t.get("logprob", UNLISTED))) for t in top if isinstance(t, dict)),
    )


def _chances(first: Sequence[tuple[str, float]], request: Request) -> dict[str, float]:
    """For each choice of the request the probability that the first token begins it; {} where none was listed."""
    if not first:
        return {}
    return {
        choice: sum(math.exp(logprob) for token, logprob in first if token.strip() and choice.startswith(token.strip()))
        for choice in request.choices
    }


def _text(value: object) -> str:
    if isinstance(value, list):  # content as a list of parts
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _count(mapping: object, *names: str) -> int | None:
    if isinstance(mapping, Mapping):
        for name in names:
            value: Any = mapping.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                return value
    return None


def _bill(usage: object) -> _Bill | None:
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if not isinstance(usage, Mapping) or prompt is None or completion is None:
        return None
    cached = _count(usage.get("prompt_tokens_details"), "cached_tokens") or _count(usage, "prompt_cache_hit_tokens")
    reasoning = _count(usage.get("completion_tokens_details"), "reasoning_tokens")
    return _Bill(
        prompt, min(cached or 0, prompt), completion, None if reasoning is None else min(reasoning, completion)
    )


def _whole(bill: _Bill | None) -> Usage:
    return Usage(bill.prompt, bill.cached, bill.completion, bill.reasoning or 0, "api") if bill else Usage()


def _usages(bill: _Bill | None, choices: Sequence[_Choice], request: Request) -> list[Usage]:
    if bill:
        completions, exact = _completion_tokens(bill, choices)
        prompt, cached = bill.prompt, bill.cached
    else:
        completions = [len(c.pieces) or rough_tokens(c.text + c.reasoning) for c in choices]
        prompt, cached, exact = rough_prompt(request), 0, False
    thinking, known = _reasoning_tokens(bill, choices, completions)
    source: Literal["api", "estimate"] = "api" if exact and known else "estimate"
    return [
        Usage(0 if i else prompt, 0 if i else cached, completions[i], thinking[i], source) for i in range(len(choices))
    ]


def _completion_tokens(bill: _Bill, choices: Sequence[_Choice]) -> tuple[list[int], bool]:
    """Each choice's share of the bill, and whether it is exact rather than estimated. The sum is the bill."""
    if len(choices) == 1:
        return [bill.completion], True
    listed = [len(c.pieces) for c in choices]
    rest = bill.completion - sum(listed)
    if rest < 0 or not all(c.pieces or not c.size for c in choices):
        return share(bill.completion, [c.size for c in choices]), False
    ended = [int(c.finish == "stop") for c in choices]
    if rest == 0:
        return listed, True
    if rest == sum(ended) and not bill.reasoning:  # the end-of-text token is billed, but not listed by every server
        return [tokens + end for tokens, end in zip(listed, ended, strict=True)], True
    extra = share(rest, [len(c.reasoning) for c in choices])
    return [tokens + more for tokens, more in zip(listed, extra, strict=True)], False


def _reasoning_tokens(bill: _Bill | None, choices: Sequence[_Choice], total: Sequence[int]) -> tuple[list[int], bool]:
    """Thinking tokens of each choice, each at most its total, and whether they are counted rather than estimated."""
    if bill and bill.reasoning is not None:
        if len(choices) == 1 or not bill.reasoning:
            return [bill.reasoning if i == 0 else 0 for i in range(len(choices))], True
        listed = [len(c.pieces) for c in choices]
        if all(listed) and bill.reasoning == bill.completion - sum(listed):
            return [all_of - tokens for all_of, tokens in zip(total, listed, strict=True)], False
        return share(bill.reasoning, total), False
    counted = [_thinking_pieces(c) for c in choices]
    estimated = [round(n * len(c.reasoning) / c.size) if c.size else 0 for c, n in zip(choices, total, strict=True)]
    parts = [min(e if n is None else n, m) for n, e, m in zip(counted, estimated, total, strict=True)]
    return parts, None not in counted


def _thinking_pieces(choice: _Choice) -> int | None:
    """Tokens up to the end of the thinking, counted in the token list; None where they are not in it."""
    if not choice.reasoning:
        return 0
    seen = ""
    for count, piece in enumerate(choice.pieces, start=1):
        seen = seen[-16:] + piece
        if "</think>" in seen or "</thinking>" in seen:
            return count
    return len(choice.pieces) if choice.pieces and not choice.text else None
