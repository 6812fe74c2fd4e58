"""When to stop drawing: rules that look at the votes so far. Pure; rules never see the gold.

A rule is a frozen value with a `threshold`; a higher one never stops earlier (of windows, one that is a multiple), and
at its end it never stops at all, which is the plain majority of every sample. What a rule is told is how many votes the
answer in front has (`first`), how many the next one has (`second`, equal to `first` in a tie), and how many samples
were drawn. Where a rule stops, the answer is the majority so far, ties split evenly, unless the rule says otherwise.
policies/ replays rules over pools."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from ttc_bench.strategies.candidates import Array

ROUNDING = 1e-9  # relative: a chance computed in floating point that is a threshold reaches it


@dataclass(frozen=True)
class Rule(ABC):
    """Base of the rules that look at counts. One of your own is a subclass with `stops`, `never` and `negligible`, and
    a line in RULES."""

    threshold: float
    compares: ClassVar[bool] = True  # whether it looks at `second`; where not, that is told as 0

    @property
    def window(self) -> int:
        """The samples in a window that has to agree; 0: the rule looks at counts."""
        return 0

    @property
    def majority_votes(self) -> bool:
        """Whether a window that agrees only ends the draw, and all samples vote."""
        return True

    @abstractmethod
    def stops(self, first: Array, second: Array, drawn: int) -> Array:
        """bool, of the shape of `first`: whether nothing further is drawn."""

    @abstractmethod
    def never(self, cap: int) -> bool:
        """Whether it cannot stop before `cap` samples are drawn."""

    @abstractmethod
    def negligible(self, first: Array, second: Array) -> Array:
        """The most votes in the whole pool with which an answer has no influence any more, on when the rule stops or on
        who wins, from these counts on. It never falls as samples are drawn."""


class TopTwo(Rule):
    """Base of rules that compare the answer in front with the next one."""

    def negligible(self, first: Array, second: Array) -> Array:
        return np.asarray(np.minimum(first - 1, second))


@dataclass(frozen=True)
class AdaptiveConsistency(TopTwo):
    """Adaptive-Consistency (Aggarwal et al. 2023, arXiv:2305.11860), with the Beta criterion that is the default of its
    code: stops as soon as P(p > 1/2) >= threshold, where p ~ Beta(first + 1, second + 1) is the share of the answer in
    front among the votes of the two, uniform beforehand. The published threshold is 0.95. A draw without any vote has
    first = second = 0, so P = 1/2."""

    def stops(self, first: Array, second: Array, drawn: int) -> Array:
        behind = _beta_tails(_room(drawn))[first, second]  # P(p <= 1/2): a sum without cancellation
        return np.asarray((behind <= (1 - self.threshold) * (1 + ROUNDING)) & (first > second))

    def never(self, cap: int) -> bool:
        return self.threshold >= 1


@dataclass(frozen=True)
class PriorPosteriorRatio(TopTwo):
    """PPR-1v1 (Jain, Shah et al. 2022, arXiv:2109.05047): stops when equal shares are no longer in the confidence
    sequence of the share of the answer in front against the next one, of Waudby-Smith and Ramdas (2020): the density of
    Beta(first + 1, second + 1) at 1/2, which is the posterior over the uniform prior, is at most 1 - threshold.

    The paper divides that mistake probability by K - 1 for K possible answers. Free answers have no K, so it is not
    divided here: the threshold is that of the comparison of the two in front."""

    def stops(self, first: Array, second: Array, drawn: int) -> Array:
        density = _beta_densities(_room(drawn))[first, second]
        return np.asarray((density <= (1 - self.threshold) * (1 + ROUNDING)) & (first > second))

    def never(self, cap: int) -> bool:
        return self.threshold >= 1


@dataclass(frozen=True)
class LeadBy(TopTwo):
    """Stops when the answer in front leads by `threshold` votes: the first to be ahead by so many (the gambler's ruin
    of Wald's sequential test; Meyerson et al. 2025, arXiv:2511.09030, vote so)."""

    def stops(self, first: Array, second: Array, drawn: int) -> Array:
        return np.asarray(first - second >= self.threshold)

    def never(self, cap: int) -> bool:
        return self.threshold >= cap


@dataclass(frozen=True)
class DoublingShare(Rule):
    """Draws 2 samples, then 4, 8, 16, ... in all, and stops after a round in which the answer in front has at least
    `threshold` of the samples drawn. A sample without a readable answer counts as drawn, so it delays the end."""

    compares: ClassVar[bool] = False

    def stops(self, first: Array, second: Array, drawn: int) -> Array:
        checked = drawn >= 2 and drawn & (drawn - 1) == 0
        return np.asarray(checked & (first >= self.threshold * drawn * (1 - ROUNDING)))

    def never(self, cap: int) -> bool:
        return self.threshold > 1 or cap <= 2

    def negligible(self, first: Array, second: Array) -> Array:
        return first - 1


@dataclass(frozen=True)
class EarlyStopping(Rule):
    """ESC, early-stopping self-consistency (Li et al. 2024, arXiv:2401.10480): draws windows of `threshold` samples and
    stops after the first window whose samples all have one answer. That answer is the result, as in its code, unless
    `majority` says that all samples drawn vote. If none agrees, all vote. The published window is 5.

    A window with an unreadable sample does not agree (its code takes those as one more answer). What does not fill a
    last window is drawn too and votes, so that the cap is the same for all rules."""

    majority: bool = False
    compares: ClassVar[bool] = False

    @property
    def window(self) -> int:
        return int(self.threshold)

    @property
    def majority_votes(self) -> bool:
        return self.majority

    def stops(self, first: Array, second: Array, drawn: int) -> Array:
        """Never by the counts alone: whoever replays it looks at `window`."""
        return np.zeros(first.shape, bool)

    def never(self, cap: int) -> bool:
        return self.window >= cap

    def negligible(self, first: Array, second: Array) -> Array:
        return np.minimum(first, self.window) - 1


@dataclass(frozen=True)
class Stopping:
    """A rule that users can name. `thresholds` rise; `published` is the one that sentences speak of."""

    name: str
    about: str
    rule: Callable[[float], Rule] | None  # None: it looks at scores, not at votes (policies/first_hit.py)
    thresholds: tuple[float, ...] = ()
    published: float = 0.0


SCORE = "stop-at-score"
SURE = (0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
WINDOWS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
RULES = {
    s.name: s
    for s in (
        Stopping(
            "adaptive-consistency", "the Beta posterior of the two in front is sure", AdaptiveConsistency, SURE, 0.95
        ),
        Stopping("esc", "a window agrees, and is the answer", EarlyStopping, WINDOWS, 5.0),
        Stopping(
            "esc-majority", "a window agrees, and all vote", lambda w: EarlyStopping(w, majority=True), WINDOWS, 5.0
        ),
        Stopping("ppr-1v1", "the prior-posterior ratio excludes a tie", PriorPosteriorRatio, SURE, 0.95),
        Stopping("lead-by", "the answer in front leads by so many", LeadBy, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0), 3.0),
        Stopping(
            "doubling", "2, 4, 8, ... until one has a share", DoublingShare, (0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0), 0.75
        ),
        Stopping(SCORE, "a sample's score reaches a level", None),
    )
}


def _room(drawn: int) -> int:
    """The size of a table of counts up to `drawn`: few tables serve all."""
    return (drawn // 64 + 1) * 64


@lru_cache(maxsize=16)
def _beta_tails(size: int) -> Array:
    """[first, second]: P(p <= 1/2) for p ~ Beta(first + 1, second + 1). Read-only."""
    from scipy.special import betainc

    first, second = np.ogrid[:size, :size]
    return _fixed(betainc(first + 1.0, second + 1.0, 0.5))


@lru_cache(maxsize=16)
def _beta_densities(size: int) -> Array:
    """[first, second]: the density of Beta(first + 1, second + 1) at 1/2. Read-only."""
    from scipy.special import betaln

    first, second = np.ogrid[:size, :size]
    return _fixed(np.exp(-(first + second) * np.log(2.0) - betaln(first + 1.0, second + 1.0)))


def _fixed(table: Array) -> Array:
    table.setflags(write=False)
    return table
