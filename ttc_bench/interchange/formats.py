"""The menu of formats, and which one a file has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ttc_bench.errors import TaskError, TtcError, nearest
from ttc_bench.interchange.records import Source
from ttc_bench.interchange.sources.batch import Batch
from ttc_bench.interchange.sources.inspect_ai import InspectAI
from ttc_bench.interchange.sources.lighteval import Lighteval
from ttc_bench.interchange.sources.lm_eval import LMEval
from ttc_bench.interchange.sources.nemo_skills import NemoSkills
from ttc_bench.interchange.sources.own import Export, Stored
from ttc_bench.interchange.sources.search_and_learn import SearchAndLearn
from ttc_bench.interchange.sources.table import Table
from ttc_bench.problems.rows import SUFFIXES, Broken, stream_rows

_SOURCES: tuple[Source, ...] = (  # in order of detection: any table comes last
    *(Export(), Stored(), InspectAI(), LMEval(), Lighteval(), NemoSkills(), SearchAndLearn(), Batch(), Table()),
)
FORMATS = {source.name: source for source in _SOURCES}


def detect(path: Path, name: str = "auto") -> Source:
    """The format of a file. Raises TtcError where there is no such file or format, or where none fits."""
    if not path.is_file():
        raise TtcError(f"{path}: no such file; give files of samples, such as logs of another tool")
    if name != "auto":
        if name not in FORMATS:
            raise TtcError(nearest(name, list(FORMATS), "format"))
        return FORMATS[name]
    if not path.stat().st_size:
        raise TtcError(f"{path}: the file is empty")
    first = _first(path)
    for source in FORMATS.values():
        if source.recognises(path, first):
            return source
    if first is None and path.suffix in SUFFIXES and next(stream_rows(path), None) is None:
        raise TtcError(f"{path}: no rows in it")
    columns = f"; its first row has {', '.join(first)}" if first else ""
    raise TtcError(
        f"{path}: none of the formats {', '.join(FORMATS)}{columns}; name the columns with "
        "--map question=COLUMN,answer=COLUMN,text=COLUMN"
    )


def _first(path: Path) -> dict[str, Any] | None:
    """The first row that can be read, where the file has rows."""
    rows = stream_rows(path) if path.suffix in SUFFIXES else iter(())
    try:
        return next((row[1] for row in rows if not isinstance(row, Broken)), None)
    except TaskError:  # JSON that is no list of rows is a format of its own
        return None
