"""Satisfiability of clauses: a solver that records its steps, and truth tables as integers.

A literal is a variable number 1, 2, ... or its negative; a clause is a tuple of literals of which one must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

Clause = tuple[int, ...]


@lru_cache(maxsize=32)
def columns(variables: int) -> tuple[int, tuple[int, ...]]:
    """All 2 ** variables assignments as one integer of ones, and for each variable those in which it is true.
    Bit w stands for the assignment in which variable v (1, 2, ...) is true where w has bit v - 1."""
    width = 2**variables
    all_bits = (1 << width) - 1
    return all_bits, tuple(
        all_bits // ((1 << 2 ** (v + 1)) - 1) * (((1 << 2**v) - 1) << 2**v) for v in range(variables)
    )


def literal_true(variables: int, literal: int) -> int:
    """The assignments in which a literal is true, as an integer of bits."""
    all_bits, column = columns(variables)
    return column[literal - 1] if literal > 0 else all_bits & ~column[-literal - 1]


def models(variables: int, clauses: Sequence[Clause]) -> int:
    """The assignments that satisfy all clauses, as an integer of bits."""
    satisfying, _ = columns(variables)
    for clause in clauses:
        clause_bits = 0
        for literal in clause:
            clause_bits |= literal_true(variables, literal)
        satisfying &= clause_bits
    return satisfying


@lru_cache(maxsize=1 << 16)
def _signs(clause: Clause) -> tuple[int, int]:
    """The variables that a clause has as they are, and those that it has negated: bit v for variable v."""
    return sum(1 << x for x in set(clause) if x > 0), sum(1 << -x for x in set(clause) if x < 0)


def reason(
    variables: int, clauses: Sequence[Clause], say: Callable[[int], str], steps: list[str]
) -> dict[int, bool] | None:
    """A satisfying assignment, or None: unit propagation, and case distinction where that stops (Davis, Logemann,
    Loveland 1962); every conclusion is appended to the steps, where clauses are numbered from 1."""
    masks = [(number, *_signs(clause)) for number, clause in enumerate(clauses, 1)]
    solution = _search(masks, 0, 0, say, steps)
    if solution is None:
        return None
    return {v: bool(solution >> v & 1) for v in range(1, variables + 1)}


def _search(
    masks: list[tuple[int, int, int]], true: int, false: int, say: Callable[[int], str], steps: list[str]
) -> int | None:
    """The true variables of a solution as bits (bit v for variable v), None if there is none."""
    while True:
        changed = False
        shortest: tuple[int, int, int] | None = None
        for number, positive, negative in masks:
            if positive & true or negative & false:
                continue
            plus, minus = positive & ~false, negative & ~true
            free = plus.bit_count() + minus.bit_count()
            if free == 0:
                steps.append(f"But ({number}) fails.")
                return None
            if free == 1:
                literal = (plus or minus).bit_length() - 1
                steps.append(f"({number}): {say(literal if plus else -literal)}.")
                true, false, changed = true | plus, false | minus, True
            elif shortest is None or free < shortest[0]:
                shortest = free, plus, minus
        if changed:
            continue
        if shortest is None:
            return true
        plus, minus = shortest[1:]
        literal = plus.bit_length() - 1 if plus else -(minus.bit_length() - 1)
        bit = 1 << abs(literal)
        steps.append(f"Suppose {say(literal)}.")
        solution = _search(masks, true | bit * (literal > 0), false | bit * (literal < 0), say, steps)
        if solution is not None:
            return solution
        steps.append(f"So {say(-literal)}.")
        true, false = true | bit * (literal < 0), false | bit * (literal > 0)
