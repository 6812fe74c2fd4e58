"""Solvers for the logic tasks that share nothing with the generators: they read the question's text and mostly try
everything. Each returns all answers that fit, one for each solution."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from itertools import permutations, product


def boolean_expressions(question: str) -> list[str]:
    """Python's own booleans, its != standing for xor."""
    given = {name: word == "true" for name, word in re.findall(r"(\w) is (true|false)", question)}
    text = question.split(": ", 1)[1].split("?")[0].replace("xor", "!=")
    # != binds tighter than not in Python: each negated name or bracket gets brackets of its own
    tree = ast.parse(_bracket_negations(text), mode="eval").body

    def value(node: ast.expr) -> bool:
        if isinstance(node, ast.BoolOp):
            return (all if isinstance(node.op, ast.And) else any)(value(part) for part in node.values)
        if isinstance(node, ast.UnaryOp):
            return not value(node.operand)
        if isinstance(node, ast.Compare):
            return value(node.left) != value(node.comparators[0])
        assert isinstance(node, ast.Name)
        return given[node.id]

    return [str(value(tree)).lower()]


def _bracket_negations(text: str) -> str:
    """ "not x" becomes "(not x)", from the inside out."""
    marked = text
    while found := re.search(r"not (\w\b|\((?:[^()]|\((?:[^()]|\(.*?\))*\))*\))", marked):
        end, depth = found.start(1), 0
        while True:
            depth += {"(": 1, ")": -1}.get(marked[end], 0)
            end += 1
            if depth == 0:
                break
        marked = f"{marked[: found.start()]}(NOT {marked[found.start(1) : end]}){marked[end:]}"
    return marked.replace("NOT", "not")


def knights_and_knaves(question: str) -> list[str]:
    """Every choice of knights under which each statement is as true as its speaker."""
    said = re.findall(r'(\w+) says: "(.+?)\."', question)
    names = [name for name, _ in said]

    def true(text: str, knights: set[str]) -> bool:
        about = [name for name in re.findall(r"[A-Z]\w+", text) if name in names]
        kinds = [name in knights for name in about]
        low = text.lower()
        if "exactly" in low:
            return len(knights) == int(re.search(r"\d+", low)[0])
        if "same kind" in low:
            return kinds[0] == kinds[1]
        if "different kinds" in low:
            return kinds[0] != kinds[1]
        if low.startswith("if"):
            return not kinds[0] or kinds[1]
        if "at least one" in low:
            return any(kinds) if low.endswith("knight") else not all(kinds)
        return kinds[0] == low.endswith("knight")

    found = []
    for bits in product((False, True), repeat=len(names)):
        knights = {name for name, bit in zip(names, bits, strict=True) if bit}
        if all(true(text, knights) == (name in knights) for name, text in said):
            found.append(", ".join(sorted(knights)) or "nobody")
    return found


def _clue(text: str, names: list[str], last: int) -> tuple[list[str], Callable[[Mapping[str, int]], bool]]:
    """Who a clue mentions, in that order, and its test on their places (from 1)."""
    who = [name for _, name in sorted((text.index(name), name) for name in names if name in text)]
    a, b = who[0], who[-1]
    number = int(re.findall(r"\d", text)[-1]) if re.search(r"house \d", text) else 0
    tests: dict[str, Callable[[Mapping[str, int]], bool]] = {
        "ends": lambda at: at[a] in (1, last),
        "directly left": lambda at: at[b] - at[a] == 1,
        "left of": lambda at: at[a] < at[b],
        "next to": lambda at: abs(at[a] - at[b]) == 1,
        "exactly one": lambda at: abs(at[a] - at[b]) == 2,
        "does not live in": lambda at: at[a] != number,
        "lives in house": lambda at: at[a] == number,
        "from the left": lambda at: at[a] != 1 + ORDINALS.index(text.split()[-4]),
        " is not ": lambda at: at[a] != at[b],
        " is ": lambda at: at[a] == at[b],
    }
    return who, next(test for words, test in tests.items() if words in text)


ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]


def ordering(question: str) -> list[str]:
    """Builds the row from the left, thing by thing; a clue is looked at as soon as all it mentions stands."""
    head, *rest = re.split(r" \(\d+\) ", question)
    *clues, last = rest
    last, ask = re.match(r"(.+?\.) (Which one .+)", last).groups()
    clues.append(last)
    names = re.split(", | and ", head.split(": ")[1].rstrip("."))
    asked = ORDINALS.index(ask.split()[-4]) + 1
    tests = [_clue(f" {clue} ", [f" {name} " for name in names], len(names)) for clue in clues]
    rows: list[list[str]] = [[]]
    for _ in names:
        longer = []
        for row in rows:
            for name in names:
                place = {f" {n} ": i for i, n in enumerate([*row, name], 1)}
                if name not in row and all(
                    test(place) for who, test in tests if f" {name} " in who and all(w in place for w in who)
                ):
                    longer.append([*row, name])
        rows = longer
    return [row[asked - 1] for row in rows]


