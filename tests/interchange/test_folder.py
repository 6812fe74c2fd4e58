"""A folder of imported samples appears whole, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ttc_bench.errors import CannotWrite, TtcError
from ttc_bench.interchange.folder import whole


def made(folder: Path, identity: str = "import:1", text: str = "new") -> None:
    with whole(folder, identity) as part:
        (part / "run.json").write_text(json.dumps({"config": {}, "models": [{"id": identity}]}), encoding="utf-8")
        (part / "text").write_text(text, encoding="utf-8")


@pytest.fixture
def ended() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_same_samples_again_take_its_place(tmp_path: Path) -> None:
    made(tmp_path / "a", text="old")
    made(tmp_path / "a")
    assert (tmp_path / "a" / "text").read_text(encoding="utf-8") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_others_put_into_it_stays(tmp_path: Path) -> None:
    made(tmp_path / "a")
    (tmp_path / "a" / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "a" / "export").mkdir()
    (tmp_path / "a" / "curve.csv").touch()  # of the old samples
    made(tmp_path / "a")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["export", "notes.txt", "run.json", "text"]


def test_one_that_others_finished_meanwhile_stays(tmp_path: Path) -> None:
    with pytest.raises(TtcError, match="belongs to another run"):
        overtaken(tmp_path / "a")
    assert json.loads((tmp_path / "a" / "run.json").read_text(encoding="utf-8"))["models"] == [{"id": "import:2"}]


def overtaken(folder: Path) -> None:
    with whole(folder, "import:1"):
        folder.mkdir()
        (folder / "run.json").write_text('{"config": {}, "models": [{"id": "import:2"}]}', encoding="utf-8")


def broken_off(folder: Path) -> None:
    with whole(folder, "import:1") as part:
        (part / "text").touch()
        raise TtcError("no rows")


def test_an_error_leaves_the_old_folder_and_no_trace(tmp_path: Path) -> None:
    made(tmp_path / "a", text="old")
    with pytest.raises(TtcError, match="no rows"):
        broken_off(tmp_path / "a")
    assert (tmp_path / "a" / "text").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_killed_imports_left_is_cleared_away(tmp_path: Path, ended: int) -> None:
    made(tmp_path / "a")
    for name in (f".a.{ended}", f".a.{ended}.old", f".a.{os.getppid()}", f".ab.{ended}", ".a.b"):
        (tmp_path / name).mkdir()
    made(tmp_path / "a")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(["a", f".a.{os.getppid()}", f".ab.{ended}", ".a.b"])  # at work still, or of others


def test_one_killed_between_two_renamings_loses_nothing(tmp_path: Path, ended: int) -> None:
    made(tmp_path / "a", text="old")
    (tmp_path / "a").rename(tmp_path / f".a.{ended}.old")
    with pytest.raises(TtcError, match="no rows"):
        broken_off(tmp_path / "a")
    assert (tmp_path / "a" / "text").read_text(encoding="utf-8") == "old"


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "a")
    with pytest.raises(TtcError, match="belongs to another run"):
        made(tmp_path / "a", "import:2")
    (tmp_path / "b").mkdir()
    with pytest.raises(TtcError, match=r"holds other files and no run\.json"):
        made(tmp_path / "b")


def test_a_place_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="cannot be written to") as error:
        made(tmp_path / "file" / "a")
    assert "\n" not in str(error.value)
