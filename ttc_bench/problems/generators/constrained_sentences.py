"""Sentences under constraints of form: first letters, numbers of letters, last letters, letters that must not occur.

Only the form is checked: neither grammar nor meaning, nor whether a word is in a dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

# For the hidden sentences that prove each problem solvable, and the reference solver.
_LISTED = """
actors admire always amber apples arrive avoid bakers become better birds bring brown bright build calm carry children
clean climb cook curious dance deer doctors dream drink dry early eager eat elephants enjoy every farmers fast find five
fly foxes gardens gather gentle give green grow happy hear help hide honest horses idle ignore important improve invite
islands jolly join judges juggle jump kind kittens kings keep kick know lions large learn listen little love many make
merry mice move music near nice nine notice nurses never obey offer old only open owls paint people pick plain polite
pupils quick quiet queens quote rabbits read red remember rich run sailors see seven sing small swim tall teachers tell
ten tigers travel ugly uncles understand upset use usually vast very view visit voices warm watch white winters wolves
write yearn yell yellow young youths zebras zealous zigzag zoom
"""
VOCABULARY = _LISTED.split()
MAX_ANSWER = 400  # characters; right answers are far shorter
COMMON = "etaoinsrhldcumfpgwyb"  # letters by frequency: to be without one of the first is the harder
_WORD_PATTERN = re.compile(r"[a-z]+(?:['’-][a-z]+)*")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")

Facts = Mapping[str, Any]


def _letters(word: str) -> str:
    return re.sub("[^a-z]", "", word)


def _fits(word: str, place: int, facts: Facts) -> bool:
    """Whether a word (lower case) may stand at a place (from 0)."""
    letters = _letters(word)
    return (
        letters[:1] == facts["starts"][place]
        and len(letters) == (facts["lengths"][place] or len(letters))
        and letters[-1:] == (facts["ends"][place] or letters[-1:])
        and not any(letter in letters for letter in facts["without"])
    )


def _constrain(rng: Rng, hidden: Sequence[str], extra: int) -> dict[str, Any]:
    """The first letters of a hidden sentence, and `extra` more of its properties: for each place the number of letters
    (0: any) and the last letter ("": any), and letters that do not occur."""
    absent = [letter for letter in COMMON if not any(letter in word for word in hidden)]
    lengths, ends, without = [0] * len(hidden), [""] * len(hidden), ""
    while sum(map(bool, [*lengths, *ends])) + len(without) < extra:
        place = rng.below(len(hidden))
        kind = rng.choice(("length", "end", "without"))
        if kind == "without" and len(without) < min(3, len(absent)):
            without += absent[len(without)]
        elif kind == "length":
            lengths[place] = len(hidden[place])
        elif kind == "end":
            ends[place] = hidden[place][-1]
    starts = "".join(word[0] for word in hidden)
    return {"starts": starts, "lengths": tuple(lengths), "ends": tuple(ends), "without": without}


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 2 words with given first letters, and as many more constraints as the difficulty says."""
    hidden = rng.sample(VOCABULARY, difficulty + 2)
    facts = _constrain(rng, hidden, difficulty)
    wants = [f"The first letters of its words are, in this order, {', '.join(facts['starts'].upper())}."]
    wants += [f"The {ORDINALS[place]} word has exactly {n} letters." for place, n in enumerate(facts["lengths"]) if n]
    wants += [f"The {ORDINALS[place]} word ends with {end.upper()}." for place, end in enumerate(facts["ends"]) if end]
    wants += [f"The letter {letter.upper()} does not occur." for letter in facts["without"]]
    sentence = " ".join(hidden).capitalize()
    steps = [f"{ORDINALS[i].capitalize()} word, with {word[0].upper()}: {word}." for i, word in enumerate(hidden)]
    return Problem(
        id="",
        question=f"Write a sentence of exactly {len(hidden)} words. {' '.join(wants)}",
        answer=None,
        facts=facts,
        solution=" ".join([*steps, f"The answer is {sentence}."]),
    )


def check(answer: str, problem: Problem) -> bool:
    """Whether the sentence keeps every constraint. Words are runs of English letters, with apostrophes and hyphens
    inside them; punctuation and quotation marks between words do not count, digits and other signs are wrong."""
    if len(answer) > MAX_ANSWER:
        return False
    text = answer.lower()
    if re.search(r"[^a-z\s.,;:!?'’‘\"“”()–—-]", text):
        return False
    words = _WORD_PATTERN.findall(text)
    facts = problem.facts
    return len(words) == len(facts["starts"]) and all(_fits(word, i, facts) for i, word in enumerate(words))


def _fitting(problem: Problem) -> list[list[str]]:
    """For each place the words of the vocabulary that may stand there."""
    facts = problem.facts
    return [[word for word in VOCABULARY if _fits(word, i, facts)] for i in range(len(facts["starts"]))]


def solve(problem: Problem) -> str:
    """For each place the first word of the vocabulary that fits."""
    return " ".join(words[0] for words in _fitting(problem)).capitalize() + "."


def guess(problem: Problem) -> float:
    """A word of the vocabulary at each place, all alike."""
    chance = 1.0
    for words in _fitting(problem):
        chance *= len(words) / len(VOCABULARY)
    return chance


CONSTRAINED_SENTENCES = Family(
    name="constrained-sentences",
    levels=6,
    meaning="constraints besides the first letters; the sentence has two words more than that",
    make=make,
    solve=solve,
    guess=guess,
    check=check,
)
