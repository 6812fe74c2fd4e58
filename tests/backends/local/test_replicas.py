"""A copy of a model on each device; here the devices are all the processor."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import tiny_models

from ttc_bench.backends.by_name import make_backend
from ttc_bench.backends.local import weights
from ttc_bench.backends.local.hf import HFBackend
from ttc_bench.backends.local.replicas import Replicas
from ttc_bench.config import Config
from ttc_bench.core import Backend, Completion, Job, Message, Request
from ttc_bench.errors import BackendError, PromptTooLong
from ttc_bench.sampling import forecast

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return f"hf:{tiny_models.build(tmp_path / 'llama')}"


def make(name: str, device: str) -> Backend:
    return make_backend(name, Config(model=(name,), task=("gsm8k",), device=device))


def jobs(backend: Backend, questions: int, samples: int) -> list[Job]:
    asked = [Request(backend.model, (Message("user", f"question {i}"),), 12) for i in range(questions)]
    return [Job(request, tuple(range(samples))) for request in asked]


async def collect(backend: Backend, every: list[Job]) -> dict[tuple[str, int], Completion]:
    found = {}
    async for sample in backend.sample(every):
        assert sample.completion is not None
        found[sample.request.address, sample.index] = sample.completion
    return found


@pytest.mark.parametrize("questions", [5, 1])
async def test_copies_share_the_work_and_change_nothing(
    name: str, questions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five questions are shared out; the samples of a single one are."""
    alone = make(name, "cpu")
    expected = await collect(alone, jobs(alone, questions, 4))
    drawn = []
    real = HFBackend.sample
    monkeypatch.setattr(HFBackend, "sample", lambda self, few, limit: drawn.append(few) or real(self, few))
    pair = make(name, "cpu,cpu")
    assert isinstance(pair, Replicas)
    every = jobs(pair, questions, 4)
    found = await collect(pair, every)
    assert {key: c.text for key, c in found.items()} == {key: c.text for key, c in expected.items()}
    assert sorted(sum(len(job.indices) for job in few) for few in drawn) == ([8, 12] if questions == 5 else [2, 2])
    # what is paid for: each prompt in every copy that reads it
    assert pair.calls(every) == (5 if questions == 5 else 2) == sum(c.usage.prompt > 0 for c in found.values())
    assert pair.identity() == alone.identity() | {"device": "cpu,cpu"}
    assert pair.cut("some text", 4, 9) == "some"
    await pair.close()
    await alone.close()


async def test_an_error_of_one_copy_ends_the_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make(name, "cpu,cpu")
    long = Request(pair.model, (Message("user", "x" * 300),), 12)
    real = HFBackend._run
    ran = []
    monkeypatch.setattr(HFBackend, "_run", lambda self, *args: map(ran.append, real(self, *args)))
    with pytest.raises(PromptTooLong):
        await collect(pair, [*jobs(pair, 3, 2), Job(long, (0,))])
    assert not ran, "a prompt that does not fit is named before any copy has generated"
    monkeypatch.setattr(HFBackend, "_run", real)
    assert len(await collect(pair, jobs(pair, 2, 2))) == 4, "it can go on without the prompt"

    def broken(self: HFBackend, *args: Any) -> Any:
        if self is list(pair.members.values())[1]:  # type: ignore[attr-defined]
            raise BackendError("the second device fell off", fatal=True)
        return real(self, *args)

    monkeypatch.setattr(HFBackend, "_run", broken)
    with pytest.raises(BackendError, match="fell off"):
        await collect(pair, jobs(pair, 4, 64))
    await pair.close()


def test_copies_are_of_one_model(name: str) -> None:
    folder = name.removeprefix("hf:")
    with pytest.raises(BackendError, match="must be one model"):
        Replicas([HFBackend(folder, dtype="float32"), HFBackend(folder, dtype="float16")])


async def test_a_model_is_freed_though_nobody_waits_for_its_load(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another copy failed while this one was loading: closing it must not leave a model behind."""
    backend = HFBackend(name.removeprefix("hf:"))
    started, go = threading.Event(), threading.Event()
    real = weights.load
    monkeypatch.setattr(weights, "load", lambda *args: (started.set(), go.wait(10), real(*args))[2])
    task = asyncio.create_task(collect(backend, jobs(backend, 1, 1)))
    await asyncio.to_thread(started.wait, 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    closing = asyncio.create_task(backend.close())
    go.set()
    await closing
    assert backend._loaded is None


def test_two_threads_that_load_leave_the_terminal_alone(name: str) -> None:
    """Loading is silent for the whole process: the second thread must not take the first one's silence for the usual."""

    class Slow:
        def to(self, device: str) -> Slow:
            time.sleep(0.1)
            return self

        def eval(self) -> Slow:
            return self

    found, usual = weights.resolve(name.removeprefix("hf:")), sys.stderr
    load = functools.partial(weights.load, found, "float32", "cpu", lambda *args, **options: Slow())
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
        time.sleep(0.03)
    for thread in threads:
        thread.join()
    assert sys.stderr is usual


def test_a_forecast_counts_a_prompt_in_each_copy_that_reads_it(name: str) -> None:
    alone, pair = make(name, "cpu"), make(name, "cpu,cpu")

    def prompts(backend: Backend, questions: int) -> int:
        return forecast._at_most(backend, jobs(backend, questions, 4)).prompt

    assert prompts(pair, 6) == prompts(alone, 6) > 0
    assert abs(prompts(pair, 1) - 2 * prompts(alone, 1)) <= 1


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for count, device, expected in (
        (2, "auto", ("cuda:0", "cuda:1")),
        (2, "cuda", ("cuda:0", "cuda:1")),
        (1, "cuda", ("cuda",)),
        (4, "cuda:1, cuda:3", ("cuda:1", "cuda:3")),
        (4, "cpu", ("cpu",)),
    ):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert weights.pick_devices(device) == expected
    for wrong, line in (
        ("cuda:9", "device cuda:9 is not on this machine; known: auto, cpu, cuda, cuda:0"),
        ("gpu", "unknown device 'gpu'; known: auto, cpu, cuda"),
        ("cpu,", "unknown device ''"),
        ("auto,cpu", "unknown device 'auto'"),
        ("cuda,cuda:0", "names a GPU twice"),
    ):
        with pytest.raises(BackendError, match=line):
            weights.pick_devices(wrong)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert weights.pick_devices("auto") == ("cpu",)
    with pytest.raises(BackendError, match=r"device cuda is not on this machine; known: auto, cpu$"):
        weights.pick_devices("cuda")


def test_torch_is_asked_for_a_gpu_only_where_there_may_be_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Loading torch takes seconds, which a report from stored samples need not spend."""
    monkeypatch.setattr(weights, "DEVICES", tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    (tmp_path / "nvme0n1").touch()  # a disk
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "torch")
        assert weights.pick_devices("auto") == ("cpu",)
        assert "torch" not in sys.modules
    assert weights.pick_devices("auto") == ("cuda:0", "cuda:1")  # it is loaded already, so asking costs nothing
    for name in ("nvidia0", "nvhost-gpu", "dxg", "kfd"):
        (tmp_path / name).touch()
        assert weights._may_have_gpu(), name
        (tmp_path / name).unlink()
        assert not weights._may_have_gpu(), name
    monkeypatch.setattr(sys, "platform", "win32")
    assert weights._may_have_gpu()


def test_an_apple_gpu_is_looked_for_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """It passed as a device that torch knows, and failed only when the model was loaded."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(BackendError, match="device mps is not on this machine; known: auto, cpu"):
        weights.pick_devices("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert weights.pick_devices("mps") == ("mps",)
