r"""Finding a pattern without walking through the text with it.

An expression of many alternatives is tried at every character, 0.1 to 0.4 µs each, and nearly always in vain. Where all
its matches hold one of a few fixed words (needles), `str.find` sees in a hundredth of that time that there are none, or
where they are, and the expression is tried only where a match could begin. What is found is the same.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator

# Characters that re.IGNORECASE takes for each other (ı and i, ſ and s, µ and μ, ς and σ) though str.lower() does not.
_TWINS = {
    "\u00b5": "\u03bc", "\u0131": "i", "\u017f": "s", "\u0345": "\u03b9", "\u03c2": "\u03c3",
    "\u03d0": "\u03b2", "\u03d1": "\u03b8", "\u03d5": "\u03c6", "\u03d6": "\u03c0", "\u03f0": "\u03ba",
    "\u03f1": "\u03c1", "\u03f5": "\u03b5", "\u1c80": "\u0432", "\u1c81": "\u0434", "\u1c82": "\u043e",
    "\u1c83": "\u0441", "\u1c84": "\u0442", "\u1c85": "\u0442", "\u1c86": "\u044a", "\u1c87": "\u0463",
    "\u1e9b": "\u1e61", "\u1fbe": "\u03b9", "\u1fd3": "\u0390", "\u1fe3": "\u03b0", "\ua64b": "\u1c88",
    "\ufb06": "\ufb05",
}  # fmt: skip
_TWIN = re.compile(f"[{''.join(_TWINS)}]")


def fold(text: str) -> str:
    """The text in lower case, of the same length, so that places in one are places in the other. Two characters that
    re.IGNORECASE takes for each other become the same one."""
    if text.isascii():
        return text.lower()
    text = text.replace("İ", "i").lower()  # the one character whose lower case is longer
    return _TWIN.sub(lambda match: _TWINS[match[0]], text)


def spots(low: str, needles: Iterable[str], start: int = 0, end: int = sys.maxsize) -> list[int]:
    """Where the needles stand in low[start:end], in no order."""
    found = []
    for needle in needles:
        at = low.find(needle, start, end)
        while at >= 0:
            found.append(at)
            at = low.find(needle, at + 1, end)
    return found


def has(low: str, needles: Iterable[str]) -> bool:
    """Whether any of the needles stands in the text."""
    return any(needle in low for needle in needles)


def matches(pattern: re.Pattern[str], text: str, starts: Iterable[int]) -> Iterator[re.Match[str]]:
    """What `pattern.finditer(text)` finds, where every match begins at one of `starts` (in any order)."""
    free = 0
    for start in sorted(set(starts)):
        if start >= free and (match := pattern.match(text, start)):
            yield match
            free = match.end()


def replaced(pattern: re.Pattern[str], new: Callable[[re.Match[str]], str], text: str, starts: Iterable[int]) -> str:
    """What `pattern.sub(new, text)` gives, where every match begins at one of `starts`."""
    out, at = [], 0
    for match in matches(pattern, text, starts):
        out += [text[at : match.start()], new(match)]
        at = match.end()
    return "".join([*out, text[at:]]) if out else text


def line_starts(text: str, after: int = 0) -> list[int]:
    """Where the lines begin that begin at `after` or behind it, in order."""
    lines = [0] if after == 0 else []
    return lines + [newline + 1 for newline in spots(text, ["\n"], max(0, after - 1))]


def blocks(text: str, size: int) -> Iterator[tuple[int, int]]:
    """The text as runs of whole lines, the last one first, of `size` characters or more and each twice that of the run
    after it."""
    end = len(text)
    while end > 0:
        start = text.rfind("\n", 0, max(0, end - size)) + 1
        yield start, end
        end, size = start, 2 * size
