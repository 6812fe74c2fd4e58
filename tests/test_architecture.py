"""The house as it is drawn: imports point down, heavy libraries load late, files can be read in one sitting."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ttc_bench"
LAYERS: list[set[str]] = [
    {"errors"},
    {"core"},
    {"prompts", "math_worker", "chart_layout", "captions", "votes", "names"},
    {"math_equal", "generators", "strategies", "stats", "store"},
    {"extraction", "charts", "data", "prices", "exchange", "difficulty", "diagnostics"},
    {"grading", "config", "chart_models", "chart_difficulty", "chart_verifiers"},
    {"chance", "pool"},
    {"tasks", "backends"},
    {"scoring", "forecast", "curves", "thinking", "reference"},
    {"judges", "budgets", "judging", "report_verifiers"},
    {"verifiers", "report_budgets"},
    {"report"},
    {"analysis", "manifest", "export"},
    {"resolve", "outputs"},
    {"filling"},
    {"experiment"},
    {"terminal"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
VENDORS = {"torch", "transformers", "openai", "safetensors", "gguf", "huggingface_hub", "tokenizers"}
LATE = ("torch", "transformers", "datasets", "altair", "openai", "vl_convert", "sympy", "math_verify", "scipy.stats")


def modules() -> list[tuple[str, Path]]:
    """(module or folder name, file) of every file of the package."""
    files = [p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py"]
    return [(p.relative_to(PACKAGE).parts[0].removesuffix(".py"), p) for p in files]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_module_has_a_layer() -> None:
    assert {name for name, _ in modules()} == set(RANK)


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda v: v if isinstance(v, str) else v.stem)
def test_imports_point_down(name: str, path: Path) -> None:
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "ttc_bench" and len(parts) > 1 and parts[1] in RANK and parts[1] != name:
            assert RANK[parts[1]] < RANK[name], f"{path.name} imports {module}"


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda v: v if isinstance(v, str) else v.stem)
def test_only_backends_know_the_vendors(name: str, path: Path) -> None:
    known = {module.split(".")[0] for module in imports(path)}
    assert name == "backends" or not known & VENDORS


@pytest.mark.parametrize("command", ["import ttc_bench", "import ttc_bench.cli, sys; sys.argv[1:] = ['--help']"])
def test_import_and_help_are_light(command: str) -> None:
    """Neither importing the package nor asking for help may load what only a run needs."""
    run_help = "\ntry:\n    ttc_bench.cli.main()\nexcept SystemExit:\n    pass" if "cli" in command else ""
    code = f"{command}{run_help}\nimport sys\nprint([m for m in {LATE!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_files_can_be_read_in_one_sitting() -> None:
    long = {p.name: n for _, p in modules() if (n := len(p.read_text(encoding="utf-8").splitlines())) > 320}
    assert long == {}


def test_core_is_one_page_of_standard_library() -> None:
    outside = {m.split(".")[0] for m in imports(PACKAGE / "core.py")} - set(sys.stdlib_module_names) - {"__future__"}
    assert outside == {"ttc_bench"}
