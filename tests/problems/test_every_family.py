"""What holds for every family of generated problems. A new family fails here until its digest is written down."""

from __future__ import annotations

from dataclasses import replace

import checking_solvers
import family_laws as laws
import logic_solvers
import pytest
import solvers

from ttc_bench.problems.generators import FAMILIES
from ttc_bench.problems.generators.base import Family

DIGESTS = {
    "chain-arithmetic": "cdc9522604090f34",
    "nested-arithmetic": "3ea1c86b2c9f937d",
    "word-problems": "fdbbc6026d843cd9",
    "linear-equations": "84f05f0e4fc369c2",
    "modular-arithmetic": "56acaa8981815ecf",
    "counting": "af9bbcd5c01b1d35",
    "comparison": "00e1fc5517772c14",
    "sequences": "39b857ac31e1b020",
    "shuffled-objects": "a88ccda193875bcb",
    "boolean-expressions": "8f02c9bfba86ba51",
    "knights-and-knaves": "f6c176b497741e5e",
    "ordering": "db66a6a5fea7eef1",
    "zebra": "b625e8b80bf39fbc",
    "syllogisms": "f83378d807be42f0",
    "entailment": "c14a2d51c00e8dbc",
    "navigation": "77b08bee1879ea68",
    "countdown": "d0bd13a0a9fe0fb8",
    "sudoku": "273159391ba9d5fe",
    "word-squares": "f018a586396b20b3",
    "constrained-sentences": "7d0eb90145b53bd3",
    "three-sat": "6d13016b4d3ffe8d",
}
SOLVERS = {
    name: getattr(module, name.replace("-", "_"))
    for name, family in FAMILIES.items()
    for module in (solvers, logic_solvers, checking_solvers)
    if hasattr(module, name.replace("-", "_")) and name not in ("three-sat", "word-squares")  # several right answers
}
SECONDS = {"zebra": 20.0, "sudoku": 4.0}  # for a thousand problems; 2 for the other families
PROBLEMS = {"zebra": 180, "ordering": 180, "knights-and-knaves": 180}  # to solve, where an independent solver is slow
each = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)


def test_every_family_has_a_digest() -> None:
    assert set(DIGESTS) == set(FAMILIES)


@pytest.mark.parametrize("name", SOLVERS)
def test_an_independent_solver_finds_the_gold_and_nothing_else(name: str) -> None:
    """It reads the question alone and returns one answer per solution: a second solution would show."""
    laws.gold_and_only(FAMILIES[name], SOLVERS[name], PROBLEMS.get(name, 280))


def test_only_families_without_one_right_answer_lack_an_independent_solver() -> None:
    """Those with a check are compared with independent judges in test_generators_checking.py. The other two have the
    simplest questions of all: their reference solvers are what an independent solver would be."""
    several = {name for name, family in FAMILIES.items() if family.check} - {"sudoku", "knights-and-knaves"}
    assert set(FAMILIES) - set(SOLVERS) == several | {"chain-arithmetic", "shuffled-objects"}


@each
def test_reference_solver_and_worked_solution_are_right(family: Family) -> None:
    laws.reference_and_solution(family, 240)


@each
def test_reference_solvers_read_the_question(family: Family) -> None:
    """A solver that copied the gold or the worked solution would pass every law and prove nothing."""
    for problem in laws.spread(family, 8):
        assert laws.right(family, problem, family.solve(replace(problem, answer=None, solution=None)))


@each
def test_same_problems_everywhere(family: Family) -> None:
    laws.stable(family, DIGESTS[family.name])


@each
def test_a_thousand_different_problems_in_time(family: Family) -> None:
    laws.enough_and_fast(family, SECONDS.get(family.name, 2.0), share=10 if family.name == "zebra" else 4)


@each
def test_every_level_has_problems_of_its_own(family: Family) -> None:
    laws.every_level(family)


@each
def test_task_file_fits_the_family(family: Family) -> None:
    laws.task_file(family)


@each
def test_worked_solutions_survive_the_grader(family: Family) -> None:
    """The answer sentence is read back by the task's own grader; a full stop inside an answer (9.11, "Dogs bark.")
    or a comma (Alice, Ben) must not cut it."""
    laws.graded(family, 2 * family.levels)
