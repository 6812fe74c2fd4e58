"""Vega as one script for a page. Bundling takes seconds, so the bundle is kept in the user's cache folder.

A kept file is used only if it was made by the same version of vl-convert and by this user, nobody else can write to it,
and it is whole. Where the folder cannot be written to, every process bundles anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

ENTRY = "window.vegaEmbed = vegaEmbed;"
FOR_OTHERS = 0o022  # permission to write for the group and for all


@functools.cache
def script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that defines only vegaEmbed."""
    path = _place()
    kept = _read(path) if path else None
    if kept is not None:
        return kept
    import vl_convert

    bundle = vl_convert.javascript_bundle(ENTRY).replace("\r\n", "\n")
    made = "(()=>{" + bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--") + "})();"
    if path:
        _keep(path, made)
    return made


def _place() -> Path | None:
    """The file of the bundle; None where the user has no home."""
    name = f"vega-{version('vl-convert-python')}-{_digest(ENTRY)[:8]}.js"
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        return None
    return Path(cache) / "ttc-bench" / name


def _read(path: Path) -> str | None:
    """The script in a file whose first line is its digest; None where it is not to be trusted."""
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if hasattr(os, "getuid") and (facts.st_uid != os.getuid() or facts.st_mode & FOR_OTHERS):
                return None
            digest, _, text = file.read().decode().partition("\n")
    except (OSError, ValueError):
        return None
    return text if digest == f"// {_digest(text)}" else None


def _keep(path: Path, text: str) -> None:
    """Writes the file in one step, where that can be done."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=path.parent)  # for this user alone
        try:
            with open(descriptor, "wb") as file:
                file.write(f"// {_digest(text)}\n{text}".encode())
            Path(part).replace(path)
        finally:
            Path(part).unlink(missing_ok=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
