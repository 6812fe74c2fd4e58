"""What can be known of a cluster without one, and a cluster that a run starts for itself on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ttc_bench import experiment
from ttc_bench.backends.by_name import make_backends, open_cluster
from ttc_bench.backends.cluster import link
from ttc_bench.backends.cluster.link import Node
from ttc_bench.backends.cluster.places import Place, free, places
from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.config import Config, from_fields
from ttc_bench.errors import TtcError

pytest.importorskip("ray")
ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int, str, str]]


def test_places() -> None:
    small, large, gpus = Node("a", "a", 4.0, 0.0), Node("b", "b", 9.0, 0.0), Node("c", "c", 8.0, 2.0)
    assert places([small, large], "auto", None) == [Place(small, 4, 0), Place(large, 9, 0)]
    assert places([small, large], "auto", 4) == [Place(small, 4, 0), Place(large, 4, 0), Place(large, 4, 0)]
    assert places([small, gpus], "auto", None) == [Place(gpus, 1, 1)] * 2, "processors beside GPUs would be waited for"
    assert places([small, gpus], "auto", 5) == [Place(gpus, 5, 1)]
    assert places([small, gpus], "cpu", None) == [Place(small, 4, 0), Place(gpus, 8, 0)]
    assert places([small, large], "cuda", None) == []
    assert places([Node("d", "d", 0.0, 0.0)], "auto", None) == [], "a head that does no work"
    assert [Place(gpus, 1, 1).device, Place(small, 4, 0).device] == ["cuda", "cpu"]
    two = places([gpus], "auto", None)
    assert free(two, two[:1]) == two[:1]
    assert free(two, [Place(small, 4, 0), *two]) == []


def refused(**fields: object) -> str:
    config = Config(**{"model": ("builtin:small",), "task": ("countdown",), **fields})  # type: ignore[arg-type]
    with pytest.raises(TtcError) as error:
        make_backends(config, None, open_cluster(config))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_cannot_be_is_said_before_anything_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "and openai:m is asked over the network" in refused(model=("openai:m",), cluster="local")
    assert "the cluster hands out its GPUs; expected auto, cpu or cuda" in refused(device="cuda:0", cluster="local")
    assert "expected auto, local, or HOST:PORT of a running Ray cluster" in refused(cluster="somewhere")
    assert "ray:// is not for this" in refused(cluster="ray://head:10001")
    assert "unknown built-in model" in refused(model=("builtin:smal",), cluster="local")
    with pytest.raises(TtcError, match="cpus_per_worker is for the workers of a cluster"):
        refused(cpus_per_worker=2)
    with pytest.raises(TtcError, match="cpus_per_worker = 0: expected at least 1"):
        refused(cpus_per_worker=0, cluster="local")
    own = Config(model=("own",), task=("countdown",), cluster="local")
    with pytest.raises(TtcError, match="a backend of your own runs in this process"):
        make_backends(own, ScriptedBackend(lambda request, index: ""), open_cluster(own))
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else real(name))
    assert refused(cluster="local") == "--cluster needs Ray, which is not installed: pip install 'ttc-bench[ray]'"


def test_the_command_line_says_it_in_one_line(ttc: Run) -> None:
    code, out, err = ttc("run", "--model", "builtin:small", "--task", "countdown", "--cluster", "127.0.0.1:9")
    assert (code, out) == (2, "")
    assert "no Ray cluster at 127.0.0.1:9: Connection refused; start it with `ray start --head`" in err
    assert err.strip().count("\n") <= 1  # above it: how many samples there are to make


@pytest.fixture
def stranger() -> Iterator[str]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def take() -> None:
            with contextlib.suppress(OSError):
                while not ended.is_set():
                    server.accept()[0].close()

        threading.Thread(target=take, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        ended.set()


def test_what_is_no_cluster_is_not_waited_for(stranger: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(link, "JOIN_S", 3.0)
    with pytest.raises(TtcError, match="what listens there is not Ray, or hangs"):
        link.answers(stranger)
    with pytest.raises(TtcError, match="no Ray cluster at 'nowhere': expected HOST:PORT"):
        link.answers("nowhere")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert link.running() is None
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:9")  # of a cluster that was killed
    assert link.running() is None
    (tmp_path / "ray" / "ray_current_cluster").write_text(stranger)
    assert link.running() is None
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert link.running() == "head:6379", "it was asked for by name: that it does not answer must be said"
    monkeypatch.setenv("RAY_ADDRESS", "http://head:8265")
    with pytest.raises(TtcError, match="RAY_ADDRESS is 'http://head:8265': expected HOST:PORT"):
        link.running()


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where Ray puts its files in this test: the processes of its cluster can be told by it."""
    folder = tempfile.mkdtemp(prefix="ray")  # its path has to be short
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def until(done: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def of_ray(folder: str) -> list[psutil.Process]:
    """The processes of the cluster that has its files in a folder, its workers among them."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(folder in word for word in process.cmdline()):
                found += [process, *process.children(recursive=True)]
    return found


def stored(place: Path) -> set[tuple[object, ...]]:
    path = place / "samples.sqlite"
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(path, timeout=30)) as db:
        return set(db.execute("select address, idx, text, completion_tokens, stop_reason from samples"))
    return set()


def test_a_cluster_of_ones_own_ends_with_the_run_and_changes_nothing(temporary: str, tmp_path: Path) -> None:
    """A real model on two workers of --cluster local. The first run is killed when its cluster is up, the second is asked
    to end when its workers are, the third ends by itself: its curve is that of one process, byte by byte."""
    flags = ["--model", "builtin:small", "--task", "chain-arithmetic", "--limit", "12", "--samples", "8"]
    flags += ["--method", "cot", "--device", "cpu", "--rows", "16", "--name", "one", "--max-tokens", "96"]

    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "ttc_bench", "run", *flags, "--out", str(tmp_path / "many")]
        cluster = ["--cluster", "local", "--cpus-per-worker", "1"]
        started.append(
            subprocess.Popen([*command, *cluster], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        )
        return started[-1]

    def up(title: str) -> list[psutil.Process]:
        found = of_ray(temporary)
        return found if any(title in " ".join(process.cmdline()) for process in found) else []

    def gone(processes: list[psutil.Process]) -> bool:
        return not of_ray(temporary) and not any(process.is_running() for process in processes)

    try:
        for end, title in ((signal.SIGKILL, "raylet"), (signal.SIGTERM, "ray::Worker")):
            run = start()
            until(lambda title=title: up(title))
            processes = up(title)
            run.send_signal(end)
            _, errors = run.communicate(timeout=60)
            if end == signal.SIGTERM:
                assert run.returncode == 130, errors
                assert "Interrupted; every finished sample is kept. To go on:" in errors
                assert "Traceback" not in errors
            until(lambda processes=processes: gone(processes))

        run = start()
        config = from_fields(
            {flag[2:].replace("-", "_"): value for flag, value in zip(flags[::2], flags[1::2], strict=True)}
        )
        asyncio.run(experiment.run(replace(config, out=str(tmp_path / "alone"))))
        output, errors = run.communicate(timeout=240)
        assert run.returncode == 0, errors
        assert "2 workers on 1 node of the local Ray cluster" in " ".join(output.split())
        assert not [line for line in errors.splitlines() if line.strip() and "sampl" not in line], "Ray is silent"
        assert stored(tmp_path / "many") == stored(tmp_path / "alone")
        curves = [(tmp_path / name / "one" / "curve.csv").read_bytes() for name in ("many", "alone")]
        assert curves[0] == curves[1]
    finally:
        for run in started:
            run.kill()
            run.communicate()
    until(lambda: gone([]))
