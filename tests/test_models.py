"""Several models in one run: one after another, one report, and one that fails takes nothing from the others."""

from __future__ import annotations

import csv
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from fakes import arithmetic, config, model, signalled
from judged import of_answers

from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.curves import curve
from ttc_bench.analysis.exchange import sentences
from ttc_bench.analysis.graded import GradedPool
from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.core import Completion, Grader, Request, Score, Task, Usage
from ttc_bench.errors import BackendError, TtcError
from ttc_bench.experiment import dry_run, replay, report, run
from ttc_bench.model_names import labels
from ttc_bench.prices import Price
from ttc_bench.report import folder as outputs
from ttc_bench.report.export import rows as exported
from ttc_bench.strategies.methods import METHODS
from ttc_bench.terminal.forecasts import show_forecast
from ttc_bench.terminal.results import show

NAMES = ("mine:small", "mine:large")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take seconds, and other tests look at them."""
    monkeypatch.setattr(outputs, "draw", lambda *_: None)


def anything(request: Request, index: int) -> Completion:
    """Never right, but an answer to whatever was asked."""
    return Completion(f"{index}: the answer is -{index}.", "stop", Usage(5, 0, 7), signals={"self_certainty": index})


def two(script: Callable[[Request, int], object] = signalled) -> dict[str, ScriptedBackend]:
    return {"mine:small": model(script, "s"), "mine:large": model(signalled, "l")}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


async def test_two_models_are_one_report_and_a_rerun_samples_nothing(tmp_path: Path) -> None:
    def both() -> dict[str, ScriptedBackend]:
        return {"mine:small": model(anything, "s"), "mine:large": model(anything, "l")}

    asked = config(tmp_path, model=NAMES, task=("chain-arithmetic", "comparison"))
    first = await run(asked, both())
    assert first.folder.name == "small+large-chain-arithmetic-comparison"
    assert first.filled.made == 2 * (2 * 6 * 4 * 2)  # models x (tasks x problems x samples x prompts)
    order = list(dict.fromkeys((p.task, p.model) for p in first.analysis.points))
    assert order == [(t, m) for t in ("chain-arithmetic", "comparison") for m in NAMES]  # task by task
    assert "chain-arithmetic, mine:small, cot" in [row.name for row in first.analysis.quality]
    assert len(first.analysis.problems) == 12  # each once, with the samples of both
    shown = {row["prompt"] for row in exported(first.analysis.problems, [])}
    assert shown == {f"{m}, {prompt}" for m in NAMES for prompt in ("direct", "cot")}
    assert [entry["id"] for entry in first.manifest["models"]] == ["s", "l"]
    before, again = rows(first.folder), both()
    second = await run(asked, again)
    assert second.filled.made == 0
    assert [b.asked for b in again.values()] == [[], []]
    assert rows(first.folder) == before
    await report(first.folder)
    assert rows(first.folder) == before
    alone = await run(
        config(tmp_path, task=("chain-arithmetic", "comparison"), model=("mine:large",)), both()["mine:large"]
    )
    assert alone.filled.made == 0  # the store does not care who asked
    assert [r for r in before if r["model"] == "mine:large"] == rows(alone.folder)


async def test_one_model_at_a_time_has_the_memory(tmp_path: Path) -> None:
    """Two models of 100 GB each must not be loaded together."""
    backends = two()
    seen = []

    def script(request: Request, index: int) -> Completion:
        seen.append(backends["mine:small"].closed)
        return signalled(request, index)

    backends["mine:large"].script = script
    await run(config(tmp_path, model=NAMES, method=("cot",)), backends)
    assert seen
    assert all(seen)


async def test_a_model_that_fails_for_good_takes_nothing_from_the_others(tmp_path: Path) -> None:
    def broken(request: Request, index: int) -> str | BackendError:
        return BackendError("401: wrong key", fatal=True) if index == 3 else arithmetic(request, index)

    asked = config(tmp_path, model=NAMES, method=("cot", "self-consistency"))
    result = await run(asked, two(broken))
    assert {p.model for p in result.analysis.points} == {"mine:large"}
    assert result.filled.made == 3 + 24
    assert len(result.filled.holes) == 21
    assert "mine:small: 401: wrong key; the same command asks it again" in result.analysis.notes
    assert any("chain-arithmetic, mine:small, cot: 21 of 24 samples are missing" in n for n in result.analysis.notes)
    assert result.manifest["this_run"]["samples_made"] == 27
    backends = two()
    healed = await run(asked, backends)
    assert [len(b.asked) for b in backends.values()] == [21, 0]
    assert {p.model for p in healed.analysis.points} == set(NAMES)
    assert healed.analysis.notes == []


async def test_where_every_model_fails_the_first_error_ends_the_run(tmp_path: Path) -> None:
    def broken(request: Request, index: int) -> BackendError:
        return BackendError("no such model", fatal=True)

    backends = {name: model(broken, name) for name in NAMES}
    with pytest.raises(TtcError, match=r"^mine:small: no such model$"):
        await run(config(tmp_path, model=NAMES), backends)
    assert all(b.closed for b in backends.values())


async def test_verifiers_serve_the_models_that_have_them(tmp_path: Path) -> None:
    """A local model records self-certainty, a server does not: comparing them must not need two runs."""
    backends = two()
    backends["mine:large"].signals = frozenset({"logprob"})
    result = await run(config(tmp_path, model=NAMES), backends)
    assert {(p.model, p.label()) for p in result.analysis.points if p.label().startswith("best")} == {
        ("mine:small", "best-of-n (self-certainty)"),
        ("mine:large", "best-of-n (logprob)"),
    }
    with pytest.raises(TtcError, match="unknown verifier 'x'"):
        await run(config(tmp_path, model=NAMES, verifier=("x",)), two())


async def test_names_that_cannot_be_told_apart(tmp_path: Path) -> None:
    with pytest.raises(TtcError, match=r"mine:small and mine:large are the same model \(s\); name it once"):
        await run(config(tmp_path, model=NAMES), {name: model(name="s") for name in NAMES})
    with pytest.raises(TtcError, match="expected one for each of mine:small, mine:large"):
        await run(config(tmp_path, model=NAMES), model())
    with pytest.raises(TtcError, match=r"model = 'a,b': expected a tuple of names"):
        config(tmp_path, model="a,b")
    assert labels(["builtin", "hf:a/x", "hf:b/x", "hf:c/y.gguf"]) == {
        "builtin": "builtin", "hf:a/x": "hf:a/x", "hf:b/x": "hf:b/x", "hf:c/y.gguf": "y",
    }  # fmt: skip


async def test_a_forecast_for_each_model(tmp_path: Path) -> None:
    asked = config(tmp_path, model=NAMES, method=("cot",))
    found = await dry_run(asked, 2, two())
    assert {name: (f.samples, f.measured) for name, f in found.items()} == dict.fromkeys(NAMES, (22, 1))
    result = await run(asked, two())
    assert result.filled.made == 44


async def test_the_folder_of_an_older_version_can_still_be_read(tmp_path: Path) -> None:
    """run.json had one "model", and config.model was a text."""
    result = await run(config(tmp_path), model())
    before = rows(result.folder)
    raw = json.loads((result.folder / "run.json").read_text())
    (raw["model"],), raw["config"]["model"] = raw.pop("models"), "scripted"
    (result.folder / "run.json").write_text(json.dumps(raw))
    assert (await replay(result.folder)).analysis.points == result.analysis.points
    again = model()
    await run(config(tmp_path), again)
    assert again.asked == []
    assert rows(result.folder) == before


async def test_flops_are_those_of_the_tokens_read_and_generated(tmp_path: Path) -> None:
    """Kaplan et al.: two a parameter and token; four separate prompts of 20 tokens are read four times."""
    backend = model()
    backend.parameters = 1000
    result = await run(config(tmp_path, method=("self-consistency",)), backend)
    for p in result.analysis.points:
        assert (p.parameters, p.flops) == (1000, 2 * 1000 * (20 + 7) * p.k)
    before = rows(result.folder)
    assert before[0]["flops"] == "54000.0"
    assert "values" not in before[0]
    await report(result.folder)
    assert rows(result.folder) == before
    nameless = await run(config(tmp_path / "x", method=("self-consistency",)), model())
    assert {(p.parameters, p.flops) for p in nameless.analysis.points} == {(None, None)}


async def test_what_was_learned_by_loading_a_model_is_kept(tmp_path: Path) -> None:
    """A pickled checkpoint tells its size only once loaded. The rerun, which loads nothing, must draw the same FLOPs."""

    class Pickled(ScriptedBackend):
        def identity(self) -> dict[str, object]:
            return super().identity() | ({"parameters": 1000} if self.asked else {})

    def fresh() -> Pickled:
        return Pickled(signalled, model="p", signals=frozenset({"self_certainty"}))

    first = await run(config(tmp_path), fresh())
    assert first.analysis.points[0].parameters == 1000
    before = rows(first.folder)
    await run(config(tmp_path), fresh())
    assert rows(first.folder) == before


def test_a_verifier_with_weights_of_its_own_is_charged_with_them() -> None:
    task = Task("t", (), "", cast(Grader, None))
    read = Score(1.0, Usage(prompt=50, completion=10), parameters=300)
    plain = Score(1.0, Usage(prompt=50, completion=10))
    for score, size in ((read, 300), (plain, 1000)):
        graded = of_answers("p", ["1", "1"], Usage(prompt=20, completion=7), {"v": (score,) * 2})
        pool = GradedPool(task, "cot", None, 2, (graded,))
        for p in (m.point for m in curve(METHODS["best-of-n"], "v", pool, Rates(parameters=1000))):
            assert p.flops == 2 * p.k * (27 * 1000 + 60 * size)


def test_the_model_s_price_is_for_the_model_s_tokens() -> None:
    """A reward model on this machine was billed at the API's price; what another API's judge costs is not known."""
    task = Task("t", (), "", cast(Grader, None))
    usage, price = Usage(prompt=50, completion=10), Price(1e6, 1e6, 2e6, datetime.date(2026, 1, 1), "a test")
    cases = {
        ("reward:x", 300): 20 + 14.0,  # the sample alone
        ("p-true", None): 70 + 34.0,  # the same model, asked once more
        ("judge:openai:other", None): None,
    }
    for (name, size), expected in cases.items():
        score = Score(1.0, usage, parameters=size, own=name == "p-true")
        graded = of_answers("p", ["1", "1"], Usage(prompt=20, completion=7), {name: (score,) * 2})
        pool = GradedPool(task, "cot", None, 2, (graded,))
        for m in curve(METHODS["best-of-n"], name, pool, Rates(price)):
            assert m.point.dollars == (None if expected is None else pytest.approx(m.point.k * expected))


async def test_size_against_thinking_is_said_in_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backends = two()
    for size, backend in zip((1000, 4000), backends.values(), strict=True):
        backend.parameters = size
    result = await run(config(tmp_path, model=NAMES), backends)
    show(result)
    out = " ".join(capsys.readouterr().out.split())
    for sentence in sentences(result.analysis.points):
        assert sentence in out
    assert "small with" in out
    for name in NAMES:
        assert f"chain-arithmetic · {name} · 6 problems" in out
    assert out.count("cot: of 24 samples") == 2  # under the table of its model
    show_forecast(await dry_run(config(tmp_path, model=NAMES, samples=8), 0, two()))
    out = " ".join(capsys.readouterr().out.split())
    assert "In all 96 samples in 96 calls" in out
