"""How sure a figure is: samples of one problem taken for independent, and too few problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ttc_bench.analysis.stats import POWER, detectable, mean_interval
from ttc_bench.audit.findings import Finding
from ttc_bench.audit.material import Material
from ttc_bench.errors import counted

WIDER = 1.25  # ratio of the intervals, from which it is told


def dependence(m: Material) -> Iterator[Finding]:
    """One finding for the accuracy of a sample; none for a pool of one sample per problem. The interval here is over
    problems; the one that a script gets from all samples as if each were a problem of its own is narrower."""
    problems = len(m.pool.problems)
    if m.pool.sizes.max() < 2 or problems < 2:
        return
    values = m.pool.mean("correct")
    _, low, high = mean_interval(values.tolist())
    _, near_low, near_high = mean_interval(m.pool.column("correct").astype(float).tolist())
    ratio = (high - low) / (near_high - near_low)
    effect = design_effect(values, m.samples)
    ours, naive = 50 * (high - low), 50 * (near_high - near_low)
    figures = f"±{ours:.1f} points over {problems:,} problems, and would be ±{naive:.1f} over {m.samples:,} samples"
    sentence = (
        f"the interval of the accuracy of a sample is {figures} taken for independent: {ratio:.1f} times as wide"
        + ("" if effect is None else f", design effect {effect:.1f}")
    )
    yield Finding(
        *(
            "dependence",
            m.name,
            "notable" if ratio >= WIDER and m.imported else "fine",
            sentence,
            ours - naive,
            naive,
            ours,
        ),
        numbers={"ratio": ratio, "design effect": effect, "half width": ours, "half width, independent": naive},
    )


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
