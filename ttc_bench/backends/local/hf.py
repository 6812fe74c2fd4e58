"""Local models through Hugging Face transformers: hub ids, model directories and GGUF files alike.

This file owns the thread that generates. hf_model.py turns requests into rows of tokens and rows of tokens into
completions; between the two, engine.py generates (one prefill per prompt, full batches), or simple.py for models that
the engine cannot serve."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ttc_bench.backends.local import headers
from ttc_bench.backends.local import weights as files
from ttc_bench.core import Backend, Job, Sample, SpendingLimit
from ttc_bench.errors import BackendError

if TYPE_CHECKING:
    from ttc_bench.backends.local.hf_model import Loaded
    from ttc_bench.backends.local.rows import Row

_SLICE = 0.2  # most seconds of generation before control returns to the event loop


class HFBackend(Backend):
    """A language model, causal or encoder-decoder, on one device of this machine.

    name: hub id, model directory or .gguf file. device: "auto", "cpu", "cuda", "cuda:1", ...; of several the first.
    dtype: "auto", "float32", "bfloat16", "float16", or "packed" for a .gguf file whose blocks stay as they are.
    max_rows: samples generated at once, None to plan them from the free memory.

    Raises a fatal BackendError, in one line, for a name that cannot be resolved."""

    shard = None  # a batch stays full as long as there are rows: shards would empty it between them

    def __init__(self, name: str, *, device: str = "auto", dtype: str = "auto", max_rows: int | None = None) -> None:
        if max_rows is not None and max_rows < 1:
            raise BackendError(f"max_rows is {max_rows}, expected at least 1", fatal=True)
        self._weights = files.resolve(name)
        if dtype == files.PACKED and not self._weights.gguf:
            raise BackendError(f"--dtype packed is for .gguf files, which {self._weights.name} is not", fatal=True)
        self._device = files.pick_devices(device)[0]  # replicas.py serves several
        self._dtype = files.pick_dtype(dtype, self._device, self._weights.size)
        self.settled = files.settled(dtype, self._weights.size)  # another device would have the same dtype
        self._max_rows = max_rows
        self.model = f"hf:{self._weights.name}@{self._weights.pin}:{self._dtype}"
        self.signals = frozenset({"logprob", "self_certainty", "tail_confidence", "lowest_group_confidence"})
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="hf")  # torch keeps a thread pool per caller
        self._loaded: Loaded | None = None
        self._begun = False  # there may be a model to free, or a load in progress
        self._tokenizer: Any = None
        self._parameters = headers.parameters(self._weights)  # None where no header tells
        self._engine = ""

    def identity(self) -> dict[str, Any]:
        """Name, pin, dtype, device and parameters; the engine once the model was loaded."""
        fields: dict[str, Any] = {
            "kind": f"hf {self._weights.kind}",
            "name": self._weights.name,
            "revision": self._weights.pin,
            "dtype": self._dtype,
            "device": self._device,
        }
        if self._parameters is not None:
            fields["parameters"] = self._parameters
        if self._engine:
            fields["engine"] = self._engine
        return fields

    def calls(self, jobs: Sequence[Job]) -> int:
        """One prefill per prompt."""
        return len(jobs)

    async def check(self, jobs: Sequence[Job]) -> None:
        """Load the model, and raise the errors that `sample` would raise before it generates."""
        self._begun = True
        await asyncio.get_running_loop().run_in_executor(self._executor, self._begin, list(jobs))

    async def sample(self, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> AsyncIterator[Sample]:
        """Every sample of `jobs`, each yielded as it finishes. Raises PromptTooLong before anything is generated."""
        loop = asyncio.get_running_loop()
        halt = threading.Event()
        stream: Iterator[list[Sample]] = iter(())
        self._begun = True
        try:
            stream = await loop.run_in_executor(self._executor, self._begin, list(jobs))
            while (batch := await loop.run_in_executor(self._executor, _advance, stream, halt)) is not None:
                for sample in batch:
                    yield sample
        finally:
            halt.set()
            # In the same thread, so that it runs after the step now in progress and frees the cache.
            self._executor.submit(getattr(stream, "close", lambda: None))

    def cut(self, text: str, tokens: int, total: int) -> str:
        """The first `tokens` tokens of a text, as whole characters."""
        if not self._tokenizer:
            self._tokenizer = self._loaded.tokenizer if self._loaded else files.load_tokenizer(self._weights)
        ends = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return text[: ends[tokens - 1][1]] if tokens < len(ends) else text

    async def close(self) -> None:
        """Free the model's memory. The backend can be used again and would load it again."""
        if self._begun:
            # in the same thread: after a load or a step that may still run there
            await asyncio.get_running_loop().run_in_executor(self._executor, self._unload)

    def _unload(self) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded:
            device = loaded.model.device.type
            del loaded
            _free(device)

    def _begin(self, jobs: list[Job]) -> Iterator[list[Sample]]:
        from ttc_bench.backends.local.hf_model import Loaded

        if not self._loaded:
            self._loaded = Loaded(*files.load(self._weights, self._dtype, self._device))
            self._engine = self._loaded.engine
            if self._parameters is None and not headers.partly(self._loaded.model.config.to_dict()):
                self._parameters = self._loaded.parameters
        loaded = self._loaded
        rows = [row for job in jobs for row in loaded.rows(job)]
        payers = {(job.request.address, job.indices[0]) for job in jobs}
        return self._run(loaded, rows, payers)

    def _run(self, loaded: Loaded, rows: list[Row], payers: set[tuple[str, int]]) -> Iterator[list[Sample]]:
        """Yields samples as they finish. When memory runs out, unfinished rows start again, half as many at a time;
        their texts do not change, since they depend on request and index only."""
        waiting = {(row.address, row.index): row for row in rows}
        room = self._max_rows or loaded.plan(rows)
        while waiting:
            try:
                for finished in loaded.generate(list(waiting.values()), room):
                    batch = []
                    for result in finished:
                        key = (result.row.address, result.row.index)
                        del waiting[key]
                        batch.append(
                            Sample(result.row.request, result.row.index, loaded.completion(result, key in payers))
                        )
                    yield batch
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if room == 1:
                    line = f"out of memory with one sample at a time on {self._device}; lower --max-tokens"
                    raise BackendError(line, fatal=True) from error
                room = max(1, min(room, len(waiting)) // 2)
            if waiting:
                _free(loaded.model.device.type)  # not inside the handler: the traceback keeps the cache alive


def _advance(stream: Iterator[list[Sample]], halt: threading.Event) -> list[Sample] | None:
    """Run steps until a sample is finished, _SLICE seconds have passed or `halt` is set. Returns the finished samples,
    None at the end of the stream."""
    import torch

    until = time.monotonic() + _SLICE
    with torch.inference_mode():
        for batch in stream:
            if batch or halt.is_set() or time.monotonic() > until:
                return batch
    return None


def out_of_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _free(device: str) -> None:
    """Free memory that is no longer referenced, of a failed batch or a model."""
    import gc

    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
