r"""Canonical forms of mathematical answers, and their equality. docs/grading.md states what is equal and what is not.

Equal answers should be equal strings already, so that votes can be counted: `canonical` brings every plain number to
one spelling (numerals.py) and LaTeX to one style. Two numbers are compared exactly, as fractions; equations, lists,
tuples and sets by their parts; whatever is left goes to math-verify, in a process of its own (math_worker.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ttc_bench.grading.math_worker import WORKER
from ttc_bench.grading.numerals import NUMBER, number
from ttc_bench.grading.typography import MAX_ANSWER, clean

_UNIT = re.compile(
    r"\s*(?:\\?[%$€£¥₹]|percent|°|\^\s*\{?\s*\\circ\s*\}?"
    r"|\s(?!(?:and|times|plus|minus|over|mod|base|sin|cos|tan|log|exp|million|billion|thousand|hundred|dozen)\b)"
    r"[A-Za-z]{3,}(?:\s[A-Za-z]+){0,3}"
    r"|\s(?:cm|mm|km|kg|lb|oz|ft|in|mi|hr|am|pm|m|g|s)"
    r"|\\(?:text|textrm|mathrm|mbox)\s*\{(?![^{}]*\b(?:and|or)\b)[^{}]*\})\s*(?:\^\s*\{?[23]\}?)?"
)
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+|/[0-9]+)?")
_WORDY = re.compile(r"[A-Za-z][A-Za-z '-]{3,}")


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
        (r"≤|<=|\\(?:leqslant|leqq?|le)(?![A-Za-z])", r"\\le "),
        (r"≥|>=|\\(?:geqslant|geqq?|ge)(?![A-Za-z])", r"\\ge "),
        (r"≠|!=|\\(?:neq?|not=)(?![A-Za-z])", r"\\ne "),
        (r"≈|\\approx(?![A-Za-z])", r"\\approx "),
        (r"∈", r"\\in "),
        (r"==", "="),
        (r"\\(begin|end)\s?\{(?:b|small)matrix\}", r"\\\1{pmatrix}"),
        (r"°|\^\s?\{?\s?\\circ\s?\}?", ""),
        (r"([_^])\{(\w)\}", r"\1\2"),
        (r"(?<![A-Za-z]) | (?![A-Za-z])", ""),  # "\pi r" needs its space, "2 \pi" does not
        (",", ", "),
    )
]
_OUTER = [("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), (r"\boxed{", "}"), (r"\text{", "}"), ("{", "}")]
_ABOUT = re.compile(r"(?:\\approx|≈|approximately|about|exactly)\s*", re.IGNORECASE)
_NAME = (  # of a quantity: x, a_n, f(x), f^{-1}(x), (x, y), AB, [ABC], m\angle A, \text{Area}, Area of ABC
    r"(?:(?:\\[A-Za-z]{2,10}|[A-Za-z][0-9]?)(?:_\{?\w{1,9}\}?)?'{0,2}(?:\^\{-1\})?"
    r"(?:\(\s*[a-z](?:\s*,\s*[a-z]){0,3}\s*\))?"
    r"|\(\s*[a-z](?:\s*,\s*[a-z]){1,3}\s*\)|P\([^()=]{1,30}(?:=[^()=]{1,10})?\)|[A-Z]{2,4}|[\[|][A-Z]{2,4}[\]|]"
    r"|m?\s*\\angle\s*[A-Z]{1,3}|\\(?:overline|overrightarrow|vec|mathbf|operatorname)\s*\{[A-Za-z]{1,9}\}"
    r"|\\(?:text|mathrm)\s*\{[^{}]{1,60}\}|(?:[A-Z]?[a-z]{4,20}|[Ss]um|[Mm]ax|[Mm]in)(?: [A-Za-z]{1,12}){0,4})"
)
_NAMED = re.compile(rf"{_NAME}\s*(?:=|\\in(?![A-Za-z])|∈)\s*([^=]+)")
_EQUATION = re.compile(rf"({_NAME})=(.+)")
_REVERSED = re.compile(r"(-?[0-9./]+)\s*=\s*[A-Za-z]")
_THOUSANDS = re.compile(r"(?<![\w.,])([0-9]{1,3}(?:,[0-9]{3}){1,9})(?![0-9]|\.?,)")
_END = '.,;: "”’`'
_RELATION = re.compile(r"[<>]|\\(?:le|ge|ne)(?![A-Za-z])")
_SET = re.compile(r"\\infty|\\cup|\\in(?![A-Za-z])|[\[(].*,.*[\])]|\\\{")


@lru_cache(maxsize=65536)
def canonical(text: str) -> str | None:
    r"""One spelling of a mathematical answer: plain numbers as `number` gives them ("x = 5\text{ cm}" is "5"), a lone
    letter without brackets ("\text{(C)}" is "C"), words in lower case, other LaTeX in one style. None for nothing."""
    if len(text) > MAX_ANSWER:
        return None
    s = clean(text).strip().rstrip(_END).lstrip('"“‘`')
    while outer := next((o for o in _OUTER if _encloses(*o, s)), None):
        s = s[len(outer[0]) : len(s) - len(outer[1])].strip().rstrip(_END)
    s = _ABOUT.sub("", s, count=1) if _ABOUT.match(s) else s
    if named := _NAMED.fullmatch(s) or _REVERSED.fullmatch(s):
        value = named[1].strip()
        if _quantity(value) or not _UNKNOWN.search(_COMMANDS.sub("", value)):  # x = 5, but not y = 2x + 3
            s = value
    left, equals, right = s.rpartition("=")
    if equals and not _UNWORKED.search(_COMMANDS.sub("", left + right)):  # "2 + 3 = 5": worked out, no equation
        s = right.strip()
    if plain := _quantity(s):
        return plain
    if not any(bracket in s for bracket in "([{"):
        s = _THOUSANDS.sub(lambda m: m[1].replace(",", ""), s)
    for pattern, new in _STYLE:
        s = pattern.sub(new, s)
    s = s.strip().rstrip(_END)
    if letter := re.fullmatch(r"\(([A-Z])\)", s):
        return letter[1]
    return _quantity(s) or (s.lower() if _WORDY.fullmatch(s) else s) or None


_UNWORKED = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z]{2})|[<>]|!=")  # an unknown, or another relation
_UNKNOWN = re.compile(r"(?<![A-Za-z])(?![ei](?![A-Za-z]))[A-Za-z](?![A-Za-z]{2})")
_COMMANDS = re.compile(r"\\(?:text|mathrm)\s*\{[^{}]*\}|\\[A-Za-z]+")


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
    """Whether two answers are the same mathematics. Symmetric, but not transitive: "1, 2" is (1, 2), and it is "2, 1".
    Never raises for any text; a pair that needs more than LIMIT is not equal and counts in `WORKER.timeouts`. Raises
    TtcError only where math-verify itself cannot start."""
    if a == b:
        return True
    x, y = canonical(a), canonical(b)
    if x is None or y is None:
        return False
    if x == y:
        return True
    if all(_PLAIN.fullmatch(s) or _WORDY.fullmatch(s) for s in (x, y)):
        return False
    return _compared(min(x, y), max(x, y))


@lru_cache(maxsize=65536)
def _compared(x: str, y: str) -> bool:
    r"""Equality of two different canonical forms: by relation, then by parts, then by math-verify."""
    if r"\approx" in x or r"\approx" in y:  # a chain states each of its members
        chains = [[part for part in s.split(r"\approx") if part.strip()] for s in (x, y)]
        return any(equal(one, other) for one in chains[0] for other in chains[1] if r"\approx" not in one + other)
    if ("=" in x) != ("=" in y):  # an equation is its right side only where the left side is nothing but a name
        equation, other = (x, y) if "=" in x else (y, x)
        return (values := _values(equation)) is not None and equal(values, other)
    if bool(_RELATION.search(x)) != bool(_RELATION.search(y)):  # x < 5 can be an interval, and no number
        bare = y if _RELATION.search(x) else x
        if not _SET.search(bare):
            return False
    left, right = Parts.of(x), Parts.of(y)
    if left.kind or right.kind:
        verdict = left.same(right)
        if verdict is not None:
            return verdict
    return WORKER.ask(x, y)


def _values(equations: str) -> str | None:
    """The right sides of "x=3, x=-2" as a list, of "x=1, y=2" as a tuple; None where a left side is no name."""
    matches = [_EQUATION.fullmatch(part) for part in split_list(equations)]
    known = [match for match in matches if match]
    if len(known) < len(matches) or any("=" in match[2] for match in known):
        return None
    sides = ", ".join(match[2] for match in known)
    return f"({sides})" if len({match[1] for match in known}) == len(known) > 1 else sides


def split_list(s: str) -> list[str]:
    """The parts between the commas that are in no bracket."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(s):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(s[start:at].strip())
            start = at + 1
    return [*parts, s[start:].strip()]


