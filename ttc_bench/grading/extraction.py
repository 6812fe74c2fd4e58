r"""Where an answer may stand in a text: the fragments that each rung of the ladder offers, and what is never looked at.

All of it takes time linear in the text, whatever the text is: bounded repetitions, one pass over brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeVar

from ttc_bench.grading.math_equal import MAX_ANSWER

T = TypeVar("T")
TRIES = 8  # matches looked at on one rung, from the last one back

_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_BRACKETS = re.compile(r"\\(?:boxed|fbox)\s*(\{)|\\.|[{}]", re.DOTALL)
_USUAL = r"\bthe (?:final |correct )?answer is\b|^[ \t>#*_]{0,8}(?:the )?(?:final |correct )?answer[*_ ]{0,4}:"
_USUAL += r"|^####[ \t]*(?=\S{1,40}[ \t]*$)"  # one word on the line; "#### Step 2: add" is a heading
ANSWER_IS = re.compile(
    r"\b(?:answer|correct (?:option|choice))\b[^.:=\n]{0,60}?(?:\b(?:is|are|be)\b|[:=])"
    r"|^[ \t>#*_]{1,8}(?:the )?(?:final |correct )?answer[*_ ]{0,4}$",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE_END = re.compile(r"\n|[.!?](?=[\"'”’)*_$\]]*(?:\s|$))")
_DISPLAY = {"$$": "$$", r"\[": r"\]", r"\(": r"\)"}
FORMULA = re.compile(
    r"\$\$(.+?)\$\$|\$(?=\S)((?:\\\$|[^$])+?)(?<![\s\\])\$(?!\d)|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL
)
_BETWEEN_FORMULAS = re.compile(r"\s*,?\s*(?:and|or)?\s*")


def strip_thinking(text: str) -> str:
    """The text outside <think>...</think>. An open tag without its end hides the rest (thinking was cut off); an end
    without its start hides everything before it (the chat template had opened it)."""
    out: list[str] = []
    depth = at = 0
    for tag in _THINK.finditer(text):
        if depth == 0:
            out.append(text[at : tag.start()])
        if tag[1] and depth == 0:
            out.clear()
        depth = max(0, depth - 1) if tag[1] else depth + 1
        at = tag.end()
    return "".join(out) + (text[at:] if depth == 0 else "")


@lru_cache(maxsize=64)
def format_of(lead: str) -> re.Pattern[str]:
    """The lead-ins that tasks ask for, and the task's own."""
    return re.compile(_USUAL + ("|" + re.escape(lead) if lead else ""), re.IGNORECASE | re.MULTILINE)


def boxes(text: str) -> Iterator[str]:
    """What the balanced boxes hold, the last to open first (of nested ones the inner one)."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return
    opened: list[tuple[int, bool]] = []
    closed: list[tuple[int, int]] = []
    for bracket in _BRACKETS.finditer(text):
        if bracket[0].endswith("{") and bracket[0] != r"\{":
            opened.append((bracket.end(), bracket[1] is not None))
        elif bracket[0] == "}" and opened:
            start, boxed = opened.pop()
            if boxed and bracket.start() - start <= MAX_ANSWER:
                closed.append((start, bracket.start()))
    for start, end in sorted(closed, reverse=True)[:TRIES]:
        yield text[start:end]


def following(lead: re.Pattern[str], text: str) -> Iterator[str]:
    """What follows each lead-in, the last one first: a displayed formula, or the rest of the sentence or line."""
    for end in [match.end() for match in lead.finditer(text)][: -TRIES - 1 : -1]:
        tail = text[end : end + MAX_ANSWER].lstrip(" \t\r\n:*_`\"'“”‘’=>}")
        closing = _DISPLAY.get(tail[:2])
        if closing and (at := tail.find(closing, 2)) > 0:
            formula, rest = tail[: at + 2], tail[at + 2 :]
            yield formula + _SENTENCE_END.split(rest, maxsplit=1)[0]
        else:
            yield _SENTENCE_END.split(tail, maxsplit=1)[0]


def formulas(fragment: str) -> list[str]:
    """The first formula between $ $ or \\( \\), and those joined to it by commas, "and" or "or"."""
    out: list[str] = []
    end = 0
    for match in FORMULA.finditer(fragment):
        if out and not _BETWEEN_FORMULAS.fullmatch(fragment, end, match.start()):
            break
        out.append(next(filter(None, match.groups())))
        end = match.end()
    return out


def one_line(text: str, words: int = 4) -> str | None:
    """The whole text where it is one line of few words, as the answer to "give only the answer" is."""
    text = text.strip().lstrip("#>* ")
    return text if text and len(text) <= 200 and "\n" not in text and len(text.split(None, words)) <= words else None


def final(matches: Iterator[T]) -> T | None:
    """The last one, None if there is none."""
    found = None
    for found in matches:  # noqa: B007 - only the last one is wanted
        pass
    return found
