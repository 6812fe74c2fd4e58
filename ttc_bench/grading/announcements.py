"""The words that announce an answer ("The answer is", "Respuesta:", "答案是"), and the sentence that follows them.

No announcement goes over the end of its line, so the lines can be read from the last one back, and only as far as a
reader asks; within a line an announcement is looked for where its needles are (needles.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from ttc_bench.grading.extraction import TRIES, Statement, place
from ttc_bench.grading.needles import blocks, fold, has, matches, spots
from ttc_bench.grading.typography import MAX_ANSWER

_KIND = r"(?:final |correct |right |best |overall |numerical |required |expected |most likely )"
_BE = r"(?:is|should be|must be|would be|will be|has to be|ought to be|can only be|becomes|was)\b"
_ARROW = r"(?:[:=]|→|⇒|[-=]>)"
_ENGLISH = (
    rf"\b(?:the|my|our|your|this|so|thus|hence|then|therefore) {_KIND}{{0,3}}answer(?:'s\b|(?:,? (?:here|then|now"
    rf"|thus|therefore),?)? ?(?:{_BE}|(?=[a-z]{{2,5}}n't\b)|{_ARROW}))"
    rf"|^[ \t>#*_-]{{0,8}}(?:the |my |your )?{_KIND}{{0,3}}(?:answer|ans|result|conclusion|verdict)[*_ ]{{0,4}}{_ARROW}"
    rf"|\bfinal(?: answer| result| output| choice| verdict)?[*_ ]{{0,4}}:"
    r"|\banswer ?(?:→|⇒|[-=]>)"
    r"|^####[ \t]*(?=\S{1,40}[ \t]*$)"  # one word on the line; "#### Step 2: add" is a heading
)
# A noun for "answer", a few words, and a form of "to be" or a colon.
_NOUNS = (
    "antwort|lösung|ergebnis|réponse|résultat|respuesta|opción|resultado|solución|risposta|opzione|risultato"
    "|resposta|opção|alternativa|antwoord|svaret|svar|odpowiedź|wynik|odpověď|odpoveď|válasz|vastaus|răspunsul|cevap"
    "|yanıt|ответ|вариант|відповідь|απάντηση|jawaban|jawabannya|đáp án|đáp số|câu trả lời|jibu"
)
_EASTERN = "答案|答え|答|正解|正答|解答|结果|結果|결과|정답|답"
_OTHERS = "उत्तर|जवाब|الإجابة|الجواب|คำตอบ|תשובה|התשובה"
_FOREIGN = (
    rf"\b(?:{_NOUNS})\b[^.:=\n\d]{{0,40}}?"
    r"(?:\b(?:ist|lautet|beträgt|wäre|est|sera|es|sería|è|sarà|é|será|is|luidt|är|er|on|jest|wynosi|brzmi|to|je|az"
    r"|este|равен"
    r"|равно|это|будет|є|είναι|adalah|ialah|là|ni)\b|[:=—]|(?=\s[0-9(]))"
    rf"|(?:{_EASTERN})[^\n.:=0-9A-Za-z]{{0,12}}?(?:是|应为|為|为|は|은|는|이|[:=])"
    rf"|(?:{_OTHERS})[^.:=\n\d]{{0,30}}?(?:है|هي|هو|คือ|היא|[:=]|(?=\s[0-9(]))"
)
_LOOSE = re.compile(
    r"(?<!\bto )(?<!\bnot )(?<!\bcan )(?<!n't )(?<!\bwe )(?<!\byou )"
    r"\b(?:answers?(?! (?:the|this|that|these|your|my|all|any|it|choices|options|format|key)\b)"
    r"|(?:correct|right|best|only) (?:option|choice|one)|my (?:choice|guess|pick))\b"
    rf"(?:\$[^$\n]{{0,30}}\$|[^.:=\n]){{0,60}}?(?:\b(?:is|are|be|was|becomes|equals)\b|{_ARROW}|(?=\b(?:cannot|can't"
    rf"|can not|could not)\b))"
    r"|^[ \t>#*_]{1,8}(?:the )?(?:final |correct )?answer[*_ ]{0,4}$",
    re.IGNORECASE | re.MULTILINE,
)
_SUBJECT = re.compile(  # "B is the correct answer": the answer stands in front
    rf"\b(?:is|are|was|must be|should be|would be|gives us|seems to be) (?:indeed |clearly |also |thus |therefore "
    rf"|then )?(?:the |my |our |your )"
    rf"{_KIND}{{0,3}}(?:answer|option|choice)\b",
    re.IGNORECASE,
)
_NO_SUBJECT = re.compile(
    r"\W*(?:(?:so|thus|and|but|hence|therefore|then)\W+)?(?:this|that|it|which|what|who|here|there|below|above|one"
    r"|none|neither"
    r"|each|both|the (?:following|above|latter|former))\b",
    re.IGNORECASE,
)
_CHAT = re.compile(r"(?:\A|(?<=\n))[ \t*]{0,4}A(?:nswer)?[*]{0,2}:(?=[ *])")
_TENTATIVE = re.compile(
    r"(?:\b(?:thought|think at first|at first|initial\w*|originally|first guess|first attempt|naive\w*|tempt\w+|wrongly"
    r"|mistakenly|some (?:people )?(?:say|think|believe)|someone|(?:might|may|could|would) (?:think|say|guess|believe"
    r"|expect)"
    r"|claims?|claimed|not sure|unsure|doubt|doesn't mean|does not mean|not (?:think|believe)|n't (?:think|believe"
    r"|mean))\b[^,;:.\n]{0,60}"
    r"|\b(?:if|whether|unless|suppos\w+|assum\w+|imagine|say|pretend)(?: that)? ?)$",
    re.IGNORECASE,
)
_TENTATIVE_NEEDLES = (
    "thought", "think", "first", "initial", "original", "naive", "tempt", "wrongly", "mistaken", "some", "say", "guess",
    "believe", "expect", "claim", "sure", "doubt", "mean", "if", "whether", "unless", "suppos", "assum", "imagine",
    "pretend",
)  # fmt: skip
_TASK = re.compile(  # the answer as what is still to be found
    r"\b(?:express|write|give|state|find|get|round|simplify|check|verify|report|to)(?:ing)? (?:the|your|our|my|an) $",
    re.IGNORECASE,
)
CORRECTION = re.compile(
    r"\b(?:wait|hold on|actually|correction|oops|mistake|mistaken|sorry|apolog\w+|scratch that|hmm+|let me (?:re"
    r"|double)"
    r"|re-?check|on second thought|that is (?:wrong|not right|incorrect)|that's (?:wrong|not right|incorrect))\b"
    r"|(?<![A-Za-z])no,",
    re.IGNORECASE,
)
# A newline; a point or question mark, or an exclamation mark that is no factorial, at the end of a word.
_SENTENCE_END = re.compile(r"[\n.?!](?:(?<=\n)|(?:(?<=[.?])|(?!\s*[=+*/^-]))(?=[\"'”’)*_$\]]*(?:\s|$)))")
_ABBREVIATION = re.compile(
    r"\b(?:St|Dr|Mr|Mrs|Ms|Jr|Sr|Prof|Mt|Ft|Gen|Sen|Rep|Rev|Capt|Lt|vs|approx|e\.g|i\.e|a\.m|p\.m|(?:[A-Z]\.)+[A-Z]"
    r"|[A-Z])$"
)
_STARTER = re.compile(
    r"\s+(?:The|It|This|That|These|He|She|They|We|I|You|So|In|Because|Since|Therefore|Thus|Hence|However|And|But|If"
    r"|Let|Note|Hope|As"
    r"|For|When|There|Here|Now|To|Then|My|Our|No|Not|Yes|Wait|Actually|Hmm|Sorry)\b|\s+[^A-Z\s]"
)
FORMULA = re.compile(
    r"\$\$(.+?)\$\$|\$(?=\S)((?:\\\$|[^$])+?)(?<![\s\\])\$(?!\d)|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL
)
_WHOLE = re.compile(FORMULA.pattern + r"|\\begin\{(\w+\*?)\}.*?\\end\{\5\}", re.DOTALL)  # no sentence ends in there
_OPENING = re.compile(
    r"(?:[\s:*_`…]|\.{2,}|(?:donc|somit|folglich|entonces|quindi|dunque|portanto|therefore|thus|clearly|simply|indeed"
    r"|probably"
    r"|most likely|definitely)\b,?(?=\s)|=>|->|→|⇒|=|>(?=\s*[\w$\\])|\}(?=\s*[\w$\\]))*",
    re.IGNORECASE,
)


_COPULA = re.compile(r"\s?(?:です|である|になります|となります|입니다|이다)(?=\W|$)")


@lru_cache(maxsize=64)
def format_of(lead: str) -> re.Pattern[str]:
    """The lead-ins that tasks ask for, and the task's own."""
    leads = f"{_ENGLISH}|{_FOREIGN}" + (f"|{re.escape(lead)}" if lead else "")
    return re.compile(leads, re.IGNORECASE | re.MULTILINE)


