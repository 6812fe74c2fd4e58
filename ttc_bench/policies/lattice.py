"""Stopping rules over all orderings of a pool, exactly, for many problems at once.

The mean over all orderings of n samples is a recursion on counts: with m_j samples of answer j in the pool and s_j of
them drawn, the next one is of answer j with chance (m_j - s_j) / (n - |s|), whatever the order of what came before. So

    V(s) = outcome if the rule stops at s, else the sum over j of (m_j - s_j) / (n - |s|) V(s + e_j)

is the exact value, and the chance to come by s, carried forward from the empty draw, gives the same sum. Forward, only
states that are reached before the rule stops are ever looked at. Three things keep them few:

* Answers with the same number of samples in the pool, right alike, are exchangeable: their counts are kept in rising
  order. Answers with a single sample are one count.
* An answer whose whole pool can no longer change anything (Rule.negligible) is not counted any further. How many such
  samples, and unreadable ones, were drawn follows from |s|.
* Several thresholds share the states and have a column of chances each.

A state is a number in mixed radix, one digit for each slot (an answer, or all of a single sample), those of smaller
answers first: what becomes negligible is a remainder. Tokens are carried beside the chances as the expectation of the
tokens drawn so far, on the event that the state is reached; a sample of an answer adds its mean, one that is not
counted the mean of what is left of those.

Arrays are [state] or [state, slot], and [problem, slot] for pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ttc_bench.policies.ballots import Ballots
from ttc_bench.strategies.candidates import Array
from ttc_bench.strategies.rules import Rule

MOST = 20_000  # states of one problem after one number of draws, above which it is given up
LARGEST = 30_000  # samples of a problem: counts have 16 bits
CODES = 2.0**61  # numbers for the states of all problems
NOTHING = 1e-15  # a chance that is rounding: what is left of a state that only agreeing windows reach


class Found(NamedTuple):
    """What rules come to, [rule, problem], and the problems (bool) that had too many states, where they are NaN."""

    value: Array  # chance that the answer is right
    draws: Array  # expected number of samples
    tokens: Array  # expected, generated
    given_up: Array


@dataclass(frozen=True, eq=False)
class Slots:
    """The pools of several problems, padded to one number of slots."""

    ballots: Sequence[Ballots]

    @cached_property
    def columns(self) -> tuple[Array, ...]:
        """(size of an answer, samples in the slot, right, tokens, kind), [problem, slot]. Padding has no sample, and a
        size that is never negligible."""
        rows = [_slots(b) for b in self.ballots]
        wide = max((len(row[0]) for row in rows), default=0) + 1  # one is always padding
        filling = (np.iinfo(np.int16).max, np.int16, 0, np.int16, 0.0, float, 0.0, float, -1, np.int16)
        return tuple(
            np.array([np.append(row[i], [fill] * (wide - len(row[i]))) for row in rows]).astype(kind)
            for i, (fill, kind) in enumerate(zip(filling[::2], filling[1::2], strict=True))
        )

    @cached_property
    def total(self) -> Array:
        return np.array([b.total for b in self.ballots])

    @cached_property
    def all_tokens(self) -> Array:
        return np.array([b.all_tokens for b in self.ballots])

    @cached_property
    def place(self) -> Array:
        """[problem, slot + 1]: the value of one in a slot's digit; the last is the number of states."""
        radix = np.ones((len(self.ballots), self.columns[1].shape[1] + 1))
        np.cumprod(self.columns[1] + 1.0, axis=1, out=radix[:, 1:])
        return np.minimum(radix, CODES).astype(np.int64)

    @cached_property
    def codes(self) -> Array:
        """[problem]: how many numbers its states and their `second` take; 0 where those are more than there are."""
        codes = self.place[:, -1].astype(float) * self.seconds
        return np.where(codes * len(self.ballots) < CODES, codes, 0.0).astype(np.int64)

    @cached_property
    def seconds(self) -> int:
        return int(self.total.max()) + 1

    @cached_property
    def fewer(self) -> Array:
        """[problem, size]: the number of slots of answers of at most this size."""
        size = self.columns[0]
        held = size < np.iinfo(size.dtype).max  # all but padding
        of_size = np.zeros((len(size), int(self.total.max()) + 1), np.int16)
        np.add.at(of_size, (np.nonzero(held)[0], size[held]), 1)
        return of_size.cumsum(axis=1)


