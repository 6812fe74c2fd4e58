"""One row of stopping.csv: a stopping rule at one threshold, beside votes of a fixed number of samples."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stopped:
    """A rule replayed over a pool: the mean over all orderings of its samples. `rival` is the plain method (a vote, or
    best-of-n for a rule that looks at scores) at the same mean cost: tokens, or samples where nobody counted tokens. It
    draws one of two neighbouring numbers of samples at random, `rival_k` on average."""

    task: str
    model: str
    prompt: str
    effort: str
    rule: str
    verifier: str
    threshold: float
    told: bool  # the threshold that the sentence speaks of
    cap: int  # most samples drawn
    accuracy: float
    low: float  # 95 % interval over problems
    high: float
    mc_error: float  # standard error of the estimator; 0: exact
    estimated: int  # problems with too many states, replayed over random orderings
    draws: float  # mean samples per problem
    tokens: float | None  # mean generated tokens per problem; None where nobody counted them
    plain: float  # accuracy of the plain method with all `cap` samples
    rival_k: float
    rival: float
    difference: float | None  # rule less rival, paired over problems; None for a single problem
    difference_low: float | None  # 95 %
    difference_high: float | None
