r"""What of a text can hold its answer: never the thinking, the next question or the closing words; and the places that
are marked by form, not by words: boxes, tags, fields of JSON.

All of it takes time linear in the text, whatever the text is: bounded repetitions, one pass over brackets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from ttc_bench.grading.needles import fold, line_starts, replaced, spots
from ttc_bench.grading.typography import MAX_ANSWER

TRIES = 8  # matches looked at on one rung, from the last one back


class Statement(NamedTuple):
    """A fragment that states an answer: where it begins and ends, the rung of the ladder that it stands on."""

    start: int
    end: int
    rung: str
    fragment: str


def place(statement: Statement) -> tuple[int, int]:
    return statement.start, statement.end


_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_BRACKETS = re.compile(r"(\\(?:boxed|fbox)\s{0,9}\{)|\\.|[{}]", re.DOTALL)
_BETWEEN_BOXES = re.compile(r"[\s$\\(),]*(?:,|\band\b|\bor\b)[\s$\\(),]*")
_ANSWER_TAG = re.compile(r"<(?:final[_ ]?)?answer>", re.IGNORECASE)
_ANSWER_TAG_END = re.compile(r"</?(?:final[_ ]?)?answer>", re.IGNORECASE)
_FIELD = re.compile(
    r"[\"'](?:(?:final|correct|your)?[_ ]?(?:answer|choice)|(?:final[_ ]?)?(?:result|output|response|prediction|label"
    r"|verdict))"
    r"[\"']\s{0,20}:\s{0,20}(?:\"((?:[^\"\\\n]|\\.){0,500})\"|'([^'\n]{0,500})'|\[([^\[\]\n]{0,500})\]"
    r"|([^\"',{}\[\]\n]{1,100}))",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^[ \t]{0,8}(?:```|~~~)[\w+#.-]{0,20}[ \t]{0,8}$|```(?:[a-z]{1,12}(?=\s))?", re.MULTILINE)
_TURN = re.compile(r"<\|?(?:im_end|im_start|end_of_text|endoftext|eot_id|end)\|?>|</s>|\[/?INST\]|<end_of_turn>")
_NEXT = re.compile(
    r"^[ \t#*]{0,6}(?:Q|(?:Next |New |Another )?(?:Question|Problem|Exercise)|Human|User"
    r"|Instruction)\b(?:[^\n:?.]{0,12}:| \d{1,3}\.)",
    re.MULTILINE | re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:(?<=[.!?])\s|^)[ \t*_>(-]{0,6}(?:let me know|please let me|i hope (?:this|that|it)|hope (?:this|that|it)"
    r"|feel free"
    r"|if you (?:have|need|want|would|'d)|is there anything|would you like|do you (?:have|want|need)|thank|confidence"
    r"|i'm (?:\d+ ?% )?(?:confident|sure)|i am (?:\d+ ?% )?(?:confident|sure)|happy to help|have a (?:great|nice|good))"
    r"[^\n]*",
    re.IGNORECASE | re.MULTILINE,
)
_CLOSINGS = (
    "let me", "please let me", "i hope ", "hope this", "hope that", "hope it", "feel free", "if you ",
    "is there anything", "would you like", "do you ", "thank", "confidence", "i'm ", "i am ", "happy to help", "have a ",
)  # fmt: skip


def strip_thinking(text: str) -> str:
    """The text outside <think>...</think>. An open tag without its end hides the rest (thinking was cut off); an end
    without its start hides everything before it (the chat template had opened it)."""
    if "<" not in text:
        return text
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


def one_turn(text: str) -> str:
    """The text up to the mark that ends its turn, and without the marks of code fences."""
    if "<" in text or "INST]" in text:
        text = next(filter(str.strip, _TURN.split(text)), "")
    return _FENCE.sub("", text) if "```" in text or "~~~" in text else text


def next_question(text: str, after: int) -> int | None:
    """Where a line after position `after` begins another question, as models do that were not stopped."""
    return next((line for line in line_starts(text, after) if _NEXT.match(text, line)), None)


def without_closing(text: str) -> str:
    """The text without "Let me know if you have 2 more questions!" and the like."""
    starts = [start for at in spots(fold(text), _CLOSINGS) for start in range(max(0, at - 7), at + 1)]
    return replaced(_CLOSING, lambda match: "", text, starts)


def boxes(text: str) -> list[Statement]:
    """What the balanced boxes hold, the last to open first (of nested ones the inner one). Boxes that a comma, "and" or
    "or" joins are one list."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return []
    # What is open before the first mark stays below it. The first of its backslashes is not escaped by another one.
    first = min(at for at in (text.find("\\boxed"), text.find("\\fbox")) if at >= 0)
    first = len(text[: first + 1].rstrip("\\"))
    opened: list[tuple[int, int, bool]] = []
    closed: list[tuple[int, int, int]] = []  # where the mark, the content, and the rest begin
    for bracket in _BRACKETS.finditer(text, first):
        if bracket[1] or bracket[0] == "{":
            opened.append((bracket.start(), bracket.end(), bracket[1] is not None))
        elif bracket[0] == "}" and opened:
            mark, start, boxed = opened.pop()
            if boxed and bracket.start() - start <= MAX_ANSWER:
                closed.append((mark, start, bracket.end()))
    out: list[Statement] = []
    for mark, start, end in sorted(closed, reverse=True)[: 2 * TRIES]:
        content = text[start : end - 1]
        after = out[-1] if out else None
        if after and 0 <= after.start - end <= 20 and _BETWEEN_BOXES.fullmatch(text, end, after.start):
            out[-1] = Statement(mark, after.end, "boxed", f"{content}, {after.fragment}")
        else:
            out.append(Statement(mark, end, "boxed", content))
    return out[:TRIES]


def tags(text: str) -> Iterator[Statement]:
    """What stands in <answer>...</answer>; an open tag reaches to the end of the text."""
    found = _ANSWER_TAG.finditer(text) if "<" in text else ()
    for tag in list(found)[-TRIES:]:
        end = _ANSWER_TAG_END.search(text, tag.end(), tag.end() + MAX_ANSWER)
        stop = end.start() if end else min(len(text), tag.end() + MAX_ANSWER)
        yield Statement(tag.start(), stop, "tag", text[tag.end() : stop].strip())


def fields(text: str) -> Iterator[Statement]:
    """The values of fields such as "answer" in JSON (or a Python dict), as plain text."""
    quoted = any(before[-21:].rstrip()[-1:] in ('"', "'") for before in text.split(":")[:-1])
    for match in list(_FIELD.finditer(text))[-TRIES:] if quoted else ():
        value = next((group for group in match.groups() if group is not None), "")
        if match[1] is not None:
            try:
                value = str(json.loads(f'"{value}"'))
            except ValueError:  # LaTeX with single backslashes
                value = match[1]
        yield Statement(match.start(), match.end(), "json", value.strip())


def one_line(text: str, words: int = 4) -> str | None:
    """The whole text where it is one line of few words, as the answer to "give only the answer" is."""
    text = text.strip().lstrip("#>* ")
    return text if text and len(text) <= 300 and "\n" not in text and len(text.split(None, words)) <= words else None


def first_line(text: str) -> str:
    """The first line of a text of several: where a direct answer stands before its explanation."""
    head, newline, _ = text.strip().partition("\n")
    return head if newline else ""


def paragraph(text: str, size: int = MAX_ANSWER) -> str:
    """The end of the text, cut at a space where it is long."""
    text = text.rstrip()
    return text if len(text) <= size else text[-size:].partition(" ")[2] or text[-size:]