_FOREIGN_NEEDLES = tuple(map(fold, f"{_NOUNS}|{_EASTERN}|{_OTHERS}".split("|")))
_HEADS = ("ans", "result", "conclusion", "verdict")  # on a line that begins with them, or nearly
_CHOICES = ("option", "choice")
_LOOSER = (*_CHOICES, " one", "guess", "pick")
_ELSEWHERE = {*_HEADS, *_LOOSER, "####"}  # needles that do not stand where their lead-in begins
_CHATS = ("A:", "A*", "Answer")
# The words that lead-ins begin with, some way before the needle.
_DETERMINER = re.compile(r"\b(?:the|my|our|your|this|so|thus|hence|then|therefore) ")
_VERB = re.compile(r"\b(?:is|are|was|must be|should be|would be|gives us|seems to be) ")
_JUDGED = re.compile(r"(?:correct|right|best|only) (?:option|choice|one)|my (?:choice|guess|pick)")


@lru_cache(maxsize=64)
def _needles(lead: str, ascii_only: bool) -> tuple[str, ...]:
    """What the lead-ins hold, where letters are folded."""
    foreign = (needle for needle in _FOREIGN_NEEDLES if needle.isascii() or not ascii_only)
    return (*_HEADS, "final", "####", *_LOOSER, *foreign, *([fold(lead)] if lead else []))


