"""A results folder that appears whole: made beside its place, and moved there at the end."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ttc_bench.errors import CannotWrite, TtcError
from ttc_bench.report import manifest
from ttc_bench.report.folder import OUTPUTS
from ttc_bench.sampling.claims import runs

OURS = ("imported.parquet", "task.yaml", "task.jsonl", "audit.md", "audit.json")  # and samples.sqlite with its log
OLD = ".old"  # the folder that was there before, while the new one takes its place


@contextmanager
def whole(folder: Path, identity: str) -> Iterator[Path]:
    """A folder to fill, which becomes `folder` unless an error ends it; then it leaves no trace. Raises TtcError where
    `folder` holds anything but the samples of `identity`, and CannotWrite for what the disk refuses."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    old = part.with_name(part.name + OLD)
    try:
        _clear(folder)
        _claim(folder, identity)
        part.mkdir(parents=True)
        yield part
        _claim(folder, identity)  # again: somebody else may have finished meanwhile
        if folder.exists():
            folder.replace(old)
        part.replace(folder)
        _keep(old, folder)
    except OSError as error:
        raise CannotWrite(f"{folder} cannot be written to ({error.strerror or error}); nothing was imported") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)


def _keep(old: Path, new: Path) -> None:
    """Moves what others put into the old folder, such as notes and exports, into the new one."""
    stale = {manifest.FILE, *OURS, *OUTPUTS}
    for path in old.iterdir() if old.exists() else ():
        if (
            path.name not in stale
            and not path.name.startswith((".", "samples.sqlite"))
            and not (new / path.name).exists()
        ):
            path.replace(new / path.name)


def _clear(folder: Path) -> None:
    """Removes what killed imports left beside the folder; one that was killed while it took the folder's place has the
    old folder put back."""
    for path in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        process = path.name.removeprefix(f".{folder.name}.").removesuffix(OLD)
        if process.isdecimal() and not runs(int(process)):
            if path.name.endswith(OLD) and not folder.exists():
                path.replace(folder)
            else:
                shutil.rmtree(path, ignore_errors=True)


def _claim(folder: Path, identity: str) -> None:
    if not folder.exists():
        return
    if not (folder / manifest.FILE).exists():
        raise TtcError(f"{folder} holds other files and no {manifest.FILE}; choose another folder with --name")
    if [entry["id"] for entry in manifest.read(folder)["models"]] != [identity]:
        raise TtcError(f"{folder} belongs to another run; choose another folder with --name")
