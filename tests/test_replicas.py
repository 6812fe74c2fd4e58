"""A copy of a model on each device; here the devices are all the processor."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models

from ttc_bench.backends import weights
from ttc_bench.backends.hf import HFBackend
from ttc_bench.backends.replicas import Replicas
from ttc_bench.config import Config
from ttc_bench.core import Backend, Completion, Job, Message, Request
from ttc_bench.errors import BackendError, PromptTooLong
from ttc_bench.resolve import make_backend

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
    real = HFBackend._begin
    monkeypatch.setattr(HFBackend, "_begin", lambda self, few: drawn.append(few) or real(self, few))
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


async def test_an_error_of_one_copy_ends_the_run(name: str) -> None:
    pair = make(name, "cpu,cpu")
    long = Request(pair.model, (Message("user", "x" * 300),), 12)
    with pytest.raises(PromptTooLong):
        await collect(pair, [*jobs(pair, 1, 2), Job(long, (0,))])
    assert len(await collect(pair, jobs(pair, 2, 2))) == 4, "it can go on without the prompt"
    await pair.close()


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
    with pytest.raises(BackendError, match="device cuda:9 is not on this machine; known: auto, cpu, cuda, cuda:0"):
        weights.pick_devices("cuda:9")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert weights.pick_devices("auto") == ("cpu",)
    with pytest.raises(BackendError, match=r"device cuda is not on this machine; known: auto, cpu$"):
        weights.pick_devices("cuda")
