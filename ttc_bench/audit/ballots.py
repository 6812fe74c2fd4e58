"""Who votes without an answer: samples in which none could be read, and placeholders that a source took for answers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from ttc_bench.audit.findings import SHOWN, Finding, Severity, share, signed, weighed
from ttc_bench.audit.material import Array, Material
from ttc_bench.audit.votes import majority, vote
from ttc_bench.grading.columns import Columns
from ttc_bench.interchange.recorded import Verdicts

_PLACEHOLDER = re.compile(
    r"\W*(?:invalid|no[ _-]?answer|not[ _-]?found|none|null|nan|n/?a|unparsable|failed|time[ _-]?out)?\W*"
    r"|\W*(?:\w*error|exception|traceback|time[ _-]?out)\b.*",
    re.IGNORECASE | re.DOTALL,
)


def ballots(m: Material) -> Iterator[Finding]:
    """One finding on the samples in which we read no answer. They never vote here, and count as wrong. Elsewhere they
    vote together, for an answer of their own, or are left out of the count."""
    unread = int((m.pool.column("answer") < 0).sum())
    if not unread:
        yield Finding("ballots", m.name, "fine", f"an answer was read in each of {m.samples:,} samples", 0.0)
        return
    k = m.pool.depth
    ours, left_out = np.mean([_left_out(g.samples) for g in m.pool.problems], axis=0).tolist()
    points = [100 * (left_out - ours)]
    sentence = f"{share(unread, m.samples)} samples have no readable answer; they are wrong here and never vote"
    numbers: dict[str, float] = {"unread": unread, "k=1": ours, "k=1, left out": left_out}
    if k > 1:
        voted = float(majority(m.pool, k).mean())
        joint = float(np.mean([_joint(g.samples, k) for g in m.pool.problems]))
        points.append(100 * (joint - voted))
        numbers |= {f"maj@{k}": voted, f"maj@{k}, one answer": joint}
        sentence += (
            f"; if they voted as one answer, maj@{k} would be {joint:.3f}, not {voted:.3f} ({signed(points[1])})"
        )
    sentence += f"; left out of the count, accuracy of a sample would be {left_out:.3f} ({signed(points[0])})"
    cases = [(p, int(s)) for p, g in enumerate(m.pool.problems) for s in np.flatnonzero(g.samples.answer < 0)]
    worth = max(points, key=abs)
    yield Finding(
        *("ballots", m.name, weighed(worth), sentence, worth, min(*points, 0.0), max(*points, 0.0)),
        *(m.evidence(cases), unread, numbers),
    )


def _left_out(samples: Columns) -> tuple[float, float]:
    """(accuracy of a sample, the same over those with an answer; 0 where none has one)."""
    read = samples.answer >= 0
    return float(samples.correct.mean()), float(samples.correct[read].mean()) if read.any() else 0.0


def _joint(samples: Columns, k: int) -> float:
    """The vote with all unread samples voting for one answer."""
    votes = samples.votes
    return vote(np.where(votes < 0, len(samples.answers), votes), samples.correct, k)


def placeholders(m: Material) -> Iterator[Finding]:
    """One finding on answers that the source read and that are none ("[invalid]", "", an error message); none where it
    gives no answers."""
    if not any(answer is not None for v in m.verdicts for answer in v.answer):
        return
    cases = [
        (p, s, answer)
        for p, (_, samples, _, v) in enumerate(m.problems)
        for s, answer in enumerate(v.answer)
        if answer is not None and _none(answer) and not samples.correct[s] and v.recorded[s] != 1
    ]
    if not cases:
        yield Finding(
            "ballots", m.name, "fine", "no answer that the source read is a placeholder such as [invalid]", 0.0
        )
        return
    k = m.pool.depth
    rows = np.array([_recorded_votes(samples, v, k) for _, samples, _, v in m.problems])
    voting, silent = rows.mean(axis=0)
    points = 100 * (silent - voting)
    kinds = ", ".join(dict.fromkeys(f'"{answer[:30]}"' for *_, answer in cases))
    sentence = f"{share(len(cases), m.samples)} answers that the source read are placeholders ({kinds[:80]})"
    severity: Severity = "notable"
    if k > 1:
        severity = "serious" if weighed(points) == "serious" else severity
        sentence += (
            f"; if they vote, as answers do, maj@{k} by the source's readings is {voting:.3f}, and {silent:.3f} "
        )
        sentence += f"if they do not ({signed(points)})"
    yield Finding(
        *("ballots", m.name, severity, sentence, points if k > 1 else None),
        evidence=[m.case(p, s, facts={"recorded answer": answer}) for p, s, answer in cases[:SHOWN]],
        total=len(cases),
        numbers={"placeholders": len(cases), "voting": float(voting), "silent": float(silent)},
    )


def _none(answer: str) -> bool:
    return bool(_PLACEHOLDER.fullmatch(answer.strip()))


def _recorded_votes(samples: Columns, v: Verdicts, k: int) -> tuple[float, float]:
    """The vote over the source's answers, spelling by spelling: placeholders voting, and not. Right is what the source
    held right; what it held neither, what we do."""
    number = {answer: i for i, answer in enumerate(dict.fromkeys(a for a in v.answer if a is not None))}
    codes: Array = np.array([-1 if a is None else number[a] for a in v.answer], dtype=np.int64)
    correct = np.where(v.recorded >= 0, v.recorded == 1, samples.correct)
    silent = np.array([a is None or (_none(a) and not right) for a, right in zip(v.answer, correct, strict=True)])
    return vote(codes, correct & (codes >= 0), k), vote(np.where(silent, -1, codes), correct & ~silent, k)