class Leads(NamedTuple):
    """The lead-ins in some lines of a text, in order, as each of the four expressions finds them."""

    format: Sequence[re.Match[str]] = ()
    chat: Sequence[re.Match[str]] = ()
    loose: Sequence[re.Match[str]] = ()
    subject: Sequence[re.Match[str]] = ()


def leads(text: str, low: str, lead: str, start: int, end: int) -> Leads:
    """The lead-ins that begin in text[start:end], which are whole lines; `low` is the folded text."""
    chats = [head for at in spots(text, _CHATS, start, end) for head in _head(text, at, 4)]
    lines = low[start:end]
    here = [needle for needle in _needles(lead, lines.isascii()) if needle in lines]
    if not here:
        return Leads(chat=list(matches(_CHAT, text, chats)))
    answers = spots(low, ["answer"], start, end)
    options = spots(low, _CHOICES, start, end)
    looser = spots(low, [needle for needle in here if needle in _LOOSER], start, end)
    heads = spots(low, [needle for needle in here if needle in _HEADS], start, end)
    formats = [*spots(low, [needle for needle in here if needle not in _ELSEWHERE], start, end), *answers]
    formats += spots(low, [fold(lead)] if lead else [], start, end)
    formats += [head for at in heads for head in _head(text, at, 49)]
    formats += _before(_DETERMINER, low, start, answers, 46)
    if "####" in here:
        formats += [start, *(at + 1 for at in spots(low, ["\n####"], start, end))]
    loose = [*answers, *(head for at in answers for head in _head(text, at, 20))]
    loose += [match.start() for at in looser for match in _JUDGED.finditer(low, max(start, at - 8), at + 6)]
    subjects = _before(_VERB, low, start, (*answers, *options), 63)
    return Leads(
        list(matches(format_of(lead), text, formats)),
        list(matches(_CHAT, text, chats)),
        list(matches(_LOOSE, text, loose)),
        list(matches(_SUBJECT, text, subjects)),
    )


def _before(first: re.Pattern[str], low: str, start: int, needles: Sequence[int], back: int) -> list[int]:
    """Where a lead-in can begin with one of its first words, not more than `back` characters before its needle."""
    found: list[int] = []
    for at in sorted(needles):
        found += [match.start() for match in first.finditer(low, max(start, at - back), at)]
        start = at
    return found


def _head(text: str, at: int, back: int) -> list[int]:
    """Where the line begins, if its beginning is near."""
    newline = text.rfind("\n", max(0, at - back - 1), at)
    return [newline + 1] if newline >= 0 or at <= back else []


def announcements(text: str, lead: str) -> Iterator[Statement]:
    """The announced answers, the last first: what follows each lead-in, and what stands before "is the correct answer".
    Of each kind of lead-in the last few."""
    low = fold(text)
    left = [TRIES] * len(Leads._fields)
    for start, end in blocks(text, len(text) if "\n" in lead else 256):
        found = [
            kind[max(0, len(kind) - most) :]
            for kind, most in zip(leads(text, low, lead, start, end), left, strict=True)
        ]
        left = [most - len(kind) for most, kind in zip(left, found, strict=True)]
        if any(found):
            yield from sorted(_stated(text, Leads(*found)), key=place, reverse=True)
        if not any(left):
            return