@dataclass(eq=False)
class States:
    """The states after one number of draws. `mass` is [state, 2 x rule]: the chances to be there with the rule not
    having stopped, and the tokens drawn until then times these."""

    problem: Array
    drawn: Array  # [state, slot]
    code: Array
    first: Array
    second: Array
    mass: Array

    def only(self, kept: Array) -> States:
        return States(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


def exact(ballots: Sequence[Ballots], rules: Sequence[Rule], cap: int) -> Found:
    """What rules of one kind, with several thresholds, come to when at most `cap` samples are drawn."""
    slots = Slots(ballots)
    shape = len(rules), len(ballots)
    value, draws, tokens = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    given_up = (slots.codes == 0) | np.array([b.total > LARGEST for b in ballots], dtype=bool)
    (start,) = np.nonzero(~given_up)
    mass = np.repeat([1.0, 0.0], len(rules))[None].repeat(len(start), axis=0)
    none = np.zeros(len(start), np.int64)
    states = States(start, np.zeros((len(start), slots.place.shape[1] - 1), np.int16), none, none, none, mass)
    window, corner = rules[0].window, states  # where the window began
    for level in range(1, cap + 1):
        if not len(states.code):
            break
        draws += _per_problem(states.problem, states.mass[:, : len(rules)], len(ballots))
        states = _draw(slots, states, rules, level - 1)
        crowded = np.bincount(states.problem, minlength=len(ballots)) > MOST
        if crowded.any():
            given_up |= crowded
            states = states.only(~crowded[states.problem])
            corner = corner.only(~crowded[corner.problem])
        if window and level % window == 0:
            agreed, share = _agreed(slots, corner, rules[0], level - window)
            _settle(slots, agreed, share, np.ones((len(share), 1), bool), value, tokens)
            states = corner = _without(slots, states, agreed)
        stopped = np.stack([rule.stops(states.first, states.second, level) for rule in rules], axis=1)
        if level == cap:
            stopped[:] = True
        if stopped.any():
            _settle(slots, states, _majority(slots, states), stopped, value, tokens)
            states.mass[np.tile(stopped, 2)] = 0.0
            states = states.only(np.asarray((states.mass[:, : len(rules)] > 0).any(axis=1)))
    for array in (value, draws, tokens):
        array[:, given_up] = np.nan
    return Found(np.minimum(value, 1.0), draws, tokens, given_up)


def _draw(slots: Slots, states: States, rules: Sequence[Rule], level: int) -> States:
    """The states after one sample more than `level`."""
    rule, problem = rules[0], states.problem
    size, room, _, spent, _ = slots.columns
    left = room[problem] - states.drawn
    left *= np.arange(left.shape[1], dtype=np.int16) >= _negligible(slots, rule, states)[:, None]
    flat, several = _distinct(slots, states)
    there = left.ravel()[flat]
    kept = there > 0
    flat, several, there = flat[kept], several[kept], there[kept]
    row = flat // left.shape[1]
    slot = flat - row * left.shape[1]
    of = problem[row]
    samples = slots.total[problem] - level
    votes = np.minimum(states.drawn.ravel()[flat] + 1, size[of, slot])
    before, second = states.first[row], states.second[row]
    if rule.compares:
        second = np.where(votes > before, second, np.maximum(second, votes))
    mass = states.mass[row]
    mass *= (several * there / samples[row])[:, None]
    mass[:, len(rules) :] += mass[:, : len(rules)] * spent[of, slot][:, None]
    moved = states.code[row] + slots.place[of, slot]
    drawn = of, states.drawn[row], moved, np.maximum(before, votes), second, mass

    others = samples - left.sum(axis=1)  # negligible and unreadable ones
    (more,) = np.nonzero(others)
    rest = states.only(more)
    rest.mass = _uncounted(slots, rest, left[more], others[more], samples[more])
    together = States(*(np.concatenate(pair) for pair in zip(drawn, vars(rest).values(), strict=True)))
    return _joined(slots, rule, together, np.append(slot, np.full(len(more), -1)))


def _uncounted(slots: Slots, states: States, left: Array, others: Array, samples: Array) -> Array:
    """The mass after a sample that no slot counts: one of `others`, of the `samples` that are left; `left` are those in
    the slots that count.

    The tokens of the others are those of the pool, less the tokens drawn so far, less those of `left`."""
    rules = states.mass.shape[1] // 2
    outside = slots.all_tokens[states.problem] - np.einsum("ij,ij->i", left, slots.columns[3][states.problem])
    reach, tokens = states.mass[:, :rules], states.mass[:, rules:]
    mean = (reach * outside[:, None] - tokens) / samples[:, None]  # chance of it times its expected tokens
    return np.asarray(np.hstack([reach, tokens]) * (others / samples)[:, None] + np.hstack([0 * mean, mean]))


def _distinct(slots: Slots, states: States) -> tuple[Array, Array]:
    """Of every run of exchangeable answers with equal counts the last one, so that one vote more keeps the order: its
    place in the flat [state, slot], and how many the run has."""
    kind = slots.columns[4]
    last = np.ones(states.drawn.shape, bool)
    last[:, :-1] = (states.drawn[:, 1:] != states.drawn[:, :-1]) | (kind[:, 1:] != kind[:, :-1])[states.problem]
    flat = np.flatnonzero(last)  # runs end within a state, as its last slot is padding
    return flat, np.diff(flat, prepend=-1)


def _joined(slots: Slots, rule: Rule, states: States, slot: Array) -> States:
    """Equal states as one, without the digits that have become negligible. `slot` [state]: what was drawn and is not in
    `drawn` yet; -1: nothing that counts."""
    dropped = _negligible(slots, rule, states)
    states.code -= states.code % slots.place[states.problem, dropped]
    key = _key(slots, states)
    order = np.argsort(key)
    key = key[order]
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    joined = states.only(order[starts])
    joined.mass = np.add.reduceat(states.mass[order], starts, axis=0)
    slot, dropped = slot[order[starts]], dropped[order[starts]]
    joined.drawn[np.arange(len(slot)), slot] += slot >= 0
    joined.drawn *= np.arange(joined.drawn.shape[1], dtype=np.int16) >= dropped[:, None]
    return joined


def _negligible(slots: Slots, rule: Rule, states: States) -> Array:
    """[state]: the number of slots, from the first, that are not counted any further."""
    return np.asarray(slots.fewer[states.problem, np.maximum(rule.negligible(states.first, states.second), 0)])


def _key(slots: Slots, states: States) -> Array:
    """[state]: a number of its own."""
    begins = np.cumsum(slots.codes) - slots.codes
    return np.asarray(begins[states.problem] + states.code * slots.seconds + states.second)


def _settle(slots: Slots, states: States, share: Array, stopped: Array, value: Array, tokens: Array) -> None:
    """Adds what is answered where rules stop, [state, rule], to `value` and `tokens`, [rule, problem]. `share` [state]:
    the chance that the answer there is right."""
    rules, problems = value.shape
    reach, spent = states.mass[:, :rules] * stopped, states.mass[:, rules:] * stopped
    value += _per_problem(states.problem, reach * share[:, None], problems)
    tokens += _per_problem(states.problem, spent, problems)


def _majority(slots: Slots, states: States) -> Array:
    """[state]: the share of right ones among the answers in front; 0 where nobody voted. With one vote each, the slot
    of single samples holds as many answers as votes; with more, it is not counted any further."""
    leading = (states.drawn == states.first[:, None]).astype(np.int16)
    alone = states.first <= 1
    leading[alone] = states.drawn[alone]
    right = np.einsum("ij,ij->i", leading, slots.columns[2][states.problem])
    return np.asarray(right / np.maximum(leading.sum(axis=1), 1))


def _agreed(slots: Slots, corner: States, rule: Rule, level: int) -> tuple[States, Array]:
    """The states after a window all of one answer, which began with the states of `corner` after `level` samples, and
    the chance that the answer to the problem is then right."""
    problem, window = corner.problem, rule.window
    flat, several = _distinct(slots, corner)
    row, slot = np.divmod(flat, corner.drawn.shape[1])
    left = slots.columns[1][problem[row], slot] - corner.drawn[row, slot]
    kept = (left >= window) & (slots.columns[0][problem[row], slot] >= window)
    row, slot, left = row[kept], slot[kept], left[kept]
    samples = slots.total[problem[row]] - level
    chance = several[kept] * np.prod([(left - i) / (samples - i) for i in range(window)], axis=0)
    mass = corner.mass[row] * chance[:, None]
    mass[:, 1] += mass[:, 0] * slots.columns[3][problem[row], slot] * window
    drawn = corner.drawn[row]
    drawn[np.arange(len(row)), slot] += window
    first = np.maximum(corner.first[row], drawn[np.arange(len(row)), slot])
    states = States(problem[row], drawn, row, first, corner.second[row], mass)
    kind = slots.columns[4][states.problem].astype(np.int64)
    kind[kind < 0] = kind.max(initial=0) + 1  # padding stays last
    states.drawn = (np.sort(kind << 16 | drawn, axis=1) & 0xFFFF).astype(drawn.dtype)
    states.drawn *= np.arange(drawn.shape[1]) >= _negligible(slots, rule, states)[:, None]
    states.code = (states.drawn * slots.place[states.problem, :-1]).sum(axis=1)
    return states, _majority(slots, states) if rule.majority_votes else slots.columns[2][states.problem, slot]


def _without(slots: Slots, states: States, gone: States) -> States:
    """The states without the mass of those that are `gone`, each of which is one of them."""
    key = _key(slots, states)
    order = np.argsort(key)
    place = order[np.searchsorted(key, _key(slots, gone), sorter=order)]
    np.subtract.at(states.mass, place, gone.mass)
    return states.only(states.mass[:, 0] > NOTHING)


def _per_problem(problem: Array, mass: Array, problems: int) -> Array:
    """[column, problem]: the sums over the states of each problem."""
    return np.stack([np.bincount(problem, column, problems) for column in mass.T])


def _slots(b: Ballots) -> tuple[Array, ...]:
    """(size of an answer, samples in the slot, right, tokens, kind), [slot]: a slot for each answer, and one for all
    answers of a single sample that are right alike."""
    single = b.sizes == 1
    kept = np.flatnonzero(~single | np.append(True, b.kinds[1:] != b.kinds[:-1])[: len(b.sizes)])
    room = np.where(b.sizes[kept] == 1, np.bincount(b.kinds, minlength=1)[b.kinds[kept]], b.sizes[kept])
    return b.sizes[kept], room, b.right[kept], b.tokens[kept], b.kinds[kept]
