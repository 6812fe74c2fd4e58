"""Graded samples as columns: what is graded in parts is what is graded at once, and bytes are what they were."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttc_bench.core import Completion, Problem, Usage
from ttc_bench.grading.classes import equal_pairs, group, stand_ins
from ttc_bench.grading.columns import Columns, content_address, graded
from ttc_bench.grading.graders import GRADERS
from ttc_bench.grading.phrase import Text

PROBLEM = Problem("p", "How many?", "12")
NUMBERS = GRADERS["number"]()


class Near(Text):
    """Words are the same where they differ in at most one place: not transitive, and pairs have to be compared."""

    def form(self, answer: str) -> str | None:
        return None

    def same(self, a: str, b: str) -> bool:
        return len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) <= 1


def said(text: str, **changes: object) -> Completion:
    whole = Completion(text, "stop", Usage(9, 1, len(text), 2), signals={"logprob": -len(text) / 7})
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def samples(texts: Sequence[str], first: int = 0) -> dict[int, Completion]:
    return {first + i: said(text) for i, text in enumerate(texts)}


def fields(columns: Columns) -> dict[str, object]:
    """What the columns say, free of the order in which answers were seen."""
    said_answers = [None if a < 0 else columns.answers[a] for a in columns.answer.tolist()]
    votes = [None if a < 0 else columns.answers[a] for a in columns.votes.tolist()]
    plain = {
        name: getattr(columns, name).tolist()
        for name in ("index", "prompt", "cached", "completion", "reasoning", "length", "twin", "content", "correct")
    }
    rungs = [columns.rungs[r] for r in columns.rung.tolist()]
    signals = {name: values.tolist() for name, values in columns.signals.items() if len(values)}
    return {**plain, "answers": said_answers, "votes": votes, "rungs": rungs, "signals": signals}


def test_columns_say_what_the_samples_say() -> None:
    texts = ["The answer is 12.", "The answer is 12.0", "Nothing.", "The answer is 12.", "It is 7."]
    made = {**samples(texts), 9: said("so 12", stop_reason="length", usage=Usage(5, source="estimate"), signals={})}
    c = graded(NUMBERS, PROBLEM, made)
    assert c.index.tolist() == [0, 1, 2, 3, 4, 9]
    assert c.correct.tolist() == [True, True, False, True, False, True]
    assert [None if v < 0 else c.answers[v] for v in c.votes] == ["12", "12", None, "12", "7", "12"]
    assert c.distinct == 5
    assert (c.length.tolist(), c.estimated.tolist()) == ([False] * 5 + [True],) * 2
    assert c.completion.tolist() == [*map(len, texts), 0]
    assert np.isnan(c.signals["logprob"]).tolist() == [False] * 5 + [True]
    assert c.content[0].tobytes() == content_address("How many?", texts[0])
    assert c.content[0].tolist() == c.content[3].tolist() != c.content[1].tolist()
    assert fields(c.only(c.index < 2)) == fields(graded(NUMBERS, PROBLEM, samples(texts[:2])))


@settings(deadline=None)
@given(st.lists(st.sampled_from(["the answer is 3", "the answer is 3.0", "12", "", "x", "no"]), max_size=9), st.data())
def test_graded_in_parts_is_graded_at_once(texts: list[str], data: st.DataObject) -> None:
    every = samples(texts)
    some = data.draw(st.sets(st.sampled_from(range(len(texts))))) if texts else set()
    first = graded(NUMBERS, PROBLEM, {i: c for i, c in every.items() if i in some})
    again = Columns.unpack(first.pack())
    assert fields(again) == fields(first)
    assert again.unlike(every) == {i: c for i, c in every.items() if i not in some}
    assert fields(graded(NUMBERS, PROBLEM, again.unlike(every), again)) == fields(graded(NUMBERS, PROBLEM, every))


@settings(deadline=None)
@given(st.lists(st.text("ab", min_size=3, max_size=3), max_size=7), st.integers(0, 7))
def test_classes_are_of_the_samples_that_are_there(words: list[str], few: int) -> None:
    """An answer that only a later sample gave must not join two answers of earlier ones."""
    whole = graded(Near(), PROBLEM, samples(words))
    assert fields(whole.only(whole.index < few)) == fields(graded(Near(), PROBLEM, samples(words[:few])))
    first = graded(Near(), PROBLEM, samples(words[:few]))
    assert fields(graded(Near(), PROBLEM, first.unlike(samples(words)), first)) == fields(whole)


def test_a_sample_that_a_change_made_another_is_graded_anew() -> None:
    before = graded(NUMBERS, PROBLEM, samples(["12", "7", "8"]))
    now = samples(["12", "12", "8"])
    now[2] = said("8", usage=Usage(9, 1, 99))
    assert list(before.unlike(now)) == [1, 2]
    assert fields(graded(NUMBERS, PROBLEM, before.unlike(now), before)) == fields(graded(NUMBERS, PROBLEM, now))


@settings(deadline=None)
@given(st.data())
def test_bytes_that_are_no_columns_are_refused(data: st.DataObject) -> None:
    packed = graded(NUMBERS, PROBLEM, samples(["the answer is 3", "12", ""])).pack()
    at = data.draw(st.integers(0, len(packed) - 1))
    cut = data.draw(st.sampled_from([packed[:at], packed[:at] + b"\xff" * 8 + packed[at + 8 :], b"", b"{}"]))
    if cut != packed:
        with pytest.raises(ValueError, match="no columns"):
            Columns.unpack(cut)


def test_each_pair_is_compared_once() -> None:
    asked = []

    class Watched(Near):
        def same(self, a: str, b: str) -> bool:
            asked.append((a, b))
            return False

    equal_pairs(["a", "b", "c"], Watched())
    assert sorted(asked) == sorted((x, y) for x in "abc" for y in "abc" if x != y)
    asked.clear()
    equal_pairs(["a", "b", "c"], Watched(), known=2)
    assert {frozenset(pair) for pair in asked} == {frozenset("ac"), frozenset("bc")}


@pytest.mark.parametrize("order", [["aaa", "aab", "abb"], ["abb", "aab", "aaa"], ["aab", "abb", "aaa"]])
def test_classes_do_not_depend_on_the_order(order: list[str]) -> None:
    assert group([*order, None, "bbbb"], Near()) == ["aaa"] * 3 + [None, "bbbb"]
    pairs = equal_pairs(order, Near())
    assert {order[head] for head in stand_ins(order, pairs)} == {"aaa"}
