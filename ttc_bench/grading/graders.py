r"""What counts as right: read an answer from a text, and compare two answers. Pure, but for math-verify's process.

Answers are looked for on a ladder, and the rung that found one is recorded:

    boxed      \boxed{...}, brackets balanced
    format     the words that tasks ask for: "The answer is X.", "Answer: X", "#### X", or the grader's own `lead`
    answer-is  looser: "so the answer to this must be X", a heading "Final Answer"
    last       the last number, choice, word, or formula; the whole text where it is short
    none       nothing that can be read as an answer of this kind

On each rung the last readable match wins. Text inside <think> tags is never looked at. `extract` returns canonical
answers, so equal answers are mostly equal strings; `same` is the only equality, for votes and for gold alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

from ttc_bench.core import Extraction, Grader, Problem
from ttc_bench.grading.extraction import (
    ANSWER_IS,
    FORMULA,
    boxes,
    final,
    following,
    format_of,
    formulas,
    one_line,
    strip_thinking,
)
from ttc_bench.grading.math_equal import MAX_ANSWER, NUMBER, canonical, clean, equal, number

RUNGS = ("boxed", "format", "answer-is", "last", "none")
_OPERATOR = re.compile(r"\s*(?:[-+*/×÷^=≈)]|[A-Za-z]\b|\\(?:times|cdot|div|approx))")
_PROSE_NEXT = re.compile(r"%?(?:\s*\(|[,;:]?\s+(?!(?:and|or|sin|cos|tan|log|mod|base)\b)[A-Za-z]{2})")
_REASON = re.compile(r"(?:,|(?<=[^,]))\s+(?:as|since|because|so|where|which|when)\s.*", re.DOTALL)
_EQUALS = re.compile(r"=|≈|\\approx")


@dataclass(frozen=True)
class Ladder:
    """What the graders share. A kind of answer is what it reads from a fragment and what it takes from a text without
    any answer sentence."""

    lead: str = field(default="", kw_only=True)  # what the task's own format puts before an answer, e.g. "Solution:"
    checks = False

    def read(self, fragment: str) -> str | None:
        """The canonical answer that a fragment (a box, what follows "the answer is", a gold answer) states, or None."""
        raise NotImplementedError

    def last(self, text: str) -> str | None:
        """The answer to take from a text that announces none, or None."""
        raise NotImplementedError

    def extract(self, text: str) -> Extraction:
        """The answer of a completion and the rung it was found on; time linear in the length of the text."""
        text = clean(strip_thinking(text))
        for rung, fragments in (
            ("boxed", boxes(text)),
            ("format", following(format_of(self.lead), text)),
            ("answer-is", following(ANSWER_IS, text)),
        ):
            for fragment in fragments:
                if (answer := self.read(fragment)) is not None:
                    return Extraction(answer, rung)
        answer = self.last(text)
        return Extraction(answer, "none" if answer is None else "last")

    def same(self, a: str, b: str) -> bool:
        if a == b:
            return True
        answer = self.read(a)
        return answer is not None and answer == self.read(b)

    def correct(self, answer: str | None, problem: Problem) -> bool:
        return answer is not None and problem.answer is not None and self.same(answer, problem.answer)


class Number(Ladder):
    """Answers are numbers: integers, decimals, fractions, mixed numbers, scientific notation; exact. Currency and units
    are dropped, and so is a percent sign: 15% is 15."""

    def read(self, fragment: str) -> str | None:
        found = NUMBER.search(fragment := re.sub(r"^\s*-\s+", "-", clean(fragment[:MAX_ANSWER])))
        if found and _OPERATOR.match(fragment, found.end()):  # "3 + 5 = 8": what comes out, not what goes in
            found = NUMBER.search(_EQUALS.split(fragment)[-1]) or found
        return number(found) if found else None

    def last(self, text: str) -> str | None:
        digit = max(text.rfind(d) for d in "0123456789")
        near = max(0, text.rfind(" ", 0, max(0, digit - 200)))  # almost always there; else the whole text is read
        found = final(NUMBER.finditer(text, near)) or final(NUMBER.finditer(text))
        return number(found) if found else None


class Math(Ladder):
    """Answers are LaTeX or plain formulas. Numbers are compared exactly; everything else by math-verify."""

    def read(self, fragment: str) -> str | None:
        fragment = fragment[:MAX_ANSWER].strip()
        start = NUMBER.match(fragment)
        if not (start and fragment[:1] not in "$\\") and (stated := formulas(fragment)):
            return canonical(", ".join(stated))
        fragment = _REASON.sub("", fragment)
        aside = fragment[start.end() :].partition("(")[0] if start else ""
        if start and _PROSE_NEXT.match(fragment, start.end()) and not re.search(r"\d", aside):  # "1 hour 30 minutes"
            return number(start)
        prose = len(re.findall(r"(?<![\\A-Za-z])[A-Za-z]{3,}", re.sub(r"\\text\w*\s*\{[^{}]*\}", "", fragment))) > 4
        return None if prose else canonical(fragment)

    def last(self, text: str) -> str | None:
        short = one_line(text)
        if short and not re.fullmatch(r"[A-Za-z][A-Za-z '?!.,-]+", short) and (answer := self.read(short)):
            return answer
        window = text[-2 * MAX_ANSWER :]
        formula, plain = final(FORMULA.finditer(window)), final(NUMBER.finditer(window))
        if formula and (plain is None or plain.end() <= formula.end()):
            return canonical(_EQUALS.split(next(filter(None, formula.groups())))[-1])
        return number(plain) if plain else Number().last(text)

    def same(self, a: str, b: str) -> bool:
        return equal(a, b)


@dataclass(frozen=True)
class Choice(Ladder):
    """Answers are letters of a list of options: "(B)", "B", "B. Eve". Canonical: "B"."""

    letters: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def read(self, fragment: str) -> str | None:
        fragment = fragment.strip()
        found = re.search(r"\(([A-Z])\)", fragment) or re.fullmatch(r"\W*([A-Za-z])\W*", fragment)
        if found is None:  # a capital by itself, but not the article or the pronoun
            word = r"(?<![\w\\])(?![AI] (?!because|since|as|is|and|for|which)[a-z])([A-Z])(?![\w'’])"
            found = re.search(word, re.sub(r"\\[a-z]+", " ", fragment))
        letter = found[1].upper() if found else ""
        return letter if letter and letter in self.letters else None

    def last(self, text: str) -> str | None:
        found = [letter for letter in re.findall(r"\(([A-Z])\)", text) if letter in self.letters]
        if found:
            return str(found[-1])
        alone = re.match(r"\W*[A-Za-z](?:\W|$)", short) if (short := one_line(text, 8)) else None
        return self.read(short or "") if alone else None


@dataclass(frozen=True)
class Words(Ladder):
    """Answers are one of a few words, such as yes and no. Of two words, "not valid" is the other one."""

    choices: Sequence[str]

    def read(self, fragment: str) -> str | None:
        return next(self._found(_words(tuple(self.choices)), fragment[:MAX_ANSWER]), None)

    def last(self, text: str) -> str | None:
        found = final(self._found(_words(tuple(self.choices), firm=True), text))
        return found or self.read(one_line(text) or "")

    def _found(self, pattern: re.Pattern[str], text: str) -> Iterator[str]:
        choices = [choice.lower() for choice in self.choices]
        for match in pattern.finditer(text):
            at = (match.lastindex or 1) - 1
            denial = _DENIAL.search(text, max(0, match.start() - 50), match.start())
            if not denial or len(re.findall("not|n['’]t", denial[0].lower())) % 2 == 0:
                yield choices[at]
            elif len(choices) == 2:
                yield choices[1 - at]


_DENIAL = re.compile(r"(?:(?:\bnot|n['’]t)\s+(?:\(\s*)?){1,3}(?:(?:deductively|logically)\s+)?$", re.IGNORECASE)


@lru_cache(maxsize=64)
def _words(choices: tuple[str, ...], firm: bool = False) -> re.Pattern[str]:
    """One group for each word. firm: "no" in front of another word ("there is no way") is not an answer."""
    words = "|".join(f"({re.escape(w)})" + (r"(?![ \t]+\w)" if firm and w.lower() == "no" else "") for w in choices)
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)


class Text(Ladder):
    """Answers are a name or a phrase; case, space, punctuation and a leading article do not count."""

    def read(self, fragment: str) -> str | None:
        plain = re.sub(r"\\[A-Za-z]+", " ", fragment[:MAX_ANSWER])
        return re.sub(r"^(?:the|an|a) ", "", re.sub(r"[\W_]+", " ", plain).strip().casefold()) or None

    def last(self, text: str) -> str | None:
        return self.read(one_line(text) or "")


_LATEX_OPERATORS = {r"\times": "*", r"\cdot": "*", r"\div": "/", r"\left": "", r"\right": "", "$": ""}


@dataclass(frozen=True)
class Checked(Ladder):
    """Many answers can be right: `check(answer text, problem)` decides, without a gold. It is given what a stranger
    wrote, at most 1000 characters of it, and must neither evaluate nor trust it."""

    check: Callable[[str, Problem], bool]
    checks = True

    def read(self, fragment: str) -> str | None:
        fragment = fragment[:MAX_ANSWER].replace(r"\(", " ").replace(r"\)", " ")
        for latex, plain in _LATEX_OPERATORS.items():
            fragment = fragment.replace(latex, plain)
        return " ".join(fragment.split()).rstrip(". ") or None

    def last(self, text: str) -> str | None:
        return self.read(one_line(text, 20) or "")

    def same(self, a: str, b: str) -> bool:
        return a == b or "".join(a.split()) == "".join(b.split())

    def correct(self, answer: str | None, problem: Problem) -> bool:
        return answer is not None and self.check(answer, problem)


def group(answers: Sequence[str | None], grader: Grader) -> list[str | None]:
    """The answers to one problem, each replaced by the first one that it is the same as: equal answers become equal
    strings, as votes need them. None stays None."""
    firsts: dict[str, str] = {}
    for answer in answers:
        if answer is not None and answer not in firsts:
            heads = dict.fromkeys(firsts.values())
            firsts[answer] = next((head for head in heads if grader.same(head, answer)), answer)
    return [None if answer is None else firsts[answer] for answer in answers]


GRADERS: dict[str, Callable[..., Grader]] = {
    "number": Number,
    "math": Math,
    "choice": Choice,
    "yes-no": partial(Words, ("yes", "no")),
    "boolean": partial(Words, ("true", "false")),
    "words": Words,  # choices: which
    "text": Text,
    "check": Checked,  # check: the checker function
}
