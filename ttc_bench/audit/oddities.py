"""Figures that are too bad to be the model's: guessing, and golds that every sample contradicts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ttc_bench.analysis.stats import mean_interval
from ttc_bench.audit.excerpts import beginning
from ttc_bench.audit.findings import NOTABLE, SHOWN, Evidence, Finding, Severity, share
from ttc_bench.audit.material import Material

ENOUGH = 4  # samples of one answer that contradict a gold


def guessing(m: Material) -> Iterator[Finding]:
    """One finding; none where the accuracy of guessing is not known."""
    guess = m.pool.task.guess
    if guess is None:
        return
    accuracy, low, high = mean_interval(m.pool.mean("correct").tolist())
    points = 100 * (accuracy - guess)
    figures = f"accuracy of a sample is {accuracy:.3f} [{low:.3f}, {high:.3f}], of guessing {guess:.3f}"
    severity: Severity = "fine"
    if high < guess:
        severity, figures = "serious", f"{figures}: worse than guessing, as where answers are read or joined wrongly"
    elif low <= guess:
        severity, figures = "notable", f"{figures}: no better than guessing"
    yield Finding(*("guessing", m.name, severity, figures, points, 100 * (low - guess), 100 * (high - guess)))


def unanimous(m: Material) -> Iterator[Finding]:
    """One finding on problems of which every sample, ENOUGH of them and in different texts, gives the same answer,
    which is not the gold. What it is worth: the accuracy of a sample if all of these golds were wrong."""
    if m.pool.task.grader.checks:
        return
    able = [p for p, g in enumerate(m.pool.problems) if len(g) >= ENOUGH and g.problem.answer is not None]
    if not able:
        return
    odd = [p for p in able if _contradicted(m, p)]
    if not odd:
        yield Finding("unanimous", m.name, "fine", f"no gold of {len(able):,} problems is contradicted by every sample")
        return
    points = 100 * len(odd) / len(m.pool.problems)
    sentence = (
        f"every sample of {share(len(odd), len(able))} problems gives one answer that is not the gold: a common error "
        f"of the model, or a wrong gold ({points:.1f} points if all of these are)"
    )
    yield Finding(
        *("unanimous", m.name, "notable" if points >= NOTABLE else "fine", sentence, points, 0.0, points),
        evidence=[_case(m, p) for p in odd[:SHOWN]],
        total=len(odd),
    )


def _contradicted(m: Material, p: int) -> bool:
    samples = m.pool.problems[p].samples
    return (
        len(np.unique(samples.votes)) == 1
        and samples.votes[0] >= 0
        and not samples.correct.any()
        and samples.distinct > 1
    )


def _case(m: Material, p: int) -> Evidence:
    g = m.pool.problems[p]
    facts = {"gold": g.problem.answer, "every sample": g.samples.answers[g.samples.votes[0]]}
    written = next((gold for gold in m.verdicts[p].gold if gold is not None), None)
    facts |= {"gold as the source writes it": written} if written is not None else {}
    return Evidence(g.problem.id, None, m.verdicts[p].place[0], beginning(g.problem.question), facts)
