"""The house as it is drawn: imports point down, heavy libraries load late, files can be read in one sitting."""

from __future__ import annotations

import ast
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ttc_bench"
# Rooms, lowest first: a room imports only rooms of lower floors. A new file in a room needs no line here.
FLOORS = """
errors model_names parallel
core
prompts prices grading strategies
config
problems sampling backends
verifiers analysis
policies
charts
report
interchange
audit
experiment
terminal
cli
__main__
"""
FLOOR = {room: height for height, rooms in enumerate(FLOORS.split("\n")) for room in rooms.split()}
VENDORS = {"torch", "transformers", "openai", "safetensors", "gguf", "huggingface_hub", "tokenizers"}
LATE = ("torch", "transformers", "datasets", "altair", "openai", "vl_convert", "sympy", "math_verify", "scipy.stats")


FILES = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]  # the front door opens all rooms


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


each = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))


@each
def test_imports_point_down(path: Path) -> None:
    """Rooms import rooms below them; inside backends, local models and APIs know nothing of each other."""
    here = path.relative_to(PACKAGE).parts
    for module in imports(path):
        there = module.split(".")[1:]
        if module.split(".")[0] != "ttc_bench" or not there or there[0] not in FLOOR:
            continue
        assert there[0] == room(path) or FLOOR[there[0]] < FLOOR[room(path)], f"imports {module}"
        assert {"local", "api"} != {*here[1:2], *there[1:2]} or here[0] != "backends", f"imports {module}"


@each
def test_only_backends_know_the_vendors(path: Path) -> None:
    known = {module.split(".")[0] for module in imports(path)}
    assert room(path) == "backends" or not known & VENDORS


@pytest.mark.parametrize("command", ["import ttc_bench", "import ttc_bench.cli, sys; sys.argv[1:] = ['--help']"])
def test_import_and_help_are_light(command: str) -> None:
    """Neither importing the package nor asking for help may load what only a run needs."""
    run_help = "\ntry:\n    ttc_bench.cli.main()\nexcept SystemExit:\n    pass" if "cli" in command else ""
    code = f"{command}{run_help}\nimport sys\nprint([m for m in {LATE!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_a_run_from_stored_samples_loads_no_model_library(tmp_path: Path) -> None:
    """A second run of the same command samples nothing, and what only sampling needs would take most of its time."""
    code = f"""
import asyncio, sys
from pathlib import Path
from ttc_bench import cli, experiment, report
from ttc_bench.terminal import results
from ttc_bench.backends.by_name import make_backend
from ttc_bench.backends.local import weights
from ttc_bench.config import from_fields
weights.DEVICES = Path({str(tmp_path)!r})  # no GPU, wherever this runs
make_backend("builtin", from_fields({{"model": "builtin", "task": "chain-arithmetic"}}, ""))
print([m for m in {LATE!r} if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_document_draws_the_same_floors() -> None:
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = text.split("## Rooms and floors")[1].split("```")[1].strip().splitlines()
    floors = [line.split() for line in FLOORS.strip().split("\n")]
    for line, rooms in zip(reversed(drawn), floors, strict=True):
        assert [word for word in line.split() if word in FLOOR][: len(rooms)] == rooms
    for name in FLOOR:
        if (PACKAGE / name).is_dir():
            assert f"`{name}/`" in text
            listed = text.split(f"| `{name}/`")[1].split("\n")[0]
            assert all(f"`{p.stem}" in listed or p.stem.startswith("_") for p in (PACKAGE / name).glob("*.py")), name


def test_no_file_grows_without_end() -> None:
    """A file is one subject; one of 400 lines is most likely two."""
    long = {str(p): n for p in FILES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 400}
    assert long == {}


def prose(path: Path) -> set[int]:
    """The numbers of the lines that hold a comment or a part of a docstring."""
    with path.open("rb") as file:
        lines = {token.start[0] for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                lines |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_comments_and_docstrings_keep_to_120_columns(path: Path) -> None:
    """The linter lets lines be longer for the sake of messages; prose has no such excuse."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert {n: lines[n - 1] for n in prose(path) if len(lines[n - 1]) > 120} == {}


def test_core_is_one_page_of_standard_library() -> None:
    outside = {m.split(".")[0] for m in imports(PACKAGE / "core.py")} - set(sys.stdlib_module_names) - {"__future__"}
    assert outside == {"ttc_bench"}
