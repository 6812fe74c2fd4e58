"""What a verifier is judged by, against counts by hand. Problems are the unit: copies of a sample prove nothing more."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import MIXED, pools

from ttc_bench.analysis import verifier_quality
from ttc_bench.analysis.selection import diagnose
from ttc_bench.analysis.verifier_quality import (
    Bin,
    Interval,
    auroc,
    calibration,
    pooled_auroc,
    recovered,
    rows,
    sentence,
    within_auroc,
)
from ttc_bench.core import Usage

sample = st.tuples(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 3.0]), st.booleans())
some = st.lists(sample, min_size=1, max_size=12)


def by_counting(samples: list[tuple[float, bool]]) -> float | None:
    right, wrong = [s for s, r in samples if r], [s for s, r in samples if not r]
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in product(right, wrong)]
    return sum(pairs) / len(pairs) if pairs else None


@given(samples=some)
def test_auroc_is_the_count_of_pairs(samples: list[tuple[float, bool]]) -> None:
    found = auroc([s for s, _ in samples], [r for _, r in samples])
    expected = by_counting(samples)
    assert np.isnan(found) if expected is None else found == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(6))
def test_the_pooled_auroc_is_that_of_all_samples_and_its_interval_that_of_problems(seed: int) -> None:
    """An interval over samples would shrink when each is there three times."""
    draw = random.Random(seed)
    problems = [[(draw.choice([-1.0, 0.0, 0.5]), draw.random() < 0.5) for _ in range(5)] for _ in range(4)]
    scored = [([s for s, _ in p], [r for _, r in p]) for p in problems]
    found = pooled_auroc(scored)
    again = pooled_auroc([(s * 3, r * 3) for s, r in scored])
    assert found is not None
    assert again is not None
    assert found.value == pytest.approx(by_counting([x for p in problems for x in p]))
    assert found.low < found.value < found.high
    assert (again.low, again.high) == pytest.approx((found.low, found.high))


def test_many_different_scores_are_no_other_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above LEVELS of them the bootstrap takes neighbours as tied."""
    draw = np.random.default_rng(3)
    right = draw.random((40, 30)) < draw.random((40, 1))
    scores = draw.normal(size=(40, 30)) + right
    rows = list(zip(scores, right, strict=True))
    exact = pooled_auroc(rows)
    monkeypatch.setattr(verifier_quality, "LEVELS", 300)
    coarse = pooled_auroc(rows)
    assert exact is not None
    assert coarse is not None
    assert coarse.value == exact.value
    assert (coarse.low, coarse.high) == pytest.approx((exact.low, exact.high), abs=2e-3)
    assert (coarse.low, coarse.high) != (exact.low, exact.high)


def test_telling_easy_problems_from_hard_ones_is_not_telling_right_from_wrong() -> None:
    """A verifier that knows only the problem looks good pooled, and is worth nothing to a choice within one."""
    easy = ([0.9] * 10, [True] * 9 + [False])
    hard = ([0.1] * 10, [False] * 9 + [True])
    pooled = pooled_auroc([easy, hard] * 20)
    within, mixed = within_auroc([*[easy, hard] * 20, ([0.5, 0.6], [True, True])])
    assert pooled is not None
    assert within is not None
    assert pooled.value == pytest.approx(0.9)
    assert pooled.low > 0.8
    assert (within.value, mixed) == (0.5, 40)


def test_without_right_and_wrong_samples_there_is_no_auroc() -> None:
    assert pooled_auroc([([1.0, 2.0], [True, True]), ([], [])]) is None
    assert within_auroc([([1.0, 2.0], [True, True])]) == (None, 0)


def test_calibration_on_scores_that_mean_what_they_say_and_on_others() -> None:
    scores = [p for p in (0.05, 0.25, 0.45, 0.65, 0.85) for _ in range(100)]
    right = [i < 100 * p for p in (0.05, 0.25, 0.45, 0.65, 0.85) for i in range(100)]
    found = calibration(scores, right)
    assert found is not None
    assert found[0] == pytest.approx(0)
    assert found[1][0] == Bin(pytest.approx(0.05), 0.05, 100)
    bold = calibration([0.9] * 10, [True] * 5 + [False] * 5)
    assert bold is not None
    assert (bold[0], len(bold[1])) == (pytest.approx(0.4), 1)
    assert calibration([-0.1, 0.2], [True, False]) is None
    assert calibration([], []) is None


def test_bins_have_equal_mass() -> None:
    """Of equal width, all samples of a confident verifier fall into one."""
    scores = [0.9 + i / 10_000 for i in range(1000)]
    found = calibration(scores, [True] * 1000)
    assert found is not None
    assert {b.samples for b in found[1]} <= {99, 100, 101}
    assert len(found[1]) == 10
    assert found[0] == pytest.approx(1 - sum(scores) / 1000)


