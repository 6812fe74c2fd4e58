"""What is particular to the math families: worked steps that add up, and questions that careless reading gets wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import family_laws as laws
import pytest
import solvers

from ttc_bench.problems.generators.base import Family, problems
from ttc_bench.problems.generators.comparison import COMPARISON
from ttc_bench.problems.generators.counting import COUNTING
from ttc_bench.problems.generators.linear_equations import LINEAR_EQUATIONS
from ttc_bench.problems.generators.modular_arithmetic import MODULAR_ARITHMETIC
from ttc_bench.problems.generators.nested_arithmetic import NESTED_ARITHMETIC
from ttc_bench.problems.generators.sequences import SEQUENCES
from ttc_bench.problems.generators.word_problems import WORD_PROBLEMS

MATH = (
    NESTED_ARITHMETIC, WORD_PROBLEMS, LINEAR_EQUATIONS, MODULAR_ARITHMETIC, COUNTING, COMPARISON, SEQUENCES,
)  # fmt: skip
# a sum and its result, where nothing before the sum or behind the result belongs to it
SUM = r"(?<![-+*/!^)\d] )(?<![\w(])([-(\d][-+*/()\d ]*) = (-?\d+)(?![\w(])"


@pytest.mark.parametrize("family", MATH, ids=lambda family: family.name)
def test_every_sum_in_a_worked_solution_adds_up(family: Family) -> None:
    """A worked example with a wrong step would teach a model to be wrong: each "a op b = c" is worked out again."""
    sums = 0
    for problem in laws.spread(family, 140):
        for text, result in re.findall(SUM, problem.solution):
            if re.search(r"\d\)* [-+*/] ", text):
                assert solvers.nested_arithmetic(text) == [result], problem.solution
                sums += 1
    assert sums > 20 or family in (COMPARISON, LINEAR_EQUATIONS)


def test_every_equation_in_a_worked_solution_holds() -> None:
    """Each line of an elimination must be true of the solution, and the last one must say it."""
    for problem in laws.spread(LINEAR_EQUATIONS, 140):
        rows = problem.facts["rows"]
        truth = {
            name: Fraction(LINEAR_EQUATIONS.solve(replace(problem, facts={"rows": rows, "asked": i})))
            for i, name in zip(range(len(rows)), "xyz", strict=False)
        }
        equations = re.findall(
            r"(?<![-+*)\dxyz] )(?<![\w(-])([-(\dxyz][-+*/()\dxyz ]*) = ([-+*/()\dxyz ]+)", problem.solution
        )
        assert equations
        for sides in equations:
            left, right = (solvers.value(side, truth) for side in sides)
            assert left == right, (problem.solution, sides)


def test_nested_arithmetic_difficulty_counts_operators() -> None:
    for problem in laws.spread(NESTED_ARITHMETIC, 80):
        assert len(re.findall(r" [-+*/] ", problem.question)) == problem.difficulty + 1


def test_nested_arithmetic_needs_precedence_and_brackets() -> None:
    """Reading from left to right, as a careless solver does, must often be wrong; else precedence is not tested."""

    def left_to_right(question: str) -> Fraction:
        total, op = Fraction(0), "+"
        for token in re.findall(r"\d+|[-+*/]", question):
            if token.isdigit():
                n = Fraction(token)
                total = {"+": total + n, "-": total - n, "*": total * n, "/": total / n}[op]
            else:
                op = token
        return total

    wrong = [left_to_right(p.question) != int(p.answer) for p in problems(NESTED_ARITHMETIC, 200, low=2, high=8)]
    assert sum(wrong) > 120


def test_word_problems_take_as_many_steps_as_they_say() -> None:
    for problem in laws.spread(WORD_PROBLEMS, 140):
        assert problem.solution.count(" = ") == problem.difficulty + 1


def test_word_problems_hold_numbers_that_do_not_matter() -> None:
    """A distractor that changed the answer, or none at all, would make another kind of problem of it."""
    noise = re.compile(r"years old|lives at|minutes away|also has|has \d+ \w+\.")
    for problem in laws.spread(WORD_PROBLEMS, 140):
        first, *rest = re.split(r"(?<=[.?]) ", problem.question)
        marked = [bool(noise.search(sentence)) for sentence in rest]
        assert sum(marked) == (1 if problem.difficulty < 4 else 2), problem.question
        other = [re.sub(r"\d+", "77", s) if m else s for s, m in zip(rest, marked, strict=True)]
        assert WORD_PROBLEMS.solve(replace(problem, question=" ".join([first, *other]))) == problem.answer


def test_word_problems_stay_in_whole_positive_numbers() -> None:
    for problem in laws.spread(WORD_PROBLEMS, 140):
        results = [int(n) for n in re.findall(r"= (\d+)\.", problem.solution)]
        assert len(results) == problem.difficulty + 1
        assert all(1 <= n <= 999 for n in results)


def test_comparison_catches_both_careless_readings() -> None:
    """9.11 > 9.8 as versions and 9.11 < 9.8 as decimals: each careless reading must be wrong often enough to show."""

    def careless(question: str, as_version: bool) -> str:
        ask, listed = question.rstrip("?").split(": ")
        items = re.split(", | or ", listed)
        key = (
            (lambda t: [int(x) for x in t.split(".")]) if as_version else (lambda t: float(".".join(t.split(".")[:2])))
        )
        return (max if re.search("largest|newest", ask) else min)(items, key=key)

    for word, as_version in (("number", True), ("version", False)):
        kind = [p for p in laws.spread(COMPARISON, 400) if f"Which {word}" in p.question]
        wrong = sum(careless(p.question, as_version) != p.answer for p in kind)
        assert wrong > len(kind) / 5, word


def test_sequence_rule_is_decided_by_the_terms_shown() -> None:
    """One term fewer than the rule needs would leave several next terms; the independent solver looks for them."""
    short = "Every term is a fixed whole number times the one before, plus another fixed number. What comes next: 1, 3?"
    assert len(solvers.sequences(short)) > 1
