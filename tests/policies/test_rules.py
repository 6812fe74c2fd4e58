"""The laws of stopping rules, over every rule there is: exact replay against brute force over all orderings."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import orderings as brute
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttc_bench.core import Candidate
from ttc_bench.policies import lattice
from ttc_bench.policies.ballots import Ballots
from ttc_bench.policies.first_hit import first_hit
from ttc_bench.policies.orderings import sampled
from ttc_bench.policies.stopping import replay
from ttc_bench.strategies.candidates import Candidates
from ttc_bench.strategies.exact import BestOfN, MajorityVote
from ttc_bench.strategies.rules import RULES, SCORE, AdaptiveConsistency, Rule

TWINS = {  # name -> the same rule written down anew, thresholds that small pools tell apart, one at its end
    "adaptive-consistency": (brute.sure, (0.6, 0.75, 0.9, 0.95), 1.0),
    "ppr-1v1": (brute.ratio, (0.3, 0.5, 0.7, 0.8), 1.0),
    "lead-by": (brute.lead, (1, 2, 3), 99),
    "doubling": (brute.doubled, (0.3, 0.5, 0.75, 1.0), 1.5),
    "esc": (brute.window, (2, 3), 99),
    "esc-majority": (brute.window, (2, 3), 99),
}
VOTING = [name for name in RULES if name != SCORE]
every = pytest.mark.parametrize("name", VOTING)
samples = st.tuples(st.sampled_from(["1", "1", "2", "3", "4", None]), st.integers(0, 9))
pools = st.lists(samples, min_size=1, max_size=6)
Pool = Sequence[tuple[str | None, int]]


def rule(name: str, threshold: float) -> Rule:
    make = RULES[name].rule
    assert make is not None
    return make(threshold)


def families(name: str, thresholds: Sequence[float]) -> list[list[Rule]]:
    """Rules that are replayed together: windows of one size, or all."""
    made = [rule(name, t) for t in thresholds]
    return [[r for r in made if r.window == window] for window in dict.fromkeys(r.window for r in made)]


def ballots(pool: Pool) -> Ballots:
    """ "1" and "4" are right."""
    codes = np.array([-1 if a is None else int(a) for a, _ in pool])
    return Ballots.of(codes, np.isin(codes, (1, 4)), np.array([tokens for _, tokens in pool]))


def wide(seed: int, n: int = 40, answers: int = 12) -> Pool:
    rng = random.Random(seed)
    return [(rng.choice([None, *"1112", *map(str, range(3, answers))]), rng.randint(1, 99)) for _ in range(n)]


def test_every_rule_has_a_twin_written_down_anew() -> None:
    assert set(TWINS) == set(VOTING)


@every
@settings(max_examples=25, deadline=None)
@given(pool=pools, data=st.data())
def test_the_recursion_is_the_mean_over_all_orderings(name: str, pool: Pool, data: st.DataObject) -> None:
    cap = data.draw(st.integers(1, len(pool)))
    twin, thresholds, _ = TWINS[name]
    for together in families(name, thresholds):
        found = replay([ballots(pool)], together, cap)
        for r, (value, draws, tokens, variance) in zip(together, found[:, :, 0].T, strict=True):
            answers, spent = [a for a, _ in pool], [t for _, t in pool]
            wanted = brute.brute_force(answers, ("1", "4"), spent, twin(r.threshold), cap, name == "esc")
            assert (value, draws, tokens) == pytest.approx(wanted, abs=1e-9)
            assert variance == 0


@pytest.mark.parametrize("name", ["adaptive-consistency", "doubling", "esc", "esc-majority"])
def test_seven_samples_of_many_answers_too(name: str) -> None:
    pool: Pool = [("1", 3), ("1", 5), ("2", 1), ("2", 8), ("3", 2), (None, 7), ("1", 4)]
    twin, thresholds, _ = TWINS[name]
    for together in families(name, thresholds):
        found = replay([ballots(pool)], together, 7)
        for r, row in zip(together, found[:3, :, 0].T, strict=True):
            answers, spent = [a for a, _ in pool], [t for _, t in pool]
            wanted = brute.brute_force(answers, ("1", "4"), spent, twin(r.threshold), 7, name == "esc")
            assert row == pytest.approx(wanted, abs=1e-9)


@every
@pytest.mark.parametrize("cap", [2, 9, 20])
def test_a_threshold_at_its_end_is_the_majority_of_all(name: str, cap: int) -> None:
    pool = wide(1, 20)
    candidates = Candidates.of([Candidate(a, t) for a, t in pool])
    outcome = MajorityVote().outcome(candidates, cap)
    right = np.array([a in ("1", "4") for a, _ in pool])
    end = rule(name, TWINS[name][2])
    assert end.never(cap)
    value, draws, tokens, _ = replay([ballots(pool)], [end], cap)[:, 0, 0]
    assert (value, draws, tokens) == pytest.approx((outcome.weights @ right, cap, outcome.tokens), abs=1e-9)


@every
def test_a_higher_threshold_draws_no_less_and_none_draws_more_than_the_cap(name: str) -> None:
    """Of windows, one that is a multiple: windows of 5 may agree before windows of 4 do."""
    thresholds = (2, 4, 8, 16) if name.startswith("esc") else RULES[name].thresholds
    for seed in range(3):
        pool = wide(seed, answers=7)
        found = np.concatenate([replay([ballots(pool)], f, 33) for f in families(name, thresholds)], axis=1)
        draws = found[1, :, 0]
        assert 1 - 1e-9 <= draws.min() <= draws.max() <= 33 + 1e-9
        assert (np.diff(draws) >= -1e-9).all()
        assert (np.diff(found[2, :, 0]) >= -1e-9).all()  # tokens


@every
def test_unreadable_samples_never_vote_but_are_drawn_and_paid(name: str) -> None:
    together = families(name, RULES[name].thresholds)[0]
    silent = replay([ballots([(None, 7)] * 6)], together, 6)[:3, :, 0]
    assert silent.T.tolist() == [[0.0, 6.0, 42.0]] * len(together)
    one = replay([ballots([("1", 7), *[(None, 7)] * 5])], [rule(name, TWINS[name][2])], 6)[:3, 0, 0]
    assert one.tolist() == pytest.approx([1.0, 6.0, 42.0])


@every
@given(seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_the_order_of_samples_and_problems_means_nothing(name: str, seed: int) -> None:
    one, other = wide(seed, 14), wide(seed + 1, 18)
    together = families(name, RULES[name].thresholds)[0]
    found = replay([ballots(one), ballots(other)], together, 14)
    shuffled = random.Random(seed).sample(one, len(one))
    assert replay([ballots(other), ballots(shuffled)], together, 14) == pytest.approx(found[:, :, ::-1], abs=1e-9)


@every
def test_random_orderings_agree_with_all_of_them_and_serve_where_there_are_too_many(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = wide(3, 24, 8)
    for together in families(name, RULES[name].thresholds[:3]):
        exact = replay([ballots(pool)], together, 20)[:, :, 0]
        estimate = np.array(sampled(ballots(pool), together, 20))
        assert (np.abs(estimate[0] - exact[0]) <= 4 * np.sqrt(estimate[3]) + 1e-9).all()
        assert estimate[1:3] == pytest.approx(exact[1:3], rel=0.06)
        assert (np.array(sampled(ballots(pool[::-1]), together, 20)) == estimate).all()
        with monkeypatch.context() as patch:
            patch.setattr(lattice, "MOST", 1)
            assert (replay([ballots(pool)], together, 20)[:, :, 0] == estimate).all()


def test_pools_whose_states_cannot_be_numbered_are_replayed_over_random_orderings() -> None:
    pool = [(str(i % 60 + 1), 5) for i in range(256)]
    found = replay([ballots(pool), ballots(wide(0))], [AdaptiveConsistency(0.95)], 40)
    assert found[3, 0, 0] > 0
    assert found[3, 0, 1] == 0
    alone = replay([ballots(wide(0))], [AdaptiveConsistency(0.95)], 40)
    assert found[:, 0, 1] == pytest.approx(alone[:, 0, 0], abs=1e-12)


def test_a_pool_whose_counts_do_not_fit_is_replayed_over_random_orderings() -> None:
    """33,000 right samples against 200: counts of 16 bits would overflow."""
    votes = np.repeat([0, 1], [33_000, 200])
    found = replay([Ballots.of(votes, votes == 0, np.ones(len(votes)))], [rule("lead-by", 3.0)], 50)
    assert found[0, 0, 0] == pytest.approx(1.0, abs=0.01)
    assert found[1, 0, 0] == pytest.approx(3.04, abs=0.05)
    assert found[2, 0, 0] == pytest.approx(found[1, 0, 0])


def test_resampling_with_replacement_is_biased_where_the_replay_is_not() -> None:
    """Three of five are right, so drawing all five is always right; with replacement, five draws are wrong with the
    chance of at most two successes in five trials of 3/5, which is 0.317."""
    pool: Pool = [("1", 1)] * 3 + [("2", 1)] * 2
    never = rule("lead-by", 5)
    assert replay([ballots(pool)], [never], 5)[0, 0, 0] == pytest.approx(1)
    rng = np.random.default_rng(0)
    resampled = (rng.integers(0, 5, (20_000, 5)) < 3).sum(axis=1) > 2
    assert resampled.mean() == pytest.approx(0.683, abs=0.02)


def test_the_published_threshold_stops_after_four_that_agree() -> None:
    """1 - (1/2)^5 is the first above 0.95."""
    found = replay([ballots([("1", 1)] * 10)], [AdaptiveConsistency(0.95)], 10)
    assert found[:3, 0, 0].tolist() == pytest.approx([1, 4, 4])


scored = st.lists(
    st.tuples(st.sampled_from(["1", "2", None]), st.integers(0, 9), st.sampled_from([None, 0.1, 0.5, 0.9])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(pool=scored, threshold=st.sampled_from([0.1, 0.5, 0.9, math.inf]), data=st.data())
def test_stopping_at_a_score_is_the_mean_over_all_orderings(
    pool: list[tuple[str | None, int, float | None]], threshold: float, data: st.DataObject
) -> None:
    cap = data.draw(st.integers(1, len(pool)))
    candidates = Candidates.of([Candidate(a, t, s) for a, t, s in pool])
    correct = np.array([a == "1" for a, _, _ in pool])

    def answer(drawn: list[int]) -> float:
        """Whether the best of the drawn is right, ties sharing."""
        ranks = [(pool[i][0] is not None, pool[i][2] is not None, pool[i][2] or 0.0) for i in drawn]
        best = [i for i, rank in zip(drawn, ranks, strict=True) if rank == max(ranks)]
        return sum(bool(correct[i]) for i in best) / len(best)

    totals, count = np.zeros(3), 0
    for order in brute.permutations(range(len(pool))):
        drawn: list[int] = []
        hit = False
        while len(drawn) < cap and not hit:
            drawn.append(order[len(drawn)])
            text, _, score = pool[drawn[-1]]
            hit = text is not None and score is not None and score >= threshold
        right = float(correct[drawn[-1]]) if hit else answer(drawn)
        totals += (right, len(drawn), sum(pool[i][1] for i in drawn))
        count += 1
    found = first_hit(candidates, correct, threshold, cap)
    assert found == pytest.approx(tuple(totals / count), abs=1e-9)
    if threshold == math.inf:
        assert found[0] == pytest.approx(BestOfN().outcome(candidates, cap).weights @ correct)


def test_an_estimate_draws_no_sample_twice() -> None:
    """All drawn, the majority is certain: a draw with replacement would vary."""
    pool = ballots([("1", 1)] * 5 + [("2", 1)] * 4)
    assert sampled(pool, [rule("lead-by", 9)], 9).value[0] == 1.0
