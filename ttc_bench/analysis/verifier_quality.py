"""The quality of a verifier, measured against the gold. Pure; problems are the unit throughout.

A choice among k samples loses in two ways: no sample is right (coverage loss, 1 - pass@k: only a better model or more
samples help), or one is and another is chosen (selection loss, pass@k - accuracy: only a better verifier helps)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan
from typing import Any

import numpy as np

from ttc_bench.analysis.intervals import CONFIDENCE
from ttc_bench.analysis.stats import mean_interval

SampleArray = np.ndarray[Any, np.dtype[Any]]
Values = Sequence[float] | SampleArray
BINS = 10
RESAMPLES = 1_000
SEED = 0  # of the bootstraps
LEVELS = 2_000  # of scores, in a bootstrap


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval over problems."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bin:
    """Samples of neighbouring scores: their mean score, the share of them that is right, and their number."""

    score: float
    accuracy: float
    samples: int


@dataclass(frozen=True)
class Selection:
    """The result of choosing one of k samples. Accuracies are means over problems."""

    k: int
    accuracy: float
    one: float  # pass@1: a sample at random
    reach: float  # pass@k: a right choice wherever there is one
    tokens: float | None  # per problem, read and generated, the verifier's included; None where they are not known
    recovered: Interval | None  # (accuracy - one) / (reach - one); None where the samples leave nothing to gain
    rival_k: int  # most samples of the pool that a majority vote can use for the same tokens; k where unknown
    rival: float  # accuracy of that vote
    ahead: Interval | None  # accuracy - rival, paired over problems; None with one problem

    @property
    def coverage_loss(self) -> float:
        return 1 - self.reach

    @property
    def selection_loss(self) -> float:
        return self.reach - self.accuracy


@dataclass(frozen=True)
class Diagnosis:
    """One way to choose among the samples of one pool: best-of-k under a verifier, or "majority"."""

    task: str
    model: str
    pool: str  # prompt and effort
    selector: str
    problems: int
    judged: int = 0  # samples with a readable answer and a score, which AUROC and calibration are about
    auroc: Interval | None = None  # chance that a right sample scores above a wrong one, of any problem
    within: Interval | None = None  # the same for samples of one problem, averaged over problems
    mixed: int = 0  # problems with right and wrong samples, which `within` is about
    ece: float | None = None  # expected calibration error; None unless every score lies in 0..1
    bins: tuple[Bin, ...] = ()
    generated: float = 0.0  # the verifier's own tokens per sample
    read: float | None = 0.0  # None where nobody counted it
    flops: float | None = None  # the verifier's own per sample; None where its parameters are not known
    choices: tuple[Selection, ...] = ()  # one per k


Scored = tuple[SampleArray, SampleArray]  # of one problem: the scores of its samples, and which are right


def auroc(scores: Values, right: Sequence[bool] | SampleArray) -> float:
    """Chance that a right sample scores above a wrong one, ties counting 1/2 (Hanley and McNeil 1982: the area under
    the ROC curve). NaN where all or none are right."""
    every, places = np.unique(np.asarray(scores, float), return_inverse=True)
    yes = np.asarray(right, bool)
    counts = [np.bincount(places[which], minlength=len(every)) for which in (yes, ~yes)]
    return float(_area(*counts))


def pooled_auroc(problems: Sequence[Scored]) -> Interval | None:
    """AUROC over the samples of all problems; bootstrap over problems. None where all or no samples are right. Above
    LEVELS different scores, the bootstrap (not the value) takes neighbouring ones as tied."""
    scores, right = np.concatenate([s for s, _ in problems]), np.concatenate([r for _, r in problems]).astype(bool)
    value = auroc(scores, right)
    if np.isnan(value):
        return None
    every, level = np.unique(scores, return_inverse=True)
    if len(every) > LEVELS:  # of about as many samples each
        level = np.searchsorted(np.sort(scores), scores) * LEVELS // len(scores)
        _, level = np.unique(level, return_inverse=True)
    owner = np.repeat(np.arange(len(problems)), [len(of) for of, _ in problems])
    shape = len(problems), int(level.max()) + 1
    counts = resamples(len(problems)).astype(float)
    yes, no = (
        counts @ np.bincount(owner[of] * shape[1] + level[of], minlength=shape[0] * shape[1]).reshape(shape)
        for of in (right, ~right)
    )
    return _percentiles(value, _area(yes, no))


def _area(right: SampleArray, wrong: SampleArray) -> SampleArray:
    """The area under the ROC curve from the numbers of right and wrong samples at each score, [..., score], lowest
    first. NaN where either are none."""
    pairs = right.sum(axis=-1) * wrong.sum(axis=-1)
    above = (right * (wrong.cumsum(axis=-1) - wrong / 2)).sum(axis=-1)
    return np.asarray(np.divide(above, pairs, out=np.full(np.shape(pairs), nan), where=pairs > 0))


def within_auroc(problems: Sequence[Scored]) -> tuple[Interval | None, int]:
    """(mean over problems of each problem's own AUROC, problems that have one): the within-question discrimination of
    Taubenfeld et al. (2025, arXiv:2502.06233), every problem counting alike. It is this that choosing
    among the samples of a problem lives on: a pooled AUROC may only tell easy problems from hard ones."""
    values = [auroc(scores, right) for scores, right in problems if any(right) and not all(right)]
    return (Interval(*mean_interval(values)), len(values)) if values else (None, 0)


def calibration(scores: Values, right: Sequence[bool] | SampleArray) -> tuple[float, tuple[Bin, ...]] | None:
    """(expected calibration error, its bins): the mean over samples of |share right - mean score| in ten bins of equal
    mass (Naeini et al. 2015; equal mass after Nixon et al. 2019, arXiv:1904.01685). Equal scores share a bin, so bins
    can be fewer. None where a score is outside 0..1: such scores claim no probability, and none is fitted to them."""
    s, r = np.asarray(scores, float), np.asarray(right, float)
    if not len(s) or s.min() < 0 or s.max() > 1:
        return None
    low, high = (np.searchsorted(np.sort(s), s, side) for side in ("left", "right"))
    place = ((low + high) / 2 / len(s) * BINS).astype(int).clip(max=BINS - 1)
    bins = [
        Bin(float(s[at].mean()), float(r[at].mean()), int(at.sum())) for b in range(BINS) if (at := place == b).any()
    ]
    return sum(b.samples * abs(b.accuracy - b.score) for b in bins) / len(s), tuple(bins)


def recovered(chosen: Values, single: Values, reach: Values) -> Interval | None:
    """Share of the gap between pass@1 (`single`) and pass@k (`reach`) that a choice closes, all [problem]; bootstrap
    over problems. Below 0: worse than a random sample. None if there is no gap."""
    gain, gap = np.subtract(chosen, single), np.subtract(reach, single)
    if gap.sum() <= 1e-9 * len(gap):
        return None
    counts = resamples(len(gap))
    gains, gaps = counts @ gain, counts @ gap
    has_gap = gaps > 1e-9 * len(gap)
    return _percentiles(float(gain.sum() / gap.sum()), gains[has_gap] / gaps[has_gap])


@lru_cache(maxsize=4)
def resamples(problems: int) -> SampleArray:
    """[resample, problem]: how often each problem is drawn when as many are drawn with replacement. Always the same, so
    that equal samples give equal intervals."""
    counts = np.random.default_rng(SEED).multinomial(problems, np.full(problems, 1 / problems), RESAMPLES)
    counts.setflags(write=False)
    return counts


def _percentiles(value: float, values: SampleArray) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    valid = values[~np.isnan(values)]
    low, high = np.quantile(valid, [tail, 1 - tail]) if len(valid) else (nan, nan)
    return Interval(value, float(low), float(high))


def rows(diagnoses: Sequence[Diagnosis]) -> list[dict[str, Any]]:
    """Rows of verifiers.csv, one per selector and k; an interval is three columns, NAME, NAME_low and NAME_high."""
    out = []
    for d in diagnoses:
        for c in d.choices:
            row: dict[str, Any] = {}
            for record in (d, c):
                for f in dataclasses.fields(record):
                    value = getattr(record, f.name)
                    if f.name in ("auroc", "within", "recovered", "ahead"):
                        ends = dataclasses.astuple(value) if value else (None, None, None)
                        row |= dict(zip((f.name, f"{f.name}_low", f"{f.name}_high"), ends, strict=True))
                    elif f.name not in ("bins", "choices"):
                        row[f.name] = value
            out.append({**row, "coverage_loss": c.coverage_loss, "selection_loss": c.selection_loss})
    return out


def sentence(d: Diagnosis) -> str:
    """The cost and accuracy of a choice at the largest k, and the accuracy of majority for the same tokens, in
    words."""
    c = d.choices[-1]
    costs = "" if c.tokens is None else f"costs {c.tokens:,.0f} tokens per problem and "
    votes = f"majority of {c.rival_k} samples" if c.rival_k > 1 else "one sample"
    alike = "of as many, as tokens are not known" if c.tokens is None else "for the same tokens"
    text = f"best-of-{c.k} by {d.selector} {costs}reaches {c.accuracy:.3f}; {votes}, {alike}, {c.rival:.3f}"
    if c.ahead is not None:
        text += f" (difference {c.ahead.value:+.3f} [{c.ahead.low:+.3f}, {c.ahead.high:+.3f}])"
    return text + "."
