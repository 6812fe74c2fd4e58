"""The errors of ttc-bench. A message is one line: what is wrong, what was expected, what to do."""

from __future__ import annotations

import unicodedata


class TtcError(Exception):
    """Base of all errors that end a command with one line and exit code 2."""


class TaskError(TtcError):
    """A task, its file or its data cannot be used as it is."""


class BackendError(TtcError):
    """A model could not answer. `fatal` errors end the run; others leave a hole that the next run asks for again."""

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.fatal = fatal


class PromptTooLong(BackendError):
    """A prompt does not fit the model's context. `address` is that of the request, so a caller can name the problem."""

    def __init__(self, address: str, tokens: int, context: int) -> None:
        super().__init__(f"the prompt has {tokens} tokens, the model's context is {context}", fatal=True)
        self.address, self.tokens, self.context = address, tokens, context

    def __reduce__(self) -> tuple[type[PromptTooLong], tuple[str, int, int]]:
        """Errors travel between processes; the message alone would not make this one again."""
        return type(self), (self.address, self.tokens, self.context)


class MemberLost(BackendError):
    """One of several servers or workers cannot serve; another may (backends/spread.py).

    Raised by a member's `sample`: it serves nothing further. What it had not yielded is given to the others; where none
    is left, a `fatal` one ends the run and any other leaves holes. As the error of a hole that a member yields: only
    this sample could not be had from it, and the others are asked before it stays a hole."""


class CannotWrite(TtcError):
    """A results folder cannot be written to."""


class Interrupted(Exception):
    """The user ended a run early. Everything that had arrived is stored."""


class NotEnoughSamples(TtcError):
    """A strategy needs k samples, but the pool has only n < k."""

    def __init__(self, k: int, n: int) -> None:
        super().__init__(f"k = {k} needs {k - n} more samples than the {n} in the pool; add them with --samples {k}")
        self.k, self.n = k, n


def printable(text: str) -> str:
    """A stranger's text for a terminal: control characters, which could move its cursor or hide what was written,
    become a replacement character; line breaks and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "\ufffd" for c in text)


def counted(count: int, noun: str) -> str:
    """ "1 sample", "2,000 samples"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def nearest(name: str, names: list[str], kind: str) -> str:
    """A sentence for an unknown name: the closest known names, or all of them when nothing is close."""
    import difflib

    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(names))}"
    return f"unknown {kind} '{name}': {hint}"
