"""Whole runs against a server that fails: killed and restarted, swept over efforts, forecast, and stopped by cost."""

from __future__ import annotations

import asyncio
import base64
import csv
import gzip
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from api_helpers import serving
from fault_server import PASSING, FaultServer

from ttc_bench.charts.tokens import effort_sweeps
from ttc_bench.config import Config
from ttc_bench.errors import TtcError
from ttc_bench.experiment import dry_run, run

PRICES = "as_of: 2026-01-01\nsource: a test\nmodels:\n- {name: m, input: 1000, output: 2000}\n"


def config(folder: Path, server: FaultServer, **changes: object) -> Config:
    fields: dict[str, object] = {
        "model": ("openai:m",), "base_url": server.url, "task": ("chain-arithmetic",), "method": ("cot", "self-consistency"),
        "samples": 4, "limit": 6, "max_tokens": 40, "out": str(folder),
    }  # fmt: skip
    return Config(**{**fields, **changes})  # type: ignore[arg-type]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_killed_under_load_until_done_every_index_is_there_once(tmp_path: Path) -> None:
    """kill -9 at random moments while 16 calls are under way and one in five fails: nothing that was stored is asked
    for again, and the curve is that of a run without faults."""
    rng = random.Random(3)
    faults = iter(lambda: rng.choice(PASSING) if rng.random() < 0.2 else None, "never")
    flags = ["--task", "chain-arithmetic", "--method", "cot,self-consistency", "--limit", "12", "--samples", "32"]
    flags += ["--model", "openai:m", "--max-tokens", "40", "--concurrency", "16"]
    store = tmp_path / "results" / "samples.sqlite"
    with serving(faults=faults, latency=0.1) as server:
        command = [sys.executable, "-m", "ttc_bench", "run", *flags, "--base-url", server.url]
        kills = 0
        for _ in range(40):
            process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            asked, before = server.calls, stored(store)
            try:
                while kills < 4 and process.poll() is None and stored(store) < before + rng.randint(8, 30):
                    pass
                if kills < 4 and process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
                    kills += 1
            finally:
                code = process.wait(timeout=120)
            if code == 0:
                break
            assert server.calls > asked
        assert code == 0
        assert kills == 4
        assert stored(store) == 12 * 32
        # a pair can be served again only if the process died between its arrival and its storage, or a fault ate it
        assert len(server.served) == 12 * 32
        faultless = asyncio.run(run(config(tmp_path / "calm", server, limit=12, samples=32, concurrency=16)))
    folder = tmp_path / "results" / "m-chain-arithmetic"
    assert [r["accuracy"] for r in rows(folder)] == [r["accuracy"] for r in rows(faultless.folder)]
    texts = "select address, idx, text from samples order by 1, 2"
    killed, calm = (sqlite3.connect(p).execute(texts).fetchall() for p in (store, tmp_path / "calm" / "samples.sqlite"))
    assert killed == calm


