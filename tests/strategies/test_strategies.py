"""The laws of strategies, over every strategy there is. A new one in METHODS is picked up unasked."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import (
    Pick,
    brute_force,
    pick_best,
    pick_by_weight,
    pick_first,
    pick_majority,
    weigh_by_score,
    weigh_by_softmax,
    weigh_the_better_half,
)

from ttc_bench.analysis.stats import draws_variance, pass_at_k
from ttc_bench.core import Candidate, Strategy
from ttc_bench.errors import NotEnoughSamples
from ttc_bench.strategies import subsets
from ttc_bench.strategies.exact import BestOfN, MajorityVote, Single
from ttc_bench.strategies.methods import METHODS
from ttc_bench.strategies.subsets import ConfidenceVote, FilteredVote, SubsetVote, WeightedVote, draws_needed

STRATEGIES = {repr(m.strategy): m.strategy for m in METHODS.values()}
BRUTE: dict[type, Pick] = {
    Single: pick_first,
    MajorityVote: pick_majority,
    BestOfN: pick_best,
    WeightedVote: pick_by_weight(weigh_by_score),
    ConfidenceVote: pick_by_weight(weigh_by_softmax),
    FilteredVote: pick_by_weight(weigh_the_better_half),
}

candidate = st.builds(
    Candidate,
    answer=st.sampled_from(["1", "2", "3", None]),
    tokens=st.integers(0, 50),
    score=st.sampled_from([None, -1.0, 0.0, 0.5]),
)
pools = st.lists(candidate, min_size=1, max_size=7)
every = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
subset_votes = pytest.mark.parametrize(
    "strategy", [s for s in STRATEGIES.values() if isinstance(s, SubsetVote)], ids=lambda s: type(s).__name__
)


def test_every_strategy_has_a_brute_force_twin() -> None:
    assert {type(s) for s in STRATEGIES.values()} == set(BRUTE)


@every
@given(pool=pools)
def test_at_k_1_every_strategy_is_the_same(strategy: Strategy, pool: list[Candidate]) -> None:
    """Law 1. One sample leaves nothing to choose."""
    assert strategy.outcome(pool, 1).weights == pytest.approx([1 / len(pool)] * len(pool))


@subset_votes
def test_a_vote_among_one_is_exact_however_few_subsets_are_drawn(strategy: SubsetVote) -> None:
    """Drawn at random, the point at k = 1 would differ from every other method's."""
    pool = [Candidate(str(i % 3), 1, -float(i)) for i in range(49)]
    outcome = replace(strategy, draws=10).outcome(pool, 1)
    assert list(outcome.weights) == [1 / 49] * 49
    assert outcome.draws is None


@every
@given(pool=pools, data=st.data())
def test_a_score_that_is_no_number_is_no_verdict(
    strategy: Strategy, pool: list[Candidate], data: st.DataObject
) -> None:
    """NaN compares false with everything: a sort that meets it gives any order, and a maximum any value."""
    k = data.draw(st.integers(1, len(pool)))
    odd = [replace(c, score=math.nan) if c.score is None else c for c in pool]
    assert strategy.outcome(odd, k).weights == pytest.approx(strategy.outcome(pool, k).weights)


@every
@given(pool=pools, data=st.data())
def test_weights_equal_brute_force(strategy: Strategy, pool: list[Candidate], data: st.DataObject) -> None:
    """Law 2: weights are >= 0, sum to 1 and equal an enumeration of all k-subsets."""
    k = data.draw(st.integers(1, len(pool)))
    weights = strategy.outcome(pool, k).weights
    assert min(weights) >= 0
    assert sum(weights) == pytest.approx(1)
    assert weights == pytest.approx([float(w) for w in brute_force(pool, k, BRUTE[type(strategy)])])


