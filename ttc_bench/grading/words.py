"""The grader of answers that are one of a few words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ttc_bench.grading.announcements import CORRECTION, backwards
from ttc_bench.grading.extraction import one_line, paragraph
from ttc_bench.grading.ladder import Ladder
from ttc_bench.grading.needles import fold, matches, replaced, spots
from ttc_bench.grading.typography import MAX_ANSWER

_FILLER = (
    r"(?:be|been|being|an?|the|really|necessarily|deductively|logically|formally|strictly|quite|always|actually"
    r"|entirely"
    r"|considered|evaluated|equal to|to be|exactly|simply|at all|in fact|a case of|said to be|clearly|technically"
    r"|completely|seem|seems|appear|look|sound)"
)
_DENIAL = re.compile(
    rf"(?:(?:(?:\bnot|n['’]t|\bnever|\bcannot|\bhardly|\bfar from|\bfails? to|\banything but|\brather than"
    rf"|\binstead of)\s+(?:{_FILLER}\s+)*(?:\(\s*)?){{1,3}}"
    r"|(?:\bnot|n['’]t|\bcannot) (?:think|believe|conclude|say|claim|agree|mean|imply|follow|make|show"
    r"|prove)\b[^.,;:!?\n]{0,50}"
    r"|\b(?:not true|not the case|false|wrong|incorrect|untrue) (?:that|to (?:say|call|claim"
    r"|conclude))\b[^.,;:!?\n]{0,50})$",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"not|n['’]t|never|cannot|hardly|far|fail|anything|rather|instead|wrong|incorrect|untrue|false that", re.IGNORECASE
)
_NO_SUCH = re.compile(r"\bno $|\bwithout (?:any |an? )?$", re.IGNORECASE)
_OPEN = re.compile(
    r"\b(?:possibly|maybe|perhaps) $|\b(?:whether|if|unless|either|neither|unsure|suppos\w+"
    r"|assum\w+)\b(?: [\w'’-]+){0,6} [\"'“‘(]?$",
    re.IGNORECASE,
)
_JOINT = (
    r"[\"'”’*)]{0,3}(?:\s*(?:/|\||,?\s+(?:or|and|nor|vs\.?|versus)\s+(?:is |not )?|,"
    r"|\n\s{0,4}(?:[-*•]|[0-9][.)])?)\s*)[\"'“‘*(]{0,3}"
)
_QUESTION = re.compile(r"(?:^|(?<=[.!?\n]))[^.!?\n]*\?")
_CONCLUSION = re.compile(r"\W*(?:so|thus|therefore|hence|finally|in conclusion|overall)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Words(Ladder):
    """Answers are one of a few words, such as yes and no. Of two words, "not valid" is the other one."""

    choices: Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))  # YAML gives a list; graders are keys of caches

    def read(self, fragment: str) -> str | None:
        text = fragment[:MAX_ANSWER]
        if text.casefold() in (choice.casefold() for choice in self.choices):
            return text.lower() if text.isascii() else next(self._named(text), None)
        result = re.split(r"=|\b(?:evaluates to|simplifies to|reduces to)\b", text)[-1]
        return next(self._named(result), None) or (next(self._named(text), None) if result != text else None)

    def undecided(self, fragment: str) -> bool:
        return _alternatives(tuple(self.choices)).search(fragment[:MAX_ANSWER]) is not None

    def last(self, text: str) -> str | None:
        text = paragraph(text, 4 * MAX_ANSWER)
        text = replaced(_alternatives(tuple(self.choices)), lambda match: " ", text, self._spots(text))
        text = _QUESTION.sub(" ", text) if "?" in text else text
        if self._spots(text):
            direct = self._direct(text.lstrip(" \n*_\"'#>(`"))
            for sentence in backwards(text):
                named = list(self._named(sentence, firm=True))
                if named and (direct is None or _CONCLUSION.match(sentence)):
                    return named[-1]
            if direct is not None:
                return direct
        return self.read(one_line(text) or "")

    def _direct(self, text: str) -> str | None:
        """The word that a text begins with, where a comma or the like ends it: "Yes, she does"."""
        start = _words(tuple(self.choices), firm=True).match(text)
        if start is None or _alternatives(tuple(self.choices)).match(text) or CORRECTION.search(text, start.end() + 1):
            return None
        ended = re.match(r"[\"'*_)`]*(?:[,.;:!]|\s*$|\s*[-—–]|\n)", text[start.end() : start.end() + 20])
        return next(self._named(start[0], firm=True), None) if ended else None

    def _named(self, text: str, firm: bool = False) -> Iterator[str]:
        """The words that a text names and leaves standing, in order."""
        if not (places := self._spots(text)):
            return
        text = replaced(_alternatives(tuple(self.choices)), lambda match: " " * len(match[0]), text, places)
        choices = [choice.lower() for choice in self.choices]
        for match in matches(_words(tuple(self.choices), firm), text, places):
            at = (match.lastindex or 1) - 1
            before = text[max(0, match.start() - 80) : match.start()]
            denial = _DENIAL.search(before)
            if _OPEN.search(before):
                continue
            denied = (
                len(_NEGATION.findall(denial[0])) % 2 == 1
                if denial
                else (choices[at] not in ("yes", "no") and bool(_NO_SUCH.search(before)))
            )
            if not denied:
                yield choices[at]
            elif len(choices) == 2:
                yield choices[1 - at]

    def _spots(self, text: str) -> list[int]:
        """Where one of the words stands, if only as a part of another word."""
        return spots(fold(text), _needles(tuple(self.choices)))


# "No" before one of these is an answer; before a noun it is not ("no way", "no doubt").
_AFTER_NO = (
    r"(?:because|since|as|if|it|its|the|they|he|she|we|you|i|this|that|these|those|there|not|for|so|and|but|or|when"
    r"|unless|due"
    r"|given|in|at|on|by|an?|after|is|with)"
)


@lru_cache(maxsize=64)
def _needles(choices: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(fold(choice) for choice in choices)


@lru_cache(maxsize=64)
def _words(choices: tuple[str, ...], firm: bool = False) -> re.Pattern[str]:
    """One group for each word. firm: "no" in front of another word ("there is no way") is not an answer."""
    after_no = r"(?![ \t]+\w|-)" if firm else rf"(?![ \t]+(?!{_AFTER_NO}\b)(?-i:[a-z])|-\w)"
    words = "|".join(f"({re.escape(w)})" + (after_no if w.lower() == "no" else "") for w in choices)
    return re.compile(rf"(?<![\w-])(?:{words})(?!\w)", re.IGNORECASE)


@lru_cache(maxsize=64)
def _alternatives(choices: tuple[str, ...]) -> re.Pattern[str]:
    """Two or more of the words joined as equals: "yes or no", "True/False", "valid, invalid"."""
    word = "(?:" + "|".join(re.escape(w) for w in choices) + ")"
    pairs = "|".join(rf"{re.escape(a)}{_JOINT}(?:{word}{_JOINT}){{0,8}}(?!{re.escape(a)}\b){word}" for a in choices)
    return re.compile(rf"(?<!\w)(?:{pairs})(?!\w)(?!\s*=)", re.IGNORECASE)
