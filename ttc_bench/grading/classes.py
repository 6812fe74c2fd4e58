"""The classes of equal answers, which votes count. Pure, but for what a grader's `same` does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ttc_bench.core import Grader

Pair = tuple[int, int]  # places of two answers


def equal_pairs(answers: Sequence[str], grader: Grader, known: int = 0) -> list[Pair]:
    """The pairs of different answers that are the same, as places in `answers`, which are distinct. Pairs among the
    first `known` are left out: they were compared before. Each pair is asked for once, in both directions.

    Where the grader says by a `form` which answers are alike (Ladder.form), no pair is compared."""
    forms = [_form(grader, answer) for answer in answers]
    pairs: list[Pair] = []
    of_form: dict[str, int] = {}
    for later, answer in enumerate(answers):
        if forms[later] is not None:
            first = of_form.setdefault(str(forms[later]), later)
            if first != later and later >= known:
                pairs.append((first, later))
        if later < known:
            continue
        for earlier in range(later):
            if forms[earlier] is not None and forms[later] is not None:
                continue
            other = answers[earlier]
            if grader.same(other, answer) or grader.same(answer, other):
                pairs.append((earlier, later))
    return pairs


def _form(grader: Grader, answer: str) -> str | None:
    """Equal forms are equal answers; None where pairs have to be compared."""
    form: Any = getattr(grader, "form", None)
    return form(answer) if form else None


def stand_ins(answers: Sequence[str], pairs: Iterable[Pair]) -> list[int]:
    """For each answer the place of the one that stands for its class.

    Two answers are in one class where they are a pair, or a chain of pairs joins them; the shortest answer (of equally
    short ones the first in the alphabet) stands for it. So the classes do not depend on the order of the answers. Grade
    before grouping: a class can join answers that the gold tells apart."""
    head = list(range(len(answers)))

    def find(place: int) -> int:
        while head[place] != place:
            head[place] = place = head[head[place]]
        return place

    for one, other in pairs:
        a, b = find(one), find(other)
        shorter, longer = sorted((a, b), key=lambda place: (len(answers[place]), answers[place]))
        head[longer] = shorter
    return [find(place) for place in range(len(answers))]


def group(answers: Sequence[str | None], grader: Grader) -> list[str | None]:
    """The answers to one problem, each replaced by the one that stands for its class: equal answers become equal
    strings. None stays None."""
    distinct = list(dict.fromkeys(answer for answer in answers if answer is not None))
    heads = stand_ins(distinct, equal_pairs(distinct, grader))
    stands_for = {answer: distinct[head] for answer, head in zip(distinct, heads, strict=True)}
    return [None if answer is None else stands_for[answer] for answer in answers]
