"""How sure a figure is: samples of one problem taken for independent, and too few problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np

from ttc_bench.analysis.stats import POWER, detectable
from ttc_bench.audit.findings import Finding
from ttc_bench.audit.material import Material
from ttc_bench.errors import counted

EFFECT = 1.5  # design effect, from which it is told
SURE = 0.95  # chance of independent samples to stay below


def dependence(m: Material) -> Iterator[Finding]:
    """One finding for the accuracy of a sample; none for a pool of one sample per problem, or where all are right, or
    all wrong. The standard error here is over problems; the one that a script gets from all samples as if each were a
    problem of its own is smaller where the design effect is above 1. Notable of imported samples alone: our own
    intervals are over problems."""
    problems = len(m.pool.problems)
    if m.pool.sizes.max() < 2 or problems < 2:
        return
    values = m.pool.mean("correct")
    effect = design_effect(values, m.samples)
    if effect is None:
        return
    mean = float(values.mean())
    naive = 100 * sqrt(mean * (1 - mean) / m.samples)
    ours = sqrt(effect) * naive
    sentence = (
        f"the standard error of the accuracy of a sample is {ours:.1f} points over {problems:,} problems, and would be "
        f"{naive:.1f} over {m.samples:,} samples taken for independent: design effect {effect:.1f}"
    )
    told = m.imported and effect >= max(EFFECT, _by_chance(problems))
    yield Finding(
        *("dependence", m.name, "notable" if told else "fine", sentence, ours - naive, naive, ours),
        numbers={"design effect": effect, "standard error": ours, "standard error, independent": naive},
    )


def _by_chance(problems: int) -> float:
    """The design effect that independent samples stay below with a chance of SURE: the quantile of chi^2 with
    Q - 1 degrees of freedom over Q - 1, by the approximation of Wilson and Hilferty (1931)."""
    spread = 2 / (9 * (problems - 1))
    return float((1 - spread + NormalDist().inv_cdf(SURE) * sqrt(spread)) ** 3)


def design_effect(values: np.ndarray[tuple[int], np.dtype[np.float64]], samples: int) -> float | None:
    """The variance of the mean over problems, sd^2 / Q, over that of as many independent samples, p (1 - p) / (n Q)
    (Kish 1965, Survey Sampling, chapter 5). `values`: [problem]; `samples`: n Q. None where all are right, or wrong."""
    mean = float(values.mean())
    if not 0 < mean < 1:
        return None
    return float(values.var(ddof=1)) / len(values) / (mean * (1 - mean) / samples)


def power(about: str, differences: Sequence[float], rival: str) -> Iterator[Finding]:
    """One finding on a paired comparison with a rival; none where all problems agree, as their spread says nothing."""
    seen, least = 100 * float(np.mean(differences)), 100 * detectable(differences)
    if not least:
        return
    text = (
        f"{counted(len(differences), 'problem')} show a difference of {least:.1f} points with a chance of {POWER:.0%}; "
        f"the one to {rival} is {seen:.1f}"
    )
    hidden = abs(seen) < least
    if hidden:
        needed = len(differences) * (least / seen) ** 2 if seen else 0.0
        text += f", which would take about {needed:,.0f} problems" if seen else ""
    yield Finding(
        *("power", about, "notable" if hidden else "fine", text, least),
        numbers={"detectable": least, "seen": seen, "problems": len(differences)},
    )
