"""The families whose answers are checked, not compared: every right answer passes, every other one fails."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from itertools import permutations, product

import checking_solvers
import family_laws as laws
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttc_bench.core import Problem
from ttc_bench.problems.generators import FAMILIES
from ttc_bench.problems.generators.base import Family, problems
from ttc_bench.problems.generators.constrained_sentences import CONSTRAINED_SENTENCES, VOCABULARY
from ttc_bench.problems.generators.sudoku import SUDOKU
from ttc_bench.problems.generators.three_sat import THREE_SAT
from ttc_bench.problems.generators.word_squares import WORD_SQUARES

CHECKED = [family for family in FAMILIES.values() if family.check]
SOME = {family.name: laws.spread(family, family.levels) for family in CHECKED}
SQUARES = laws.spread(WORD_SQUARES, 60)
SENTENCES = laws.spread(CONSTRAINED_SENTENCES, 60)
SUDOKUS = laws.spread(SUDOKU, 40)
FORMULAS = laws.spread(THREE_SAT, 56)


def test_the_sudoku_referee_sees_second_solutions() -> None:
    """A puzzle with a cell too many emptied has several solutions; a referee that stopped at one would miss that."""
    empty = "Fill\n" + "\n".join(["____"] * 4)
    assert len(checking_solvers.sudoku(empty)) == 2


@pytest.mark.parametrize("problem", SUDOKUS[:16], ids=lambda problem: problem.id)
def test_sudoku_checker_wants_the_solution_in_any_layout(problem: Problem) -> None:
    rows = problem.answer.split()
    lines = [" ".join(row) for row in rows]
    for text in ("\n".join(rows), "".join(rows), " / ".join(lines), "[" + ", ".join(rows) + "].", " | ".join(rows)):
        assert SUDOKU.check(text, problem), text
    digits = "".join(rows)
    for i, digit in enumerate(digits):
        for other in "123456789"[: len(rows)]:
            assert SUDOKU.check(digits[:i] + other + digits[i + 1 :], problem) == (other == digit)
    for text in (digits[:-1], digits + "1", digits[::-1], rows[0] * len(rows), digits.replace("1", "0"), "", "_"):
        assert SUDOKU.check(text, problem) == (text == digits)  # the mirror image breaks a given


def test_sudoku_checker_looks_at_boxes_too() -> None:
    """A Latin square keeps rows and columns; with no givens to break, only the boxes tell that it is wrong."""
    nothing_given = replace(SUDOKUS[0], facts={"box": 2, "givens": "_" * 16})
    assert not SUDOKU.check("1234 2341 3412 4123", nothing_given)
    assert SUDOKU.check("1234 3412 2143 4321", nothing_given)


@pytest.mark.parametrize("problem", FORMULAS[::4], ids=lambda problem: problem.id)
def test_three_sat_checker_agrees_with_the_truth_table(problem: Problem) -> None:
    """All 2 ** n assignments are put to the check, each in one of the layouts that models use."""
    names, right = checking_solvers.three_sat(problem.question)
    assert right
    for i, bits in enumerate(product((False, True), repeat=len(names))):
        world = dict(zip(names, bits, strict=True))
        layout = i % 4
        parts = [
            f"{name}={str(v).lower()}"
            if layout == 0
            else f"{name.upper()} is {v}"
            if layout == 1
            else f"{name}: {'T' if v else 'F'}"
            if layout == 2
            else f"{name} = {int(v)}"
            for name, v in world.items()
        ]
        text = (" and ", ", ", "; ", "  ")[layout].join(parts)
        assert THREE_SAT.check(text, problem) == (world in right), text
    assert THREE_SAT.guess(problem) == len(right) / 2 ** len(names)


@pytest.mark.parametrize("problem", FORMULAS[:7], ids=lambda problem: problem.id)
def test_three_sat_checker_wants_each_variable_once(problem: Problem) -> None:
    right = THREE_SAT.solve(problem)
    parts = right.split(", ")
    for wrong in (
        parts[:-1],
        [*parts, parts[0]],
        [*parts, "z=true"],
        [*parts, "a=maybe"],
        ["a=true=true", *parts[1:]],
        [p.replace("=", "") for p in parts],
    ):
        assert not THREE_SAT.check(", ".join(wrong), problem), wrong


def test_three_sat_formulas_are_near_the_threshold() -> None:
    for problem in FORMULAS:
        ratio = len(problem.facts["clauses"]) / problem.facts["variables"]
        assert 4.1 < ratio < 4.4
        assert len({frozenset(map(abs, clause)) for clause in problem.facts["clauses"]} - {None}) > 1
        assert all(len(set(map(abs, clause))) == 3 for clause in problem.facts["clauses"])


def test_word_square_checker_accepts_every_square_of_the_list_and_nothing_else() -> None:
    """All ordered choices of words for the small levels; all squares and many near misses for the others."""
    rng = random.Random(5)
    for problem in SQUARES:
        right = checking_solvers.word_squares(problem.question)
        assert tuple(WORD_SQUARES.solve(problem).split()) in right
        words, size = problem.facts["words"], problem.facts["size"]
        tried = list(permutations(words, size)) if len(words) < 12 and size == 3 else []
        for square in right:
            assert WORD_SQUARES.check("\n".join(square).upper(), problem)
            assert WORD_SQUARES.check(", ".join(square) + ".", problem)
            tried += [tuple(rng.sample(square, size)), (*square[:-1], rng.choice(words)), (*square[:-1], square[0])]
            assert not WORD_SQUARES.check(" ".join((*square, words[0])), problem)
        for rows in tried:
            assert WORD_SQUARES.check(" ".join(rows), problem) == (rows in right), rows


def test_word_square_wants_different_words() -> None:
    """The same word twice can be a square; the question asks for different ones."""
    problem = replace(SQUARES[0], facts={"size": 2, "words": ("aa", "ab", "ba")})
    assert WORD_SQUARES.check("ab ba", problem)
    assert not WORD_SQUARES.check("aa aa", problem)


def test_word_square_guess_is_the_share_of_right_choices() -> None:
    for problem in [p for p in SQUARES if p.difficulty == 1]:
        tried = list(permutations(problem.facts["words"], 3))
        share = sum(WORD_SQUARES.check(" ".join(rows), problem) for rows in tried) / len(tried)
        assert WORD_SQUARES.guess(problem) == pytest.approx(share)


def test_word_squares_often_have_words_that_lead_astray() -> None:
    """A list in which every word belongs to the square would ask for an order only."""
    for problem in SQUARES:
        assert len(problem.facts["words"]) > problem.facts["size"]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_sentence_checker_agrees_with_a_reader_of_the_question(data: st.DataObject) -> None:
    """A right sentence with up to two words exchanged, dropped, doubled or changed by a letter: the check and an
    independent judge say the same, whatever comes out."""
    problem = data.draw(st.sampled_from(SENTENCES))
    words = CONSTRAINED_SENTENCES.solve(problem).rstrip(".").lower().split()
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(words) - 1)) if words else 0
        edit = data.draw(st.sampled_from(["exchange", "drop", "double", "letter"]))
        if edit == "drop" and words:
            del words[at]
        elif edit == "double" and words:
            words.insert(at, words[at])
        elif edit == "exchange" and words:
            words[at] = data.draw(st.sampled_from(VOCABULARY))
        elif words:
            words[at] = words[at][:-1] + data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    text = " ".join(words)
    assert CONSTRAINED_SENTENCES.check(text, problem) == checking_solvers.sentence_fits(problem.question, text)


def test_sentence_checker_overlooks_punctuation_and_nothing_else() -> None:
    for problem in SENTENCES[:12]:
        right = CONSTRAINED_SENTENCES.solve(problem)
        first, rest = right.split(" ", 1)
        for text in (right.upper(), f'"{right}"', f"{first}, {rest}", f"{first} – {rest}!", right.rstrip(".")):
            assert CONSTRAINED_SENTENCES.check(text, problem), text
        for text in (right + " 7", f"{right} {right}", right.replace(first, "", 1), f"<b>{right}</b>", "", "."):
            assert not CONSTRAINED_SENTENCES.check(text, problem), text


def test_sentence_guess_is_the_share_of_fitting_words() -> None:
    """On the easiest level the sentences of three vocabulary words can be sampled: the rate must agree."""
    rng = random.Random(1)
    problem = problems(CONSTRAINED_SENTENCES, 1, low=1, high=1)[0]
    starts = problem.facts["starts"]
    by_letter = [[w for w in VOCABULARY if w[0] == letter] for letter in starts]
    share = 1.0
    for words in by_letter:
        share *= len(words) / len(VOCABULARY)
    hits = sum(CONSTRAINED_SENTENCES.check(" ".join(map(rng.choice, by_letter)), problem) for _ in range(2000)) / 2000
    assert CONSTRAINED_SENTENCES.guess(problem) / share == pytest.approx(hits, abs=0.05)


HOSTILE = [
    "(" * 100_000,
    "((((1+" * 20_000,
    "9**9**9**9**9",
    "1 2 3 4 " * 12_500,
    "٣" * 81,
    "１２３４ " * 4,
    "a=true, " * 12_500,
    "a\u0000=true",
    "\ud800",
    "__import__('os').system('true')",
    "{problem.answer} %s %(x)s",
    " ".join(["yes"] * 20_000),
    "-" * 100_000,
    "\n" * 100_000,
    "a is is is is " * 10_000,
]


@pytest.mark.parametrize("family", CHECKED, ids=lambda family: family.name)
def test_checkers_survive_hostile_text(family: Family) -> None:
    """100 kB of brackets, other alphabets' digits, code, lone surrogates: wrong, at once, and without a crash."""
    for problem in laws.spread(family, family.levels):
        for text in HOSTILE:
            start = time.process_time()
            assert family.check(text, problem) is False, text[:40]
            assert time.process_time() - start < 0.1, text[:40]


