"""The pictures of a results folder. Drawing takes seconds, so one whose specification is as before is kept.

A hidden file beside the pictures records what each was drawn from and what came of it: a picture that was changed, lost
or drawn by another version is drawn anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ttc_bench.charts import vegalite

RECORD = ".pictures.json"


def draw(specs: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Draws NAME.png and NAME.svg of every specification into `folder`, unless they are there already."""
    before, record = _read(folder / RECORD), {}
    for name, spec in specs.items():
        made = f"{version('vl-convert-python')} {json.dumps(spec, sort_keys=True)}"
        drawn_from = hashlib.sha256(made.encode()).hexdigest()
        if before.get(name) != _state(drawn_from, name, folder):
            vegalite.draw(name, spec, folder)
        record[name] = _state(drawn_from, name, folder)
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _state(drawn_from: str, name: str, folder: Path) -> list[str]:
    """The digests of what a picture is drawn from and of its two files, "" for one that is not there."""
    files = [folder / f"{name}.{kind}" for kind in ("svg", "png")]
    return [drawn_from, *(hashlib.sha256(f.read_bytes()).hexdigest() if f.exists() else "" for f in files)]


def _read(path: Path) -> dict[str, Any]:
    """The record of an earlier run; empty where there is none, or none that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
