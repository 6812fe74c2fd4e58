"""Values as strangers write them, read into what a Record holds; None where they say nothing. Nothing here raises."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

MOST_TOKENS = 10**9  # of one sample; a larger count is no count
CHECKER = "checker"  # our verifier that is the grade itself: made anew, never imported
ESTIMATED = ("estimate", "guess")  # token sources of ours
CUT = ("length", "max_tokens", "max_output_tokens", "model_length", "incomplete")
ENDED = ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "completed")
STOPS = dict.fromkeys(CUT, True) | dict.fromkeys(ENDED, False)
VERDICTS = {
    "correct": True,
    "incorrect": False,
    "c": True,
    "i": False,
    "yes": True,
    "no": False,
    "true": True,
    "false": False,
    "1": True,
    "0": False,
    "1.0": True,
    "0.0": False,
}


def text(value: Any) -> str | None:
    """A text, or a number or a truth value as text. Halves of surrogate pairs, which cannot be stored, become question
    marks; NaN is missing."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, bool | int | float | Decimal) and value == value:
        try:
            return str(value)
        except ValueError:  # an integer of thousands of digits
            return None
    return None


def prose(value: Any) -> str | None:
    """The text of a message's content: a text, or a list of parts whose texts are joined; None where it has none."""
    if not isinstance(value, list):
        return text(value) if isinstance(value, str) else None
    parts = [text(part.get("text") if isinstance(part, Mapping) else part) for part in value]
    said = [part for part in parts if part is not None]
    return "".join(said) if said else None


def question(messages: Any) -> str | None:
    """What was asked: a text, or the content of the last message of a user in a list of messages."""
    if isinstance(messages, list) and any(isinstance(m, Mapping) and "role" in m for m in messages):
        asked = [m.get("content") for m in messages if isinstance(m, Mapping) and m.get("role") == "user"]
        return prose(asked[-1]) if asked else None
    return prose(messages)


def number(value: Any) -> float | None:
    """A finite number, also one written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def count(value: Any) -> int | None:
    """A number of tokens. 0, negative numbers and NaN stand for "unknown" in the files of strangers."""
    read = number(value)
    return int(read) if read is not None and read == int(read) and 0 < read <= MOST_TOKENS else None


def verdict(value: Any) -> bool | None:
    """Whether something was held right: a truth value, or 1 and 0 as numbers or texts."""
    return VERDICTS.get(str(value).strip().lower()) if isinstance(value, bool | int | float | str) else None


def cut(value: Any) -> bool | None:
    """Whether a stop reason says that the token limit ended the text; None for one that says neither."""
    return STOPS.get(value.strip().lower()) if isinstance(value, str) else None


def level(value: Any) -> float | None:
    """A difficulty: a number, or the number at the end of a text such as "Level 5"."""
    return number(value.split()[-1]) if isinstance(value, str) and value.split() else number(value)


def mean(values: Any) -> float | None:
    """The mean of log-probabilities; None where the list is empty or one of them is no number."""
    read = [number(value) for value in values] if isinstance(values, Sequence) and not isinstance(values, str) else []
    known = [value for value in read if value is not None]
    return number(math.fsum(known) / len(known)) if known and len(known) == len(read) else None


def at(row: Any, path: str) -> tuple[bool, Any]:
    """Whether a row has a column, or a dotted path into nested objects and lists ("body.choices.0.text"), and its
    value."""
    if isinstance(row, Mapping) and path in row:
        return True, row[path]
    value = row
    for step in path.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and len(step) < 10 and int(step) < len(value):
            value = value[int(step)]
        else:
            return False, None
    return True, value


def parts(total: int, lengths: Sequence[int]) -> list[int]:
    """A total shared out in proportion to lengths (evenly where all are 0), in whole numbers that sum to it."""
    weights = list(lengths) if any(lengths) else [1] * len(lengths)
    whole, passed, before, shares = sum(weights), 0, 0, []
    for weight in weights:
        passed += weight
        upto = total * passed // whole
        shares.append(upto - before)
        before = upto
    return shares
