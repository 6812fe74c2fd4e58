"""Seeded families of math and logic problems with exact answers or exact checks. To add one: a file and a line here."""

from __future__ import annotations

from ttc_bench.problems.generators.base import Family
from ttc_bench.problems.generators.boolean_expressions import BOOLEAN_EXPRESSIONS
from ttc_bench.problems.generators.chain_arithmetic import CHAIN_ARITHMETIC
from ttc_bench.problems.generators.comparison import COMPARISON
from ttc_bench.problems.generators.constrained_sentences import CONSTRAINED_SENTENCES
from ttc_bench.problems.generators.countdown import COUNTDOWN
from ttc_bench.problems.generators.counting import COUNTING
from ttc_bench.problems.generators.entailment import ENTAILMENT
from ttc_bench.problems.generators.knights_and_knaves import KNIGHTS_AND_KNAVES
from ttc_bench.problems.generators.linear_equations import LINEAR_EQUATIONS
from ttc_bench.problems.generators.modular_arithmetic import MODULAR_ARITHMETIC
from ttc_bench.problems.generators.navigation import NAVIGATION
from ttc_bench.problems.generators.nested_arithmetic import NESTED_ARITHMETIC
from ttc_bench.problems.generators.ordering import ORDERING
from ttc_bench.problems.generators.sequences import SEQUENCES
from ttc_bench.problems.generators.shuffled_objects import SHUFFLED_OBJECTS
from ttc_bench.problems.generators.sudoku import SUDOKU
from ttc_bench.problems.generators.syllogisms import SYLLOGISMS
from ttc_bench.problems.generators.three_sat import THREE_SAT
from ttc_bench.problems.generators.word_problems import WORD_PROBLEMS
from ttc_bench.problems.generators.word_squares import WORD_SQUARES
from ttc_bench.problems.generators.zebra import ZEBRA

FAMILIES: dict[str, Family] = {
    f.name: f
    for f in (
        # math
        CHAIN_ARITHMETIC,
        NESTED_ARITHMETIC,
        WORD_PROBLEMS,
        LINEAR_EQUATIONS,
        MODULAR_ARITHMETIC,
        COUNTING,
        COMPARISON,
        SEQUENCES,
        # logic
        SHUFFLED_OBJECTS,
        BOOLEAN_EXPRESSIONS,
        KNIGHTS_AND_KNAVES,
        ORDERING,
        ZEBRA,
        SYLLOGISMS,
        ENTAILMENT,
        NAVIGATION,
        # checking is easier than solving
        COUNTDOWN,
        SUDOKU,
        WORD_SQUARES,
        CONSTRAINED_SENTENCES,
        THREE_SAT,
    )
}
