"""One choice of a chat-completions reply, read: its text, its thinking, and the tokens that the server listed for
it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CUT = {"length", "max_tokens", "model_length", "content_filter"}  # finish reasons of a text that was not ended
BROKEN = {"abort", "error", "cancelled"}  # finish reasons of a text that the server gave up: a failure, not an answer
UNLISTED = -9999.0  # what OpenAI and vLLM write for a token outside the listed ones: no number to average
_THINK = re.compile(r"\s*<(think|thinking)>(.*?)(?:</\1>|\Z)(.*)", re.DOTALL)
_THOUGHT = re.compile(r"(.*?)</(?:think|thinking)>(.*)", re.DOTALL)


@dataclass(frozen=True)
class Choice:
    """What the server says of one text."""

    text: str
    reasoning: str
    finish: str | None
    pieces: tuple[str, ...]  # the generated tokens, where the server listed them
    logprob: float | None  # their mean
    first: tuple[tuple[str, float], ...]  # the likeliest first tokens with their log-probabilities
    position: int | None = None  # which of the choices asked for it is, by its own index
    silent: bool = False  # no text at all, not even an empty one: no tokens but those that a bill may name

    @property
    def size(self) -> int:
        """Characters of the text and of the thinking."""
        return len(self.text) + len(self.reasoning)

    @property
    def ended(self) -> bool:
        """Did the model itself end the text, with a token that need not be listed?"""
        return self.finish == "stop"


def split_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer) of a text with think tags: closed, cut before the closing tag, or opened by the prompt."""
    if match := _THINK.match(text):
        return match[2].strip(), match[3].lstrip()
    if match := _THOUGHT.match(text):
        return match[1].strip(), match[2].lstrip()
    return "", text


def unechoed(text: str, prefix: str, pieces: Sequence[str]) -> str:
    """The text without the begun answer that it was asked to go on from: llama.cpp repeats it, vLLM does not. A model
    that itself writes the same words again is told from an echo by its token list."""
    own = "".join(pieces).startswith(text[: 2 * len(prefix)].rstrip()) if pieces else False
    return text[len(prefix) :] if text.startswith(prefix) and not own else text


def thinking_pieces(choice: Choice) -> int | None:
    """Tokens up to the end of the thinking, counted in the token list; None where they are not in it."""
    if not choice.reasoning:
        return 0
    seen = ""
    for count, piece in enumerate(choice.pieces, start=1):
        seen = seen[-16:] + piece
        if "</think>" in seen or "</thinking>" in seen:
            return count
    return len(choice.pieces) if choice.pieces and not choice.text else None


def parse(raw: object, prefix: str = "") -> Choice | None:
    """A choice of any shape, or None where it holds no message. Fields of a wrong type count as absent. `prefix` is
    the begun answer that the request ended with."""
    message = raw.get("message") if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or not isinstance(message, dict):
        return None
    # A refusal is what the model answered; it is graded like any other text.
    text = string(message.get("content")) or string(message.get("refusal"))
    reasoning = parted(raw)
    worded = isinstance(message.get("content"), str | list) or message.get("tool_calls") or text or reasoning
    logprobs = raw.get("logprobs")
    listed = logprobs.get("content") if isinstance(logprobs, dict) else None
    tokens = listed if isinstance(listed, list) and all(map(_is_entry, listed)) else []
    pieces = tuple(string(token.get("token")) for token in tokens)
    reasoning, text = _thinking(text, reasoning, prefix, pieces)
    values = [value for token in tokens if (value := _logprob(token)) is not None]
    finish, position = raw.get("finish_reason"), raw.get("index")
    return Choice(
        text,
        reasoning,
        finish if isinstance(finish, str) and finish else None,
        pieces,
        math.fsum(values) / len(values) if values else None,
        _likeliest(tokens[0].get("top_logprobs")) if tokens else (),
        position if isinstance(position, int) and not isinstance(position, bool) else None,
        silent=not worded and not tokens,
    )


def parted(raw: object) -> str:
    """The thinking that a server itself parts from the answer, "" where there is none."""
    message = raw.get("message") if isinstance(raw, dict) else None
    if not isinstance(message, dict):
        return ""
    return string(message.get("reasoning_content")) or string(message.get("reasoning"))


def repeated(raw: object) -> str:
    """The thinking in a choice as it came, parted by the server or not."""
    message = raw.get("message") if isinstance(raw, dict) else None
    return parted(raw) or (split_thinking(string(message.get("content")))[0] if isinstance(message, dict) else "")


def _thinking(text: str, reasoning: str, prefix: str, pieces: Sequence[str]) -> tuple[str, str]:
    """(thinking, answer) that follow the prefix."""
    if not prefix:
        return (reasoning, text) if reasoning else split_thinking(text)
    thought, begun = split_thinking(prefix)
    text = unechoed(text, prefix, pieces)
    if not reasoning:
        opened = prefix.rfind("<think>") > prefix.rfind("</think>") and "think>" not in text
        reasoning, text = (text, "") if opened else split_thinking(text)  # nothing closed what the prefix opened
    if not thought:
        return reasoning, text
    bare = reasoning.strip()
    reasoning = unechoed(bare, thought, pieces) if bare.startswith(thought) else reasoning
    return reasoning, unechoed(text, begun, pieces) if begun else text


def string(value: object) -> str:
    """A text field as text that any file can hold: parts joined, half a surrogate pair replaced, other types ""."""
    if isinstance(value, list):  # content as a list of parts
        return "".join(string(part.get("text")) for part in value if isinstance(part, dict))
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _is_entry(token: object) -> bool:
    """Whether this is an entry of a token list. A list with anything else in it is not believed at all."""
    return isinstance(token, dict) and isinstance(token.get("token"), str)


def _logprob(token: Mapping[str, object]) -> float | None:
    """The log-probability of a listed token, or None where it is none."""
    value = token.get("logprob")
    if isinstance(value, bool) or not isinstance(value, int | float) or not UNLISTED < value < 1:
        return None
    return min(0.0, float(value))


def _likeliest(raw: object) -> tuple[tuple[str, float], ...]:
    entries = [entry for entry in raw if isinstance(entry, dict)] if isinstance(raw, list) else []
    pairs = ((string(entry.get("token")), _logprob(entry)) for entry in entries)
    return tuple((token, logprob) for token, logprob in pairs if logprob is not None)
