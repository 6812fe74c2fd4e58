r"""The ladder on which an answer is looked for; docs/grading.md describes it.

    boxed      \boxed{...}, brackets balanced; boxes joined by commas, "and" or "or" are one list
    tag        <answer>...</answer>
    json       a field such as "answer" in JSON
    format     the words that tasks ask for: "The answer is X.", "Answer: X", "#### X", "答案是 X", or the grader's `lead`
    answer-is  looser: "so the answer to this must be X", "X is the correct answer", a heading "Final Answer"
    last       no announcement: the last number, choice, word or formula; the whole text where it is short
    none       nothing that can be read as an answer of this kind, or words that say there is none

Announcements compete and the last readable one wins, whatever its words. What is marked by form (boxed, tag, json)
gives way only to a later announcement that follows a word of correction or is nothing but an answer.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from ttc_bench.core import Extraction, Problem
from ttc_bench.grading.announcements import CORRECTION, announcements
from ttc_bench.grading.extraction import (
    Statement,
    boxes,
    fields,
    next_question,
    one_line,
    one_turn,
    place,
    strip_thinking,
    tags,
    without_closing,
)
from ttc_bench.grading.needles import fold, matches, spots
from ttc_bench.grading.typography import MAX_ANSWER, clean

RUNGS = ("boxed", "tag", "json", "format", "answer-is", "last", "none")
_BY_FORM = ("boxed", "tag", "json")
_DECLINED = re.compile(
    r"(?:(?:cannot|can't|can not|could not|couldn't|unable to|impossible to|not possible to|no way to) (?:be )?"
    r"(?:determined?|tell|told|know|known|answer(?:ed)?|solved?|decided?|figure)"
    r"|(?:do not|don't) know|no idea|not enough information|insufficient information)\b[^\n]{0,200}",
    re.IGNORECASE,
)
_DECLINES = (
    "cannot ", "can't ", "can not ", "could not ", "couldn't ", "unable to ", "impossible to ", "not possible to ",
    "no way to ", "do not know", "don't know", "no idea", "not enough information", "insufficient information",
)  # fmt: skip
_NO_ANSWER = re.compile(
    r"(?:none of (?:the|these|those|them)|neither|unknown|undetermined|indeterminate|unclear|uncertain|not (?:known"
    r"|given|clear|certain)(?! yet)"
    r"|n/a\b|missing|not (?:among|one of|listed)|no (?:answer|option|choice|solution))",
    re.IGNORECASE,
)
_POINTS_ELSEWHERE = re.compile(
    r"\W*(?:not (?:yet )?clear|clear|as follows|as (?:above|below|shown)|above|below|shown|found|obtained|given"
    r"|the following"
    r"|correct|wrong|incorrect|right|here|this|that|these|simple|easy|straightforward|therefore|then|now|just|simply"
    r"|obvious"
    r"|the same|in the|let)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Ladder:
    """What the graders share. A kind of answer is what it reads from a fragment and what it takes from a text without
    any answer sentence. Its fields can be hashed: a grader is the key of caches."""

    lead: str = field(default="", kw_only=True)  # what the task's own format puts before an answer, e.g. "Solution:"
    checks = False
    listed = True  # whether the kind has so few forms that "unknown" or "neither" cannot be one of its answers

    def read(self, fragment: str) -> str | None:
        """The canonical answer that a fragment (a box, what follows "the answer is", a gold answer) states, or None."""
        raise NotImplementedError

    def last(self, text: str) -> str | None:
        """The answer to take from a text that announces none, or None."""
        raise NotImplementedError

    def undecided(self, fragment: str) -> bool:
        """Whether a fragment names several answers and chooses none: "A or B"."""
        return False

    def marked(self, text: str) -> list[Statement]:
        """The places that are marked by form as answers, the last first."""
        return sorted((*boxes(text), *tags(text), *fields(text)), key=place, reverse=True)

    def announced(self, text: str) -> Iterator[Statement]:
        """The places where words announce an answer, the last first."""
        return announcements(text, self.lead)

    def extract(self, text: str) -> Extraction:
        """The answer of a completion and the rung it was found on; time linear in the length of the text."""
        text = self._own_question(one_turn(clean(strip_thinking(text))))
        marked = self.marked(text)
        best: Statement | None = None
        answer, silent = None, 0  # before `silent`, nothing is read that was not announced
        for statement in _merged(marked, self.announced(text)):
            fragment = statement.fragment
            reading, open_ = judged(self, fragment)
            if reading is not None:
                best, answer = statement, reading
                break
            if open_:
                return Extraction(None, "none")
            if fragment and len(fragment.split()) <= 6 and not _POINTS_ELSEWHERE.match(fragment):
                silent = max(silent, statement.end)
        if best is None:
            answer = self.last(self._unannounced(text[silent:]))
            return Extraction(answer, "none" if answer is None else "last")
        if best.rung not in _BY_FORM:  # announcements further up do not count any more, the last readable mark may
            for statement in marked:
                reading = judged(self, statement.fragment)[0] if place(statement) < place(best) else None
                if reading is not None:
                    if not self._overrules(best, answer, statement, text):
                        best, answer = statement, reading
                    break
        corrected = self._corrected(text[max(best.start, best.end - len(best.fragment)) :])
        return Extraction(corrected or answer, "last" if corrected else best.rung)

    def _own_question(self, text: str) -> str:
        """The text without the questions that a model went on to ask itself."""
        if next_question(text, 0) is None:
            return text
        begins = min((s.start for s in (*self.marked(text), *self.announced(text))), default=len(text))
        cut = next_question(text, begins)
        early = next_question(text, 1)
        if early is not None and (head := one_line(text[:early], 8)) and self.last(head) is not None:
            cut = early
        return text[:cut]

    def _declined(self, fragment: str) -> bool:
        words = fragment.lstrip(" \"'“‘(*")
        return bool(_DECLINED.match(words) or (self.listed and _NO_ANSWER.match(words)))

    def _overrules(self, later: Statement, answer: str | None, marked: Statement, text: str) -> bool:
        """Whether an announcement counts more than a box before it."""
        if CORRECTION.search(text, marked.end, max(marked.end, later.start)):
            return True
        start = later.fragment.split(None, 1)[:1]
        return later.rung == "format" and bool(start) and self.read(start[0]) == answer

    def _corrected(self, rest: str) -> str | None:
        """The answer of what follows an announcement that is taken back ("Wait, I forgot one: 9 * 2 = 18.")."""
        rest = rest[: 2 * MAX_ANSWER]
        back = _TAKEN_BACK.search(rest)
        if back is None or _CONFIRMED.search(rest, back.end()):
            return None
        return self.last(self._unannounced(rest[back.end() :]))

    def _unannounced(self, text: str) -> str:
        text = without_closing(text)
        if opening := _COURTESY.match(text):
            text = text[opening.end() :]
        declined = list(matches(_DECLINED, text, spots(fold(text), _DECLINES))) if self.listed else []
        return text[declined[-1].end() :] if declined else text

    def form(self, answer: str) -> str | None:
        """What stands for an answer and all that equal it: `same(a, b)` is `form(a) == form(b)`, so that n answers are
        sorted into classes with n readings and not n * n. Kept for the answers seen last. None, for every answer, where
        the grader has an equality of its own: compare pairs."""
        return _form(self, answer) if type(self).same is Ladder.same else None

    def same(self, a: str, b: str) -> bool:
        return a == b or _form(self, a) == _form(self, b)

    def correct(self, answer: str | None, problem: Problem) -> bool:
        return answer is not None and problem.answer is not None and self.same(answer, problem.answer)


def _merged(marked: list[Statement], announced: Iterator[Statement]) -> Iterator[Statement]:
    return heapq.merge(marked, announced, key=place, reverse=True) if marked else announced


def _judged(grader: Ladder, fragment: str) -> tuple[str | None, bool]:
    """What a fragment that is to state an answer reads as, and whether it says that there is none or leaves it open."""
    declined = grader._declined(fragment)
    reading = None if declined else grader.read(fragment)
    return reading, reading is None and (declined or grader.undecided(fragment))


_remembered = lru_cache(maxsize=16384)(_judged)  # the samples of a problem say the same things


def judged(grader: Ladder, fragment: str) -> tuple[str | None, bool]:
    """As `_judged`; short fragments are remembered."""
    return _remembered(grader, fragment) if len(fragment) <= 100 else _judged(grader, fragment)


@lru_cache(maxsize=16384)
def _form(grader: Ladder, answer: str) -> str:
    """The canonical answer with a sign before it; what cannot be read equals nothing but itself, and has another sign,
    because an unreadable answer can be spelled as the reading of another."""
    reading = grader.read(answer)
    return f"?{answer}" if reading is None else f"={reading}"


_TAKEN_BACK = re.compile(
    r"(?<=[.!?\n,])[ \t]*(?:but |oh,? |hmm,? |no,? )?(?:wait|hold on|correction|oops|scratch that|sorry"
    r"|i made a mistake|no,? (?:it's|it is|i mean|make that|that would be)|that is (?:wrong|not right|incorrect)"
    r"|that's (?:wrong|not right|incorrect))\b[,.:!]?",
    re.IGNORECASE,
)
_COURTESY = re.compile(r"\s*(?:sure|certainly|of course|okay|ok|great question)[!,.:]\s+", re.IGNORECASE)
_CONFIRMED = re.compile(
    r"\b(?:correct|confirm\w*|right|yes|matches|consistent|checks out|verified|same|fine|good)\b", re.IGNORECASE
)
