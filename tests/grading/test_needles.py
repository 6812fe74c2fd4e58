"""What is found with needles is what the expression itself finds, walking through the whole text."""

from __future__ import annotations

import random
import re
import sys

import pytest
from golden_answers import GOLDEN
from reading_answers import READINGS

from ttc_bench.grading import announcements, extraction, ladder, number, numerals
from ttc_bench.grading.announcements import format_of, leads
from ttc_bench.grading.needles import blocks, fold, matches, replaced, spots

TEXTS = sorted({case[1] for case in (*GOLDEN, *READINGS)})
# What lead-ins are made of, and what may stand around and between.
WORDS = (
    "the|my|our|so|therefore|final |correct |most likely |answer|Answer|ANSWER|answers|ans|result|conclusion|verdict|is"
    "|should be|was|must be|gives us|here,|isn't|'s|option|choice|one|only one|best option|my guess|pick|####|#### 5"
    "|Final|final output|A|A:|Option|Antwort|lautet|la respuesta|es|答案|是|정답은|ответ|ОТВЕТ|Ответом|yanıt|YANIT"
    "|đáp án|là|उत्तर|है|can|to|not|Solution|Solution:|B is the correct answer|seems to be our|is the|\nA: |\nAnswer: "
    "|İ|ı|ſ|K|ς|ᲀ|5|(B)|$x$"
)
SIGNS = " |  |\n|\n\n|: |:|=|→| =>|, |.|. |**|* |> |_|-|\t"
PIECES = [*WORDS.split("|"), *SIGNS.split("|")]


def mixed(rng: random.Random) -> str:
    words = [rng.choice(PIECES) + rng.choice(["", " ", " ", " ", "\n"]) for _ in range(rng.randrange(1, 60))]
    texts = [rng.choice(TEXTS)[rng.randrange(20) :] for _ in range(rng.randrange(3))]
    parts = words + texts
    rng.shuffle(parts)
    return "".join(parts)


@pytest.mark.parametrize("lead", ["", "Solution:", "Lösung\n", "result"])
def test_lead_ins_are_those_of_the_expressions(lead: str) -> None:
    rng = random.Random(len(lead))
    whole = (format_of(lead), announcements._CHAT, announcements._LOOSE, announcements._SUBJECT)
    seen = [0, 0, 0, 0]
    for text in [*TEXTS, *(mixed(rng) for _ in range(1000))]:
        expected = [[match.span() for match in pattern.finditer(text)] for pattern in whole]
        runs = list(blocks(text, len(text) if "\n" in lead else rng.choice([1, 30, 256])))
        assert "".join(text[start:end] for start, end in reversed(runs)) == text
        found = [leads(text, fold(text), lead, start, end) for start, end in reversed(runs)]
        assert [[match.span() for run in found for match in run[kind]] for kind in range(4)] == expected, text
        seen = [count + len(spans) for count, spans in zip(seen, expected, strict=True)]
    assert min(seen) > 50


def test_folding_makes_one_of_what_an_expression_takes_for_one() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    cased = "".join(char for char in every if char.lower() != char or char.upper() != char or char.casefold() != char)
    pairs = 0
    for char in cased:
        twins = re.findall(re.escape(char), cased, re.IGNORECASE)
        assert set(fold("".join(twins))) == {fold(char)}
        pairs += len(twins) - 1
    assert pairs > 2000
    assert len(fold("".join(every))) == len(every)


def test_what_is_replaced_is_what_an_expression_replaces() -> None:
    pattern, text = re.compile("ab|b.", re.DOTALL), "abbabcb\nbabb"
    places = [at for at, char in enumerate(text) if char in "ab"]
    assert replaced(pattern, lambda match: f"<{match[0]}>", text, places) == pattern.sub(r"<\g<0>>", text)
    assert [match.span() for match in matches(pattern, text, reversed(places))] == [
        match.span() for match in pattern.finditer(text)
    ]
    assert replaced(pattern, lambda match: "", text, []) == text


MORE = (
    "know|determined|solve|this|you have|\n|\n\n|. |! | |  |Q|q:|Question 2:|\n# Problem 3.|User|Human:|1|12|3.5|-4|$5|€ 6"
    "|.7|1,234|2/3|1 1/2|\\frac{1}{2}|\\dfrac12|2^3|1e5|3 \\times 10^2|5 million|(|)|x|\\|½|10:30|5'10\""
)
SCRAPS = [*extraction._CLOSINGS, *ladder._DECLINES, *number._DENIALS, *PIECES[:12], *MORE.split("|")]


def test_the_shortcuts_find_what_their_expressions_find() -> None:
    """Whoever gives one of these expressions another word gives it another needle."""
    rng = random.Random(1)
    seen = [0, 0, 0, 0, 0]
    for text in [*TEXTS, *("".join(rng.choices(SCRAPS, k=rng.randrange(1, 40))) for _ in range(2000))]:
        after = rng.randrange(len(text) + 1)
        following = extraction._NEXT.search(text, after)
        wholes = [
            [match.span() for match in pattern.finditer(text)]
            for pattern in (numerals.NUMBER, ladder._DECLINED, number._DENIED, extraction._CLOSING)
        ]
        low = fold(text)
        assert [match.span() for match in numerals.written(text)] == wholes[0], text
        assert [match.span() for match in matches(ladder._DECLINED, text, spots(low, ladder._DECLINES))] == wholes[1]
        assert [match.span() for match in matches(number._DENIED, text, spots(low, number._DENIALS))] == wholes[2], text
        assert extraction.without_closing(text) == extraction._CLOSING.sub("", text)
        assert extraction.next_question(text, after) == (following.start() if following else None)
        seen = [a + len(b) for a, b in zip(seen, [*wholes, [following] if following else []], strict=True)]
    assert min(seen) > 50, seen
