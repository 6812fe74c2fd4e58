"""What stands under a chart about the samples behind it: how many were cut off, could not be read, or failed."""

from __future__ import annotations

from collections.abc import Sequence

from ttc_bench.core import CurvePoint

SHARES = {
    "truncated": "cut at the limit",
    "unextracted": "unreadable",
    "duplicated": "duplicated",
    "failed": "failed",
}


def shares(points: Sequence[CurvePoint]) -> list[str]:
    """What became of the samples behind the points, a line for those as they were sampled under each prompt and effort,
    and one for each kind of change to them, with the least and the largest share over its budgets or rounds."""
    groups: dict[str, dict[str, CurvePoint]] = {}
    for p in points:
        effort = f"effort {p.effort}" if p.effort else ""
        kind = p.variant.split()[0] if p.variant else ""
        name = ", ".join(part for part in (p.prompt, effort, kind) if part)
        groups.setdefault(name, {})[p.variant] = p
    lines = []
    for name, variants in groups.items():
        said = []
        for field, words in SHARES.items():
            found = [getattr(p, field) for p in variants.values()]
            low, high = f"{min(found):.1%}", f"{max(found):.1%}"
            said.append(f"{low if low == high else f'{low} to {high}'} {words}")
        lines.append(f"{name}: {', '.join(said)}")
    return lines