@every
@given(pool=pools, data=st.data())
def test_weights_follow_a_permutation(strategy: Strategy, pool: list[Candidate], data: st.DataObject) -> None:
    """Law 2: the order of samples in the pool means nothing."""
    k = data.draw(st.integers(1, len(pool)))
    order = data.draw(st.permutations(range(len(pool))))
    weights = strategy.outcome(pool, k).weights
    shuffled = strategy.outcome([pool[i] for i in order], k).weights
    assert shuffled == pytest.approx([weights[i] for i in order])


@given(rights=st.lists(st.booleans(), min_size=1, max_size=12), data=st.data())
def test_best_of_n_under_the_oracle_is_pass_at_k(rights: list[bool], data: st.DataObject) -> None:
    """Law 3, first half."""
    k = data.draw(st.integers(1, len(rights)))
    pool = [Candidate("right" if r else f"wrong {i}", 1, float(r)) for i, r in enumerate(rights)]
    weights = BestOfN().outcome(pool, k).weights
    accuracy = sum(w for w, r in zip(weights, rights, strict=True) if r)
    assert accuracy == pytest.approx(pass_at_k(len(rights), sum(rights), k))


@every
@given(pool=pools, data=st.data())
def test_nothing_exceeds_pass_at_k(strategy: Strategy, pool: list[Candidate], data: st.DataObject) -> None:
    """Law 3, second half: whichever answer is right, no choice among samples finds it more often than it is there."""
    k = data.draw(st.integers(1, len(pool)))
    right = [c.answer == "1" for c in pool]
    weights = strategy.outcome(pool, k).weights
    accuracy = sum(w for w, r in zip(weights, right, strict=True) if r)
    assert accuracy <= pass_at_k(len(pool), sum(right), k) + 1e-9


@every
def test_more_draws_than_samples_are_refused(strategy: Strategy) -> None:
    """Law 4: nothing is extrapolated, and the message says what to add."""
    with pytest.raises(NotEnoughSamples, match=r"k = 8 needs 5 more samples than the 3 in the pool; .*--samples 8"):
        strategy.outcome([Candidate("1", 1)] * 3, 8)


@given(silent=st.integers(1, 6), data=st.data())
def test_unextracted_answers_never_win_a_vote(silent: int, data: st.DataObject) -> None:
    """Law 5: with n silent samples and one answer, the answer wins every draw that holds it, and no other does."""
    pool = [Candidate(None, 1)] * silent + [Candidate("7", 1)]
    k = data.draw(st.integers(1, len(pool)))
    weights = MajorityVote().outcome(pool, k).weights
    assert weights[-1] == pytest.approx(k / len(pool))
    assert sum(weights) == pytest.approx(1)  # draws without the answer stay in the denominator


@every
@given(pool=pools, data=st.data())
def test_tokens_are_those_of_k_draws(strategy: Strategy, pool: list[Candidate], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(pool)))
    assert strategy.outcome(pool, k).tokens == pytest.approx(k * sum(c.tokens for c in pool) / len(pool))


def test_a_large_vote_is_exact_and_agrees_with_simulation() -> None:
    """Pools of 64 with many rivals: the closed form has no overflow, and random draws agree with it."""
    votes = {"a": 20, "b": 18, "c": 9, "d": 5, "e": 1, "f": 1, "g": 1, "h": 1}
    pool = [Candidate(a, 1) for a, m in votes.items() for _ in range(m)] + [Candidate(None, 1)] * 8
    weights = MajorityVote().outcome(pool, 16).weights
    exact = sum(w for w, c in zip(weights, pool, strict=True) if c.answer == "a")
    rng, won, trials = random.Random(7), 0.0, 20_000
    for _ in range(trials):
        drawn = [c.answer for c in rng.sample(pool, 16) if c.answer]
        counts = {a: drawn.count(a) for a in set(drawn)}
        best = max(counts.values())
        won += (counts.get("a", 0) == best) / sum(v == best for v in counts.values())
    assert exact == pytest.approx(won / trials, abs=0.015)
    assert sum(weights) == pytest.approx(1)


