"""A run's samples as files of other tools. The menu of what `ttc-bench export --to` knows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from ttc_bench.analysis.views import ProblemView
from ttc_bench.errors import TtcError, nearest
from ttc_bench.interchange.exports import inspect_ai, lm_eval
from ttc_bench.report.export import KINDS, write

Problems = Collection[ProblemView]
Exporter = Callable[[Problems, dict[str, Any], Path], list[Path]]  # problems, run.json, folder -> files written
FOLDER = "export"  # in the results folder
CARD = """---
configs:
- config_name: default
  data_files:
  - split: test
    path: data/samples.parquet
---

# {name}

Samples of {models} on {tasks}, graded: a row for each sample, with its problem, text, answer, whether it is right, its
generated tokens and the scores of verifiers. Written by ttc-bench {version}.
"""


def _table(kind: str) -> Exporter:
    def export(problems: Problems, run: dict[str, Any], folder: Path) -> list[Path]:
        write(problems, folder / f"samples{kind}")
        return [folder / f"samples{kind}"]

    return export


def _hf_dataset(problems: Problems, run: dict[str, Any], folder: Path) -> list[Path]:
    """A folder that `datasets.load_dataset` reads, with a card."""
    write(problems, folder / "data" / "samples.parquet")
    names = {kind: ", ".join(str(entry.get("name")) for entry in run[kind]) for kind in ("models", "tasks")}
    card = folder / "README.md"
    card.write_text(CARD.format(name=folder.resolve().name, version=run.get("ttc_bench"), **names), encoding="utf-8")
    return [folder / "data" / "samples.parquet", card]


EXPORTS: dict[str, Exporter] = {
    "jsonl": _table(".jsonl"),
    "csv": _table(".csv"),
    "parquet": _table(".parquet"),
    "hf-dataset": _hf_dataset,
    "inspect": inspect_ai.write,
    "lm-eval": lm_eval.write,
}


def check(to: str) -> None:
    """Raises TtcError for something that is neither a format nor the name of a file of rows."""
    if to not in EXPORTS and Path(to).suffix not in KINDS:
        raise TtcError(f"--to {nearest(to, list(EXPORTS), 'format')}; or a file that ends in {', '.join(KINDS)}")


def export(problems: Problems, run: dict[str, Any], folder: Path, to: str, out: Path | None) -> list[str]:
    """Writes the samples in a format into `out` (by default a folder of that name in the results folder `folder`), or
    as rows to the file `to`. Returns what was written, in a line for each file. Raises TtcError where they
    cannot be written."""
    check(to)
    if to not in EXPORTS:
        return [f"{write(problems, Path(to))} samples written to {to}"]
    place = out or folder / FOLDER / to
    try:
        place.mkdir(parents=True, exist_ok=True)
        return [f"written to {file}" for file in EXPORTS[to](problems, run, place)]
    except OSError as error:
        raise TtcError(
            f"{place} cannot be written ({error.strerror or error}); give another place with --out"
        ) from None
