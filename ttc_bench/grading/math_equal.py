r"""Canonical forms of numbers and LaTeX, and their equality. The graders that use them are in grading.py.

Equal answers should be equal strings already, so that votes can be counted: `canonical` brings every plain number to
one spelling ("1,234.50", "$1234.5" and "\frac{2469}{2}" are "1234.5") and LaTeX to one style. Two numbers are compared
exactly, as fractions; whatever is left goes to math-verify, in a process of its own (math_worker.py).
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from ttc_bench.grading.math_worker import WORKER

MAX_ANSWER = 1000  # characters; nothing longer is an answer

_DIGITS = r"(?>[0-9]{1,3}(?:,[0-9]{3}){1,99}(?![0-9])|[0-9]+)"  # 1,234 is a thousand and more, never a pair
_DECIMAL = rf"(?>{_DIGITS}(?:\.[0-9]+)?|\.[0-9]+)"
_ARGUMENT = r"\s*(?:\{{\s*(?P<{0}>-?[0-9][0-9,.]*)\s*\}}|(?P<{0}1>[0-9]))"
NUMBER = re.compile(
    rf"""
    (?<![\w^]) (?<!\*\*) (?<![0-9]\.) (?<![_^]\{{) (?<!\}}\{{) (?<!frac\{{) (?<!sqrt\{{)  # a part of something else
    (?> (?P<sign>(?:(?<![)\]}}])-)?(?:\\?[$€£¥₹]\s?-?)?)
        (?: (?:(?P<whole>{_DIGITS})\s*)? \\[dt]?frac {_ARGUMENT.format("top")} {_ARGUMENT.format("bottom")}
          | (?:(?P<mixed>{_DIGITS})\s+)? (?P<over>{_DECIMAL}) \s*/\s* (?P<under>{_DECIMAL})
          | (?P<plain>{_DECIMAL})
            (?: [eE](?P<e>[-+]?[0-9]+)(?!\w)
              | \s*(?:\\times|\\cdot|[×x*])\s*10\s*\^\s*\{{?\s*(?P<ten>-?[0-9]+) )? \}}? ) )
    (?!\s*\*\*) (?!\s*\^(?!\s*\{{?\s*\\circ)) (?!\s?\\(?:sqrt|pi)\b) (?![0-9]|[xyz]\b)  # nor 2 of 2^5, 5 of 5\pi
    """,
    re.VERBOSE,
)
_UNIT = re.compile(
    r"\s*(?:\\?%|percent|°|\^\s*\{?\s*\\circ\s*\}?"
    r"|\s(?!(?:and|times|plus|minus|over|mod|base|sin|cos|tan|log|exp|million|billion|thousand|hundred|dozen)\b)"
    r"[A-Za-z]{3,}(?:\s[A-Za-z]+){0,3}"
    r"|\s(?:cm|mm|km|kg|lb|oz|ft|in|mi|hr|am|pm|m|g|s)"
    r"|\\(?:text|textrm|mathrm|mbox)\s*\{(?![^{}]*\b(?:and|or)\b)[^{}]*\})\s*(?:\^\s*\{?[23]\}?)?"
)
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+|/[0-9]+)?")
_WORDY = re.compile(r"[A-Za-z][A-Za-z '-]{3,}")


def number(match: re.Match[str]) -> str | None:
    """The canonical form of a NUMBER match: an integer ("18"), a finite decimal ("18.5") or a fraction in lowest terms
    ("1/3"). A percent sign, a currency or a unit is not part of it. None for 1/0 and for more than 1000 digits."""
    part = {name: text.replace(",", "") for name, text in match.groupdict().items() if text}
    shift = int(part.get("e") or part.get("ten") or "0") if len(part.get("e", "") + part.get("ten", "")) < 5 else 9999
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


_TYPOGRAPHY = str.maketrans({
    "\u2212": "-", "\u2010": "-", "\u2011": "-", "\u2013": "-", "\ufe63": "-", "\uff0d": "-",
    "\u00a0": " ", "\u2007": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "\u2060": "",
    "\uff04": "$", "\uff05": "%", "\u2044": "/",
    "½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4",
})  # fmt: skip
_BOLD = re.compile(r"(?<!\w)\*\*|\*\*(?!\w)")  # not the power in 9**9
_THIN = re.compile(r"(?<!\\)\\(?:[,;: ]|!\s*)")


def clean(text: str) -> str:
    """The text with plain minus signs and spaces, without markdown's bold and LaTeX's thin spaces; `{,}` is a comma."""
    text = (text if text.isascii() else text.translate(_TYPOGRAPHY)).replace("{,}", ",")
    if "**" in text:
        text = _BOLD.sub("", text)
    return _THIN.sub("", text) if "\\" in text else text


_UNITS = (
    r"(?:square |cubic )?(?:units?|cm|km|m|meters|miles|radians|degrees)"  # none that comes in pairs: 5 feet 3 inches
)
_STYLE = [
    (re.compile(pattern), new)
    for pattern, new in (
        (r"\\[dt]frac(?![A-Za-z])", r"\\frac"),
        (r"\\(?:left|right|displaystyle|limits)(?![A-Za-z])|\\?\$|~", " "),
        (rf"\\(?:text|mathrm|mbox)\s*\{{\s*(?:{_UNITS})\s*\}}$", ""),
        (r"\\(?:text|textbf|textrm|mathrm|mathbf|mbox)\s*\{([^{}]*)\}", r"\1"),
        (r"\s+", " "),
        (r",?\s?(?<![A-Za-z])(?:and|or)\s", ", "),
        (r"π|(?<![\\A-Za-z])pi(?![A-Za-z])", r"\\pi "),
        (r"√\s?([0-9]+|[A-Za-z])", r"\\sqrt{\1}"),
        ("∞", r"\\infty "),
        ("∪", r"\\cup "),
        ("[×·]", r"\\cdot "),
        (r"≤|\\leq(?![A-Za-z])", r"\\le "),
        (r"≥|\\geq(?![A-Za-z])", r"\\ge "),
        (r"°|\^\s?\{?\s?\\circ\s?\}?", ""),
        (r"([_^])\{(\w)\}", r"\1\2"),
        (r"(?<![A-Za-z]) | (?![A-Za-z])", ""),  # "\pi r" needs its space, "2 \pi" does not
        (",", ", "),
    )
]
_OUTER = [("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), (r"\boxed{", "}"), (r"\text{", "}"), ("{", "}")]
_ABOUT = re.compile(r"(?:\\approx|≈|approximately|about|exactly)\s*", re.IGNORECASE)
_NAMED = re.compile(r"\\?[A-Za-z]\w?\s*(?:=|\\in(?![A-Za-z])|∈)\s*([^=]+)")
_END = ".,;: "


@lru_cache(maxsize=65536)
def canonical(text: str) -> str | None:
    r"""One spelling of a mathematical answer: plain numbers as `number` gives them ("x = 5\text{ cm}" is "5"), a lone
    letter without brackets ("\text{(C)}" is "C"), words in lower case, other LaTeX in one style. None for nothing."""
    if len(text) > MAX_ANSWER:
        return None
    s = clean(text).strip().rstrip(_END)
    while outer := next((o for o in _OUTER if _encloses(*o, s)), None):
        s = s[len(outer[0]) : len(s) - len(outer[1])].strip().rstrip(_END)
    s = _ABOUT.sub("", s, count=1) if _ABOUT.match(s) else s
    if named := _NAMED.fullmatch(s):
        s = named[1].strip()
    left, equals, right = s.rpartition("=")
    if equals and not re.search(
        r"[A-Za-z<>!]", re.sub(r"\\[A-Za-z]+", "", left)
    ):  # "2 + 3 = 5": worked out, no equation
        s = right.strip()
    if plain := _quantity(s):
        return plain
    for pattern, new in _STYLE:
        s = pattern.sub(new, s)
    s = s.strip().rstrip(_END)
    if letter := re.fullmatch(r"\(([A-Z])\)", s):
        return letter[1]
    return _quantity(s) or (s.lower() if _WORDY.fullmatch(s) else s) or None


def _encloses(opening: str, closing: str, s: str) -> bool:
    """Whether s is one group from its first character to its last ("$a$", but not "$a$ or $b$")."""
    if not (s.startswith(opening) and s.endswith(closing) and len(s) >= len(opening) + len(closing)):
        return False
    inner = s[len(opening) : len(s) - len(closing)]
    if closing != "}":
        return closing not in inner.replace(r"\$", "")
    depth = 0
    for bracket in re.findall(r"(?<!\\)[{}]", inner):
        depth += 1 if bracket == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def _quantity(s: str) -> str | None:
    """A number with or without a unit, and nothing else."""
    s = re.sub(r"^-\s+", "-", s)
    match = NUMBER.match(s)
    return number(match) if match and (match.end() == len(s) or _UNIT.fullmatch(s, match.end())) else None


def equal(a: str, b: str) -> bool:
    """Whether two answers are the same mathematics. Symmetric; never raises for any text; a pair that needs more than
    LIMIT is not equal and counts in `WORKER.timeouts`. Raises TtcError only where math-verify itself cannot start."""
    if a == b:
        return True
    x, y = canonical(a), canonical(b)
    if x is None or y is None:
        return False
    if x == y:
        return True
    if all(_PLAIN.fullmatch(s) or _WORDY.fullmatch(s) for s in (x, y)):
        return False
    return _asked(min(x, y), max(x, y))


@lru_cache(maxsize=65536)
def _asked(a: str, b: str) -> bool:
    return WORKER.ask(a, b)