def test_best_of_n_prefers_any_answer_to_none() -> None:
    """A top score on a text without an answer must not win: that it cannot be read is seen without the gold."""
    pool = [Candidate(None, 1, 99.0), Candidate("3", 1, None), Candidate("4", 1, -5.0)]
    assert list(BestOfN().outcome(pool, 3).weights) == [0, 0, 1]


# -- votes without a closed form: small pools above are enumerated, these are not --


def scored_pool(n: int, seed: int = 0) -> list[Candidate]:
    rng = random.Random(seed)
    return [Candidate(rng.choice(["1", "1", "2", "3", None]), 1, rng.gauss(0, 1)) for _ in range(n)]


def chance(weights: Sequence[float], pool: list[Candidate], answer: str) -> float:
    return sum(w for w, c in zip(weights, pool, strict=True) if c.answer == answer)


@subset_votes
@given(seed=st.integers(0, 100), data=st.data())
def test_random_subsets_obey_the_laws_too(strategy: SubsetVote, seed: int, data: st.DataObject) -> None:
    """Drawing subsets over the order of the pool would give other weights for the same samples in another order."""
    few = strategy.with_draws(20)
    pool = [*scored_pool(14, seed), *[Candidate("2", 1, 0.5)] * 2]  # two of one content
    order = data.draw(st.permutations(range(16)))
    outcome = few.outcome(pool, 5)
    assert outcome.draws == 20
    assert list(few.outcome([pool[i] for i in order], 5).weights) == [outcome.weights[i] for i in order]
    assert outcome.weights[14] == outcome.weights[15]
    assert min(outcome.weights) >= 0
    assert sum(outcome.weights) == pytest.approx(1)
    silent = sum(w for w, c in zip(outcome.weights, pool, strict=True) if c.answer is None)
    assert silent == 0 or sum(c.answer is None for c in pool) >= 5


