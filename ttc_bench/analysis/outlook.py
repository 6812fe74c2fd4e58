"""What is forecast of a pool, as records: they are made in policies/extrapolation.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

What = Literal["pass@k", "maj@k", "budget"]
Verdict = Literal["still climbing", "flat", "falling", "cannot be told"]


@dataclass(frozen=True)
class Foretold:
    """The accuracy at a place that no sample reaches. `low` to `high` is the 95 % interval: over problems and samples,
    and whatever law holds. `law_low` to `law_high` is narrower: what it would be if the law were known to hold."""

    at: float  # k, or a budget in tokens
    value: float
    low: float
    high: float
    law_low: float
    law_high: float


@dataclass(frozen=True)
class Trial:
    """How well a law does where the answer is known: fitted to what half of the samples (or half of the largest budget)
    give, it forecasts all of them."""

    law: str
    error: float  # forecast less what is so
    low: float  # 95 % interval of the error, over problems
    high: float
    typical: float  # root mean square of the error over bootstrapped problems: by it the best law is chosen

    @property
    def held(self) -> bool:
        """Whether the error can be the luck of the problems."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Wall:
    """Whether more votes still help. `value` is the share of problems whose modal answer is right, which no number of
    votes exceeds; its interval counts a problem whose two top answers are close either way."""

    value: float
    low: float
    high: float
    undecided: float  # share of such problems
    verdict: Verdict
    since: int  # the slope is that from this k to all samples
    slope: float  # accuracy per doubling of k
    slope_low: float
    slope_high: float
    least: float  # the smallest slope that these problems would have shown in 80 % of such experiments


@dataclass(frozen=True)
class Outlook:
    """The forecast of one curve of one pool. `withheld`: why there is none; then only the first five fields mean
    anything."""

    task: str
    model: str
    prompt: str
    effort: str
    what: What
    withheld: str = ""
    largest: float = 0.0  # k, or the largest budget in tokens
    now: float = 0.0  # accuracy there
    now_low: float = 0.0
    now_high: float = 0.0
    seen: tuple[tuple[float, float], ...] = ()  # (k or budget, accuracy) of the curve as computed
    trials: tuple[Trial, ...] = ()  # the best law first: it is the one that forecasts
    ahead: tuple[Foretold, ...] = ()
    wall: Wall | None = None  # of votes

    @property
    def pool(self) -> str:
        """The pool for people: prompt and effort."""
        return f"{self.prompt}, effort {self.effort}" if self.effort else self.prompt
