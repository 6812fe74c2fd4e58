"""The grader of mathematics in LaTeX or plain formulas."""

from __future__ import annotations

import re

from ttc_bench.grading.announcements import FORMULA, backwards
from ttc_bench.grading.extraction import first_line, one_line, paragraph
from ttc_bench.grading.ladder import Ladder
from ttc_bench.grading.math_equal import canonical, equal
from ttc_bench.grading.number import Number
from ttc_bench.grading.numerals import NUMBER, number, worded
from ttc_bench.grading.typography import MAX_ANSWER

_PROSE_NEXT = re.compile(r"%?(?:\s*\(|[,;:]?\s+(?!(?:and|or|sin|cos|tan|log|mod|base)\b)[A-Za-z]{2})")
_REASON = re.compile(r"(?:,|(?<=[^,]))\s+(?:as|since|because|so|where|which|when)\s.*", re.DOTALL)
_EQUALS = re.compile(r"=|≈|\\approx")
_LIST = re.compile(r"\s*,?\s*(?:and|or)?\s*")
# Between two formulas: the second is what the first one comes to.
_COMES_TO = re.compile(
    r"[\s,]*(?:(?:which|that|it|this|and|thus|so|or)\s+)?(?:\w+\s+)?(?:is|are|equals?|to be|=|becomes?|simplif\w+ to"
    r"|gives?|giving|yields?"
    r"|i\.e\.,?|equal to|comes? to|reduces? to|namely|equivalent(?:ly)?(?: to)?)(?:\s+(?:equal to|simply|exactly|just"
    r"|then|also))?[\s:,]*"
)
_CONDITION = re.compile(
    r"\b(?:for|when|where|whenever|since|if|because|given|as|provided)\s*(?:(?:all|every|any|that)\s)?\s*$"
)
_NOT_BUT = re.compile(r"^\s*not .{1,60}?,? but (?:rather )?", re.IGNORECASE)
_ENVIRONMENT = re.compile(r"\\begin\{(\w+)\}.{1,900}?\\end\{\1\}", re.DOTALL)


class Math(Ladder):
    """Answers are LaTeX or plain formulas. Numbers are compared exactly; everything else by math-verify."""

    def read(self, fragment: str) -> str | None:
        fragment = _NOT_BUT.sub("", fragment[:MAX_ANSWER]).strip()
        if not re.search(r"[^\W_]|[∞∅]", fragment):
            return None
        start = NUMBER.match(fragment)
        if not (start and fragment[:1] not in "$\\") and (stated := formulas(fragment)):
            return canonical(", ".join(stated))
        if "$" not in fragment and (matrix := _ENVIRONMENT.search(fragment)) and _prose(fragment[: matrix.start()]):
            return canonical(matrix[0])
        fragment = _REASON.sub("", fragment)
        if (spelled := worded(fragment)) and not re.search(r"[0-9\\$]", fragment) and len(fragment.split()) <= 6:
            return spelled
        aside = fragment[start.end() :].partition("(")[0] if start else ""
        if start and _PROSE_NEXT.match(fragment, start.end()) and not re.search(r"\d", aside):  # "1 hour 30 minutes"
            return number(start)
        prose = len(re.findall(r"(?<![\\A-Za-z])[A-Za-z]{3,}", re.sub(r"\\text\w*\s*\{[^{}]*\}", "", fragment))) > 4
        return None if prose else canonical(fragment)

    def last(self, text: str) -> str | None:
        for short in (one_line(text), one_line(first_line(text))):
            if short and not re.fullmatch(r"[A-Za-z][A-Za-z '?!.,:-]+", short) and (answer := self.read(short)):
                return answer
        for sentence in backwards(window := paragraph(text, 2 * MAX_ANSWER)):
            if not re.search(r"[0-9$\\]", sentence):
                continue
            if matched := list(FORMULA.finditer(sentence)):
                tail = NUMBER.search(sentence, matched[-1].end())
                if tail is None and (stated := concluding(sentence)):
                    return canonical(_EQUALS.split(", ".join(stated))[-1])
            return Number().last(sentence) or self._displayed(window)
        return None

    @staticmethod
    def _displayed(window: str) -> str | None:
        found = [next(filter(None, match.groups())) for match in FORMULA.finditer(window)]
        return canonical(_EQUALS.split(found[-1])[-1]) if found else None

    def same(self, a: str, b: str) -> bool:
        return equal(a, b)


def formulas(fragment: str) -> list[str]:
    """The first formula between $ $ or \\( \\), and those joined to it by commas, "and" or "or"; where the text goes on
    to say what it comes to ("$x$ is $5$"), that one."""
    out: list[str] = []
    end = 0
    for match in FORMULA.finditer(fragment):
        if out and not _LIST.fullmatch(fragment, end, match.start()):
            if not _COMES_TO.fullmatch(fragment, end, match.start()):
                break
            out = []
        out.append(next(filter(None, match.groups())))
        end = match.end()
    return out


def concluding(sentence: str) -> list[str]:
    """The formulas that a sentence ends in, but for a condition behind them ("$y = 5$ for $x = 2$")."""
    groups: list[list[str]] = []
    end = 0
    for match in FORMULA.finditer(sentence):
        between = sentence[end : match.start()]
        if groups and _CONDITION.search(between):
            break
        if not groups or not _LIST.fullmatch(between):
            groups.append([])
        groups[-1].append(next(filter(None, match.groups())))
        end = match.end()
    return groups[-1] if groups else []


def _prose(text: str) -> bool:
    """Whether a text is words, without mathematics of its own."""
    return re.fullmatch(r"[A-Za-z ,:=]*", text) is not None
