"""The README tells the truth: its file tree, its flags and its links."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ttc_bench.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TREE = README.split("## The house")[1].split("```")[1]


def test_the_file_tree_is_the_tree() -> None:
    listed, folder = set(), ""
    for line in TREE.strip().splitlines():
        name = line.split()[0]
        if line.startswith("  "):
            listed.add(folder + name)
        else:
            folder = name
            listed.add(name)
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [f for f in done.stdout.splitlines() if not f.startswith(".") and f != "README.md" and (ROOT / f).exists()]
    top = {f.split("/")[0] + ("/" if "/" in f else "") for f in files}
    inside = {
        "/".join(f.split("/")[:2]) + ("/" if f.count("/") > 1 else "") for f in files if f.startswith("ttc_bench/")
    }
    assert listed == (top | inside) - {"ttc_bench/__init__.py"}


@pytest.mark.parametrize("document", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))])
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert ((ROOT / document).parent / target).exists(), target


@pytest.mark.parametrize(
    "document", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")), "Makefile"]
)
def test_flags_in_documents_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    known = set()
    for command in ("run", "report", "tasks", "export", "import", "audit", "merge"):
        shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
        known |= set(re.findall(r"--[a-z][a-z-]+", shown.output))
    for line in re.findall(r"ttc-bench (?:run|report|tasks|export|import|audit|merge)[^`\n]*(?:\\\n[^`\n]*)*", text):
        for flag in re.findall(r"--[a-z][a-z-]+", line):
            assert flag in known, f"{document}: {flag}"
    assert "--samples" in known


def test_defaults_in_the_help_are_those_of_the_configuration() -> None:
    from ttc_bench.config import Config

    shown = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}).output
    said = dict(re.findall(r"--([a-z-]+)\s[^\n]*\(default ([\d.]+)", shown))
    fields = {f.name: f.default for f in dataclasses.fields(Config)}
    assert {name: float(value) for name, value in said.items()} == {n: fields[n.replace("-", "_")] for n in said}
    assert {"samples", "max-tokens", "temperature", "concurrency"} <= set(said)


def test_the_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = README.split("```python")[1].split("```")[0]
    scope: dict[str, object] = {}
    exec(code, scope)
    assert scope["result"].analysis.points  # type: ignore[attr-defined]