@given(samples=st.lists(st.tuples(st.sampled_from([0.0, 0.5, 0.5, 1.0]), st.booleans()), min_size=1, max_size=30))
def test_the_order_of_equal_scores_means_nothing(samples: list[tuple[float, bool]]) -> None:
    """Cut by position, a run of equal scores went into bins as the samples happened to lie."""
    one, other = (calibration([s for s, _ in x], [r for _, r in x]) for x in (samples, sorted(samples)))
    assert one is not None
    assert other is not None
    assert one[0] == pytest.approx(other[0])
    assert sum(b.samples for b in one[1]) == len(samples)


def test_the_gap_recovered() -> None:
    one, reach = [0.5, 0.25, 0.0], [1.0, 1.0, 0.0]
    whole, none, worse = (recovered(x, one, reach) for x in (reach, one, [0.0, 0.25, 0.0]))
    assert whole == Interval(1, 1, 1)
    assert none == Interval(0, 0, 0)
    assert worse is not None
    assert worse.value == pytest.approx(-0.5 / 1.25)
    assert worse.low <= worse.value <= worse.high
    assert recovered([1.0, 1.0], [1.0, 1.0], [1.0, 1.0]) is None


def test_losses_add_up_for_every_selector_and_k() -> None:
    found = diagnose(pools(*MIXED))
    assert [d.selector for d in found] == ["majority", "v"]
    for d in found:
        assert [c.k for c in d.choices] == [2, 4]
        for c in d.choices:
            assert c.accuracy + c.selection_loss + c.coverage_loss == pytest.approx(1)
            assert min(c.selection_loss, c.coverage_loss) >= 0
    majority, best = (d.choices[-1] for d in found)
    # problem 0: two answers tie, 0.9 is right; problem 1: majority and 0.5 are wrong; problem 2: nobody is right
    assert (majority.accuracy, best.accuracy) == (pytest.approx(0.5 / 3), pytest.approx(1 / 3))
    assert best.coverage_loss == pytest.approx(1 / 3)
    assert best.selection_loss == pytest.approx(1 / 3)
    assert best.one == pytest.approx((0.5 + 0.25) / 3)


def test_a_verifier_is_judged_on_readable_scored_samples() -> None:
    """A text without an answer is known to be wrong without a verifier, and no score is no verdict."""
    (_, d) = diagnose(pools(*MIXED))
    assert d.judged == 4 + 3 + 3
    assert d.mixed == 2
    assert d.within is not None
    assert d.within.value == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert d.auroc is not None
    pairs = [(r, w) for r in (0.9, 0.6, 0.4) for w in (0.7, 0.2, 0.5, 0.1, 0.8, 0.3, 0.2)]
    assert d.auroc.value == pytest.approx(sum(r > w for r, w in pairs) / len(pairs))
    assert d.ece is not None


def test_a_verifier_that_costs_tokens_meets_more_votes() -> None:
    """Ten tokens to score a sample of ten: best-of-2 costs what majority pays for four samples."""
    (_, d) = diagnose(pools(*MIXED, cost=Usage(prompt=7, completion=3), parameters=1000))
    first, last = d.choices
    assert (first.k, first.rival_k, first.tokens) == (2, 4, 40)
    assert (last.k, last.rival_k, last.tokens) == (4, 4, 80)  # the pool holds no more
    assert (d.generated, d.read, d.flops) == (3, 7, 20_000)
    assert last.rival == pytest.approx(0.5 / 3)
    assert last.ahead is not None
    assert last.ahead.value == pytest.approx(0.5 / 3)
    assert sentence(d).startswith(
        "best-of-4 by v costs 80 tokens per problem and reaches 0.333; majority of 4 samples, "
    )
    (_, unknown) = diagnose(pools(*MIXED, cost=Usage(completion=3)))
    assert unknown.flops is None  # tokens of a model whose size nobody said
    (_, free) = diagnose(pools(*MIXED))
    assert (free.choices[0].rival_k, free.flops) == (2, 0)


def test_one_sample_leaves_nothing_to_judge() -> None:
    assert diagnose(pools([("1", 0.5)])) == []
    assert rows([]) == []


def test_the_table_has_a_row_per_selector_and_k() -> None:
    table = rows(diagnose(pools(*MIXED)))
    assert [(r["selector"], r["k"]) for r in table] == [("majority", 2), ("majority", 4), ("v", 2), ("v", 4)]
    assert table[0]["auroc"] is table[0]["ece"] is None
    for row in table:
        assert sum(row[name] for name in ("accuracy", "selection_loss", "coverage_loss")) == pytest.approx(1)
    assert {"within", "within_low", "within_high", "recovered_low", "ahead_high", "rival_k"} <= set(table[3])
