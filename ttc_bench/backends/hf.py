"""Local models through Hugging Face transformers: hub ids, model directories and GGUF files alike.

This file turns requests into rows of tokens and rows of tokens into completions; what happens in between is
engine.py (one prefill per prompt, full batches), or simple.py for models that the engine cannot serve."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from ttc_bench import prompts
from ttc_bench.backends import headers
from ttc_bench.backends import weights as files
from ttc_bench.core import Completion, Job, Request, Sample, Usage
from ttc_bench.errors import BackendError, PromptTooLong
from ttc_bench.prompts import END_THINK, THINK

if TYPE_CHECKING:
    from ttc_bench.backends.sampling import Finished, Row

_SLICE = 0.2  # seconds that generation may keep its thread before the event loop hears from it
# Templates that tell the model today's date would make a stored sample's prompt another one tomorrow.
_FIXED_DATE = "26 Jul 2024"
_DATE_MACRO = "{%- macro strftime_now(format) -%}" + _FIXED_DATE + "{%- endmacro -%}"


class HFBackend:
    """core.Backend for a causal language model on this machine.

    name: hub id, model directory or .gguf file. device: "auto", "cpu", "cuda", "cuda:1", ... dtype: "auto", "float32",
    "bfloat16" or "float16". max_rows: samples generated at once, None to plan them from the free memory.

    Raises a fatal BackendError, in one line, for a name that cannot be resolved."""

    def __init__(self, name: str, *, device: str = "auto", dtype: str = "auto", max_rows: int | None = None) -> None:
        if max_rows is not None and max_rows < 1:
            raise BackendError(f"max_rows is {max_rows}, expected at least 1", fatal=True)
        self._weights = files.resolve(name)
        self._device = files.pick_device(device)
        self._dtype = files.pick_dtype(dtype, self._device, self._weights.size)
        self._max_rows = max_rows
        self.model = f"hf:{self._weights.name}@{self._weights.pin}:{self._dtype}"
        self.signals = frozenset({"logprob", "self_certainty", "tail_confidence", "lowest_group_confidence"})
        self._executor = ThreadPoolExecutor(
            1, thread_name_prefix="hf"
        )  # one thread: torch keeps a pool for each caller
        self._loaded: _Loaded | None = None
        self._tokenizer: Any = None
        self._parameters = headers.parameters(self._weights)  # of a token's way; None where no header tells
        self._engine = ""

    def identity(self) -> dict[str, Any]:
        """Name, pin, dtype, device and parameters; the engine once the model was loaded."""
        known: dict[str, Any] = {
            "kind": f"hf {self._weights.kind}",
            "name": self._weights.name,
            "revision": self._weights.pin,
            "dtype": self._dtype,
            "device": self._device,
        }
        if self._parameters is not None:
            known["parameters"] = self._parameters
        if self._engine:
            known["engine"] = self._engine
        return known

    def calls(self, jobs: Sequence[Job]) -> int:
        """One prefill a prompt."""
        return len(jobs)

    async def sample(self, jobs: Sequence[Job]) -> AsyncIterator[Sample]:
        """Every sample of `jobs`, each yielded as it finishes. Raises PromptTooLong before anything is generated."""
        loop = asyncio.get_running_loop()
        halt = threading.Event()
        stream: Iterator[list[Sample]] = iter(())
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
        if self._loaded:
            # in the same thread: after the last step, whose cache is freed too
            await asyncio.get_running_loop().run_in_executor(self._executor, self._unload)

    def _unload(self) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded:
            device = loaded.model.device.type
            del loaded
            _free(device)

    def _begin(self, jobs: list[Job]) -> Iterator[list[Sample]]:
        if not self._loaded:
            self._loaded = _Loaded(*files.load(self._weights, self._dtype, self._device))
            self._engine = self._loaded.engine
            if self._parameters is None and not headers.partly(self._loaded.model.config.to_dict()):
                self._parameters = self._loaded.parameters
        loaded = self._loaded
        rows = [row for job in jobs for row in loaded.rows(job)]
        payers = {(job.request.address, job.indices[0]) for job in jobs}
        return self._run(loaded, rows, payers)

    def _run(self, loaded: _Loaded, rows: list[Row], payers: set[tuple[str, int]]) -> Iterator[list[Sample]]:
        """Samples as they finish. Out of memory: the rows in flight start again, half as many at a time; their texts
        do not change, as they depend on request and index only."""
        waiting = {(row.address, row.index): row for row in rows}
        room = self._max_rows or loaded.plan(rows)
        while waiting:
            try:
                for finished in loaded.generate(list(waiting.values()), room):
                    batch = []
                    for one in finished:
                        key = (one.row.address, one.row.index)
                        del waiting[key]
                        batch.append(Sample(one.row.request, one.row.index, loaded.completion(one, key in payers)))
                    yield batch
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
                if room == 1:
                    line = f"out of memory with one sample at a time on {self._device}; lower --max-tokens"
                    raise BackendError(line, fatal=True) from error
                room = max(1, min(room, len(waiting)) // 2)
            if waiting:
                _free(loaded.model.device.type)  # not while handling the error, whose traceback holds on to the cache


def _advance(stream: Iterator[list[Sample]], halt: threading.Event) -> list[Sample] | None:
    """Run steps until a sample is done, a moment has passed or `halt` is set; None at the end."""
    import torch

    until = time.monotonic() + _SLICE
    with torch.inference_mode():
        for batch in stream:
            if batch or halt.is_set() or time.monotonic() > until:
                return batch
    return None


def _out_of_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _free(device: str) -> None:
    """Give memory back that nothing holds any more: a failed batch's, a model's."""
    import gc

    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


class _Loaded:
    """A model and its tokenizer: requests to rows, rows to completions."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        import torch

        from ttc_bench.backends.engine import Engine, refuse

        self.model, self.tokenizer = model, tokenizer
        self.parameters = sum(p.numel() for p in model.parameters())
        refused = refuse(model)
        self.engine = f"simple ({refused})" if refused else "shared-prefill engine"
        config = model.config.get_text_config()
        self.context: int | None = getattr(config, "max_position_embeddings", None)
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])
        named = (model.generation_config.eos_token_id, config.eos_token_id, tokenizer.eos_token_id)
        ends = {i for ids in named if ids is not None for i in (ids if isinstance(ids, list | tuple) else [ids])}
        self._ends = torch.zeros(self.vocabulary, dtype=torch.bool, device=model.device)
        self._ends[sorted(i for i in ends if 0 <= i < self.vocabulary)] = True
        self._fast = None if refused else Engine(model, self._ends)
        self._pieces: list[str] = []
        self._watch: dict[tuple[str, ...], torch.Tensor] = {}

    # Requests to rows

    def render(self, request: Request) -> str:
        """The prompt as text: through the model's chat template, or ours where it has none."""
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        template = self.tokenizer.chat_template
        options: dict[str, Any] = {"chat_template": prompts.PLAIN_TEMPLATE}
        if template:
            options = {"date_string": _FIXED_DATE}
            if isinstance(template, str) and "strftime_now" in template:
                options["chat_template"] = _DATE_MACRO + template
            if request.reasoning_effort is not None:
                options["reasoning_effort"] = request.reasoning_effort
        import jinja2

        try:
            text: str = self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False, **options
            )
        except jinja2.TemplateError as error:
            raise BackendError(f"the model's chat template refuses these messages: {error}", fatal=True) from error
        prefix = request.prefix
        if prefix.startswith(THINK) and text.rstrip().endswith(THINK):  # some templates open the thinking themselves
            prefix = prefix.removeprefix(THINK).lstrip("\n")
        return text + prefix

    def rows(self, job: Job) -> list[Row]:
        """One row per index of the job. Raises PromptTooLong where not a single token could be generated."""
        from ttc_bench.backends.sampling import Row

        request = job.request
        ids = self.tokenizer(self.render(request), add_special_tokens=not self.tokenizer.chat_template)["input_ids"]
        choices = self._choices(request)
        room = request.max_tokens
        if self.context is not None:
            room = min(room, self.context - len(ids))
            if room < 1:
                raise PromptTooLong(request.address, len(ids), self.context)
        watch = self._watcher(self._stops(request))
        address = request.address
        return [Row(request, address, index, tuple(ids), room, watch, choices) for index in job.indices]

    def _choices(self, request: Request) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """For each choice the tokens that it may begin with: as it stands, and after a space."""
        found = []
        for choice in request.choices:
            starts = (self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (choice, f" {choice}"))
            # a lone space token begins any answer, so it tells nothing
            begins = {ids[0] for ids in starts if ids and self.tokenizer.decode(ids[:1]).strip()}
            found.append((choice, tuple(sorted(begins))))
        return tuple(found)

    def _stops(self, request: Request) -> tuple[str, ...]:
        return request.stop if self.tokenizer.chat_template else (*request.stop, *prompts.PLAIN_STOP)

    def _watcher(self, stops: tuple[str, ...]) -> Any:
        """bool [V]: tokens whose text holds the last character of a stop string, so that the text has to be decoded
        after these only. Part of a character, or a stop that ends in white space, could hide in any token."""
        if not stops:
            return None
        if stops not in self._watch:
            import torch

            self._pieces = self._pieces or self.tokenizer.batch_decode([[i] for i in range(len(self.tokenizer))])
            watched = torch.zeros(self.vocabulary, dtype=torch.bool)
            last = {stop[-1] for stop in stops}
            for i, piece in enumerate(self._pieces[: self.vocabulary]):
                watched[i] = any(c in piece or c.isspace() for c in last) or "\ufffd" in piece
            self._watch[stops] = watched
        return self._watch[stops]

    def plan(self, rows: list[Row]) -> int:
        """How many rows at a time: as many as half of the free memory holds, not more than are of use."""
        longest = max((len(row.prompt) + row.limit for row in rows), default=1)
        config = self.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        per_token = 2 * config.num_hidden_layers * heads * width * self.model.dtype.itemsize
        per_row = per_token * longest + 4 * 8 * self.vocabulary  # float32 copies of the logits
        useful = 512 if self.parameters < 20e6 else 256 if self.model.device.type == "cuda" else 64
        return max(1, min(useful, int(0.5 * files.free_memory(self.model.device) / per_row)))

    # Rows to completions

    def generate(self, rows: list[Row], room: int) -> Iterator[list[Finished]]:
        """What is finished after every step."""
        if self._fast:
            return self._fast.generate(rows, room, self._stopped)
        from ttc_bench.backends import simple

        return simple.generate(self.model, rows, room, self._ends, self._stopped)

    def _stopped(self, row: Row, tokens: list[int]) -> bool:
        text = self._text(tokens)
        return any(stop in text for stop in self._stops(row.request))

    def _text(self, tokens: list[int]) -> str:
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def completion(self, finished: Finished, pays_prompt: bool) -> Completion:
        """Text and thinking apart, cut before the first stop string, with exact counts."""
        row, tokens = finished.row, finished.tokens
        stops = self._stops(row.request)
        thought = self._thought(row, tokens)
        parts, stopped = [], False
        for text in (self._text(tokens[:thought]), self._text(tokens[thought:])):
            cuts = [text.index(stop) for stop in stops if stop in text]
            parts.append("" if stopped else text[: min(cuts)] if cuts else text)
            stopped = stopped or bool(cuts)
        reasoning, text = parts
        if thought:
            reasoning = reasoning.lstrip().removeprefix(THINK)
            # A tokenizer may join the end of the tag with what follows.
            reasoning, _, joined = reasoning.partition(END_THINK)
            reasoning, text = reasoning.strip(), (joined + text).lstrip()
        usage = Usage(prompt=len(row.prompt) if pays_prompt else 0, completion=len(tokens), reasoning=thought)
        reason: Literal["stop", "length"] = "stop" if stopped or finished.ended else "length"
        return Completion(text, reason, usage, reasoning, shares_prompt=True, signals=finished.signals)

    def _thought(self, row: Row, tokens: list[int]) -> int:
        """How many of the tokens are thinking, its tags included: all where it never ends, 0 where it never began."""
        tail = row.request.prefix or self.tokenizer.decode(list(row.prompt[-8:])).rstrip()
        begun = tail.endswith(THINK) or tail.rfind(THINK) > tail.rfind(END_THINK)
        raw = self.tokenizer.decode(tokens)
        if not begun and not raw.lstrip().startswith(THINK):
            return 0
        if END_THINK not in raw:
            return len(tokens)
        low, high = 1, len(tokens)  # the shortest beginning that holds the closing tag
        while low < high:
            middle = (low + high) // 2
            if END_THINK in self.tokenizer.decode(tokens[:middle]):
                high = middle
            else:
                low = middle + 1
        return low