def zebra(question: str) -> list[str]:
    """Kind by kind, every arrangement that no clue so far forbids; all full grids that are left."""
    head, *clues = re.split(r" \(\d+\) ", question)
    clues[-1], ask = re.match(r"(.+?\.) Who is (.+)\?", clues[-1]).groups()
    clues = [c[0].lower() + c[1:] if c.startswith("The ") else c for c in clues]
    groups = [g.split(", ") for g in head.split("known for: ")[1].rstrip(".").split("; ")]
    names = [name for group in groups for name in group]
    tests = [_clue(clue, names, len(groups[0])) for clue in clues]
    grids: list[dict[str, int]] = [{}]
    left = list(groups)
    while left:  # next the kind that most clues tie to those already placed: fewer grids in between
        known = set(grids[0])
        group = max(left, key=lambda g: sum(set(who) <= known | set(g) for who, _ in tests))
        left.remove(group)
        now = known | set(group)
        relevant = [test for who, test in tests if set(who) <= now and not set(who) <= known]
        orders = [dict(zip(group, order, strict=True)) for order in permutations(range(1, len(group) + 1))]
        longer = (grid | order for grid in grids for order in orders)
        grids = [grid for grid in longer if all(test(grid) for test in relevant)]
    return [next(person for person in groups[0] if grid[person] == grid[ask]) for grid in grids]


def syllogisms(question: str) -> list[str]:
    """Searches for small worlds: sets of kinds of things that make the premises true and the conclusion false. With
    and without the assumption that every term has a thing; both answers are returned if they differ."""
    *premises, conclusion = re.findall(r"(?i)\b(all|no|some) (\w+) are (not )?(\w+)", question)
    terms = sorted({t for _, a, _, b in [*premises, conclusion] for t in (a, b)})

    def true(statement: tuple[str, ...], world: list[frozenset[str]]) -> bool:
        kind, a, negated, b = statement
        hits = [(b in thing) != bool(negated) for thing in world if a in thing]
        return {"all": all(hits), "no": not any(hits), "some": any(hits)}[kind.lower()]

    things = [
        frozenset(t for t, bit in zip(terms, bits, strict=True) if bit) for bits in product((0, 1), repeat=len(terms))
    ]
    universal = [p for p in premises if p[0].lower() != "some"]
    world = [t for t in things if all(true(p, [t]) for p in universal)]
    if conclusion[0].lower() == "some":  # to make it false, nothing may be a witness of it
        world = [t for t in world if not true(conclusion, [t])]
    # everything that may exist, exists: if any world is a counterexample, this largest one is
    counterexample = all(true(p, world) for p in premises) and not true(conclusion, world)
    full = all(any(term in thing for thing in world) for term in terms)
    return sorted({"no" if counterexample and (full or not exist) else "yes" for exist in (False, True)})


def entailment(question: str) -> list[str]:
    """Reads the sentences into Python conditions and tries all truth values."""
    *statements, conclusion = re.split(r" \(\d+\) ", question.replace(" Does it follow that ", " (0) "))[1:]
    names = sorted(set(re.findall(r"\b[A-Z]\b", question)))

    def literal(text: str, world: Mapping[str, bool]) -> bool:
        return world[text[-1]] != text.lower().startswith("not ")

    def true(text: str, world: Mapping[str, bool]) -> bool:
        text = text.rstrip(".?").removesuffix(" or both")
        if text.startswith("If "):
            condition, then = text[3:].split(", then ")
            return not all(literal(t, world) for t in condition.split(" and ")) or any(
                literal(t, world) for t in then.split(" or ")
            )
        if text.startswith("Not both: "):
            return not all(literal(t, world) for t in text[10:].split(", "))
        if text.startswith("At least"):
            return any(literal(t, world) for t in text.split(": ")[1].split(", "))
        if text.endswith(("hold", "holds")):
            return world[text[0]] == text.endswith("holds")
        return any(literal(t, world) for t in text.split(" or "))

    worlds = [dict(zip(names, bits, strict=True)) for bits in product((False, True), repeat=len(names))]
    fitting = [w for w in worlds if all(true(s, w) for s in statements)]
    assert fitting, "the premises contradict each other"
    return ["yes" if all(true(conclusion, w) for w in fitting) else "no"]


def navigation(question: str) -> list[str]:
    """Counts the steps in each of the four directions."""
    compass = ["north", "east", "south", "west"]
    facing = compass.index(re.search(r"face (\w+)", question)[1])
    walked = [0, 0, 0, 0]
    for word in re.findall(r"left|right|around|\d+", question.split(". ", 1)[1]):
        if word.isdigit():
            walked[facing] += int(word)
        else:
            facing = (facing + {"right": 1, "around": 2, "left": 3}[word]) % 4
    return [str(abs(walked[0] - walked[2]) + abs(walked[1] - walked[3]))]
