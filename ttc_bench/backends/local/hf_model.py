"""A language model of transformers and its tokenizer: requests to rows of tokens, rows to completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch

from ttc_bench import prompts
from ttc_bench.backends.local import simple
from ttc_bench.backends.local import weights as files
from ttc_bench.backends.local.engine import Engine, refuse
from ttc_bench.backends.local.rows import Finished, Row
from ttc_bench.core import Completion, Job, Request, Usage
from ttc_bench.errors import BackendError, PromptTooLong
from ttc_bench.prompts import END_THINK, THINK


class Loaded:
    """A model and its tokenizer: requests to rows, rows to completions."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.parameters = sum(p.numel() for p in model.parameters())
        refused = refuse(model)
        self.engine = f"simple ({refused})" if refused else "shared-prefill engine"
        config = model.config.get_text_config()
        limits = (getattr(config, f"max_{part}position_embeddings", None) for part in ("", "encoder_", "decoder_"))
        self.context: int | None = min((n for n in limits if n), default=None)
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])
        configured = (model.generation_config.eos_token_id, config.eos_token_id, tokenizer.eos_token_id)
        ends = {i for ids in configured if ids is not None for i in (ids if isinstance(ids, list | tuple) else [ids])}
        self._ends = torch.zeros(self.vocabulary, dtype=torch.bool, device=model.device)
        self._ends[sorted(i for i in ends if 0 <= i < self.vocabulary)] = True
        self._fast = None if refused else Engine(model, self._ends)
        self._start = simple.decoder_start(model)
        self._pieces: list[str] = []
        self._watch: dict[tuple[str, ...], torch.Tensor] = {}

    # Requests to rows

    def render(self, request: Request) -> str:
        """The prompt as text, followed by the request's prefix."""
        return "".join(self._render(request))

    def _render(self, request: Request) -> tuple[str, str]:
        """(prompt, prefix): the messages in the model's chat template, or in PLAIN_TEMPLATE if it has none, and the
        beginning of the answer. Raises a fatal BackendError if the template refuses the messages or ignores the
        effort."""
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        template = self.tokenizer.chat_template
        options: dict[str, Any] = {"chat_template": prompts.PLAIN_TEMPLATE}
        if template:
            options = {"date_string": files.FIXED_DATE}
            if isinstance(template, str) and "strftime_now" in template:
                options["chat_template"] = files.DATE_MACRO + template
        if request.reasoning_effort is not None:
            if "reasoning_effort" not in str(template):  # else every effort would give the same prompt
                raise BackendError(
                    "the model's chat template knows no reasoning_effort; leave --reasoning-effort out", fatal=True
                )
            options["reasoning_effort"] = request.reasoning_effort
        try:
            text: str = self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False, **options
            )
        except Exception as error:  # a template is a stranger's program: it may raise what it likes
            raise BackendError(f"the model's chat template refuses these messages: {error}", fatal=True) from error
        prefix = request.prefix
        if prefix.startswith(THINK) and text.rstrip().endswith(THINK):  # some templates open the thinking themselves
            prefix = prefix.removeprefix(THINK).lstrip("\n")
        return text, prefix

    def rows(self, job: Job) -> list[Row]:
        """One row per index of the job. Raises PromptTooLong if the context has no room for a single token."""
        request = job.request
        question, prefix = self._render(request)
        source: tuple[int, ...] = ()
        special = not self.tokenizer.chat_template
        if self._start is None:
            ids = self.tokenizer(question + prefix, add_special_tokens=special)["input_ids"]
        else:  # the encoder reads the prompt, the decoder starts with the beginning of the answer
            source = tuple(self.tokenizer(question, add_special_tokens=special)["input_ids"])
            ids = [*self._start, *self.tokenizer(prefix, add_special_tokens=False)["input_ids"]]
        choices = self._choices(request)
        room = request.max_tokens
        if self.context is not None:
            room = min(room, self.context - len(ids))
            if room < 1 or len(source) > self.context:
                raise PromptTooLong(request.address, max(len(ids), len(source)), self.context)
        watch = self._watcher(self._stops(request))
        address = request.address
        return [Row(request, address, index, tuple(ids), room, watch, choices, source) for index in job.indices]

    def _choices(self, request: Request) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """(choice, ids of the tokens that it may begin with) for each choice, with and without a space before it."""
        choices = []
        for choice in request.choices:
            starts = (self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (choice, f" {choice}"))
            # a lone space token can begin any answer, so it is left out
            begins = {ids[0] for ids in starts if ids and self.tokenizer.decode(ids[:1]).strip()}
            choices.append((choice, tuple(sorted(begins))))
        return tuple(choices)

    def _stops(self, request: Request) -> tuple[str, ...]:
        return request.stop if self.tokenizer.chat_template else (*request.stop, *prompts.PLAIN_STOP)

    def _watcher(self, stops: tuple[str, ...]) -> Any:
        """bool [V]: tokens whose text holds the last character of a stop string; the text needs to be decoded after
        these only. Tokens that hold a part of a character are included; a stop that ends in white space includes
        all."""
        if not stops:
            return None
        if stops not in self._watch:
            self._pieces = self._pieces or self.tokenizer.batch_decode([[i] for i in range(len(self.tokenizer))])
            watched = torch.zeros(self.vocabulary, dtype=torch.bool)
            last = {stop[-1] for stop in stops}
            for i, piece in enumerate(self._pieces[: self.vocabulary]):
                watched[i] = any(c in piece or c.isspace() for c in last) or "\ufffd" in piece
            self._watch[stops] = watched
        return self._watch[stops]

    def plan(self, rows: list[Row]) -> int:
        """How many rows to generate at a time: as many as fit half of the free memory, up to the number that still
        helps."""
        longest = max((len(row.source) + len(row.prompt) + row.limit for row in rows), default=1)
        config = self.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        layers = getattr(config, "decoder_layers", None) or config.num_hidden_layers
        per_token = 2 * layers * heads * width * self.model.dtype.itemsize
        per_row = per_token * longest + 4 * 8 * self.vocabulary  # float32 copies of the logits
        useful = files.useful_rows(self.parameters, self.model.device.type)
        return max(1, min(useful, int(0.5 * files.free_memory(self.model.device) / per_row)))

    # Rows to completions

    def generate(self, rows: list[Row], room: int) -> Iterator[list[Finished]]:
        """The rows that are finished after every step."""
        if self._fast:
            return self._fast.generate(rows, room, self._stopped)
        return simple.generate(self.model, rows, room, self._ends, self._stopped)

    def _stopped(self, row: Row, tokens: list[int]) -> bool:
        text = self._text(tokens)
        return any(stop in text for stop in self._stops(row.request))

    def _text(self, tokens: list[int]) -> str:
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def completion(self, finished: Finished, pays_prompt: bool) -> Completion:
        """The completion of a row: text and thinking apart, cut before the first stop string, with exact token
        counts."""
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
        prompt_tokens = len(row.source) + len(row.prompt) if pays_prompt else 0
        usage = Usage(prompt=prompt_tokens, completion=len(tokens), reasoning=thought)
        reason: Literal["stop", "length"] = "stop" if stopped or finished.ended else "length"
        return Completion(text, reason, usage, reasoning, shares_prompt=True, signals=finished.signals)

    def _thought(self, row: Row, tokens: list[int]) -> int:
        """The number of thinking tokens, tags included: all if thinking never ends, 0 if it never begins."""
        tail = row.request.prefix or self.tokenizer.decode(list((row.source or row.prompt)[-8:])).rstrip()
        begun = tail.endswith(THINK) or tail.rfind(THINK) > tail.rfind(END_THINK)
        raw = self.tokenizer.decode(tokens)
        if not begun and not raw.lstrip().startswith(THINK):
            return 0
        if END_THINK not in raw:
            return len(tokens)
        low, high = 1, len(tokens)  # bisection for the shortest prefix that holds the closing tag
        while low < high:
            middle = (low + high) // 2
            if END_THINK in self.tokenizer.decode(tokens[:middle]):
                high = middle
            else:
                low = middle + 1
        return low
