"""Syllogisms: does the conclusion follow? Made-up nouns, so that no knowledge of the world helps or misleads.

What a thing can be (which of the nouns apply to it) is one bit of an integer. All/no statements rule kinds of things
out, some-statements ask for one that is left. Logicians disagree whether "all A are B" means that there are A at all;
only problems whose answer is the same either way are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

NOUNS = ("wugs", "blickets", "daxes", "feps", "toves", "zorps", "gorps", "lorches", "yimpies", "mipels", "rompuses",
         "wumpuses", "tumpuses", "jompuses", "vumpuses", "dalpists", "brimpuses", "sterpuses")  # fmt: skip
TEXT = {"all": "all {} are {}", "no": "no {} are {}", "some": "some {} are {}", "some not": "some {} are not {}"}
Statement = tuple[str, int, int]  # kind, two terms


@lru_cache(maxsize=16)
def _kinds(terms: int) -> tuple[int, tuple[int, ...]]:
    """All kinds of things, and for each term those that it applies to."""
    return (1 << 2**terms) - 1, tuple(sum(1 << w for w in range(2**terms) if w >> i & 1) for i in range(terms))


def _region(terms: int, statement: Statement) -> int:
    """The kinds of things that all/no rule out, or of which some/some not claim that there is one."""
    kind, a, b = statement
    all_kinds, term = _kinds(terms)
    return term[a] & (all_kinds & ~term[b] if kind in ("all", "some not") else term[b])


CONTRADICTORY = {"all": "some not", "no": "some", "some": "no", "some not": "all"}


def _consistent(terms: int, statements: Sequence[Statement], exist: bool) -> int:
    """The kinds of things that may exist, 0 if no world satisfies the statements. exist: every term has a thing."""
    allowed, term = _kinds(terms)
    for statement in statements:
        if statement[0] in ("all", "no"):
            allowed &= ~_region(terms, statement)
    needed = [_region(terms, s) for s in statements if s[0] in ("some", "some not")] + list(term) * exist
    return allowed if all(allowed & region for region in needed) else 0


def follows(terms: int, premises: Sequence[Statement], conclusion: Statement) -> bool | None:
    """Whether the conclusion follows; None if that depends on whether terms have things, or the premises clash."""
    denied = [*premises, (CONTRADICTORY[conclusion[0]], *conclusion[1:])]
    if not _consistent(terms, premises, True):
        return None
    loose, strict = (not _consistent(terms, denied, exist) for exist in (False, True))
    return loose if loose == strict else None


def _valid(rng: Rng, links: int) -> tuple[list[Statement], Statement, list[Statement]]:
    """Premises over the terms 0..links, a conclusion about the first and last that follows, what follows on the way."""
    start = rng.choice(("all", "some"))
    turn = rng.between(1, links) if rng.chance(50) else 0  # the link that is a "no"; after it the chain runs backwards
    premises: list[Statement] = []
    steps: list[Statement] = []
    for i in range(1, links + 1):
        if i == turn == 1 and start == "some":
            premises.append(("some not", 0, 1))
        elif i == turn:
            premises.append(("no", *((i - 1, i) if rng.chance(50) else (i, i - 1))))
        elif turn and i > turn:
            premises.append(("all", i, i - 1))
        else:
            premises.append(("all" if i > 1 else start, i - 1, i))
        quantifier = {"all": "no", "some": "some not"}[start] if turn and i >= turn else start
        steps.append((quantifier, 0, i))
    return premises, steps[-1], steps


def _spoil(rng: Rng, premises: list[Statement]) -> list[Statement]:
    """One premise turned round or weakened."""
    out = list(premises)
    at = rng.below(len(out))
    kind, a, b = out[at]
    turned, weaker = (kind, b, a), ("some not" if rng.chance(25) else "some", a, b)
    out[at] = rng.choice((turned, turned, weaker))
    return out


def _counterexample(terms: int, premises: list[Statement], conclusion: Statement, nouns: list[str]) -> str:
    """A world in which the premises are true and the conclusion is not: for each claim one thing that fulfils it."""
    denied = [*premises, (CONTRADICTORY[conclusion[0]], *conclusion[1:])]
    allowed = _consistent(terms, denied, True)
    needed = [_region(terms, s) for s in reversed(denied) if s[0] in ("some", "some not")] + list(_kinds(terms)[1])
    things: list[int] = []
    for region in needed:
        if not any(region >> w & 1 for w in things):
            things.append((allowed & region).bit_length() - 1)
    descriptions = [" and ".join(noun for i, noun in enumerate(nouns) if w >> i & 1) for w in things]
    return (
        f"Suppose that there are only things of these kinds: {'; '.join(t or 'none of these' for t in descriptions)}."
    )


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 1 premises that link as many nouns and one more; yes and no are equally frequent."""
    links = difficulty + 1
    nouns = rng.sample(NOUNS, links + 1)
    valid = rng.chance(50)
    while True:
        premises, conclusion, chain = _valid(rng, links)
        if not valid:
            premises = _spoil(rng, premises)
        if follows(links + 1, premises, conclusion) is valid:
            break

    def say(statement: Statement) -> str:
        return TEXT[statement[0]].format(nouns[statement[1]], nouns[statement[2]])

    def sentence(text: str) -> str:
        return f"{text[0].upper()}{text[1:]}."

    if valid:
        reasons = [say(premises[0]), *(f"{say(p)}, so {say(c)}" for p, c in zip(premises[1:], chain[1:], strict=True))]
        steps = " ".join(map(sentence, reasons))
    else:
        steps = _counterexample(links + 1, premises, conclusion, nouns)
        steps += f" Then what is given is true, but it is not true that {say(conclusion)}."
    answer = "yes" if valid else "no"
    shown = rng.shuffled(premises)
    return Problem(
        id="",
        question=f"{' '.join(sentence(say(p)) for p in shown)} Does it follow that {say(conclusion)}?",
        answer=answer,
        facts={"terms": links + 1, "premises": tuple(shown), "conclusion": conclusion},
        solution=f"{steps} The answer is {answer}.",
    )


def solve(problem: Problem) -> str:
    """Looks for a world that makes the premises true and the conclusion false."""
    entailed = follows(problem.facts["terms"], problem.facts["premises"], problem.facts["conclusion"])
    return "yes" if entailed else "no"


SYLLOGISMS = Family(
    name="syllogisms",
    levels=6,
    meaning="number of premises, less one",
    make=make,
    solve=solve,
    guess=lambda problem: 0.5,  # yes or no
)
