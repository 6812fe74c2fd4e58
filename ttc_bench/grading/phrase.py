"""The graders of free text: names and phrases, and answers that only a check can judge."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ttc_bench.core import Problem
from ttc_bench.grading.announcements import sentences
from ttc_bench.grading.extraction import first_line, one_line
from ttc_bench.grading.ladder import Ladder
from ttc_bench.grading.typography import MAX_ANSWER

_COMMAND = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|boxed)(?![A-Za-z])\s?|\\[A-Za-z]+")
_REASON = re.compile(
    r"(?:,\s+|\s+)(?:because|since)\s.*|,\s+(?:as|so|not|which|where|and not|rather than|instead of|with|who)\s.*"
    r"|\s+(?:-|—)\s.*"
    r"|;\s.*|\s+(?:rather than|instead of)\s.*",
    re.DOTALL | re.IGNORECASE,
)
_NOT_BUT = re.compile(
    r"^(?:(?:is |was )?not|isn['’]t|wasn['’]t) .{1,60}?,? (?:but|it['’]s|it is) (?:rather )?", re.IGNORECASE
)
_QUOTED = re.compile(r"^[\"“«„‘'`]([^\"”»“’`]{1,300})[\"”»“’'`](?=[\s.,;:!]|$)")
_LABEL = re.compile(r"^\(?[A-Ea-e][)]\s+(?=\w{2})")
# A sign that is part of a word: C++, C#, A+, -5. Everything else that is no letter or digit is a space.
_WORD = re.compile(r"(?<![\w)])-(?=\.?\d)|[^\W_]+(?:\+{1,2}|#|\*)?(?![\w])|[^\W_]+|(?<=\b[A-Za-z])-(?=\W*$)")
_SUBJECT = re.compile(r"(?:so|thus|therefore|hence|finally|in conclusion|then),? ", re.IGNORECASE)
_IS = re.compile(
    r"^(?:it['’]s|that['’]s|(?:the|its|it|his|her|their|this|that|my|your|our)\b(?: (?!is\b|are\b|was\b"
    r"|were\b)[\w'’-]+){0,8}? (?:is|are|was|were|will be|must be|should be))"
    r":? (?:called |named |most likely |probably |indeed )?",
    re.IGNORECASE,
)
_HAS = re.compile(r"^[A-Z]\w+ (?:has|holds|gets|owns|ends up with|is holding) (?=(?:the|a|an) )")
_IS_THE = re.compile(r" (?:is|was|are|were) the\b.*$", re.DOTALL)
_PROPER = re.compile(r"(?:The )?(?:[A-Z][\w'’.-]*)(?: (?:[A-Z][\w'’.-]*|of|de|von|van))*")
_CUT_OFF = re.compile(r"\b(?:the|an?|of|and|or|to|is|are|has|in|that|with|so|for|by|from|at|as)$", re.IGNORECASE)
_REASONING = re.compile(
    r"\b(?:so|because|therefore|thus|then|since|let's|let me|we (?:need|have|can)|first,)\b", re.IGNORECASE
)


_SPEAKER = re.compile(
    r"(?:i (?:do|don't|can|can't|cannot|could|am|was|would|need|think|believe|apologi[sz]e)|i'm|sorry|unfortunately"
    r"|as an ai|let me"
    r"|we (?:can|cannot|need|have|do))\b",
    re.IGNORECASE,
)


class Text(Ladder):
    """Answers are a name or a phrase; case, space, punctuation and a leading article do not count, but C++ is not C and
    -5 is not 5. An answer of nothing but symbols ("] ] )") is these symbols with spaces between."""

    listed = False

    def read(self, fragment: str) -> str | None:
        text = re.sub(r"<[^<>\s][^<>]{0,40}>|\$", "", fragment[:MAX_ANSWER]) if re.search(r"\w", fragment) else fragment
        plain = _COMMAND.sub(" ", text[:MAX_ANSWER]).strip()
        if self.undecided(plain):
            return None
        if not re.search(r"[^\W_]", plain):
            symbols = "".join(plain.split()).strip("\"'`")
            return None if not re.search(r"[^\s.,;:!?*_-]", symbols) else " ".join(symbols)
        if quoted := _QUOTED.match(plain):
            plain = quoted[1]
        plain = _REASON.sub("", _LABEL.sub("", _NOT_BUT.sub("", plain))) or plain
        words = " ".join(_WORD.findall(plain)).replace("- ", "-").casefold()
        words = re.sub(r"\b([a-z]) -$", r"\1-", words)
        return re.sub(r"^(?:the|an|a) (?=\S)", "", words) or None

    def undecided(self, fragment: str) -> bool:
        return re.match(r"\W*(?:either|neither) \S.{0,80}? n?or \S", fragment, re.IGNORECASE) is not None

    def last(self, text: str) -> str | None:
        parts = sentences(text.strip()[-MAX_ANSWER:])
        concludes = len(parts) > 1 and _SUBJECT.match(parts[-1].strip())
        line = one_line(parts[-1], 10) if concludes else one_line(text, 12) or one_line(first_line(text), 6)
        if line is None or _CUT_OFF.search(line) or line.endswith("?") or _SPEAKER.match(line):
            return None
        line = _SUBJECT.sub("", line, count=1) if _SUBJECT.match(line) else line
        if (named := _IS_THE.search(line)) and _PROPER.fullmatch(line[: named.start()]):
            return self.read(line[: named.start()])
        if named := _IS.match(line) or _HAS.match(line):
            return self.read(line[named.end() :])
        if named := _IS_THE.search(line):
            return self.read(line[: named.start()])
        return None if _REASONING.search(line) else self.read(line)


_LATEX_OPERATORS = {r"\times": "*", r"\cdot": "*", r"\div": "/", r"\left": "", r"\right": "", "$": ""}


@dataclass(frozen=True)
class Checked(Ladder):
    """Many answers can be right: `check(answer text, problem)` decides, without a gold. It is given what a stranger
    wrote, at most 1000 characters of it, and must neither evaluate nor trust it."""

    check: Callable[[str, Problem], bool]
    checks = True
    listed = False

    def read(self, fragment: str) -> str | None:
        fragment = fragment[:MAX_ANSWER].replace(r"\(", " ").replace(r"\)", " ")
        for latex, plain in _LATEX_OPERATORS.items():
            fragment = fragment.replace(latex, plain)
        return " ".join(fragment.split()).strip('`"“”').rstrip(". ") or None

    def last(self, text: str) -> str | None:
        return self.read(one_line(text, 20) or "")

    def form(self, answer: str) -> str:
        return "".join(answer.split())

    def same(self, a: str, b: str) -> bool:
        return self.form(a) == self.form(b)

    def correct(self, answer: str | None, problem: Problem) -> bool:
        return answer is not None and self.check(answer, problem)
