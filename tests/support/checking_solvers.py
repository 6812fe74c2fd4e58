"""Solvers and judges for the tasks that only a check can mark. They share nothing with the generators: they read the
question's text, and know the rules of the game from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product


def sudoku(question: str) -> list[str]:
    """All solutions (two at most), as an exact cover: each cell, and each number in each row, column and box, once.
    Knuth 2000, Dancing Links, arXiv:cs/0011047; here with dictionaries of sets."""
    rows = question.split("\n")[1:]
    n = len(rows)
    box = int(n**0.5)
    options = {
        (r, c, v): [("cell", r, c), ("row", r, v), ("column", c, v), ("box", r // box, c // box, v)]
        for r, c, v in product(range(n), range(n), range(1, n + 1))
        if rows[r][c] in ("_", str(v))
    }
    columns: dict[tuple, set] = {}
    for option, wants in options.items():
        for want in wants:
            columns.setdefault(want, set()).add(option)

    def take(option: tuple) -> list[set]:
        removed = []
        for want in options[option]:
            for other in columns[want]:
                for also in options[other]:
                    if also != want:
                        columns[also].discard(other)
            removed.append(columns.pop(want))
        return removed

    def put_back(option: tuple, removed: list[set]) -> None:
        for want in reversed(options[option]):
            columns[want] = removed.pop()
            for other in columns[want]:
                for also in options[other]:
                    if also != want:
                        columns[also].add(other)

    def covers(chosen: list[tuple]) -> Iterator[list[tuple]]:
        if not columns:
            yield list(chosen)
            return
        want = min(columns, key=lambda w: len(columns[w]))
        for option in list(columns[want]):
            chosen.append(option)
            removed = take(option)
            yield from covers(chosen)
            put_back(option, removed)
            chosen.pop()

    found = []
    for cover in covers([]):
        number = {(r, c): str(v) for r, c, v in cover}
        found.append(" ".join("".join(number[r, c] for c in range(n)) for r in range(n)))
        if len(found) == 2:
            break
    return found


def three_sat(question: str) -> tuple[str, list[dict[str, bool]]]:
    """The variables, and all assignments that satisfy the clauses as they are written."""
    names = re.search(r"for each of (.+?) such", question)[1].replace(", ", "")
    clauses = [clause.split(" or ") for clause in re.findall(r"\(\d+\) (.+?)\.", question)]
    worlds = (dict(zip(names, bits, strict=True)) for bits in product((False, True), repeat=len(names)))
    return names, [
        w for w in worlds if all(any(w[lit[-1]] != lit.startswith("not ") for lit in clause) for clause in clauses)
    ]


def word_squares(question: str) -> set[tuple[str, ...]]:
    """All squares that the listed words allow: letter by letter across, each looked up going down."""
    size = int(re.search(r"Choose (\d)", question)[1])
    words = re.search(r"list: (.+?)\. Write", question)[1].split(", ")
    found: set[tuple[str, ...]] = set()
    partial: list[tuple[str, ...]] = [()]
    for k in range(size):
        partial = [
            (*rows, word)
            for rows in partial
            for word in words
            if word not in rows and all(row[k] == word[i] for i, row in enumerate(rows))
        ]
    found.update(partial)
    return found


def sentence_fits(question: str, text: str) -> bool:
    """Judges a sentence of lower or upper case words and spaces by the wording of the question."""
    words = text.upper().split()
    wanted = int(re.search(r"exactly (\d+) words", question)[1])
    starts = re.search(r"in this order, (.+?)\.", question)[1].split(", ")
    places = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
    if len(words) != wanted or [word[0] for word in words] != starts:
        return False
    for place, letters in re.findall(r"The (\w+) word has exactly (\d+) letters", question):
        if len(words[places.index(place)]) != int(letters):
            return False
    for place, letter in re.findall(r"The (\w+) word ends with (\w)", question):
        if not words[places.index(place)].endswith(letter):
            return False
    return all(letter not in text.upper() for letter in re.findall(r"The letter (\w) does not occur", question))
