"""Logs of inspect_ai: `.eval` (a zip of one JSON file for each sample, in zstd or deflate) and `.json`.
https://inspect.aisi.org.uk/eval-logs.html"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ttc_bench.errors import TtcError
from ttc_bench.interchange.records import Facts, Row, Source
from ttc_bench.interchange.sources.inspect_samples import rows
from ttc_bench.interchange.sources.plain_json import Plain
from ttc_bench.interchange.sources.shapes import mapping, one_line, real, string, whole
from ttc_bench.problems.rows import Broken

MEMBER = re.compile(r"samples/.+_epoch_\d+\.json", re.DOTALL)
LARGEST = 200 << 20  # bytes of a sample: inspect_ai itself cuts larger ones into several frames of zstd
HEAD = 4096  # bytes of a .json log that have its first keys


class InspectAI(Source):
    name = "inspect"
    about = "logs of inspect_ai: .eval and .json"

    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        try:
            with path.open("rb") as file:
                head = file.read(HEAD)
        except OSError as error:
            raise TtcError(f"{path}: cannot be read ({error.strerror or error})") from None
        if path.suffix == ".json":
            return head.lstrip()[:1] == b"{" and b'"version"' in head and b'"eval"' in head
        return path.suffix == ".eval" and head.startswith(b"PK")

    def read(self, path: Path) -> Iterator[Row]:
        return _read_json(path) if path.suffix == ".json" else _read_zip(path)

    def facts(self, path: Path) -> Facts:
        header = _header_of_json(path) if path.suffix == ".json" else _header_of_zip(path)
        spec, plan = mapping(header.get("eval")), mapping(header.get("plan"))
        config = {**mapping(spec.get("model_generate_config")), **mapping(plan.get("config"))}
        packages, status = mapping(spec.get("packages")), header.get("status")
        tool = next(
            (f"{name} {packages[name]}" for name in ("inspect_ai", "ttc-bench") if name in packages), "inspect_ai"
        )
        broken_off = f"the log's run did not end well (status: {status}); samples may be missing"
        return Facts(
            model=string(spec.get("model")),
            task=string(spec.get("task")),
            temperature=real(config.get("temperature")),
            top_p=real(config.get("top_p")),
            max_tokens=whole(config.get("max_tokens")),
            tool=one_line(tool),
            remarks=() if status == "success" else (one_line(broken_off),),
        )


def _read_json(path: Path) -> Iterator[Row]:
    import ijson

    number = 0
    with _json_errors(path, lambda: f"after sample {number}"), path.open("rb") as file:
        for number, sample in enumerate(ijson.items(Plain(file), "samples.item", use_float=True), 1):
            yield from rows(f"sample {number}", sample)
    if not number:
        raise TtcError(f"{path}: no samples in it; expected a log of inspect_ai with samples (log_samples=True)")


def _header_of_json(path: Path) -> dict[str, Any]:
    """What stands before the samples, which is all but them."""
    import ijson

    header: dict[str, Any] = {}
    with _json_errors(path, lambda: "in its header"):
        for name in ("status", "eval", "plan"):
            with path.open("rb") as file:
                header[name] = next(ijson.items(Plain(file), name, use_float=True), None)
    return header


@contextmanager
def _json_errors(path: Path, where: Callable[[], str]) -> Iterator[None]:
    import ijson

    try:
        yield
    except (ijson.JSONError, ValueError, RecursionError) as error:
        raise TtcError(f"{path}, {where()}: not JSON ({one_line(error)}); was the log written to its end?") from None
    except OSError as error:
        raise TtcError(f"{path}: cannot be read ({error.strerror or error})") from None


def _read_zip(path: Path) -> Iterator[Row]:
    with _opened(path) as file:
        members = {info.filename: info for info in file.infolist()}  # one that was logged again replaces the first
        samples = [name for name in members if MEMBER.fullmatch(name)]
        if not samples:
            raise TtcError(f"{path}: no samples in it; expected a log of inspect_ai with samples/ID_epoch_N.json")
        for name in samples:
            if members[name].file_size > LARGEST:
                yield Broken(name, f"larger than {LARGEST >> 20} MiB")
                continue
            sample = _member(file, name)
            yield from [sample] if isinstance(sample, Broken) else rows(name, sample)


def _header_of_zip(path: Path) -> dict[str, Any]:
    """header.json, which is written last, or what the journal of a run that broke off says."""
    with _opened(path) as file:
        for name in ("header.json", "_journal/start.json"):
            if name in file.namelist():
                header = _member(file, name)
                if isinstance(header, Broken):
                    raise TtcError(f"{path}, {name}: {header.reason}")
                return {"status": "started", **mapping(header)}
    raise TtcError(f"{path}: neither header.json nor _journal/start.json in it; expected a log of inspect_ai")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The zip, read by a module that knows zstd."""
    if sys.version_info >= (3, 14):
        import zipfile
    else:
        from backports.zstd import zipfile

    try:
        with zipfile.ZipFile(path) as file:
            yield file
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise TtcError(f"{path}: not a whole zip file ({one_line(error)}); copy the log again") from None
    except OSError as error:
        raise TtcError(f"{path}: cannot be read ({error.strerror or error})") from None


def _member(file: Any, name: str) -> Any:
    """The JSON of a member, or Broken. A damaged member raises as many kinds of error as there are ways to compress."""
    try:
        return json.loads(file.read(name))
    except json.JSONDecodeError as error:
        return Broken(name, f"not JSON ({error.msg} at line {error.lineno})")
    except Exception as error:
        return Broken(name, f"cannot be read ({one_line(error) or type(error).__name__})")
