"""Sudoku, 4 x 4 and 9 x 9. Each puzzle has one solution, which single steps of reasoning find.

Cells are emptied one by one, and only if the cells still filled determine what was there: because its row, column and
box leave no other number, or because a row, column or box has no other place for that number. Filling the cells in
the opposite order then proves that no other solution exists, and needs no search.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

BLANKS = ((2, 4), (2, 6), (2, 8), (2, 10), (3, 20), (3, 30), (3, 40), (3, 48))  # box width and empty cells, by level
MAX_ANSWER = 400  # characters; right answers are far shorter
_BETWEEN = re.compile(r"[\s,;/|+\-\[\]]")  # what may stand between the numbers of an answer


@lru_cache(maxsize=4)
def _units(box: int) -> tuple[list[tuple[str, list[int]]], list[list[int]]]:
    """Rows, columns and boxes with their names, and for each cell the indices of its three. Cells: row * n + column."""
    n = box * box
    cells = range(n * n)
    units = [(f"row {r + 1}", [c for c in cells if c // n == r]) for r in range(n)]
    units += [(f"column {k + 1}", [c for c in cells if c % n == k]) for k in range(n)]
    units += [(f"box {b + 1}", [c for c in cells if c // n // box * box + c % n // box == b]) for b in range(n)]
    return units, [[u for u, (_, inside) in enumerate(units) if c in inside] for c in cells]


def _filled_grid(rng: Rng, box: int) -> list[int]:
    """A filled grid as bits (1 << (number - 1)): the cyclic one, its numbers, bands, rows and columns shuffled."""
    n = box * box
    lines = [[g * box + i for g in rng.shuffled(range(box)) for i in rng.shuffled(range(box))] for _ in "rc"]
    number = rng.shuffled([1 << i for i in range(n)])
    grid = [number[(box * (r % box) + r // box + c) % n] for r in lines[0] for c in lines[1]]
    return grid if rng.chance(50) else [grid[c * n + r] for r in range(n) for c in range(n)]


def _reason(cell: int, bit: int, filled: list[int], empty: list[set[int]], box: int) -> str | None:
    """Why an empty cell must hold this number, given the numbers in each unit (bits); None if no single step shows
    it."""
    units, about = _units(box)
    of = about[cell]
    if filled[of[0]] | filled[of[1]] | filled[of[2]] | bit == (1 << box * box) - 1:
        return "nothing else fits"
    for u in of:
        for other in empty[u]:
            if other != cell and not any(filled[v] & bit for v in about[other]):
                break
        else:
            return f"only place in {units[u][0]}"
    return None


def make(rng: Rng, difficulty: int) -> Problem:
    """Levels 1 to 4: 4 x 4 with 4, 6, 8, 10 empty cells; 5 to 8: 9 x 9 with 20, 30, 40, 48."""
    box, blanks = BLANKS[difficulty - 1]
    n = box * box
    units, about = _units(box)
    emptied: list[tuple[int, str]] = []
    while len(emptied) < blanks:
        grid = _filled_grid(rng, box)
        filled, empty = [(1 << n) - 1] * len(units), [set[int]() for _ in units]
        emptied = []
        for cell in rng.shuffled(range(n * n)):
            bit = grid[cell]
            for u in about[cell]:
                filled[u] &= ~bit
            if why := _reason(cell, bit, filled, empty, box):
                emptied.append((cell, why))
                for u in about[cell]:
                    empty[u].add(cell)
                if len(emptied) == blanks:
                    break
            else:
                for u in about[cell]:
                    filled[u] |= bit
    holes = {cell for cell, _ in emptied}
    numbers = [str(bit.bit_length()) for bit in grid]
    givens = "".join("_" if cell in holes else number for cell, number in enumerate(numbers))
    answer = " ".join("".join(numbers[r * n : r * n + n]) for r in range(n))
    steps = [f"r{cell // n + 1}c{cell % n + 1} = {numbers[cell]}: {why}." for cell, why in reversed(emptied)]
    rows = "\n".join(givens[r * n : r * n + n] for r in range(n))
    return Problem(
        id="",
        question=f"Fill the empty cells (_) so that each row, each column and each {box} x {box} box holds every "
        f"number from 1 to {n} once. Answer with the rows of the whole grid from top to bottom, a space between them.\n"
        f"{rows}",
        answer=answer,
        facts={"box": box, "givens": givens},
        solution=" ".join([*steps, f"The answer is {answer}."]),
    )


def check(answer: str, problem: Problem) -> bool:
    """Whether the answer is a whole grid that keeps the givens and repeats no number in a row, column or box. Spaces,
    line breaks, commas, bars and the like between numbers do not matter."""
    box, givens = problem.facts["box"], problem.facts["givens"]
    n = box * box
    if len(answer) > MAX_ANSWER:
        return False
    grid = _BETWEEN.sub("", answer).rstrip(".")
    if len(grid) != n * n or any(cell not in "123456789"[:n] for cell in grid):
        return False
    if any(given not in ("_", cell) for given, cell in zip(givens, grid, strict=True)):
        return False
    return all(len({grid[c] for c in unit}) == n for _, unit in _units(box)[0])


def _search(cells: list[int], box: int) -> bool:
    """Fills the empty cells (0) in place, the most constrained one first; False if that is impossible."""
    n, (units, about) = box * box, _units(box)
    shown = [sum(cells[c] for c in inside) for _, inside in units]
    choices = [
        (((1 << n) - 1) & ~(shown[about[c][0]] | shown[about[c][1]] | shown[about[c][2]]), c)
        for c, bit in enumerate(cells)
        if not bit
    ]
    if not choices:
        return True
    candidates, cell = min(choices, key=lambda choice: choice[0].bit_count())
    while candidates:
        cells[cell] = candidates & -candidates
        if _search(cells, box):
            return True
        candidates &= candidates - 1
    cells[cell] = 0
    return False


def solve(problem: Problem) -> str:
    """Exhaustive search from the givens alone."""
    box, givens = problem.facts["box"], problem.facts["givens"]
    n = box * box
    cells = [0 if given == "_" else 1 << (int(given) - 1) for given in givens]
    if not _search(cells, box):
        raise ValueError(f"this sudoku has no solution: {givens}")
    return " ".join("".join(str(bit.bit_length()) for bit in cells[r * n : r * n + n]) for r in range(n))


def guess(problem: Problem) -> float:
    """Each empty cell gets one of the numbers 1 to n, all alike: n to the minus empty cells."""
    n = problem.facts["box"] ** 2
    return float(n ** -problem.facts["givens"].count("_"))


SUDOKU = Family(
    name="sudoku",
    levels=len(BLANKS),
    meaning="1 to 4: 4 x 4 with 4, 6, 8, 10 empty cells; 5 to 8: 9 x 9 with 20, 30, 40, 48",
    make=make,
    solve=solve,
    guess=guess,
    check=check,
)
