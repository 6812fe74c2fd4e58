"""What is particular to the logic families: balanced answers, sound propagation, counterexamples, a checker attacked."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product

import family_laws as laws
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttc_bench.problems.generators.base import Family, problems
from ttc_bench.problems.generators.boolean_expressions import BOOLEAN_EXPRESSIONS
from ttc_bench.problems.generators.entailment import ENTAILMENT
from ttc_bench.problems.generators.knights_and_knaves import KNIGHTS_AND_KNAVES
from ttc_bench.problems.generators.ordering import ORDERING
from ttc_bench.problems.generators.places import PAIRS
from ttc_bench.problems.generators.syllogisms import SYLLOGISMS, follows
from ttc_bench.problems.generators.zebra import ZEBRA


@pytest.mark.parametrize("family", [BOOLEAN_EXPRESSIONS, SYLLOGISMS, ENTAILMENT], ids=lambda family: family.name)
def test_both_answers_are_equally_frequent_at_every_level(family: Family) -> None:
    """A level that is mostly "no" would reward a model for always saying no; guess() claims one half."""
    for level in range(1, family.levels + 1):
        counts = Counter(p.answer for p in problems(family, 100, low=level, high=level))
        assert len(counts) == 2
        assert min(counts.values()) > 30, (level, counts)


@pytest.mark.parametrize("family", [ORDERING, ZEBRA], ids=lambda family: family.name)
def test_no_clue_tells_the_answer_outright(family: Family) -> None:
    """From the second level on it takes at least two clues to name the place or the person that is asked for."""
    for problem in problems(family, 100, low=2):
        asked = re.search(r"Who is (.+)\?|is the (\w+) from the left\?", problem.question)
        assert asked is not None
        for clue in re.findall(r"\(\d+\) (.+?\.)", problem.question):
            assert not re.fullmatch(rf"(?i)({problem.answer} is {asked[1]}|{asked[1]} is {problem.answer})\.", clue)


def test_zebra_rarely_tells_a_place_outright() -> None:
    clues = [clue for problem in laws.spread(ZEBRA, 120) for clue in problem.facts["clues"]]
    assert sum(kind == "at" for kind, *_ in clues) < len(clues) / 20


@pytest.mark.parametrize("kind", PAIRS)
def test_propagation_rules_out_just_what_a_clue_forbids(kind: str) -> None:
    """Against brute force over all pairs of possible places: a sound rule never loses a solution."""
    meaning = {
        "same": lambda a, b: a == b,
        "apart": lambda a, b: a != b,
        "left": lambda a, b: a < b,
        "directly left": lambda a, b: b - a == 1,
        "beside": lambda a, b: abs(a - b) == 1,
        "one between": lambda a, b: abs(a - b) == 2,
    }[kind]
    for a, b in product(range(1, 16), repeat=2):
        pairs = [(i, j) for i, j in product(range(4), repeat=2) if a >> i & 1 and b >> j & 1 and meaning(i, j)]
        if pairs:  # a clue that cannot be true leaves whatever it likes
            expected = sum(1 << i for i in {i for i, _ in pairs}), sum(1 << j for j in {j for _, j in pairs})
            assert PAIRS[kind](a, b, 15) == expected, (a, b)


def test_entailment_counterexample_of_the_worked_solution_holds() -> None:
    """A "no" is proved by a world in which all premises hold and the conclusion does not; read it back and check."""
    seen = 0
    for problem in laws.spread(ENTAILMENT, 200):
        told = re.search(r"All premises hold with (.+?)\.", problem.solution)
        assert (told is None) == (problem.answer == "yes")
        if told:
            names = problem.facts["names"]
            world = {t[-1]: not t.startswith("not ") for t in told[1].split(", ")}
            holds = {v * sign for v, name in enumerate(names, 1) for sign in (1, -1) if world[name] == (sign > 0)}
            assert all(holds & set(clause) for clause in problem.facts["premises"])
            assert problem.facts["conclusion"] not in holds
            seen += 1
    assert seen > 50


def test_syllogism_counterexample_of_the_worked_solution_holds() -> None:
    for problem in laws.spread(SYLLOGISMS, 200):
        told = re.search(r"things of these kinds: (.+?)\. Then", problem.solution)
        assert (told is None) == (problem.answer == "yes")
        if told:
            world = [set(thing.split(" and ")) for thing in told[1].split("; ")]
            statements = re.findall(r"(?i)\b(all|no|some) (\w+) are (not )?(\w+)", problem.question)
            truth = []
            for kind, a, negated, b in statements:
                hits = [(b in thing) != bool(negated) for thing in world if a in thing]
                truth.append({"all": all(hits), "no": not any(hits), "some": any(hits)}[kind.lower()])
            assert truth == [True] * (len(truth) - 1) + [False], problem.solution


def test_syllogisms_leave_out_what_depends_on_existence() -> None:
    """All A are B, all B are C: whether some A are C is a matter of school, so such a conclusion is never asked for."""
    assert follows(3, [("all", 0, 1), ("all", 1, 2)], ("some", 0, 2)) is None
    assert follows(3, [("all", 0, 1), ("all", 1, 2)], ("all", 0, 2)) is True
    assert follows(3, [("all", 0, 1), ("all", 1, 2)], ("all", 2, 0)) is False


KNIGHTS = laws.spread(KNIGHTS_AND_KNAVES, 30)


@pytest.mark.parametrize("problem", KNIGHTS, ids=lambda problem: problem.id)
def test_knights_checker_accepts_one_set_of_people(problem) -> None:
    """Every choice of knights is tried: the gold passes in any order and wording, all others fail."""
    names = problem.facts["names"]
    gold = [] if problem.answer == "nobody" else problem.answer.split(", ")
    for bits in product((0, 1), repeat=len(names)):
        chosen = [name for name, bit in zip(names, bits, strict=True) if bit]
        for text in (", ".join(chosen) or "nobody", " and ".join(reversed(chosen)).upper() or "Nobody."):
            assert KNIGHTS_AND_KNAVES.check(text, problem) == (chosen == gold)
    for name in names:  # a name said twice must not count as somebody else
        assert not KNIGHTS_AND_KNAVES.check(f"{name}, {name}", problem)
    for text in ("", ",", problem.answer + ", " + problem.answer, problem.answer + ", Zoe", "not " + problem.answer):
        assert not KNIGHTS_AND_KNAVES.check(text, problem)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300) | st.sampled_from(["Alice, " * 20_000, "(" * 100_000, "٣, ٤", "\x00", "nobody" * 999]))
def test_knights_checker_survives_hostile_text(text: str) -> None:
    """No crash, no wait; a world of facts that is not a set of known names is wrong."""
    for problem in KNIGHTS[:3]:
        if KNIGHTS_AND_KNAVES.check(text, problem):
            names = set(re.findall(r"[a-z]+", text.lower())) - {
                "and",
                "are",
                "is",
                "the",
                "knights",
                "knight",
                "nobody",
            }
            assert names == set(re.findall(r"[a-z]+", problem.answer.lower())) - {"nobody"}