@subset_votes
def test_random_subsets_are_right_to_the_error_they_claim(
    strategy: SubsetVote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over 600 pools the estimates are off by what p (1 - p) / draws says, and by half of that for four times the
    draws. Equal subsets for every problem would give errors that do not average out."""
    spread = {}
    for draws in (25, 100):
        off, claimed, mean = 0.0, 0.0, 0.0
        for seed in range(600):
            pool = scored_pool(10, seed)
            exact = chance(strategy.outcome(pool, 5).weights, pool, "1")  # all 252 subsets
            with monkeypatch.context() as patch:
                patch.setattr(subsets, "EXACT", 1)
                found = chance(strategy.with_draws(draws).outcome(pool, 5).weights, pool, "1")
            off += (found - exact) ** 2
            mean += found - exact
            claimed += draws_variance(exact, draws)
        assert 0.3 < off / claimed < 1.2  # ties and samples of one content make it less
        assert abs(mean) < 4 * claimed**0.5
        spread[draws] = off**0.5
    assert spread[25] / spread[100] == pytest.approx(2, rel=0.2)


def test_another_seed_is_another_choice_of_subsets() -> None:
    pool = scored_pool(16)
    first, again, other = (list(WeightedVote(draws=50, seed=s).outcome(pool, 5).weights) for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_large_vote_that_all_weigh_alike_is_the_majority() -> None:
    """The exact closed form checks the random subsets at a size that cannot be enumerated."""
    pool = [Candidate(c.answer, 1, 1.0) for c in scored_pool(32)]
    exact = chance(MajorityVote().outcome(pool, 8).weights, pool, "2")
    for strategy in (WeightedVote(draws=20_000), ConfidenceVote(draws=20_000), FilteredVote(draws=20_000)):
        assert chance(strategy.outcome(pool, 8).weights, pool, "2") == pytest.approx(exact, abs=0.015)


def test_weights_of_any_scale_neither_overflow_nor_vanish() -> None:
    """Rewards of some models are in the thousands, and a log-probability can be minus infinity."""
    pool = [Candidate("1", 1, s) for s in (-4000.0, float("-inf"))] + [Candidate("2", 1, s) for s in (3000.0, -50.0)]
    for strategy in (WeightedVote(), ConfidenceVote(), ConfidenceVote(temperature=0.01)):
        assert chance(strategy.outcome(pool, 4).weights, pool, "2") == 1


def test_what_a_temperature_does() -> None:
    """Hot is the majority, cold is best-of-k."""
    pool = scored_pool(9)
    hot, cold = ConfidenceVote(temperature=1e12), ConfidenceVote(temperature=1e-3)
    for answer in ("1", "2", "3"):
        majority, best = MajorityVote().outcome(pool, 4).weights, BestOfN().outcome(pool, 4).weights
        assert chance(hot.outcome(pool, 4).weights, pool, answer) == pytest.approx(chance(majority, pool, answer))
        assert chance(cold.outcome(pool, 4).weights, pool, answer) == pytest.approx(chance(best, pool, answer))


def test_probabilities_weigh_as_they_are() -> None:
    """Two of 0.4 outvote one of 0.7, and lose to one of 0.9: sums of scores, not of ranks or exponentials."""
    for score, winner in ((0.7, "1"), (0.9, "2")):
        pool = [Candidate("1", 1, 0.4), Candidate("1", 1, 0.4), Candidate("2", 1, score)]
        assert chance(WeightedVote().outcome(pool, 3).weights, pool, winner) == 1


@pytest.mark.parametrize(("share", "winner"), [(0.1, "3"), (0.5, "1"), (1.0, "2")])
def test_a_filter_keeps_the_best_share_of_the_draw(share: float, winner: str) -> None:
    scores = {"3": [9.0], "1": [8.0, 7.0], "2": [5.0, 4.0, 3.0]}
    pool = [Candidate(a, 1, s) for a, of in scores.items() for s in of]
    assert chance(FilteredVote(share=share).outcome(pool, 6).weights, pool, winner) == 1


def test_samples_without_a_score_vote_only_among_themselves() -> None:
    pool = [Candidate("1", 1), Candidate("1", 1), Candidate("2", 1, 0.1), Candidate(None, 1, 9.0)]
    for strategy in (WeightedVote(), ConfidenceVote(), FilteredVote()):
        weights = strategy.outcome(pool, 2).weights
        # of 6 pairs: one holds the unscored alone, two them and a text without an answer, three the scored answer
        assert chance(weights, pool, "1") == pytest.approx(3 / 6)
        assert chance(weights, pool, "2") == pytest.approx(3 / 6)


def test_smaller_draws_begin_larger_ones() -> None:
    """More subsets, another k or other points beside it leave the luck of a draw as it was."""
    pool = scored_pool(40)
    for strategy in (WeightedVote(), ConfidenceVote(), FilteredVote()):
        together = strategy.outcomes(pool, [1, 4, 8, 16, 40])
        for k, outcome in zip([1, 4, 8, 16, 40], together, strict=True):
            assert list(strategy.outcome(pool, k).weights) == list(outcome.weights)
        assert [o.draws for o in together] == [None, 32, 32, 32, None]


@pytest.mark.parametrize(
    ("error", "half_width", "needed"),
    [
        (0.0, 0.0, 32),  # exact
        (0.01, 0.1, 32),  # just bearable
        (0.011, 0.1, 64),
        (0.05, 0.1, 1_024),  # 25 times as many, rounded up to a doubling
        (1.0, 0.1, subsets.MOST),
        (0.01, 0.0, subsets.MOST),
    ],
)
def test_subsets_follow_from_the_error_that_an_interval_bears(error: float, half_width: float, needed: int) -> None:
    assert draws_needed(error, half_width, 32) == needed


def test_more_subsets_than_the_most_are_left_alone() -> None:
    assert draws_needed(1.0, 0.1, 5_000) == 5_000
