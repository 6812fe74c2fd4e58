"""What `from ttc_bench import ...` gives, to people and to type checkers alike."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import ttc_bench
from ttc_bench import Backend, Candidate, Config, Job, Outcome, Sample, ScriptedBackend, run
from ttc_bench.terminal.results import quality_line


def test_every_name_is_there_and_is_what_its_room_says() -> None:
    source = Path(ttc_bench.__file__).read_text(encoding="utf-8")
    typed = {
        alias.name: node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ttc_bench")
        for alias in node.names
    }
    assert set(ttc_bench.__all__) == set(typed)
    for name, module in typed.items():
        assert getattr(ttc_bench, name) is getattr(import_module(str(module)), name)
    assert set(ttc_bench.__all__) <= set(dir(ttc_bench))
    assert (Path(ttc_bench.__file__).parent / "py.typed").exists()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ttc_bench.nothing  # noqa: B018


async def test_a_backend_of_ones_own_is_a_class_with_a_name_and_sample(tmp_path: Path) -> None:
    """Everything else of the seam has a default that a run can live with: continuations and all."""

    class Mine(Backend):
        model = "mine"

        async def sample(self, jobs, limit=None):  # type: ignore[no-untyped-def]
            inner = ScriptedBackend(lambda request, index: f"step one, step two. The answer is {index}.")
            async for sample in inner.sample(jobs, limit):
                yield sample

    asked = Config(
        model=("mine",), task=("chain-arithmetic",), method=("cot", "self-consistency", "refine"), limit=3, samples=4,
        thinking_budget=("2",), rounds=1, out=str(tmp_path),
    )  # fmt: skip
    result = await run(asked, Mine())
    assert {p.label() for p in result.analysis.points} >= {
        "cot",
        "self-consistency",
        "cot by budget",
        "refine",
        "pass@k",
    }
    assert result.manifest["models"][0]["name"] == "mine"
    # words of a script are no tokens: the table, the chart and the quality line say that nobody counted them
    assert all(row.estimated == 1 for row in result.analysis.quality)
    assert "100.0% with estimated token counts" in quality_line(result.analysis.quality[0])
    drawn = re.sub(r"<[^>]+>", " ", (result.folder / "accuracy_vs_tokens.svg").read_text(encoding="utf-8"))
    assert "100.0% tokens estimated" in " ".join(drawn.split())
    assert Mine().calls([Job(None, (0, 1, 2))]) == 3  # type: ignore[arg-type]
    assert (Candidate("1", 2).score, Outcome((1.0,), 2.0).draws, Sample(None, 0).completion) == (None, None, None)  # type: ignore[arg-type]
