"""A run in parts: each samples its problems into a store of its own, and their union is the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import Longest, config, model

from ttc_bench.core import Completion, Request, Usage
from ttc_bench.errors import BackendError, TtcError
from ttc_bench.experiment import dry_run, run, sample
from ttc_bench.sampling.merge import merge
from ttc_bench.sampling.plan import Shard
from ttc_bench.sampling.store import Store
from ttc_bench.verifiers import menu

Run = Callable[..., tuple[int, str, str]]
BASE = ("run", "--model", "scripted:", "--task", "chain-arithmetic", "--limit", "7", "--samples", "4")
CURVE = Path("results/scripted-chain-arithmetic/curve.csv")


def test_a_job_array_draws_the_curve_of_one_run(ttc: Run, tmp_path: Path) -> None:
    assert ttc(*BASE)[0] == 0
    whole = CURVE.read_bytes()
    stores = [f"part{i}.sqlite" for i in (1, 2, 3)]
    for i, samples in ((1, 24), (2, 16), (3, 16)):
        code, out, err = ttc(*BASE, "--shard", f"{i}/3", "--store", stores[i - 1], "--out", "parts")
        assert code == 0
        assert f"{samples} samples to make" in err
        words = " ".join(out.split())
        assert f"Shard {i}/3 is in part{i}.sqlite; no curve is drawn of a part. Once all are: ttc-bench merge" in words
        assert f"This run spent: {samples} samples," in words
    assert not (tmp_path / "parts").exists()
    code, out, _ = ttc("merge", *stores, "--into", "all.sqlite")
    assert code == 0
    assert out.splitlines() == [
        "part1.sqlite: 24 new samples",
        "part2.sqlite: 16 new samples",
        "part3.sqlite: 16 new samples",
        "56 samples and 0 scores went into all.sqlite.",
    ]
    code, out, err = ttc(*BASE, "--store", "all.sqlite", "--out", "joined")
    assert code == 0
    assert "All 56 samples are in the store: nothing is sampled." in " ".join(err.split())
    assert (Path("joined") / CURVE.relative_to("results")).read_bytes() == whole
    code, out, _ = ttc("merge", stores[0], "--into", "all.sqlite")
    assert (code, out.splitlines()[0]) == (0, "part1.sqlite: 0 new samples, 24 already there")


def test_a_merge_that_is_refused_is_one_line(ttc: Run, tmp_path: Path) -> None:
    part = ("--shard", "1/2", "--method", "cot")
    assert ttc(*BASE, *part, "--store", "a.sqlite")[0] == 0
    for words, message in (
        (("a.sqlite", "gone.sqlite", "--into", "all.sqlite"), "ttc-bench: gone.sqlite: no such file"),
        (("a.sqlite", "--into", "a.sqlite"), "ttc-bench: a.sqlite: is the store to merge into"),
        (("--into", "all.sqlite"), "ttc-bench: Missing argument"),
        (("a.sqlite",), "ttc-bench: Missing option '--into'"),
    ):
        code, out, err = ttc("merge", *words)
        assert (code, out) == (2, "")
        assert err.startswith(message)
        assert err.count("\n") == 1
    assert not (tmp_path / "all.sqlite").exists()


async def test_shards_are_scored_where_they_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier that runs a model is the work of the machines as well; what comes back runs no model."""
    scorer = Longest()
    monkeypatch.setitem(menu.SCORERS, "longest", lambda argument, setting: scorer)
    asked = config(tmp_path, limit=5, method=("best-of-n",), verifier=("longest:some/path",))
    whole = await run(asked, model())
    count, stores = len(scorer.asked), []
    for i in (1, 2):
        stores.append(tmp_path / f"{i}.sqlite")
        part = replace(asked, store=str(stores[-1]), out=str(tmp_path / "parts"))
        filled = await sample(part, Shard(i, 2), model())
        assert (filled.made, filled.scores) == ((12, 12), (8, 8))[i - 1]
    taken = merge(stores, tmp_path / "all.sqlite")
    assert sum(t.scores for t in taken) == count
    scorer.asked.clear()
    backend = model()
    joined = await run(replace(asked, store=str(tmp_path / "all.sqlite"), name="joined"), backend)
    assert backend.asked == scorer.asked == []
    assert joined.analysis.points == whole.analysis.points


async def test_shards_share_the_continuations(tmp_path: Path) -> None:
    """Cut and revised traces are asked for where the trace was made."""
    fields: dict[str, object] = {"limit": 5, "method": ("cot", "refine"), "thinking_budget": ("2",), "rounds": 1}

    def script(request: Request, index: int) -> str:
        return f"{index} steps later The answer is {int(request.address[:6], 16) % 50}."

    whole = await run(config(tmp_path / "whole", **fields), model(script))
    stores = [tmp_path / f"{i}.sqlite" for i in (1, 2, 3)]
    for i, path in enumerate(stores, 1):
        await sample(config(tmp_path, store=str(path), **fields), Shard(i, 3), model(script))
    merge(stores, tmp_path / "all.sqlite")
    backend = model(script)
    joined = await run(config(tmp_path, store=str(tmp_path / "all.sqlite"), **fields), backend)
    assert backend.asked == []
    assert {p.change.kind for p in joined.analysis.points} == {"", "budget", "refine"}
    assert joined.analysis.points == whole.analysis.points


async def test_a_dry_run_counts_the_shard(tmp_path: Path) -> None:
    asked = config(tmp_path, limit=7, method=("cot",))
    counts = [
        next(iter((await dry_run(asked, backend=model(), shard=Shard(i, 3))).values())).samples for i in (1, 2, 3)
    ]
    assert counts == [12, 8, 8]


async def test_more_shards_than_problems_leave_some_without_work(tmp_path: Path) -> None:
    backend = model()
    filled = await sample(config(tmp_path, limit=2, method=("best-of-n",)), Shard(3, 5), backend)
    assert (filled.made, backend.asked) == (0, [])
    assert Store(tmp_path / "samples.sqlite").empty


def test_failures_in_a_shard_are_said(ttc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from ttc_bench.backends import by_name

    def script(request: Request, index: int) -> Completion | BackendError:
        return BackendError("server down") if index == 1 else Completion("4", "stop", Usage(completion=1))

    monkeypatch.setitem(by_name.BACKENDS, "scripted", lambda name, config: model(script, name="scripted"))
    code, out, _ = ttc(*BASE, "--method", "cot", "--shard", "2/2")
    assert code == 3
    assert "note: 3 samples failed: server down note: 3 samples are missing; the same command asks for them again" in (
        " ".join(out.split())
    )


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "1/0", "a/b", "-1/3", "1/2/3", "1,2"])
def test_a_shard_that_is_none_is_one_line(ttc: Run, text: str) -> None:
    code, _, err = ttc(*BASE, f"--shard={text}")
    assert (code, err) == (
        2,
        f"ttc-bench: shard = {text!r}: expected the number of this run and of all, such as 2/8\n",
    )
    with pytest.raises(TtcError):
        Shard.read(text)