def _stated(text: str, found: Leads) -> Iterator[Statement]:
    taken: list[tuple[int, int]] = []
    for rung, kind in (("format", found.format), ("format", found.chat), ("answer-is", found.loose)):
        for match in kind:
            if any(start <= match.start() < end for start, end in taken):  # the same words, read more loosely
                continue
            taken.append(match.span())
            before = text[max(0, match.start() - 80) : match.start()]
            if not _weighed(before) and not (rung == "answer-is" and _TASK.search(before, _clause(before))):
                yield following(text, match, rung)
    for match in found.subject:
        before = text[max(0, match.start() - 120) : match.start()]
        ends = [end.end() for end in _SENTENCE_END.finditer(before) if not _abbreviated(before, end.start(), end.end())]
        subject = before[ends[-1] if ends else 0 :].strip()
        if subject and not _NO_SUBJECT.match(subject) and not _weighed(subject + " "):
            at = match.start() - len(before) + (ends[-1] if ends else 0)
            yield Statement(at, match.end(), "answer-is", subject)


def _weighed(before: str) -> bool:
    """Whether the words right before an announcement say that it is weighed, or reported, and not made."""
    clause = _clause(before)
    return has(fold(before[clause:]), _TENTATIVE_NEEDLES) and _TENTATIVE.search(before, clause) is not None


def _clause(before: str) -> int:
    """Where the last clause begins: neither _TENTATIVE nor _TASK goes over one of these marks, but for a last newline,
    before which "$" also matches."""
    end = len(before) - before.endswith("\n")
    return 1 + max(before.rfind(mark, 0, end) for mark in ",;:.\n")


def following(text: str, lead: re.Match[str], rung: str) -> Statement:
    """What follows a lead-in: the rest of the sentence or line; a formula in it is not cut."""
    start = lead.end()
    opening = _OPENING.match(text, start, start + MAX_ANSWER)
    start = opening.end() if opening else start
    sentence = first_sentence(text[start : start + MAX_ANSWER])
    return Statement(lead.start(), start + len(sentence), rung, sentence)


def first_sentence(text: str) -> str:
    """The text up to the end of its first sentence or line."""
    text = _COPULA.sub("", text) if not text.isascii() else text
    whole = [match.span() for match in _WHOLE.finditer(text)] if "$" in text or "\\" in text else []
    for end in _SENTENCE_END.finditer(text):
        inside = any(start <= end.start() < stop for start, stop in whole)
        if not inside and not _abbreviated(text, end.start(), end.end()):
            return text[: end.start()]
    return text


def sentences(text: str) -> list[str]:
    """The sentences and lines of a short text."""
    return [*backwards(text)][::-1]


def backwards(text: str) -> Iterator[str]:
    """The sentences and lines of a short text, the last one first."""
    stop = len(text)
    for end in reversed([*_SENTENCE_END.finditer(text)]):
        if not _abbreviated(text, end.start(), end.end()):
            if (sentence := text[end.end() : stop]).strip():
                yield sentence
            stop = end.start()
    if text[:stop].strip():
        yield text[:stop]


def _abbreviated(text: str, at: int, end: int) -> bool:
    """Whether the point at `at` belongs to an abbreviation or initials: St. Louis, J. K. Rowling, U.S. troops."""
    last = text[max(0, at - 3) : at]
    if text[at] != "." or not last or not (last[-1].isalpha() or last[-1] == "\n"):
        return False
    if len(last) == 3 and last.isascii() and last.isalpha() and last.islower() and last not in ("rof", "apt", "rox"):
        return False  # as most words; no abbreviation but these (Prof., Capt., approx.) ends in three small letters
    mark = _ABBREVIATION.search(text[max(0, at - 8) : at])
    if mark is None or not text[end:].strip():
        return False
    if len(mark[0]) > 1 and "." not in mark[0]:
        return True
    if mark[0] in ("e.g", "i.e"):
        return True
    before = text[: at - len(mark[0])].rstrip()
    if not before and re.match(r"\s+[a-z]{2}", text[end : end + 4]):  # E. coli, where the answer begins with it
        return True
    initial = not before or before.endswith(".") or before.split()[-1][:1].isupper() or len(mark[0]) > 1
    return initial and re.match(r"\s+[A-Z][a-z.]", text[end : end + 4]) is not None and not _STARTER.match(text, end)