@pytest.mark.parametrize("family", CHECKED, ids=lambda family: family.name)
@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=120) | st.from_regex(r"[0-9a-e()+*/=, _-]{0,120}", fullmatch=True))
def test_checkers_never_crash(family: Family, text: str) -> None:
    for problem in SOME[family.name]:
        assert family.check(text, problem) in (True, False)


@pytest.mark.parametrize("family", CHECKED, ids=lambda family: family.name)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_random_edit_of_a_right_answer_fails_unless_it_is_right(family: Family, data: st.DataObject) -> None:
    """One character deleted, doubled or replaced. What then still passes must pass for a reason that an independent
    judge shares; for families with one solution that means: the same answer but for its layout."""
    problem = data.draw(st.sampled_from(SOME[family.name]))
    right = family.solve(problem)
    at = data.draw(st.integers(0, len(right) - 1))
    new = data.draw(st.sampled_from(["", right[at] * 2, "7", "x", "(", " ", ",", "e"]))
    text = right[:at] + new + right[at + 1 :]
    if family.check(text, problem) and family.name in ("sudoku", "knights-and-knaves"):
        kept = "".join(c for c in text.lower() if c.isalnum())
        assert kept == "".join(c for c in right.lower() if c.isalnum())
    elif family.check(text, problem) and family is THREE_SAT:
        names, worlds = checking_solvers.three_sat(problem.question)
        said = dict(
            part.split("=") for part in text.replace(",", " ").replace("true", "1").replace("false", "0").split()
        )
        assert {name: said[name] in ("1", "t") for name in names} in worlds