class Parts:
    r"""An answer of several parts: "list" 1, 2; "set" \{1, 2\}; "()" (1, 2), a pair or an open interval; "[]"
    and so on. kind "" where it is one."""

    def __init__(self, kind: str, parts: Sequence[str]) -> None:
        self.kind, self.parts = kind, parts

    @classmethod
    def of(cls, s: str) -> Parts:
        kind, inner = "list", s
        for opening, closing, name in ((r"\{", r"\}", "set"), *((o, c, o + c) for o in "([" for c in ")]")):
            if s.startswith(opening) and s.endswith(closing) and len(s) > len(opening) + len(closing):
                inside = s[len(opening) : len(s) - len(closing)]
                if _closed(inside):
                    kind, inner = name, inside
                    break
        parts = [sign for part in split_list(inner) for sign in _signs(part)]
        return cls(kind if len(parts) > 1 or kind == "set" else "", parts)

    def same(self, other: Parts) -> bool | None:
        """Whether the parts are the same, in their order where either side has one. None where it cannot be said by
        parts."""
        kinds = {self.kind, other.kind}
        if "" in kinds:  # \{5\} and 5; several parts are never one
            one = self if self.kind == "" else other
            few = other if one is self else self
            if few.kind != "set" or len(few.parts) > 1:
                return None if _SET.search("".join(one.parts)) or _RELATION.search("".join(one.parts)) else False
            return None
        if len(kinds) > 1 and kinds not in ({"list", "set"}, {"list", "()"}, {"list", "[]"}):
            return False
        if len(self.parts) != len(other.parts):
            return False
        if kinds <= {"list", "set"}:
            return _matched(self.parts, other.parts)
        return all(equal(a, b) for a, b in zip(self.parts, other.parts, strict=True))


def _closed(inside: str) -> bool:
    """Whether no bracket closes that was not opened inside, as in "(1, 2) and (3, 4)" without its outer brackets."""
    depth = 0
    for char in inside:
        depth += (char in "([{") - (char in ")]}")
        if depth < 0:
            return False
    return depth == 0


def _signs(part: str) -> list[str]:
    r"""Both values of a \pm."""
    if not re.search(r"\\pm(?![A-Za-z])|±", part):
        return [part]
    return [
        re.sub(r"^\+", "", re.sub(r"\\pm(?![A-Za-z]) ?|±", up, re.sub(r"\\mp(?![A-Za-z]) ?", down, part)))
        for up, down in (("+", "-"), ("-", "+"))
    ]


def _matched(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether the parts can be paired so that each pair is equal (augmenting paths: equality is not transitive)."""
    partner: dict[int, int] = {}

    def place(i: int, tried: set[int]) -> bool:
        for j, other in enumerate(right):
            if j not in tried and equal(left[i], other):
                tried.add(j)
                if j not in partner or place(partner[j], tried):
                    partner[j] = i
                    return True
        return False

    return len(left) <= 30 and all(place(i, set()) for i in range(len(left)))
