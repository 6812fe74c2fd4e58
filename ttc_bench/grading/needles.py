r"""Finding a pattern without walking through the text with it.

An expression of many alternatives is tried at every character, 0.1 to 0.4 µs each, and nearly always in vain. Where all
its matches hold one of a few fixed words (needles), `str.find` sees in a hundredth of that time that there are none, or
where they are, and the expression is tried only where a match could begin. What is found is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# Characters that re.IGNORECASE takes for a letter of a needle, though str.lower() does not make that letter of them.
_TWINS = {"ı": "i", "ſ": "s", "ς": "σ", "ϖ": "π", "ᲀ": "в", "ᲁ": "д", "ᲂ": "о", "ᲃ": "с", "ᲄ": "т", "ᲅ": "т", "ᲆ": "ъ"}


def fold(text: str) -> str:
    """The text in lower case, of the same length, so that places in one are places in the other. For the letters that
    needles are made of, two characters that re.IGNORECASE takes for each other become the same one."""
    if text.isascii():
        return text.lower()
    text = text.replace("İ", "i").lower()  # the one character whose lower case is longer
    for char, plain in _TWINS.items():
        text = text.replace(char, plain)
    return text


def spots(low: str, needles: Iterable[str], start: int = 0, end: int | None = None) -> list[int]:
    """Where the needles stand in low[start:end], in order."""
    end = len(low) if end is None else end
    found = []
    for needle in needles:
        at = low.find(needle, start, end)
        while at >= 0:
            found.append(at)
            at = low.find(needle, at + 1, end)
    return sorted(found)


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


def line_start(text: str, at: int, back: int) -> int | None:
    """Where the line of a place begins, if not more than `back` characters before it."""
    newline = text.rfind("\n", max(0, at - back - 1), at)
    return newline + 1 if newline >= 0 or at <= back else None


def blocks(text: str, size: int) -> Iterator[tuple[int, int]]:
    """The text as runs of whole lines, the last one first, of `size` characters or more and each twice that of the run
    after it."""
    end = len(text)
    while end > 0:
        start = text.rfind("\n", 0, max(0, end - size)) + 1
        yield start, end
        end, size = start, 2 * size
