"""What stands under a chart about the samples behind it: how many were cut off, could not be read, or failed."""

from __future__ import annotations

from collections.abc import Sequence

from ttc_bench.core import Change, CurvePoint

BRIEF = {  # field of CurvePoint -> in few words, as a caption has little room
    "truncated": "cut at the limit",
    "unextracted": "unreadable",
    "duplicated": "duplicated",
    "failed": "failed",
}


def shares(points: Sequence[CurvePoint]) -> list[str]:
    """What became of the samples behind the points, a line for those as they were sampled under each prompt and effort,
    and one for each kind of change to them, with the least and the largest share over its budgets or rounds."""
    groups: dict[tuple[str, str, str], dict[Change, CurvePoint]] = {}
    for p in points:
        kind = p.change.kind if p.change.amount else ""
        groups.setdefault((p.prompt, p.effort, kind), {})[p.change] = p
    lines = []
    for (prompt, effort, changed), changes in groups.items():
        parts = []
        for field, words in BRIEF.items():
            values = [getattr(p, field) for p in changes.values()]
            low, high = f"{min(values):.1%}", f"{max(values):.1%}"
            parts.append(f"{low if low == high else f'{low} to {high}'} {words}")
        name = ", ".join(part for part in (prompt, f"effort {effort}" if effort else "", changed) if part)
        lines.append(f"{name}: {', '.join(parts)}")
    return lines
