"""The majority vote in floating point against exact integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import comb

import exact_majority
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttc_bench.core import Candidate
from ttc_bench.strategies.exact import BestOfN, MajorityVote
from ttc_bench.strategies.majority import win_chances

Votes = Sequence[int]


def chances(votes: Votes, silent: int, k: int) -> dict[int, float]:
    """By number of votes, checked to be chances that sum to 1 with that of a draw without any vote."""
    answers = Counter(votes)
    sizes = tuple(sorted(answers))
    found = win_chances(sizes, tuple(answers[m] for m in sizes), silent, k)
    assert min(found, default=0) >= 0
    nothing = comb(silent, k) / comb(silent + sum(votes), k)
    assert sum(w * answers[m] for m, w in zip(sizes, found, strict=True)) + nothing == pytest.approx(1, abs=1e-12)
    return dict(zip(sizes, found, strict=True))


def check(votes: Votes, silent: int, k: int) -> None:
    exact = exact_majority.win_chances(votes, silent, k)
    found = chances(votes, silent, k)
    assert found.keys() == exact.keys()
    assert max((abs(found[m] - exact[m]) for m in exact), default=0) < 1e-13


profiles = st.one_of(
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
    st.lists(st.integers(1, 4), min_size=1, max_size=12),
    st.builds(lambda m, times: [m] * times, st.integers(1, 6), st.integers(1, 10)),
    st.builds(lambda most, singles: [most, *[1] * singles], st.integers(2, 40), st.integers(1, 20)),
)


@settings(max_examples=120, deadline=None)
@given(votes=profiles, silent=st.one_of(st.just(0), st.integers(0, 8), st.integers(20, 60)), data=st.data())
def test_equals_exact_integers(votes: list[int], silent: int, data: st.DataObject) -> None:
    while sum(votes) > 48:
        votes = votes[:-1] if len(votes) > 1 else [48]
    silent = min(silent, 64 - sum(votes))
    check(votes, silent, data.draw(st.integers(1, sum(votes) + silent)))


NASTY = {
    "all singles": ([1] * 64, 0),
    "all singles but one": ([2, *[1] * 62], 0),
    "one giant": ([58, *[1] * 6], 0),
    "two giants": ([31, 31, 1, 1], 0),
    "all equal": ([8] * 8, 0),
    "doubles": ([2] * 32, 0),
    "one short of a tie": ([9, 8, 8, 8, 8, 8, 8], 7),
    "a staircase": (list(range(1, 11)), 9),
    "many silent": ([3, 2, 2, 1], 56),
    "one answer and silent": ([1], 63),
    "only silent": ([], 64),
    "one answer": ([64], 0),
    "as people vote": ([25, 13, 7, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1], 3),
}


@pytest.mark.parametrize("name", NASTY)
def test_nasty_votes_of_64_samples(name: str) -> None:
    votes, silent = NASTY[name]
    for k in (1, 2, 3, 11, 20, 33, 63, 64):
        check(votes, silent, k)


def test_every_draw_of_one_pool() -> None:
    for k in range(1, 31):
        check([11, 6, 6, 2, 1, 1, 1], 2, k)


@pytest.mark.parametrize(
    ("votes", "silent", "k"),
    [
        ([100, 51, 27, 12, 10, 9, 8, 5, 4, 3, 2, 2, *[1] * 10], 13, 4),
        ([100, 51, 27, 12, 10, 9, 8, 5, 4, 3, 2, 2, *[1] * 10], 13, 16),
        ([60, 58, 57, 40], 41, 64),
        ([100, 90, 40], 26, 128),
        ([86, 85, 85], 0, 200),
        ([250, 3, 3], 0, 250),
    ],
)
def test_256_samples(votes: Votes, silent: int, k: int) -> None:
    check(votes, silent, k)


@pytest.mark.parametrize("n", [1_024, 4_096])
def test_thousands_of_samples(n: int) -> None:
    """Where exact integers take hours, symmetry and the vote between two answers are exact too."""
    for k in (2, n // 8, n // 2 + 1, n - 1):
        assert chances([1] * n, 0, k)[1] == pytest.approx(1 / n, abs=1e-14)
        assert chances([n // 64] * 64, 0, k)[n // 64] == pytest.approx(1 / 64, abs=1e-13)
        most, less = n // 2 + n // 32, n // 2 - n // 32
        total = comb(n, k)
        ahead = sum(comb(most, j) * comb(less, k - j) for j in range(k // 2 + 1, min(most, k) + 1))
        level = comb(most, k // 2) * comb(less, k // 2) if k % 2 == 0 else 0
        exact = float(Fraction(ahead, total) + Fraction(level, 2 * total))
        assert chances([most, less], 0, k)[most] == pytest.approx(exact, abs=1e-12)


def test_answers_with_the_same_votes_have_the_same_chance() -> None:
    pool = [Candidate(a, 1) for a in "aabbcddddzz"] + [Candidate(None, 1)]
    weights = MajorityVote().outcome(pool, 5).weights
    by_answer = {a: weights[i] for i, a in enumerate("aabbcddddzz")}
    assert by_answer["a"] == by_answer["b"] == by_answer["z"] > by_answer["c"]
    assert weights[-1] == 0


@settings(max_examples=30, deadline=None)
@given(
    held=st.lists(st.integers(1, 300), min_size=1, max_size=8).filter(lambda held: sum(held) <= 1_024),
    data=st.data(),
)
def test_best_of_many_equals_exact_integers(held: list[int], data: st.DataObject) -> None:
    """`held`: how many samples share the lowest score, the next one, and so on."""
    n = sum(held)
    k = data.draw(st.integers(1, n))
    pool = [Candidate("x", 1, float(score)) for score, m in enumerate(held) for _ in range(m)]
    weights, below = BestOfN().outcome(pool, k).weights, 0
    for m in held:
        exact = Fraction(comb(below + m, k) - comb(below, k), comb(n, k) * m)
        assert max(abs(weights[i] - exact) for i in range(below, below + m)) < 1e-12
        below += m
