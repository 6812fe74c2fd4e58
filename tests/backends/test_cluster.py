"""A Ray cluster of three nodes on this machine, with real processes, which are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cluster_models
import psutil
import pytest

from ttc_bench.backends.by_name import BACKENDS, make_backends, open_cluster
from ttc_bench.backends.cluster import crew, executor, link
from ttc_bench.backends.cluster.fleet import Fleet
from ttc_bench.config import Config
from ttc_bench.core import Completion, Job, Usage
from ttc_bench.errors import BackendError, PromptTooLong, TtcError
from ttc_bench.experiment import load_tasks
from ttc_bench.grading import many
from ttc_bench.grading.many import Work, grade_chunk, grade_many
from ttc_bench.sampling.plan import plan

pytest.importorskip("ray")
# Ray leaves files and processes of its own for the garbage collector, and warns of what its next version will do
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
FLAGS = ["run", "--task", "chain-arithmetic", "--limit", "24", "--samples", "16", "--method", "cot,self-consistency"]


@dataclass
class Nodes:
    """The cluster, and its nodes by name."""

    cluster: Any
    of: dict[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, name: str, **more: Any) -> None:
        self.of[name] = self.cluster.add_node(**NODE, **more)

    def workers(self, *names: str) -> list[psutil.Process]:
        """The processes of our workers on these nodes, or on all."""
        found = []
        for name in names or self.of:
            raylet = psutil.Process(self.of[name].all_processes["raylet"][0].process.pid)
            for process in raylet.children():
                with contextlib.suppress(psutil.Error):
                    found += [process] if process.cmdline()[:1] and "Worker" in process.cmdline()[0] else []
        return found


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Three nodes of one core each, of which the last pretends to have a GPU. Ray's files lie in a folder of their own,
    whose path has to be short."""
    patch = pytest.MonkeyPatch()
    folder = tempfile.mkdtemp(prefix="ray")
    patch.setenv("RAY_TMPDIR", folder)
    patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{SUPPORT}")  # the workers get it from their node
    patch.setitem(BACKENDS, "scripted", cluster_models.Paced)
    link.load_ray()
    from ray.cluster_utils import Cluster

    nodes = Nodes(Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False}))
    nodes.of["head"] = nodes.cluster.head_node
    nodes.add("second")
    nodes.add("third", num_gpus=1)
    yield nodes
    nodes.cluster.shutdown()
    patch.undo()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def here(nodes: Nodes) -> Iterator[Nodes]:
    """The same, with this process connected."""
    cluster_models.connect(nodes.address, DTYPE="bfloat16")
    yield nodes
    link.load_ray().shutdown()


def until(done: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def stored(place: Path) -> set[tuple[str, int, str, int]]:
    """(address, index, text, completion tokens) of every sample in the store of a folder of results."""
    path = place / "samples.sqlite"
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(path, timeout=30)) as db:
        return set(db.execute("select address, idx, text, completion_tokens from samples"))
    return set()


