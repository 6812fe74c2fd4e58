"""run.json: the configuration, models, code and machine of a run, and what it cost. It never holds a secret."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ttc_bench.analysis.analyse import Analysis
from ttc_bench.config import IDENTITY, Config, to_fields
from ttc_bench.core import Backend, Task
from ttc_bench.errors import CannotWrite, TtcError
from ttc_bench.problems.tasks import digest
from ttc_bench.sampling.pool import Filled

FILE = "run.json"
PACKAGES = ("ttc-bench", "torch", "transformers", "tokenizers", "openai", "datasets", "math-verify", "numpy", "ray")


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
            "reasons": filled.reasons,
            "spent": asdict(filled.spent),
            "wasted_on_failed_calls": asdict(filled.wasted),
            "scores_made": filled.scores,
            "spent_on_scores": asdict(filled.scoring),
        },
        **_conclusions(analysis),
    }


def had_samples(manifest: dict[str, Any]) -> bool:
    """Whether a run had samples when it was analysed last."""
    return any(shares.get("samples") for shares in manifest.get("quality", {}).values())


def reasons(manifest: dict[str, Any]) -> dict[str, int]:
    """The errors that left holes in the last run, in words, with how many each."""
    told = manifest.get("this_run", {}).get("reasons", {})
    return (
        {str(words): count for words, count in told.items() if isinstance(count, int)} if isinstance(told, dict) else {}
    )


def imported(manifest: dict[str, Any]) -> list[str]:
    """What a reader must know of samples that were imported, in words."""
    notes = manifest.get("imported", {}).get("notes", []) if isinstance(manifest.get("imported"), dict) else []
    return [str(note) for note in notes]


def holes(manifest: dict[str, Any]) -> dict[str, int] | None:
    """Of imported samples: how many failed where they were made, by prompt; None for samples of our own."""
    told = manifest.get("imported")
    return None if not isinstance(told, dict) else {str(k): int(v) for k, v in told.get("holes", {}).items()}


def analysed(manifest: dict[str, Any], analysis: Analysis) -> dict[str, Any]:
    """The manifest of a run whose samples were analysed again."""
    return {**manifest, **_conclusions(analysis), "analysed": now()}


def _conclusions(analysis: Analysis) -> dict[str, Any]:
    return {"quality": {row.name: row.shares() for row in analysis.quality}, "notes": list(analysis.notes)}


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str
    signals: list[str] = []
    parameters: int | None = None
    verifiers: dict[str, dict[str, Any]] = {}


class _Manifest(BaseModel):
    """What a report relies on; everything else in run.json is for people."""

    model_config = ConfigDict(extra="allow")

    config: dict[str, Any]
    models: list[_Model] = Field(min_length=1)
    quality: dict[str, dict[str, float | None]] = {}
    this_run: dict[str, Any] = {}


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a results folder. Raises TtcError where there is none, or where it was edited to nonsense."""
    path = folder / FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(raw, dict) and "model" in raw:  # a run of version 0.1: it had one model
            raw["models"] = [raw.pop("model")]
        _Manifest.model_validate(raw)
    except OSError:
        raise TtcError(f"{folder}: no {FILE} in it; give the folder of an earlier run, such as results/NAME") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise TtcError(f"{path}: not the manifest of a run ({field}: {first['msg']})") from None
    except (ValueError, RecursionError) as error:
        raise TtcError(f"{path}: not the manifest of a run ({' '.join(str(error).split())[:200]})") from None
    manifest: dict[str, Any] = raw
    return manifest


def write(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes run.json in one step, so that no reader sees half of it. Raises CannotWrite."""
    with writing(folder):
        _write(folder, manifest)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raises CannotWrite for what the disk refuses."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(
            f"{folder} cannot be written to ({error.strerror or error}); every sample is kept, and the same command goes on"
        ) from None


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{FILE}.{os.getpid()}"
    part.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", errors="replace")
    part.replace(folder / FILE)


def claim(folder: Path, config: Config, backends: Iterable[Backend]) -> dict[str, Any] | None:
    """The manifest in a results folder that belongs to this very run; None for a new folder. Raises TtcError for a
    folder of another run, or with other files."""
    if not (folder / FILE).exists():
        if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
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
