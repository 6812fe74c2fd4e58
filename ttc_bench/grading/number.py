"""The grader of numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ttc_bench.grading.announcements import backwards
from ttc_bench.grading.extraction import first_line, one_line, paragraph
from ttc_bench.grading.ladder import Ladder
from ttc_bench.grading.needles import fold, line_starts, matches, replaced, spots
from ttc_bench.grading.numerals import localised, number, worded, written
from ttc_bench.grading.typography import MAX_ANSWER, clean

_EQUALS = re.compile(r"=|≈|\\approx")
_OPERATOR = re.compile(
    r"!?\s*(?:[-+*/×÷^=≈)]|\\(?:times|cdot|div|approx))|\s+[A-Za-z]\s"
    r"|(?:\s+(?!because|since|as\b|so\b|where|which|when|if|for)[A-Za-z]{2,12}){1,2}\s*[+*/×÷=]\s*[$\d(]"
)
_ARITHMETIC = re.compile(r"\s*(?:[-+*/×÷^]|\\(?:times|cdot|div))\s*[$\d(]")
_PAIRS = (
    r"(?:feet|foot|ft|inch(?:es)?|hours?|hrs?|minutes?|mins?|seconds?|secs?|days?|weeks?"
    r"|months?|years?|pounds?|lbs?|ounces?|oz|in|min|h|s|m|g|km|meters?|cm|kg|grams?|degrees?)"
)
_COMPOUND = re.compile(  # one quantity of several numbers: no number
    r"(?<![\w'])[0-9]{1,2}['’] ?[0-9]{1,2}(?:[\"”]|'')|(?<![\w.:])[0-9]{1,4}(?::[0-9]{1,3}){1,3}(?![\w:])"
    r"|(?<![\w/])[0-9]{1,4}([-/])[0-9]{1,2}\1[0-9]{1,4}(?![\w/])"
    rf"|(?<![\w.])[0-9][0-9.,]{{0,20}}[ -]?{_PAIRS},?(?: and)? [0-9][0-9.,]{{0,20}}[ -]?{_PAIRS}\b"
)
_DIGITS = re.compile("[0-9]+")
_CENTS = re.compile(r"\$?([0-9]{1,9})(?: dollars?)? and ([0-9]{1,2}) cents?\b", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween \S{1,20} and \S{1,20}(?=[\s,.]|$)", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:\b(?:not|isn't|never|rather than|instead of|unlike)|n['’]t(?: be)?) (?:just |be |equal to "
    r"|exactly )?\\?[$€£]?-?[0-9][0-9,.]*(?![\w%])",
    re.IGNORECASE,
)
_DENIALS = ("not ", "isn't ", "never ", "rather than ", "instead of ", "unlike ", "n't", "n’t")
_LABEL = re.compile(
    r"\b(?:option|step|case|part|day|question|problem|plan|method|figure|table|chapter|room|year|week|example"
    r"|equation|choice"
    r"|number|no\.|grade|level|stage|phase|round|page|line|item|player|person|train|store|scenario|section) ?#?$|#$",
    re.IGNORECASE,
)
_GOVERNED = re.compile(
    r"\b(?:from|in|for|at|after|on|per|over|within|during|every|each|out of|than|since|until|before|through|across"
    r"|all|both)"
    r"(?: (?:the|all|these|those|her|his|their|its|about|a|other|first|last|next|only|just))?(?: [a-z]+ing)? ?$"
    r"|\bto (?!be\b|get\b|have\b|equal\b|reach\b|total\b|become\b|about\b|only\b|just\b)[a-z]+ ?$",
    re.IGNORECASE,
)
_BECAUSE = re.compile(r"\s(?:because|which is why|which is(?= \S+ (?:less|more|fewer|greater)\b))\s", re.IGNORECASE)
_DIRECT = re.compile(
    r"\W*(?:(?:approximately|about|around|roughly|exactly|only|just|simply|equal to|equals|a total of|\w{1,2}\s*=|x"
    r"|rs|usd|eur"
    r"|\\(?:text|mathrm|approx)\w*)\W*)*",
    re.IGNORECASE,
)
_ALTERNATIVE = re.compile(
    r"\s*(?:or|and|to|,|/)\s+(?:maybe |perhaps |possibly |[a-z] ?= ?)?(?:\$?(-?[0-9][0-9,]*)(?![\w.%]|,[0-9]))"
)
_COMES_TO = re.compile(
    r"(?:\bwhich (?:is|equals|gives|makes)|\bthat is|\bi\.e\.|\bnamely|\bequals|\bequal to|\bor"
    r"|\bfor a total of),? [$\\]{0,2}$",
    re.IGNORECASE,
)
_LONE = re.compile(r"(?![-*•]\s)\W{0,6}(?:x = )?\\?[$€£]?-?[0-9][0-9,.]*\s?%?(?: [A-Za-z]{2,15}){0,2}\W{0,4}")


_ITEM = re.compile(r"^[ \t]{0,8}[0-9]{1,2}[.)][ \t]{1,4}(?=[A-Za-z*(])", re.MULTILINE)  # of a numbered list


class Numeral(NamedTuple):
    """A number in a text; `value` is None for what is no single number, such as 2:30."""

    start: int
    end: int
    value: str | None
    money: bool = False


def numerals(text: str) -> list[Numeral]:
    """The numbers of a short text, in order."""
    digits = [match.start() for match in _DIGITS.finditer(text)]
    if not digits:
        return []
    compounds = [Numeral(*match.span(), None) for match in matches(_COMPOUND, text, digits)]
    plain = [
        Numeral(*match.span(), number(match), bool(match["currency"]))
        for match in written(text)
        if not any(c.start <= match.start() < c.end for c in compounds)
    ]
    return sorted(compounds + plain)


def chief(text: str, among: Sequence[Numeral]) -> list[Numeral]:
    """The numbers that a sentence is about: the only amount of money; else those that are no labels ("option 2") and
    belong to no preposition ("from 9 eggs", "in 2024")."""
    if len(money := [n for n in among if n.money]) == 1:
        return money
    values = [n for n in among if not _LABEL.search(text[max(0, n.start - 20) : n.start])] or list(among)
    return [n for n in values if not _GOVERNED.search(text[max(0, n.start - 40) : n.start])] or values


class Number(Ladder):
    """Answers are numbers: integers, decimals, fractions, mixed numbers, scientific notation; exact. Currency and units
    are dropped, and so is a percent sign: 15% is 15."""

    def read(self, fragment: str) -> str | None:
        text = re.sub(r"^\s*-\s+", "-", _prepared(fragment[:MAX_ANSWER]))
        among = numerals(text)
        if not among:
            return None if re.search(r"[0-9]", text) else worded(text)
        first = among[0]
        direct = _DIRECT.fullmatch(text, 0, first.start) is not None
        if not direct and not self._several(text, first):
            first = chief(text, among)[0]
        arithmetic = _ARITHMETIC.match(text, first.end)
        if arithmetic or (not direct and not self._several(text, first)):  # "9 + 9, which is 18"
            comes_to = [n for n in among[1:] if _COMES_TO.search(text[max(0, n.start - 30) : n.start])]
            if comes_to and not _EQUALS.search(text, first.end):
                return comes_to[-1].value
        if first.value is not None and _OPERATOR.match(
            text, first.end
        ):  # "3 + 5 = 8": what comes out, not what goes in
            result = numerals(_EQUALS.split(text)[-1]) if _EQUALS.search(text) else []
            if not result and _ARITHMETIC.match(text, first.end):
                return None
            first = result[0] if result else first
        return None if self._several(text, first) else first.value

    def undecided(self, fragment: str) -> bool:
        text = _prepared(fragment[:MAX_ANSWER])
        return bool(among := numerals(text)) and self._several(text, among[0])

    def last(self, text: str) -> str | None:
        if len([*matches(_ITEM, text, line_starts(text))]) > 1:
            text = _ITEM.sub("", text)
        if _LONE.fullmatch(head := first_line(text)) and (direct := self.read(head)) is not None:
            return direct
        digit = max(text.rfind(d) for d in "0123456789")
        if digit < 0:
            return self.read(one_line(text) or "")
        for sentence in backwards(_prepared(paragraph(text[: digit + 100], 2 * MAX_ANSWER))):
            head = _BECAUSE.split(sentence, maxsplit=1)[0]
            sentence = head if numerals(head) else sentence
            result = numerals(_EQUALS.split(sentence)[-1])
            if _EQUALS.search(sentence) and result:
                return (result[0] if len(result) > 1 else result[-1]).value
            if among := numerals(sentence):
                return chief(sentence, among)[-1].value
        return None

    @staticmethod
    def _several(text: str, first: Numeral) -> bool:
        """Whether other whole numbers stand beside the first as its equals: "18 or 20", "3, 4 and 5"."""
        if first.value is None or not re.fullmatch(r"-?[0-9]+", first.value):
            return False
        other = _ALTERNATIVE.match(text, first.end)
        if other is None or other[1].replace(",", "") == first.value:
            return False
        joined, rest = other[0].strip(), text[other.end() :]
        return joined.startswith(("or", "to")) or re.fullmatch(rf"(?:{_ALTERNATIVE.pattern})*\W*", rest) is not None


def _prepared(fragment: str) -> str:
    text = localised(clean(fragment))
    low = fold(text)
    if "cent" in low:
        text = _CENTS.sub(lambda m: f"${m[1]}.{m[2]:0>2}", text)
        low = fold(text)
    text = replaced(_DENIED, lambda match: " ", text, spots(low, _DENIALS))
    return _BETWEEN.sub(" ", text) if "between" in low else text
