"""run.json: the configuration, models, code and machine of a run, and what it cost. It never holds a secret."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ttc_bench.analysis.analyse import Analysis
from ttc_bench.config import IDENTITY, Config, to_fields
from ttc_bench.core import Backend, Task
from ttc_bench.errors import TtcError
from ttc_bench.problems.tasks import digest
from ttc_bench.sampling.pool import Filled

FILE = "run.json"
PACKAGES = ("ttc-bench", "torch", "transformers", "tokenizers", "openai", "datasets", "math-verify", "numpy")


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def model(backend: Backend) -> dict[str, Any]:
    """The entry of a model. It has more fields once the weights are loaded, or the server has answered."""
    return {**backend.identity(), "id": backend.model, "signals": sorted(backend.signals)}


def describe(
    config: Config, tasks: Sequence[Task], backends: Iterable[Backend], before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The manifest of a run that starts now. `finish` completes it. `before`: the manifest of the run that
    this one continues; what it recorded about its models is kept."""
    earlier = {entry["id"]: entry for entry in before["models"]} if before else {}
    return {
        "ttc_bench": _version("ttc-bench"),
        "config": to_fields(config),
        "models": [earlier.get(backend.model, {}) | model(backend) for backend in backends],
        "tasks": [{"name": t.name, "problems": len(t.problems), "digest": digest(t)} for t in tasks],
        "seeds": {"run": config.seed, "sample": "Philox keyed by (request address, sample index)"},
        "packages": {name: installed for name in PACKAGES if (installed := _version(name))},
        "python": platform.python_version(),
        "git": _commit(),
        "hardware": _hardware(),
        "started": now(),
        "ended": None,
    }


def finish(manifest: dict[str, Any], filled: Filled, analysis: Analysis) -> dict[str, Any]:
    """The same manifest with the end time, what this run made and spent, and the quality shares. (The cost of a
    *strategy* is in curve.csv and does not depend on how many of its samples came from the store.)"""
    return {
        **manifest,
        "ended": now(),
        "this_run": {
            "samples_made": filled.made,
            "holes": len(filled.holes),
            "spent": asdict(filled.spent),
            "wasted_on_failed_calls": asdict(filled.wasted),
            "scores_made": filled.scores,
            "spent_on_scores": asdict(filled.scoring),
        },
        **_conclusions(analysis),
    }


def analysed(manifest: dict[str, Any], analysis: Analysis) -> dict[str, Any]:
    """The manifest of a run whose samples were analysed again."""
    return {**manifest, **_conclusions(analysis), "analysed": now()}


def _conclusions(analysis: Analysis) -> dict[str, Any]:
    return {"quality": {row.name: row.shares() for row in analysis.quality}, "notes": list(analysis.notes)}


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a results folder. Raises TtcError where there is none."""
    try:
        raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if isinstance(raw, dict) and "model" in raw:  # a run of version 0.1: it had one model
            raw["models"] = [raw.pop("model")]
        if not isinstance(raw, dict) or not {"config", "models"} <= raw.keys():
            raise ValueError("fields config and models are missing")
    except OSError:
        raise TtcError(f"{folder}: no {FILE} in it; give the folder of an earlier run, such as results/NAME") from None
    except ValueError as error:
        raise TtcError(f"{folder / FILE}: not the manifest of a run ({error})") from None
    return raw


def write(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes run.json in one step, so that no reader sees half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{FILE}.{os.getpid()}"
    part.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(folder / FILE)


def claim(folder: Path, config: Config, backends: Iterable[Backend]) -> dict[str, Any] | None:
    """The manifest in a results folder that belongs to this very run; None for a new folder. Raises TtcError for a
    folder of another run, or with other files."""
    if not (folder / FILE).exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise TtcError(f"{folder} holds other files and no {FILE}; choose another folder with --name")
        return None
    existing = read(folder)
    fields = to_fields(config)
    for field in IDENTITY:
        old, new = existing["config"].get(field), fields[field]
        if field == "model":
            old, new = [entry.get("id") for entry in existing["models"]], [backend.model for backend in backends]
        if old != new:
            raise TtcError(
                f"{folder} belongs to another run ({field} is {_show(old)} there, {_show(new)} here); "
                "choose another folder with --name"
            )
    return existing


def _show(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the source this runs from, with a "+" where the tree has changes; None outside a checkout."""
    package = Path(__file__).parents[1]

    def git(*words: str) -> str:
        result = subprocess.run(
            ["git", "-C", str(package), *words], capture_output=True, text=True, timeout=10, check=True
        )
        return result.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", str(package)) else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _hardware() -> dict[str, Any]:
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    except OSError:
        pass
    return {"system": platform.system(), "machine": platform.machine(), "cpu": cpu, "cores": os.cpu_count()}
