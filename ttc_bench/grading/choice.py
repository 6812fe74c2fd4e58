"""The grader of options: which letter of a list is chosen."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ttc_bench.grading.announcements import backwards
from ttc_bench.grading.extraction import TRIES, Statement, first_line, one_line, paragraph, place
from ttc_bench.grading.ladder import Ladder
from ttc_bench.grading.needles import matches, spots
from ttc_bench.grading.typography import MAX_ANSWER

_OPTION = re.compile(
    r"""
    \(\s?(?P<round>[A-Za-z])\s?\) | \[\s?(?P<square>[A-Z])\s?\]
    | (?<![\w\\'’.-])(?P<marked>[A-Za-z])(?=[).:]\s|[).:]?$|\))             # "a) the dog", "B. Eve", "b" at the end
    | (?<![\w\\'’])(?![AI]\s(?!because|since|as\b|is\b|and\b|or\b|for\b|which|not\b|rather|instead|if\b|but\b|due)[a-z])
      (?P<alone>[A-Z])(?![\w'’]|\+|-\w|\.\w)                                 # neither an article nor a pronoun
    """,
    re.VERBOSE,
)
_NAMED = re.compile(r"\b(?:option|choice|answer|letter)\s+[*_(\[]{0,3}([A-Z])(?![\w'’])", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:\bnot|n['’]t|\bnever|\brather than|\binstead of|\bneither|\bnor|\bexcept|\bunlike|\bover|\bexclud\w+"
    r"|\beliminat\w+|\brul\w+ out)(?: (?:the |an? )?(?:be |option |choice |answer |just |necessarily )*)?[ (\[]*$",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"\b(?:wrong|incorrect|false|not|ruled out|eliminated?|excluded|impossible|invalid|cannot|can't|out)\b|n['’]t\b",
    re.IGNORECASE,
)
_PREDICATE = re.compile(r"[)\]]?\s*(?:[^,.;\n]{0,40}?\s)?(?:is|are|was)\s(\w+(?: \w+)?)")
_JUDGED = re.compile(
    r"(?:\b(?:option|choice|answer|statement)\s+)?(?P<option>\([A-Za-z]\)|\b(?![AI] (?!is\b|must|should|would"
    r"|seems)[a-z])[A-Z])(?![\w'’])[^.\n]{0,60}?"
    r"\s(?:is|must be|should be|would be|seems)\s(?:(?:indeed|clearly|thus|therefore|also|actually|most likely) )?"
    r"(?:(?:the |our |my |an? )?(?:\w+ )?(?:correct|right|best|true|answer|solution|choice)\b)"
)
_JUDGED_WORDS = ("option", "choice", "answer", "statement")
_LETTER = re.compile(r"[(A-Z](?:(?<=\()(?=[A-Za-z]\))|(?<=[A-Z])(?![\w'’]))")
_CHOSEN = re.compile(
    r"(?:\b(?:choose|chose|pick|picked|select|selected|go with|going with|went with|opt for|settle on)|选择|选项(?:是|为)?"
    r"|選択肢|选|選)\s*"
    r"(?:option |choice |answer |letter )?[*_:(\[ ]{0,3}(?P<option>[A-Z])(?![\w'’])"
)
_CHOSEN_WORDS = (
    "choose", "chose", "pick", "select", "go with", "going with", "went with", "opt for", "settle on", "选", "選",
)  # fmt: skip
_UNSURE = re.compile(r"\b(?:whether|if|not)\s+(?:option )?$|n't\s$")
_CONCLUSION = re.compile(r"\W*(?:(?:so|thus|therefore|hence|finally|in conclusion|ergo)\b|∴|=>|→)", re.IGNORECASE)
_IS_LETTER = re.compile(r"(?:\bis|['’]s|\bbe|\bbut)\s[A-Z]$")
# A letter by itself; not a small one before another word, such as an article.
_LONE = re.compile(r"\W[A-Za-z](?!\w)(?:(?<=[A-Z])|(?<=\(.)|(?<=\(\s.)|(?!\s+\w))")
_LISTED = re.compile(r"^\W{0,3}([A-Z])[).:]\s", re.MULTILINE)
_BARE = re.compile(r"\W*(?:(?:option|choice|answer)\s+)?\(?[A-Za-z]\W*", re.IGNORECASE)
_BEGINS = re.compile(r"\W*(?:(?:option|choice|answer)\s+)?[A-Za-z](?:\W|$)", re.IGNORECASE)
_WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textrm|textit|mbox)\s?\{([^{}]*)\}")


class Option(NamedTuple):
    """A letter in a text that can be an option; wrong: the text goes on to say that it is."""

    letter: str
    wrong: bool = False


@dataclass(frozen=True)
class Choice(Ladder):
    """Answers are letters of a list of options: "(B)", "B", "B. Eve". Canonical: "B"."""

    letters: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def read(self, fragment: str) -> str | None:
        text = _plain(fragment)
        named: set[str] = {letter.upper() for letter in _NAMED.findall(text)}
        clause = re.match(r"that\b", text) is not None  # "that A is taller than B": letters are names there
        options = [option for option in self._options(text, firm=clause) if not option.wrong]
        if len(named) == 1 and (letter := named.pop()) in {option.letter for option in options}:
            return letter
        return options[0].letter if options and not _several(text, options) else None

    def undecided(self, fragment: str) -> bool:
        text = _plain(fragment)
        return _several(text, self._options(text))

    def announced(self, text: str) -> Iterator[Statement]:
        """Options are also chosen ("I pick B") and judged ("Option C is correct, (A) is not"); and "A: ..." is one."""
        stated = (s for s in super().announced(text) if not _lists(text, s))
        own: list[Statement] = []
        letters = [match.start() for match in _LETTER.finditer(text)]
        judged = matches(_JUDGED, text, (*letters, *spots(text, _JUDGED_WORDS))) if letters else ()
        chosen = matches(_CHOSEN, text, spots(text, _CHOSEN_WORDS)) if letters else ()
        for found in (judged, chosen):
            for match in list(found)[-TRIES:]:
                if not _WRONG.search(match[0]) and not _UNSURE.search(text[max(0, match.start() - 30) : match.start()]):
                    own.append(Statement(match.start(), match.end(), "answer-is", match["option"]))
        own.sort(key=place, reverse=True)
        return heapq.merge(stated, own, key=place, reverse=True) if own else stated

    def last(self, text: str) -> str | None:
        head = first_line(text)
        if _BARE.fullmatch(head) or (_LISTED.match(head) and len(_LISTED.findall(text)) == 1):
            return self.read(head)
        if len(labels := "".join(_LISTED.findall(text))) > 1 and "ABCDEFGHIJKLMNOP".startswith(labels):
            text = re.sub(rf"{_LISTED.pattern}.*", "", text, flags=re.MULTILINE)  # the options, as they were asked
        short = one_line(text, 12)
        if short and _BEGINS.match(short):
            return self.read(short)
        for back, sentence in enumerate(backwards(paragraph(text, 4 * MAX_ANSWER))):
            if not _LONE.search(" " + sentence[:MAX_ANSWER]):
                continue  # no letter in it could be an option
            if _WRONG.search(sentence) and not re.search(r"\bbut\b|\bso\b|;|,", sentence):
                continue
            plain = _plain(sentence)
            concludes = _CONCLUSION.match(sentence) or (back == 0 and _IS_LETTER.search(plain))
            options = [o for o in self._options(plain, firm=not concludes) if not o.wrong]
            if options:
                return None if _several(plain, options[-2:]) else options[-1].letter
        return None

    def _options(self, text: str, firm: bool = False) -> list[Option]:
        """The options that a text names and does not deny. firm: in running prose a letter counts only in brackets or
        after "option"."""
        out = []
        for match in _OPTION.finditer(text):
            letter = next(group for group in match.groups() if group)
            leading = not text[: match.start()].strip(" \"'‘“(")
            named = _NAMED.match(text, max(0, text.rfind(" ", 0, max(0, match.start() - 1)) + 1))
            if letter.islower() and not (leading or named) and (match["marked"] or firm):
                continue  # a lower-case letter is an option where the text begins with it, or in brackets
            if firm and not (match["round"] or match["square"] or named):
                continue
            if letter.upper() in self.letters and not _DENIED.search(text[max(0, match.start() - 40) : match.start()]):
                said = _PREDICATE.match(text[match.end() : match.end() + 80])
                out.append(Option(letter.upper(), bool(said and _WRONG.search(said[1]))))
        return out


def _lists(text: str, statement: Statement) -> bool:
    """Whether a lead-in such as "A:" is the label of an option."""
    return statement.rung == "format" and _LISTED.match(text[statement.start : statement.start + 9]) is not None


def _plain(fragment: str) -> str:
    r"""A fragment without LaTeX and markdown, and without the signs at its end."""
    text = re.sub(r"\\[A-Za-z]+", " ", _WRAPPED.sub(r" \1 ", fragment[:MAX_ANSWER]))
    return re.sub(r"\s+", " ", re.sub(r"[$`*{}]", " ", text)).strip().rstrip(".,;:!\"'’”")


def _several(text: str, options: Sequence[Option]) -> bool:
    """Whether the first option is joined to another one: "A or B", "B, C" (not "A, B and C are wrong")."""
    if len(options) < 2 or options[0].letter == options[1].letter:
        return False
    joined = re.search(
        rf"(?<!\w){options[0].letter}[)\]]?(?:\s*(?:,?\s*(?:and/or|or|and|oder|und|ou|et|o|y|или|и|或|和)\b|,|/|&"
        rf"|(?<=\))(?=\s?\())\s*)"
        rf"(?:(?:maybe|perhaps|possibly|either|even|also) )?(?:option |choice )?[(\[]?{options[1].letter}(?!\w)",
        text,
        re.IGNORECASE,
    )
    rest = text[joined.end() :] if joined else ""
    predicate = r"[)\]]?\s*(?:(?:,|,? and) ?\(?[A-Z]\)?\s*)*(?:is|are|was|were|can|could|do|does|seem|have|has)\b"
    if joined is None or not (judged := re.match(predicate, rest)):
        return joined is not None
    # "A or B could be right" is open, "A and B are wrong" and "A or B would be wrong" say something of each
    either = re.search(r"\b(?:or|oder|ou|или)\b|或|/", joined[0], re.IGNORECASE)
    return bool(either) and not _WRONG.search(rest[judged.start() : judged.end() + 40])