def stored(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        return int(sqlite3.connect(path, timeout=30).execute("select count(*) from samples").fetchone()[0])
    except sqlite3.OperationalError:  # the table is being made
        return 0


async def test_a_sweep_over_efforts_is_one_curve_each_and_one_line(tmp_path: Path) -> None:
    with serving() as server:
        # the default methods, best-of-n among them, with the verifier that an API can serve
        asked = Config(
            model=("openai:m",), base_url=server.url, task=("chain-arithmetic",), samples=4, limit=6, max_tokens=40,
            out=str(tmp_path), reasoning_effort=("low", "high"),
        )  # fmt: skip
        result = await run(asked)
        assert {body["reasoning_effort"] for body in server.log} == {"low", "high"}
    methods = {p.label() for p in result.analysis.points}
    assert {"cot, effort low", "cot, effort high", "self-consistency, effort low"} <= methods
    assert "best-of-n (logprob), effort high" in methods
    keys = [(p.line, p.k, p.change) for p in result.analysis.points]
    assert len(keys) == len(set(keys))  # no row of curve.csv twice
    sweeps = effort_sweeps(result.analysis.points)
    line = [p for p in result.analysis.points if sweeps.get(p.line) == "cot by effort"]
    assert [(p.k, p.effort) for p in line] == [(1, "low"), (1, "high")]
    drawn = (result.folder / "accuracy_vs_tokens.svg").read_text(encoding="utf-8")
    assert "cot by effort" in drawn
    names = {row.name for row in result.analysis.quality}
    assert names >= {"chain-arithmetic, cot, effort low", "chain-arithmetic, cot, effort high"}


def drawn(folder: Path) -> str:
    """The specifications of the charts in a report."""
    page = (folder / "report.html").read_text(encoding="utf-8")
    return gzip.decompress(base64.b64decode(page.split('id="charts">')[1].split("<")[0])).decode()


async def test_dollars_are_an_axis_where_a_price_is_known(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    with serving() as server:
        result = await run(config(tmp_path, server, prices=str(tmp_path / "prices.yaml")))
        free = await run(config(tmp_path / "free", server))
    for p in result.analysis.points:
        assert p.dollars == pytest.approx(((p.total_tokens - p.tokens) * 1000 + p.tokens * 2000) / 1e6)
    assert "US dollars" in drawn(result.folder)
    assert all(p.dollars is None for p in free.analysis.points)
    assert "US dollars" not in drawn(free.folder)


async def test_a_dry_run_bounds_then_measures_and_then_has_nothing_left(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    with serving() as server:
        asked = config(tmp_path, server, prices=str(tmp_path / "prices.yaml"))
        (blind,) = (await dry_run(asked)).values()
        assert server.calls == 0
        assert (blind.samples, blind.measured, blind.usage.completion) == (24, 0, 24 * 40)
        (piloted,) = (await dry_run(asked, pilot=2)).values()
        assert server.calls == 2
        assert (piloted.samples, piloted.measured) == (22, 1)
        assert piloted.dollars is not None
        result = await run(asked)
        assert result.filled.made == 22  # the pilot's two samples are part of the run
        assert piloted.usage.completion == pytest.approx(result.filled.spent.completion, rel=0.6)
        (after,) = (await dry_run(asked)).values()
    assert (after.samples, after.calls, after.dollars) == (0, 0, 0)


async def test_a_run_stops_before_its_cost_limit_and_can_go_on(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    with serving(latency=0.005) as server:
        asked = {"prices": str(tmp_path / "prices.yaml"), "samples": 16, "limit": 8}
        first = await run(config(tmp_path, server, **asked, max_cost=2.0, concurrency=4))
        assert 0 < first.filled.made < 128
        assert any("stopped before --max-cost $2" in note for note in first.analysis.notes)
        spent = first.filled.spent
        assert (spent.prompt * 1000 + spent.completion * 2000) / 1e6 <= 2.0
        second = await run(config(tmp_path, server, **asked, max_cost=200.0))
        assert first.filled.made + second.filled.made == 128
        assert second.filled.holes == ()
        with pytest.raises(TtcError, match="--max-cost needs the price of openai:m@"):
            await run(config(tmp_path / "x", server, max_cost=5.0))
    with pytest.raises(TtcError, match="for models that cost money"):
        await run(Config(model=("builtin",), task=("countdown",), max_cost=5.0, out=str(tmp_path)))


async def test_the_cost_limit_is_one_for_all_models_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES + "- {name: n, input: 1000, output: 2000}\n")
    with serving() as server:
        asked = {"prices": str(tmp_path / "prices.yaml"), "samples": 8, "model": ("openai:m", "openai:n")}
        result = await run(config(tmp_path, server, **asked, max_cost=3.5, concurrency=4))
    spent = result.filled.spent
    assert (spent.prompt * 1000 + spent.completion * 2000) / 1e6 <= 3.5
    assert {body["model"] for body in server.log} == {"m", "n"}  # the first did not use it up
    (note,) = [n for n in result.analysis.notes if "stopped before --max-cost $3.5" in n]
    assert note.startswith("openai:n: ")


async def test_a_rerun_costs_nothing_and_the_strategy_costs_the_same(tmp_path: Path) -> None:
    with serving(faults=iter(["empty", None, "abort", "500"])) as server:
        first = await run(config(tmp_path, server, concurrency=2))
        calls = server.calls
        second = await run(config(tmp_path, server))
        assert server.calls == calls
    assert first.filled.wasted.prompt > 0  # billed for nothing: run spending, no strategy's cost
    assert second.filled.spent.prompt == second.filled.spent.completion == 0
    assert [p.tokens for p in first.analysis.points] == [p.tokens for p in second.analysis.points]


async def test_a_server_that_ignores_the_temperature_is_found_out(tmp_path: Path) -> None:
    with serving(ignores=("seed",)) as server:
        result = await run(config(tmp_path, server))
    (note,) = [n for n in result.analysis.notes if "same text" in n]
    assert "at temperature 1" in note
    assert result.analysis.points[0].duplicated == 0.75


async def test_keys_never_reach_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-never-to-be-seen-1234567890"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    with serving() as server:
        with pytest.raises(TtcError, match="set OPENAI_API_KEY instead") as refused:
            config(tmp_path, server, base_url=server.url.replace("http://", f"http://user:{secret}@"))
        assert secret not in str(refused.value)
        result = await run(config(tmp_path, server, name="keys"))
        assert server.authorization == {f"Bearer {secret}"}
    for name, content in everything(tmp_path):
        assert secret.encode() not in content, name
    assert secret not in json.dumps(result.manifest)


def everything(folder: Path) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in folder.rglob("*") if path.is_file()]
