"""Writes the files of a comparison: compare.csv, changed.csv, power.csv, compare.png and .svg."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ttc_bench.charts.comparison import compared
from ttc_bench.charts.vegalite import draw
from ttc_bench.errors import TtcError
from ttc_bench.model_names import LONGEST
from ttc_bench.policies.comparison import Comparison, Pair
from ttc_bench.policies.mixtures import AXES, Policy
from ttc_bench.policies.power import Power
from ttc_bench.report import manifest
from ttc_bench.report.tables import write_table

FILES = ("compare.png", "compare.svg", "compare.csv", "changed.csv", "power.csv")


def folder_of(folders: Sequence[Path]) -> Path:
    """Where the files go unless told otherwise: compare-A-B beside the first run."""
    name = "compare-" + "-".join(folder.resolve().name for folder in folders)
    return folders[0].parent / name[:LONGEST]


def write(comparison: Comparison, powers: Sequence[Power], folder: Path) -> list[str]:
    """Writes the files of a comparison in place of those of an earlier one, and returns their names. Raises
    CannotWrite, and TtcError where the folder is that of a run."""
    if (folder / manifest.FILE).exists():
        raise TtcError(f"{folder} is the results folder of a run; give another place with --out")
    with manifest.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder, ignore_cleanup_errors=True) as place:
            new = Path(place)
            write_table(new / "compare.csv", [row for pair in comparison.pairs for row in _rows(pair)])
            write_table(new / "changed.csv", [row for pair in comparison.pairs for row in _changed(pair)])
            write_table(new / "power.csv", [_power(power) for power in powers])
            if spec := compared(comparison):
                draw("compare", spec, new)
            for name in FILES:
                if (new / name).exists():
                    (new / name).replace(folder / name)
                else:  # of an earlier comparison
                    (folder / name).unlink(missing_ok=True)
    return [name for name in FILES if (folder / name).exists()]


def _who(pair: Pair) -> dict[str, Any]:
    first, second = pair.first, pair.second
    runs = {"run_a": first.run, "model_a": first.model, "run_b": second.run, "model_b": second.model}
    return {"task": pair.task, **runs}


def _rows(pair: Pair) -> Iterator[dict[str, Any]]:
    for row in pair.rows:
        yield {
            **_who(pair),
            "what": row.what,
            "equal": row.axis,
            "budget": row.budget,
            "problems": len(pair.problems),
            "accuracy_a": row.first.accuracy,
            "accuracy_b": row.second.accuracy,
            "difference": row.difference,
            "low": row.low,
            "high": row.high,
            "p": row.p,
            "p_holm": row.corrected,
            **_policy("a", row.first, row.methods[0]),
            **_policy("b", row.second, row.methods[1]),
        }


def _policy(letter: str, policy: Policy, method: str) -> dict[str, Any]:
    spent = {f"{axis}_{letter}": policy.costs[axis] for axis in AXES}
    return {f"method_{letter}": method, f"at_{letter}": policy.where, f"end_{letter}": not policy.reached, **spent}


def _changed(pair: Pair) -> Iterator[dict[str, Any]]:
    """Every problem under every method, those that gained most first."""
    for m in sorted(pair.moved, key=lambda m: (-m.change, m.problem.id)):
        chances = {"right_a": m.first, "right_b": m.second, "change": m.change}
        of_problem = {"problem": m.problem.id, "question": m.problem.question, "gold": m.problem.answer}
        yield {**_who(pair), "what": m.what, "k": m.k, **of_problem, **chances}


def _power(power: Power) -> dict[str, Any]:
    a, b = power.samples or (None, None)
    return {
        **_who(power.pair),
        "what": power.row.what,
        "k": power.row.budget,
        "problems": len(power.pair.problems),
        "difference": power.row.difference,
        "detectable": power.least,
        "problems_needed": power.problems,
        "sampling_share": power.sampling,
        "detectable_any_samples": power.floor,
        "samples_needed_a": a,
        "samples_needed_b": b,
    }
