"""Re-graded by our reader: where our verdict differs from the recorded one, and where the golds do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ttc_bench.analysis.graded import Graded
from ttc_bench.analysis.stats import paired_difference
from ttc_bench.audit.excerpts import beginning, words_of
from ttc_bench.audit.findings import SHOWN, Evidence, Finding, Severity, share, signed, weighed, worst
from ttc_bench.audit.material import Material
from ttc_bench.core import Problem
from ttc_bench.errors import counted
from ttc_bench.interchange.golds import read_gold
from ttc_bench.interchange.recorded import UNKNOWN, Verdicts

MANY = 0.05  # share of verdicts that differ, from which a curve over k is another one even if they cancel out
KINDS = {"held right there, wrong here": (1, 0), "held wrong there, right here": (0, 1)}


def regraded(m: Material) -> Iterator[Finding]:
    """Our verdicts against the recorded ones, one finding; none for samples that were not imported."""
    cases: dict[str, list[tuple[int, int]]] = {kind: [] for kind in KINDS}
    theirs, ours, known = [], [], 0
    for p, (_, samples, _, verdicts) in enumerate(m.problems):
        told = verdicts.recorded != UNKNOWN
        if not told.any():
            continue
        known += int(told.sum())
        theirs.append(float(verdicts.recorded[told].mean()))
        ours.append(float(samples.correct[told].mean()))
        for kind, (there, here) in KINDS.items():
            where = told & (verdicts.recorded == there) & (samples.correct == here)
            cases[kind] += [(p, s) for s in np.flatnonzero(where).tolist()]
    if not known:
        if m.imported:
            sentence = (
                f"the source gives no verdict that can be read ({counted(m.samples, 'sample')}), so ours are compared "
                "with none; if a column has them, --map recorded=COLUMN names it"
            )
            yield Finding("regraded", m.name, "cannot be told", sentence, total=m.samples)
        return
    differ = sum(map(len, cases.values()))
    before, after = float(np.mean(theirs)), float(np.mean(ours))
    points = 100 * (after - before)
    low, high = (100 * x for x in paired_difference(theirs, ours)[1:]) if len(ours) > 1 else (-100.0, 100.0)
    lost, gained = map(len, cases.values())
    if differ:
        sentence = (
            f"{share(differ, known)} recorded verdicts differ from ours: {lost:,} held right there and wrong here, "
            f"{gained:,} the other way; accuracy of a sample {before:.3f} there, {after:.3f} here ({signed(points)})"
        )
    else:
        sentence = f"all {known:,} recorded verdicts are ours: accuracy of a sample {after:.3f}"
    severity: Severity = "serious" if differ >= MANY * known else "notable" if differ else "fine"
    shown = [case for of_kind in cases.values() for case in of_kind[: SHOWN // 2]]
    yield Finding(
        *("regraded", m.name, worst(severity, weighed(points)) if differ else "fine", sentence, points, low, high),
        evidence=[_case(m, *case) for case in shown],
        total=differ,
        numbers={"verdicts": known, "recorded": before, "ours": after, "lost": lost, "gained": gained},
    )


def _case(m: Material, problem: int, sample: int) -> Evidence:
    g, verdicts = m.pool.problems[problem], m.verdicts[problem]
    samples = g.samples
    answer = None if samples.answer[sample] < 0 else samples.answers[samples.answer[sample]]
    facts = {
        "gold": g.problem.answer,
        "recorded": "right" if verdicts.recorded[sample] == 1 else "wrong",
        "recorded answer": verdicts.answer[sample],
        "our answer": answer,
        "ours": "right" if samples.correct[sample] else "wrong",
        "found by": samples.rungs[samples.rung[sample]],
    }
    return m.case(problem, sample, words_of(m.pool.task.grader, m.text(g, sample), answer), facts)


def golds(m: Material) -> Iterator[Finding]:
    """Golds of the source that are not those of the task, one finding; none where no gold can be compared."""
    if m.pool.task.grader.checks:
        return
    compared, other, shifts = 0, [], []
    for g, _, _, verdicts in m.problems:
        gold = next((gold for gold in verdicts.gold if gold is not None), None)
        if gold is None or g.problem.answer is None:
            continue
        compared += 1
        theirs = _read(m, gold)
        if theirs is None or not m.pool.task.grader.same(theirs, g.problem.answer):
            shifts.append(_accuracy(m, g, replace(g.problem, answer=theirs)) - float(g.samples.correct.mean()))
            other.append(_gold_case(g, verdicts, gold))
    if not compared:
        return
    points = 100 * sum(shifts) / len(m.pool.problems)
    differ = f"{share(len(other), compared)} golds of the source are not those of the task"
    worth = f"graded against the source's, accuracy of a sample would be {signed(points)}"
    yield Finding(
        *("gold", m.name, worst("notable", weighed(points)) if other else "fine"),
        f"{differ}; {worth}" if other else f"the source has the gold of the task for {counted(compared, 'problem')}",
        points if other else 0.0,
        evidence=other[:SHOWN],
        total=len(other),
        numbers={"compared": compared},
    )


def _read(m: Material, gold: str) -> str | None:
    """The gold of a source as an import reads it; where that is too strict for it ("$1$"), what can be read of it."""
    answer = read_gold(m.pool.task.grader, gold)
    return m.pool.task.grader.read(gold) if answer is None else answer


def _accuracy(m: Material, g: Graded, problem: Problem) -> float:
    """Share of right samples under another gold; none is right under one that cannot be read."""
    grader, samples = m.pool.task.grader, g.samples
    right = [problem.answer is not None and grader.correct(answer, problem) for answer in samples.answers]
    return float(np.append(right, False)[samples.answer].mean())


def _gold_case(g: Graded, verdicts: Verdicts, gold: str) -> Evidence:
    facts = {"gold here": g.problem.answer, "gold there": gold}
    return Evidence(g.problem.id, None, verdicts.place[0], beginning(g.problem.question), facts)