def keys(log: Path) -> list[tuple[str, int]]:
    """What the workers made, in its order."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(address, int(index)) for address, index in map(str.split, lines)]


def curve(place: Path) -> bytes:
    return (place / "one" / "curve.csv").read_bytes()


Start = Callable[[Path, Path], subprocess.Popen[str]]


@pytest.fixture
def start(nodes: Nodes) -> Iterator[Start]:
    """Starts a run of the command line on the cluster: (its folder of results, what its workers made)."""
    started: list[subprocess.Popen[str]] = []

    def run(place: Path, log: Path) -> subprocess.Popen[str]:
        command = [sys.executable, str(SUPPORT / "cluster_models.py"), nodes.address, "0.03", str(log)]
        flags = [*FLAGS, "--model", "scripted", "--cluster", nodes.address, "--device", "cpu", "--name", "one"]
        command += [*flags, "--out", str(place)]
        started.append(subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_whatever_is_killed_the_end_is_that_of_one_process(nodes: Nodes, start: Start, tmp_path: Path) -> None:
    """The driver, a worker and a node are killed, and a node joins."""
    alone, many, logs = tmp_path / "alone", tmp_path / "many", [tmp_path / "first", tmp_path / "second"]
    code = f"import sys; sys.path.insert(0, {str(SUPPORT)!r}); import cluster_models as c; c.register(); "
    flags = [*FLAGS, "--model", "scripted", "--name", "one", "--out", str(alone)]
    one = [sys.executable, "-c", f"{code}sys.argv[1:] = {flags!r}; from ttc_bench.cli import main; main()"]
    subprocess.run(one, check=True, stdout=subprocess.DEVNULL)

    run = start(many, logs[0])
    until(lambda: len(stored(many)) > 60)
    workers = nodes.workers()
    assert len(workers) == 3
    run.kill()
    run.wait()
    until(lambda: not any(worker.is_running() for worker in workers))  # they end with it
    kept = {(address, index) for address, index, _, _ in stored(many)}

    run = start(many, logs[1])
    until(lambda: len(stored(many)) > len(kept) + 60)
    nodes.workers("second")[0].kill()
    hold = Path(f"{logs[1]}.hold")
    hold.touch()
    until(lambda: len(nodes.workers("second")) == 1)  # another one
    nodes.cluster.remove_node(nodes.of.pop("third"), allow_graceful=False)
    nodes.add("third", num_gpus=1)
    until(lambda: len(nodes.workers("third")) == 1)
    hold.unlink()
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    assert "was lost after" in output.replace("\n", " ")

    assert stored(many) == stored(alone)
    assert curve(many) == curve(alone)
    again = Counter(keys(logs[1]))
    assert not kept & set(again), "what is stored is not made again"
    # of the two that were killed: what they made while the last batch travelled, or a little longer
    assert sum(again.values()) - len(again) <= 2 * 20
    assert set(keys(logs[0])) | set(again) == {(address, index) for address, index, _, _ in stored(alone)}
    assert not nodes.workers(), "nothing is left behind"


def config(**changes: Any) -> Config:
    fields = {"model": ("scripted",), "task": ("chain-arithmetic",), "method": ("cot",), "limit": 6, "samples": 4}
    return Config(**{**fields, "device": "cpu", "cluster": "auto", **changes})


def fleet(settings: Config) -> tuple[Fleet, list[Job]]:
    """The backend of a run with these settings, and all that it is asked for."""
    (made,) = make_backends(settings, None, open_cluster(settings)).values()
    assert isinstance(made, Fleet)
    asked = plan(settings, load_tasks(settings), "scripted", made.model).requests
    return made, [Job(planned.request, tuple(range(settings.samples))) for planned in asked]


async def collect(made: Fleet, jobs: list[Job]) -> dict[tuple[str, int], Completion | None]:
    return {(s.request.address, s.index): s.completion async for s in made.sample(jobs)}


async def test_a_gpu_is_a_place(here: Nodes) -> None:
    """--device auto: where there is a GPU, nothing runs on processors. The model sees the one that is its own."""
    made, jobs = fleet(config(device="auto"))
    assert made.identity()["cluster"] == {"address": "auto", "workers": 0, "nodes": 0}, "nothing was joined for that"
    found = await collect(made, jobs)
    assert len(found) == 24
    assert all(found.values())
    told = made.identity()
    assert told["device"] == "cuda 0"
    assert told["cluster"] == {"address": here.address, "workers": 1, "nodes": 1}
    assert made.notes == [f"1 worker on 1 node of the Ray cluster at {here.address}"]
    await made.close()
    until(lambda: not here.workers())


async def test_a_worker_says_in_which_dtype_a_large_model_runs(here: Nodes) -> None:
    """--dtype auto: this machine would take another than the machine with the GPU."""
    made, jobs = fleet(config(model=("scripted:large",), device="auto"))
    assert made.model == "scripted:large:bfloat16"
    assert len(await collect(made, jobs)) == 24
    await made.close()
    assert fleet(config(model=("scripted:large",), device="auto", dtype="float16"))[0].model == "scripted:large:float16"


async def test_models_take_turns(here: Nodes) -> None:
    """The idle workers of a model make room for those of the next, and for other work; then they come back."""
    settings = config(model=("scripted", "scripted:other"), device="auto")
    cluster = open_cluster(settings)
    assert cluster is not None
    first, second = make_backends(settings, None, cluster).values()
    jobs = fleet(config())[1]
    for made in (first, second):  # there is one GPU
        assert isinstance(made, Fleet)
        assert len(await collect(made, jobs)) == 24
    sums = cluster.executor().map(lambda chunk: sum(chunk), ([i, i + 1] for i in range(20)))
    assert list(sums) == list(range(1, 41, 2))
    cluster.close()
    until(lambda: not here.workers())
    assert isinstance(first, Fleet)
    assert len(await collect(first, jobs[:2])) == 8
    await asyncio.gather(first.close(), second.close())


async def test_answers_are_graded_on_the_cluster_as_they_are_here(here: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "ALONE_S", 0.0)
    monkeypatch.setattr(many, "CHUNK", 100)
    (task,) = load_tasks(config())
    texts = {i: Completion(f"The answer is {i}.", "stop", Usage(completion=5)) for i in range(100)}
    works = [Work(place, task.grader, problem, texts) for place, problem in enumerate(task.problems)]
    cluster = open_cluster(config(device="auto"))
    assert cluster is not None
    assert sorted(grade_many(works, cluster.executor().map)) == grade_chunk(works)
    cluster.close()


def test_other_work_survives_a_kill_and_raises_what_it_raises(here: Nodes, tmp_path: Path) -> None:
    def once(chunk: int) -> int:
        if chunk == 3 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if chunk == 9:
            raise ZeroDivisionError("chunk 9")
        return chunk * chunk

    cluster = link.Cluster("auto")
    assert list(cluster.executor().map(once, range(8))) == [i * i for i in range(8)]
    assert (tmp_path / "died").exists()
    squares = cluster.executor().map(once, range(100))
    assert [next(squares) for _ in range(9)] == [i * i for i in range(9)]
    with pytest.raises(ZeroDivisionError, match=r"^chunk 9$"):
        next(squares)


async def test_a_prompt_that_is_too_long_is_found_before_anything_is_made(here: Nodes) -> None:
    made, jobs = fleet(config(model=("scripted:long",), device="auto"))
    with pytest.raises(PromptTooLong) as error:
        await collect(made, jobs)
    assert error.value.address in {job.request.address for job in jobs}
    assert error.value.context == 256
    await made.close()


async def refused(settings: Config) -> str:
    made, jobs = fleet(settings)
    with pytest.raises(BackendError) as error:
        await collect(made, jobs)
    assert error.value.fatal
    await made.close()
    return str(error.value)


async def test_nodes_that_differ_are_refused(here: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "code", lambda: "another")
    assert "runs other code of ttc-bench (version 0.1.0) than this machine" in await refused(config(device="auto"))
    monkeypatch.undo()
    monkeypatch.setenv("SCRIPTED_NAME", "mine")
    assert "has other weights (scripted:) than this machine (scripted:mine)" in await refused(config(device="auto"))


async def test_a_cluster_without_room_is_said(here: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "has no room for a worker with 9 CPUs: it has 3 nodes, 3 CPUs and 1 GPUs"
    assert line in await refused(config(cpus_per_worker=9))
    monkeypatch.setattr(crew, "ROOM_S", 1.0)
    monkeypatch.setattr(executor, "ROOM_S", 1.0)
    ray = link.load_ray()
    for group in (others := [ray.util.placement_group([{"CPU": 1}]) for _ in range(3)]):
        ray.get(group.ready())
    assert "other work may hold them within 1 s" in await refused(config())
    with pytest.raises(TtcError, match="no processor core that is free"):
        next(link.Cluster("auto").executor().map(str, [1]))
    for group in others:
        ray.util.remove_placement_group(group)


async def test_workers_that_die_and_die_end_the_run(here: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "FRUITLESS", 1)
    assert "end before they give a sample; the last one: its process died" in await refused(
        config(model=("scripted:broken",), device="auto")
    )
