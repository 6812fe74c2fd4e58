"""The grader of options: which letter of a list is chosen."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ttc_bench.grading.announcements import sentences
from ttc_bench.grading.extraction import Statement, first_line, one_line, paragraph
from ttc_bench.grading.ladder import Ladder
from ttc_bench.grading.typography import MAX_ANSWER

_OPTION = re.compile(
    r"""
    \(\s?(?P<round>[A-Za-z])\s?\) | \[\s?(?P<square>[A-Z])\s?\]
    | (?<![\w\\'’.-])(?P<marked>[A-Za-z])(?=[).:]\s|[).:]?$|\))                 # "a) the dog", "B. Eve", "b" at the end
    | (?<![\w\\'’])(?![AI]\s(?!because|since|as\b|is\b|and\b|or\b|for\b|which|not\b|rather|instead|if\b|but\b|due)[a-z])
      (?P<alone>[A-Z])(?![\w'’]|\+|-\w|\.\w)                                        # neither an article nor a pronoun
    """,
    re.VERBOSE,
)
_JOINED = re.compile(
    r"\s*(?:,?\s*(?:and/or|or|and)\b|,|/|&)\s*(?:either |option |choice )?(?=\(?\[?[A-Za-z]\W|\(?[A-Z]$)"
)
_VERB = re.compile(r"[\])]?\s*(?:is|are|was|were|can|could|do|does|seem|have|has)\b")
_DENIED = re.compile(
    r"(?:\bnot|n['’]t|\bnever|\brather than|\binstead of|\bneither|\bnor|\bexcept|\bunlike|\bover|\bexclud\w+|\beliminat\w+|\brul\w+ out)"
    r"(?: (?:the |an? )?(?:be |option |choice |answer |just |necessarily )*)?[ (\[]*$",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"\b(?:wrong|incorrect|false|not|n['’]t|ruled out|eliminated?|excluded|impossible|invalid|cannot|can't|out)\b|n['’]t\b",
    re.IGNORECASE,
)
_JUDGED = re.compile(
    r"(?:\b(?:option|choice|answer|statement)\s+)?(?P<option>\([A-Za-z]\)|\b(?<![A-Za-z]\s)[A-Z])(?![\w'’])[^.\n]{0,60}?"
    r"\s(?:is|must be|should be|would be|seems)\s(?:indeed |clearly |thus |therefore |also |actually |most likely )?"
    r"(?:(?:the |our |my |an? )?(?:\w+ )?(?:correct|right|best|true|answer|solution|choice)\b)"
)
_CHOSEN = re.compile(
    r"\b(?:choose|chose|pick|picked|select|selected|go with|going with|went with|opt for|settle on|选择|选|應選|选项)\s*"
    r"(?:option |choice |answer |letter )?[*_:(\[ ]{0,3}(?P<option>[A-Z])(?![\w'’])"
)
_NAMED = re.compile(r"\b(?:option|choice|answer)\s+[*_(\[]{0,3}([A-Z])(?![\w'’])", re.IGNORECASE)
_CONCLUSION = re.compile(r"\W*(?:(?:so|thus|therefore|hence|finally|in conclusion|ergo)\b|∴|=>|→)", re.IGNORECASE)
_LISTED = re.compile(r"^\W{0,3}[A-Z][).:]\s", re.MULTILINE)


@dataclass(frozen=True)
class Choice(Ladder):
    """Answers are letters of a list of options: "(B)", "B", "B. Eve". Canonical: "B"."""

    letters: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def read(self, fragment: str) -> str | None:
        options = [option for option in self._options(fragment) if not option[2]]
        return None if self._several(fragment, options) else options[0][0] if options else None

    def undecided(self, fragment: str) -> bool:
        return self._several(fragment, self._options(fragment))

    def statements(self, text: str) -> list[Statement]:
        """Options are also chosen ("I pick B") and judged ("Option C is correct, (A) is not")."""
        own = [s for s in super().statements(text) if not (s.rung == "format" and _LISTED.match(text[s.start :][:9]))]
        for pattern in (_JUDGED, _CHOSEN):
            for match in list(pattern.finditer(text))[-8:]:
                before = text[max(0, match.start() - 30) : match.start()]
                if not _WRONG.search(match[0]) and not re.search(
                    r"\b(?:whether|if|not)\s+(?:option )?$|n't\s$", before
                ):
                    own.append(Statement(match.start(), match.end(), "answer-is", match["option"]))
        return sorted(own, key=lambda s: (s.start, s.end), reverse=True)

    def last(self, text: str) -> str | None:
        head = first_line(text)
        if re.fullmatch(r"\W*(?:(?:option|choice|answer)\s+)?\(?[A-Za-z]\W*", head, re.IGNORECASE):
            return self.read(head)
        if head and re.match(r"\W*[A-Z][).:]\s", head) and len(_LISTED.findall(text)) == 1:
            return self.read(head)
        short = one_line(text, 12)
        if short and re.match(r"\W*(?:(?:option|choice|answer)\s+)?[A-Za-z](?:\W|$)", short, re.IGNORECASE):
            return self.read(short)
        for sentence in reversed(sentences(paragraph(text, 4 * MAX_ANSWER))):
            if _WRONG.search(sentence) and not re.search(r"\bbut\b|\bso\b|;|,", sentence):
                continue
            options = [o for o in self._options(sentence, firm=not _CONCLUSION.match(sentence)) if not o[2]]
            if options:
                first = options[0] if len(options) > 1 and self._several(sentence, options[-2:]) else None
                return None if first else options[-1][0]
        return None

    def _options(self, fragment: str, firm: bool = False) -> list[tuple[str, int, bool]]:
        """The options that a fragment names and does not deny, with the place behind each and whether it is called
        wrong. firm: in running prose a letter counts only in brackets or after "option"."""
        text = re.sub(
            r"\\(?:text|textbf|mathrm|mathbf|textrm|textit|mbox)\s?\{([^{}]*)\}", r" \1 ", fragment[:MAX_ANSWER]
        )
        text = (
            re.sub(r"\\[A-Za-z]+", " ", text)
            .replace("$", " ")
            .replace("`", " ")
            .replace("*", " ")
            .replace("{", " ")
            .replace("}", " ")
        )
        text = text.strip().rstrip(".,;:!\"'’”")
        out = []
        for match in _OPTION.finditer(text):
            letter = next(group for group in match.groups() if group)
            if match["marked"] and letter.islower() and text[: match.start()].strip(" \"'‘“("):
                continue  # a lower-case letter is an option where the fragment begins with it
            if match["round"] and letter.islower() and text[: match.start()].strip(" \"'‘“") and firm:
                continue
            if firm and not (
                match["round"]
                or match["square"]
                or _NAMED.match(text, max(0, text.rfind(" ", 0, match.start() - 1) + 1))
            ):
                continue
            if letter.upper() not in self.letters or _DENIED.search(text[max(0, match.start() - 40) : match.start()]):
                continue
            after = re.match(
                r"[)\]]?\s*(?:[^,.;\n]{0,40}?\s)?(?:is|are|was)\s(\w+(?: \w+)?)", text[match.end() : match.end() + 80]
            )
            wrong = bool(after and _WRONG.search(after[1]))
            out.append((letter.upper(), match.end(), wrong))
        return out

    def _several(self, fragment: str, options: list[tuple[str, int, bool]]) -> bool:
        """Whether the first option is joined to another one: "A or B", "B, C" (not "A, B and C are wrong")."""
        if len(options) < 2 or options[0][0] == options[1][0]:
            return False
        text = re.sub(r"[*`$]|\\[A-Za-z]+", " ", fragment)
        pair = rf"(?<!\w){options[0][0]}[)\]]?(?:\s*(?:,?\s*(?:and/or|or|and)\b|,|/|&)\s*)(?:either |option |choice )?[(\[]?{options[1][0]}(?!\w)"
        match = re.search(pair, text, re.IGNORECASE)
        return match is not None and not (
            _VERB.match(text, match.end()) or re.match(r"[\])]?,? and \(?[A-Z]\)? (?:are|were)", text[match.end() :])
        )
