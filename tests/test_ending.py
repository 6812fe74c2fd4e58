"""How a run ends early: paid calls are waited for, nothing new starts, and the old report stays until the new one is there."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from api_helpers import serving
from fakes import config, model
from fault_server import FaultServer

from ttc_bench.backends import by_name
from ttc_bench.backends.api.retries import Retries
from ttc_bench.errors import TtcError
from ttc_bench.experiment import replay, run
from ttc_bench.report import folder
from ttc_bench.report.folder import OUTPUTS, write


def start(place: Path, server: FaultServer, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ttc_bench", "run", "--model", "openai:m", "--base-url", server.url]
    command += ["--task", "chain-arithmetic", "--method", "cot,self-consistency", "--limit", "40", "--samples", "8"]
    script = (
        "import signal, sys, runpy; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv = sys.argv[1:]; "
    )
    script += "runpy.run_module('ttc_bench', run_name='__main__')"  # a background job's children ignore Ctrl-C
    words = [sys.executable, "-c", script, *command[2:], *flags]
    return subprocess.Popen(words, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stored(place: Path) -> int:
    path = place / "results" / "samples.sqlite"
    with contextlib.suppress(sqlite3.OperationalError):
        return int(sqlite3.connect(path).execute("select count(*) from samples").fetchone()[0]) if path.exists() else 0
    return 0


def wait_until(what: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_calls_under_way_are_paid_for_and_so_they_are_kept(tmp_path: Path, number: signal.Signals) -> None:
    with serving(latency=1.0) as server:
        process = start(tmp_path, server, "--concurrency", "8")
        wait_until(lambda: server.under_way >= 8)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        asked = server.calls
        assert process.returncode == 130
        assert "calls under way are waited for" in err
        assert "To go on:\n  ttc-bench run --model openai:m" in err
        assert "Traceback" not in err
        assert stored(tmp_path) == len(server.served) > 0  # nothing that was served is lost
        assert asked < 40  # and nothing new was asked for


def test_a_second_one_ends_at_once(tmp_path: Path) -> None:
    with serving(latency=20.0) as server:
        process = start(tmp_path, server, "--concurrency", "4")
        wait_until(lambda: server.under_way >= 4)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        line = process.stderr.readline()
        while "waited for" not in line:
            line = process.stderr.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert time.monotonic() - began < 10
        assert process.returncode == 130
        assert "To go on:" in err
        assert "Traceback" not in err


async def test_an_interrupted_drawing_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old report was deleted before the new one was drawn; a kill in between left none."""
    result = await run(config(tmp_path), model())
    before = {name: (result.folder / name).read_bytes() for name in OUTPUTS if (result.folder / name).exists()}

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    again = await replay(result.folder, {"method": "cot"})
    with monkeypatch.context() as patch:
        patch.setattr(folder, "draw", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(result.folder, again.analysis, again.manifest)
    assert {name: (result.folder / name).read_bytes() for name in before} == before
    write(result.folder, again.analysis, again.manifest)
    assert (result.folder / "curve.csv").read_bytes() != before["curve.csv"]
    assert not (result.folder / "verifiers.csv").exists()  # of the other methods


async def test_what_a_killed_run_left_beside_the_files_blocks_nothing(tmp_path: Path) -> None:
    place = config(tmp_path).folder
    (place / ".new-abc").mkdir(parents=True)
    (place / ".new-abc" / "report.html").write_text("half")
    (place / f".run.json.{os.getpid()}").write_text("half")
    result = await run(config(tmp_path), model())
    assert (result.folder / "report.html").exists()


async def test_a_call_has_the_time_that_the_user_gives_it(tmp_path: Path) -> None:
    with serving(latency=30.0) as server:
        asked = config(
            tmp_path, model=("openai:m",), base_url=server.url, method=("cot",), samples=1, limit=2, timeout=0.1
        )
        backend = by_name.make_backend("openai:m", asked)
        backend._retries = Retries(0, 1.0, 0.001)  # type: ignore[attr-defined]
        result = await run(asked, backend)
    assert list(result.filled.reasons) == [f"no answer from {server.url}: no reply within 0.1 s"]
    with pytest.raises(TtcError, match="timeout = 0: expected seconds, more than 0"):
        config(tmp_path, timeout=0)
