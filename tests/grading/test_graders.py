r"""Grading: one equality for votes and gold; every grader is a value."""

from __future__ import annotations

from fractions import Fraction

import pytest
from golden_answers import CHECKED, DIFFERENT, EQUAL, YES_NO, sums_to_ten
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ttc_bench.core import Problem
from ttc_bench.grading.choice import Choice
from ttc_bench.grading.classes import group
from ttc_bench.grading.formula import Math
from ttc_bench.grading.graders import GRADERS
from ttc_bench.grading.math_equal import canonical
from ttc_bench.grading.number import Number
from ttc_bench.grading.numerals import spell
from ttc_bench.grading.phrase import Text


@pytest.mark.parametrize(("grader", "a", "b"), EQUAL)
def test_equal(grader, a, b):
    assert grader.same(a, b)
    assert grader.same(b, a)


@pytest.mark.parametrize(("grader", "a", "b"), DIFFERENT)
def test_different(grader, a, b):
    assert not grader.same(a, b)
    assert not grader.same(b, a)


def test_correct_needs_an_answer_and_a_gold():
    """An unextracted answer is wrong, and so is any answer to a problem without a gold."""
    assert Number().correct("18", Problem("p", "?", "18.0"))
    assert not Number().correct(None, Problem("p", "?", "18"))
    assert not Number().correct("18", Problem("p", "?", None))


def test_a_checker_decides_without_gold():
    ten = Problem("p", "?", None)
    assert CHECKED.checks
    assert not Number().checks
    assert CHECKED.correct(CHECKED.extract("The answer is 3 + 7.").answer, ten)
    assert not CHECKED.correct("3 + 6", ten)
    assert not CHECKED.correct(None, ten)


def test_graders_are_named_values():
    """Tasks name a grader in YAML, and runs compare them: equal parameters, equal graders."""
    made = {kind: make() for kind, make in GRADERS.items() if kind not in ("words", "check")}
    assert made["number"] == Number() != made["math"]
    assert made["yes-no"].extract("The answer is yes.").answer == "yes"
    assert made["boolean"].extract("The answer is True.").answer == "true"
    assert GRADERS["words"](["red", "blue"]).extract("so it is blue").answer == "blue"  # YAML gives a list
    assert GRADERS["check"](sums_to_ten) == CHECKED


def test_group_gives_equal_answers_one_string():
    grouped = group([r"\sqrt{12}", None, r"2\sqrt{3}", "5", r"\sqrt{12}", r"2\sqrt3"], Math())
    assert grouped == [r"2\sqrt3", None, r"2\sqrt3", "5", r"2\sqrt3", r"2\sqrt3"]


@pytest.mark.parametrize("answers", [["1, 2", "(2, 1)"], ["(2, 1)", "1, 2"]])
def test_the_gold_is_asked_about_every_answer_for_itself(answers):
    """Grouped first, the whole class would get the grade of whichever answer came first."""
    gold = Problem("p", "?", "(1, 2)")
    assert {answer: Math().correct(answer, gold) for answer in answers} == {"1, 2": True, "(2, 1)": False}


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(["1, 2", "(2, 1)", "(1, 2)", "2, 1", "1", r"\{1, 2\}", "x=1", None, "1, 2"]))
def test_classes_do_not_depend_on_the_order_of_answers(order):
    grouped = dict(zip(order, group(order, Math()), strict=True))
    assert grouped[None] is None
    assert grouped == dict(zip(sorted(grouped, key=str), group(sorted(grouped, key=str), Math()), strict=True))


def test_a_class_follows_either_direction_of_a_lopsided_equality():
    class Lopsided(Text):
        def same(self, a: str, b: str) -> bool:
            return a == b or (a, b) == ("b", "a")

    assert group(["a", "b", "c"], Lopsided()) == ["a", "a", "c"]
    assert group(["b", "a"], Lopsided()) == ["a", "a"]
    assert Lopsided().form("a") is None


ANYTHING = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="0123456789.,/-+*^\\{}()$% xyfracpisqrt=", max_size=30),
    st.integers(-(10**6), 10**6).map(str),
    st.fractions(max_denominator=50).map(str),
)
CHEAP = [Number(), Choice(), YES_NO, Text(), CHECKED]  # Math starts math-verify and has a test of its own


@settings(deadline=None)
@given(a=ANYTHING, b=ANYTHING)
def test_same_is_total_symmetric_and_reflexive(a, b):
    for grader in CHEAP:
        assert grader.same(a, a)
        assert grader.same(a, b) == grader.same(b, a)


@settings(deadline=None)
@given(a=ANYTHING, b=ANYTHING)
@example(a="18.0", b="$18")
@example(a="?", b="=?")
@example(a="! !", b="!!")
@example(a="3+ 7", b="3 +7")
def test_equal_answers_are_those_of_one_form(a, b):
    for grader in (Number(), Choice(), YES_NO, Text()):
        readings = (grader.read(a), grader.read(b))
        equal = a == b or (readings[0] is not None and readings[0] == readings[1])
        assert grader.same(a, b) == equal == (grader.form(a) == grader.form(b))
    assert CHECKED.same(a, b) == ("".join(a.split()) == "".join(b.split())) == (CHECKED.form(a) == CHECKED.form(b))
    assert Math().form(a) is None


def test_a_grader_is_a_key_even_where_its_words_came_as_a_list():
    assert GRADERS["words"](["red", "blue"]).same("Red", "red.")
    assert GRADERS["words"](["red", "blue"]) == GRADERS["words"](("red", "blue"))


@settings(max_examples=60, deadline=None)
@given(a=ANYTHING, b=ANYTHING)
def test_mathematical_equality_is_total_symmetric_and_reflexive(a, b):
    """math-verify's own verdict depends on which side is the gold."""
    assert Math().same(a, a)
    assert Math().same(a, b) == Math().same(b, a)


@settings(deadline=None)
@given(value=st.fractions())
def test_a_number_has_one_spelling(value: Fraction):
    """Whatever the number: its spelling is read back as itself, by both graders."""
    spelled = spell(value)
    assert Fraction(spelled) == value
    assert Number().read(spelled) == spelled == canonical(f"{value.numerator}/{value.denominator}")
    assert canonical(rf"\frac{{{value.numerator}}}{{{value.denominator}}}") == spelled
