r"""Numbers as they are written, and their canonical form: "1,234.50", "$1234.5" and "\frac{2469}{2}" are "1234.5"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from ttc_bench.grading.needles import fold, has, matches
from ttc_bench.grading.typography import MAX_ANSWER

_DIGITS = r"(?>[0-9]{1,3}(?:,[0-9]{3}){1,99}(?![0-9])|[0-9]+)"  # 1,234 is a thousand and more, never a pair
_DECIMAL = rf"(?>{_DIGITS}(?:\.[0-9]+)?|\.[0-9]+)"
_ARGUMENT = r"\s*(?:\{{\s*(?P<{0}>-?[0-9][0-9,.]*)\s*\}}|(?P<{0}1>[0-9]))"
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
NUMBER = re.compile(
    rf"""
    (?<![\w^√]) (?<!\*\*) (?<![0-9]\.) (?<![_^]\{{) (?<!\}}\{{) (?<!frac\{{) (?<!sqrt\{{)  # a part of something else
    (?> (?P<sign>(?:(?<![)\]}}])-)?(?P<currency>\\?[$€£¥₹]\s?-?)?)
        (?: (?:(?P<whole>{_DIGITS})\s*)? \\[dt]?frac {_ARGUMENT.format("top")} {_ARGUMENT.format("bottom")}
          | (?:(?P<mixed>{_DIGITS})\s+(?:and\s+)?)? (?P<over>{_DECIMAL}) \s*/\s* (?P<under>{_DECIMAL})
          | (?P<plain>{_DECIMAL})
            (?: [eE](?P<e>[-+]?[0-9]+)(?!\w)
              | \s*(?:\\times|\\cdot|[×x*])\s*10\s*\^\s*\{{?\s*(?P<ten>-?[0-9]+)
              | \s(?P<scale>(?i:thousand|million|billion|trillion))s?\b )? \}}? ) )
    (?!\s*\*\*) (?!\s*\^(?!\s*\{{?\s*\\circ)) (?!\s?(?:\\(?:sqrt|pi)\b|[√π]))
    (?![0-9]|[xyz]\b)  # nor 2 of 2^5, 5 of 5\pi
    """,
    re.VERBOSE,
)


# Where a number can begin: at its sign, currency or \frac, or at the first digit or the point of it.
_BEGIN = re.compile(r"[0-9]+|[-\\$€£¥₹.]")


def written(text: str) -> Iterator[re.Match[str]]:
    """The numbers in a text: what NUMBER.finditer finds."""
    return matches(NUMBER, text, (match.start() for match in _BEGIN.finditer(text)))


def number(match: re.Match[str]) -> str | None:
    """The canonical form of a NUMBER match: an integer ("18"), a finite decimal ("18.5") or a fraction in lowest terms
    ("1/3"). A percent sign, a currency or a unit is not part of it. None for 1/0 and for more than 1000 digits."""
    if match[0].isdigit() and len(match[0]) <= MAX_ANSWER:
        return match[0].lstrip("0") or "0"
    part = {name: text.replace(",", "") for name, text in match.groupdict().items() if text}
    shift = int(part.get("e") or part.get("ten") or "0") if len(part.get("e", "") + part.get("ten", "")) < 5 else 9999
    shift += _SCALES.get(part.get("scale", "").lower(), 0)
    if len(match[0]) > MAX_ANSWER or abs(shift) > MAX_ANSWER:
        return None
    try:
        if "plain" in part:
            value = Fraction(part["plain"]) * Fraction(10) ** shift
        elif "over" in part:
            value = Fraction(part.get("mixed", "0")) + Fraction(part["over"]) / Fraction(part["under"])
        else:
            top, bottom = part.get("top") or part["top1"], part.get("bottom") or part["bottom1"]
            value = Fraction(part.get("whole", "0")) + Fraction(top) / Fraction(bottom)
    except (ValueError, ZeroDivisionError):  # "1.2.3" in a \frac; a denominator of 0
        return None
    return spell(-value if "-" in part.get("sign", "") else value)


def spell(value: Fraction) -> str:
    """The one spelling of a number: decimal where that ends, else a fraction in lowest terms."""
    left, places = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while left % prime == 0:
            left, count = left // prime, count + 1
        places = max(places, count)
    if left > 1:
        return f"{value.numerator}/{value.denominator}"
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


# Each begins with what it needs and looks behind that afterwards: then it is tried at these characters only.
_SPACED = re.compile(r"([0-9](?<![\d.,/^\w].)[0-9]{0,2}(?: [0-9]{3}){1,9})(?![0-9]| ?/| [0-9])")
_APOSTROPHES = re.compile(r"['’](?<=[0-9].)(?=[0-9]{3}(?![0-9]))")
_POINTED = re.compile(r"([0-9](?<![\d.,].)[0-9]{0,2}(?:\.[0-9]{3}){1,9}),([0-9]{1,9})(?![0-9]|[.,][0-9])")
_MANY_POINTS = re.compile(r"([0-9](?<![\d.,].)[0-9]{0,2}(?:\.[0-9]{3}){2,9})(?![0-9]|[.,][0-9])")
_LAKHS = re.compile(r"[0-9](?<![\d.,].)[0-9]?(?:,[0-9]{2}){1,9},[0-9]{3}(?![0-9]|,[0-9])")
_COMMA = re.compile(r"([0-9](?<![\d.,].)[0-9]{0,98}),([0-9]{1,2}|[0-9]{4,30})(?![0-9]|[.,][0-9])")
_LONG_COMMA = re.compile(r"([0-9](?<![\d.,].)(?:[0-9]{3,98}|(?<=0))),([0-9]{1,30})(?![0-9]|[.,][0-9])")
_SUFFIX = re.compile(r"([kKMB])(?<=[0-9].)\b(?![.'’-]?[a-zA-Z])")
_NEGATIVE = re.compile(r"(?<![0-9] )\b(?:negative|minus)\s+(?=\\?[$€£¥₹]?\.?[0-9])", re.IGNORECASE)
_DIGIT = re.compile("[0-9]")
_JOINED = re.compile("[0-9][ .,'’][0-9]")


_AND_A_PART = re.compile(r"(?<![\d.,/])([0-9]{1,9}) and (a half|a quarter|three quarters)\b", re.IGNORECASE)
_AND_PARTS = ("and a half", "and a quarter", "and three quarters")
_ENDS = {"a half": ".5", "a quarter": ".25", "three quarters": ".75"}


def localised(text: str) -> str:
    """Numbers with spaces, points or apostrophes between thousands and a decimal comma in the English spelling; and
    "negative 5" with its sign."""
    if _DIGIT.search(text) is None:
        return text
    low = fold(text)
    if has(low, ("negative", "minus")):
        text = _NEGATIVE.sub("-", text)
    if has(low, _AND_PARTS):
        text = _AND_A_PART.sub(lambda m: m[1] + _ENDS[m[2].lower()], text)
    if _JOINED.search(text):
        text = _english(text)
    return _SUFFIX.sub(lambda m: {"k": " thousand", "m": " million", "b": " billion"}[m[1].lower()], text)


def _english(text: str) -> str:
    if "'" in text or "’" in text:
        text = _APOSTROPHES.sub("", text)
    text = _SPACED.sub(lambda m: m[1].replace(" ", ""), text)
    if "." in text:
        text = _POINTED.sub(lambda m: f"{m[1].replace('.', '')}.{m[2]}", text)
        text = _MANY_POINTS.sub(lambda m: m[1].replace(".", ""), text)
    if "," in text:
        text = _LAKHS.sub(lambda m: m[0].replace(",", ""), text)
        text = _LONG_COMMA.sub(r"\1.\2", _COMMA.sub(r"\1.\2", text))
    return text


_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_CARDINALS = {word: value for value, word in enumerate(_SMALL.split())}
_CARDINALS |= {word: 10 * tens for tens, word in enumerate(_TENS.split(), start=2)}
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
_WORD = re.compile(r"[a-z]+")


def worded(text: str) -> str | None:
    """The canonical form of a number written in words at the start of a fragment: "negative twenty-one", "a dozen",
    "two thirds", "one hundred and five". None where the fragment does not begin with one, or goes on as "one of them"
    does."""
    words = _WORD.findall(text[:200].lower())
    if {"dollars", "cents"} <= set(words):
        return None
    sign = -1 if words and words[0] in ("negative", "minus") else 1
    words = words[1:] if sign < 0 else words
    while words and words[0] in ("exactly", "only", "just", "about", "approximately", "around", "a", "an"):
        words = words[1:]
    value, group, used = 0, 0, 0
    for word in words:
        if word in _CARDINALS:
            group += _CARDINALS[word]
        elif word == "hundred":
            group = max(group, 1) * 100
        elif word in _SCALES:
            value += max(group, 1) * 10 ** _SCALES[word]
            group = 0
        elif word == "dozen" and not used:
            group = 12
        elif not (word == "and" and used and set(words[used + 1 : used + 2]) & _CARDINALS.keys()):
            break
        used += 1
    rest = words[used:]
    if used and rest[:3] in (["and", "a", "half"], ["and", "a", "quarter"]):
        return spell(sign * (value + group + Fraction(1, _PARTS[rest[2]])))
    part = _PARTS.get(rest[0].removesuffix("s").replace("halve", "half")) if rest else None
    if part and (used or rest[0] in ("half", "third", "quarter")):
        return spell(Fraction(sign * max(value + group, 1), part))
    if not used or (
        rest and rest[0] in ("of", "that", "which", "who", "way", "thing", "more", "another", "by", "where")
    ):
        return None
    return spell(Fraction(sign * (value + group)))
