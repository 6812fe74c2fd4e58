"""What takes seconds is done once: pictures that show the same, and the bundle of Vega."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import vl_convert
from curves import story

from ttc_bench.charts import vegalite
from ttc_bench.charts.tokens import accuracy_vs_tokens
from ttc_bench.report import pictures, vega

SPECS = {"one": accuracy_vs_tokens(story()[:1]), "two": accuracy_vs_tokens(story()[:2])}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that were really drawn."""
    names: list[str] = []
    real = vegalite.draw
    monkeypatch.setattr(vegalite, "draw", lambda name, *rest: names.append(name) or real(name, *rest))
    return names


def test_a_picture_is_drawn_again_only_where_it_shows_something_else(tmp_path: Path, drawn: list[str]) -> None:
    pictures.draw(SPECS, tmp_path)
    assert drawn == ["one", "two"]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    pictures.draw(SPECS, tmp_path)
    assert drawn == ["one", "two"]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    moved = [replace(p, accuracy=0.123) for p in story()[:2]]
    pictures.draw(SPECS | {"two": accuracy_vs_tokens(moved)}, tmp_path)
    assert drawn == ["one", "two", "two"]
    assert (tmp_path / "two.png").read_bytes() != before[tmp_path / "two.png"]


@pytest.mark.parametrize("harm", ["edited", "lost", "record lost", "record nonsense", "other version"])
def test_a_picture_that_is_not_what_was_drawn_is_drawn_again(
    tmp_path: Path, drawn: list[str], harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {"one": SPECS["one"]}
    pictures.draw(one, tmp_path)
    good = (tmp_path / "one.png").read_bytes()
    if harm == "edited":
        (tmp_path / "one.png").write_bytes(good[:-20])
    elif harm == "lost":
        (tmp_path / "one.svg").unlink()
    elif harm == "record lost":
        (tmp_path / pictures.RECORD).unlink()
    elif harm == "record nonsense":
        (tmp_path / pictures.RECORD).write_text('["one"')
    else:
        monkeypatch.setattr(pictures, "version", lambda package: "0.0.1")
    pictures.draw(one, tmp_path)
    assert drawn == ["one", "one"]
    assert (tmp_path / "one.png").read_bytes() == good


def test_a_png_is_the_one_that_the_specification_gives(tmp_path: Path) -> None:
    png, _ = vegalite.draw("one", SPECS["one"], tmp_path)
    assert png.read_bytes() == vl_convert.vegalite_to_png(SPECS["one"], scale=vegalite.PNG_SCALE)


@pytest.fixture
def bundles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """An empty cache folder, and a bundler that is quick; the calls of it."""
    calls: list[str] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        vl_convert, "javascript_bundle", lambda entry: calls.append(entry) or f"{entry}\r\n'</script><!--'"
    )
    vega.script.cache_clear()
    yield calls
    vega.script.cache_clear()


def again() -> str:
    """The script, as another process would get it."""
    vega.script.cache_clear()
    return vega.script()


def test_the_bundle_is_made_once_for_a_version(bundles: list[str], tmp_path: Path, monkeypatch: Any) -> None:
    first = again()
    assert first == f"(()=>{{{vega.ENTRY}\n'<\\/script><\\!--'}})();"
    assert again() == first
    assert len(bundles) == 1
    monkeypatch.setattr(vega, "version", lambda package: "99.0")
    assert again() == first
    assert len(bundles) == 2


@pytest.mark.parametrize("harm", ["cut", "changed", "writable by all", "a folder"])
def test_a_kept_bundle_that_is_not_to_be_trusted_is_not_used(bundles: list[str], tmp_path: Path, harm: str) -> None:
    """It runs in every report: one that another user could write is as good as theirs."""
    first = again()
    (path,) = (tmp_path / "cache" / "ttc-bench").iterdir()
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    elif harm == "changed":
        path.write_text(re.sub("vegaEmbed", "pwned", path.read_text()))
    elif harm == "writable by all":
        path.chmod(0o666)
    else:
        path.unlink()
        path.mkdir()
    assert again() == first
    assert len(bundles) == 2


def test_without_a_place_to_keep_it_the_bundle_is_made_anew(
    bundles: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder can be in here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert again() == again()
    assert len(bundles) == 2
    monkeypatch.delenv("XDG_CACHE_HOME")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert "vegaEmbed" in again()
    assert len(bundles) == 3
