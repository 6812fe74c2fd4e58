"""Reward models on this machine: language models whose classification head rates the answer to a question.

Outcome models (AutoModelForSequenceClassification) give one number for the conversation [question, answer]. Process
models give one after every step: those with a head on every token (AutoModelForTokenClassification; the
Qwen2ForProcessRewardModel of Qwen2.5-Math-PRM) in one pass over the whole answer, the others in one pass per step."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ttc_bench import prompts
from ttc_bench.backends.local import weights as files
from ttc_bench.backends.local.hf import out_of_memory
from ttc_bench.core import Completion, Problem, Score, Usage
from ttc_bench.errors import BackendError, nearest

BATCH_TOKENS = {
    "cuda": 32768,
    "cpu": 4096,
}  # per batch, padding included; scores are stored batch by batch, so a batch must not be too large
AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "last": lambda steps: steps[-1],
    "min": min,
    "prod": math.prod,
    "mean": lambda steps: sum(steps) / len(steps),
}
STEP_TOKEN = "<extra_0>"  # Qwen2.5-Math-PRM (Zhang et al. 2025, arXiv:2501.07301) scores where this token stands
STEP_END = "\n\n"  # the end of a step for the other token classifiers
QWEN_HEADS = {"Qwen2ForRewardModel": 1, "Qwen2ForProcessRewardModel": 2}  # labels of their head of two layers


class RewardModel:
    """stored.Scorer of a reward model.

    name: hub id or model directory, with an optional "?steps=last", "min", "prod" or "mean": how the scores of the
    steps of an answer become one. Without it an outcome model scores the whole answer (its raw logit, or with two
    labels the probability of the second), and a token classifier the last step.

    Raises a fatal BackendError, in one line, for a name that cannot be resolved."""

    def __init__(self, name: str, *, device: str = "auto", dtype: str = "auto") -> None:
        name, mark, options = name.partition("?")
        key, _, self._steps = options.partition("=")
        if mark and key != "steps":
            raise BackendError(f"unknown option '{options}'; expected ?steps=min", fatal=True)
        if mark and self._steps not in AGGREGATES:
            raise BackendError(nearest(self._steps, list(AGGREGATES), "way to join steps"), fatal=True)
        self._weights = files.resolve(name, "--verifier reward:")
        if self._weights.gguf:
            raise BackendError(f"{name} is a .gguf file, which holds no reward head; name a directory", fatal=True)
        self._device = files.pick_devices(device)[0]
        dtype = "auto" if dtype == files.PACKED else dtype  # "packed" is meant for the sampled model
        self._dtype = files.pick_dtype(dtype, self._device, self._weights.size)
        self.id = f"reward:{self._weights.name}@{self._weights.pin}:{self._dtype}" + mark + options
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="reward")  # torch keeps a pool for each caller
        self._loaded: _LoadedReward | None = None

    def identity(self) -> dict[str, Any]:
        """Name, pin, dtype, and how steps are joined."""
        steps = {"steps": self._steps} if self._steps else {}
        pinned = {"name": self._weights.name, "revision": self._weights.pin, "dtype": self._dtype}
        return {"kind": f"reward {self._weights.kind}", **pinned, **steps}

    async def verdicts(self, items: Sequence[tuple[Problem, Completion]]) -> AsyncIterator[tuple[int, Score]]:
        """(position, score) of every item, longest sequences first. An answer that exceeds the model's context scores
        None."""
        loop = asyncio.get_running_loop()
        stream = self._score(list(items))
        try:
            while (batch := await loop.run_in_executor(self._executor, next, stream, None)) is not None:
                for verdict in batch:
                    yield verdict
        finally:
            self._executor.submit(stream.close)  # in the same thread, so after the batch in progress

    async def close(self) -> None:
        """Free the model. The scorer can be used again and would load it again."""
        self._loaded = None

    def _score(self, items: list[tuple[Problem, Completion]]) -> Generator[list[tuple[int, Score]]]:
        if not self._loaded:
            model, tokenizer = files.load(self._weights, self._dtype, self._device, _from_pretrained)
            self._loaded = _LoadedReward(self._weights.name, model, tokenizer, bool(self._steps))
        loaded, parameters = self._loaded, self._loaded.parameters
        rows = [loaded.rows(i, problem.question, answer.text) for i, (problem, answer) in enumerate(items)]
        fit = {i for i, parts in enumerate(rows) if all(len(r.tokens) <= loaded.context for r in parts)}
        if len(fit) < len(items):
            yield [(i, Score(None, parameters=parameters)) for i in range(len(items)) if i not in fit]
        scores_of: dict[int, dict[int, list[float]]] = {i: {} for i in fit}  # item -> number of the row -> its scores
        for batch in loaded.batches([r for i in fit for r in rows[i]]):
            verdicts = []
            for row, scores in batch:
                scores_of[row.item][row.part] = scores
                if len(scores_of[row.item]) == len(rows[row.item]):
                    steps = [s for part in range(len(rows[row.item])) for s in scores_of[row.item][part]]
                    value = AGGREGATES[self._steps or "last"](steps)
                    usage = Usage(prompt=sum(len(r.tokens) for r in rows[row.item]))
                    verdicts.append((row.item, Score(value if math.isfinite(value) else None, usage, parameters)))
            yield verdicts


@dataclass(frozen=True)
class _Sequence:
    """One sequence of tokens: part `part` of item `item`. `ends`: for a token classifier, the positions to score."""

    item: int
    part: int
    tokens: tuple[int, ...]
    kinds: tuple[int, ...] = ()  # token_type_ids of a pair of texts (BERT)
    ends: tuple[int, ...] = ()


class _LoadedReward:
    """A reward model and its tokenizer: answers to rows of tokens, rows to scores."""

    def __init__(self, name: str, model: Any, tokenizer: Any, by_step: bool) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.parameters = sum(p.numel() for p in model.parameters())
        self.each_token = type(model).__name__.endswith(("ForTokenClassification", "ForProcessRewardModel"))
        self._config = model.config.get_text_config()
        self.context = min(getattr(self._config, "max_position_embeddings", math.inf), tokenizer.model_max_length)
        self._named_padding = self._config.pad_token_id
        self._by_step = by_step or self.each_token
        self._room = BATCH_TOKENS.get(model.device.type, BATCH_TOKENS["cpu"])
        if model.config.num_labels not in (1, 2):
            raise BackendError(f"{name} has {model.config.num_labels} labels, expected 1 or 2", fatal=True)
        if self.each_token and not tokenizer.is_fast:
            raise BackendError(f"{name} scores steps, which needs a fast tokenizer (tokenizer.json)", fatal=True)

    # Answers to rows

    def rows(self, item: int, question: str, answer: str) -> list[_Sequence]:
        """One sequence, or one per step where an outcome model is asked about steps."""
        if self.each_token:
            return [self._marked(item, question, answer)]
        beginnings = [answer[:end] for end in step_ends(answer)] if self._by_step else [answer]
        return [self._unmarked(item, part, question, text) for part, text in enumerate(beginnings)]

    def _unmarked(self, item: int, part: int, question: str, answer: str) -> _Sequence:
        """The conversation through the model's chat template; as a pair of texts where it has none and its tokenizer
        supports pairs (such as BERT); else in the plain form of prompts.py."""
        if not self.tokenizer.chat_template and self.tokenizer.sep_token_id is not None:
            pair = self.tokenizer(question, answer)
            return _Sequence(item, part, tuple(pair["input_ids"]), tuple(pair.get("token_type_ids", ())))
        return _Sequence(item, part, tuple(self._encode(self._render(question, answer))["input_ids"]))

    def _encode(self, text: str, **options: bool) -> Any:
        return self.tokenizer(text, add_special_tokens=not self.tokenizer.chat_template, **options)

    def _render(self, question: str, answer: str) -> str:
        turns = [{"role": "user", "content": question}]
        template = self.tokenizer.chat_template
        if not template:
            plain: str = self.tokenizer.apply_chat_template(
                turns, chat_template=prompts.PLAIN_TEMPLATE, tokenize=False, add_generation_prompt=True
            )
            return f"{plain} {answer}"
        options: dict[str, Any] = {"date_string": files.FIXED_DATE}
        if isinstance(template, str) and "strftime_now" in template:
            options["chat_template"] = files.DATE_MACRO + template
        try:
            text: str = self.tokenizer.apply_chat_template(
                [*turns, {"role": "assistant", "content": answer}], tokenize=False, **options
            )
        except Exception as error:  # a template is a stranger's program: it may raise what it likes
            raise BackendError(f"its chat template refuses a question and an answer: {error}", fatal=True) from error
        return text

    def _marked(self, item: int, question: str, answer: str) -> _Sequence:
        """The whole answer with a mark after every step, and the positions of these marks."""
        mark = STEP_TOKEN if STEP_TOKEN in self.tokenizer.get_vocab() else STEP_END
        marked, ends, begin = "", [], 0
        for end in step_ends(answer):
            marked += answer[begin:end].strip() + mark
            ends.append(len(marked))
            begin = end
        text = self._render(question, marked)
        body = marked if marked in text else marked.rstrip()  # some templates trim what they are given
        start = text.rfind(body)
        if start < 0:
            raise BackendError("its chat template changes the answer, so its steps cannot be found", fatal=True)
        encoded = self._encode(text, return_offsets_mapping=True)
        # (token, its first character) for each token that covers text
        begins = [(i, first) for i, (first, after) in enumerate(encoded["offset_mapping"]) if after > first]
        last = [max(i for i, first in begins if first < start + min(end, len(body))) for end in ends]
        return _Sequence(item, 0, tuple(encoded["input_ids"]), ends=tuple(last))

    # Rows to scores

    def batches(self, rows: Sequence[_Sequence]) -> Iterator[list[tuple[_Sequence, list[float]]]]:
        """Sequences with their scores, longest first so that there is little padding. Batches halve when memory runs
        out."""
        import torch

        waiting = sorted(rows, key=lambda row: -len(row.tokens))
        while waiting:
            size = max(1, self._room // len(waiting[0].tokens))
            batch = waiting[:size]
            try:
                with torch.inference_mode():
                    scores = self._forward(batch)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if len(batch) == 1:
                    line = f"out of memory with one answer of {len(batch[0].tokens):,} tokens"
                    raise BackendError(line, fatal=True) from error
                self._room = len(batch[0].tokens) * (len(batch) // 2)
                continue
            waiting = waiting[size:]
            yield list(zip(batch, scores, strict=True))

    def _forward(self, batch: Sequence[_Sequence]) -> list[list[float]]:
        """The scores of each sequence: one per mark, or one. Padding is on the right, and no real token attends to
        it."""
        import torch

        width = max(len(row.tokens) for row in batch)

        def tensor(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
            return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows], device=self.model.device)

        inputs = {
            "input_ids": tensor([row.tokens for row in batch], self._padding(batch)),
            "attention_mask": tensor([[1] * len(row.tokens) for row in batch], 0),
        }
        if batch[0].kinds:
            inputs["token_type_ids"] = tensor([row.kinds for row in batch], 0)
        logits = self.model(**inputs).logits.float()  # [row, label], or [row, token, label]
        if not self.each_token:
            return [[value] for value in self._values(logits)]
        return [self._values(logits[i, list(row.ends)]) for i, row in enumerate(batch)]

    def _padding(self, batch: Sequence[_Sequence]) -> int:
        """The token to pad with. Decoders score the last token that is not the padding of their configuration: where it
        names none, it must be one that no row ends with (the end-of-sequence token, the usual stand-in, often does)."""
        configured: int | None = self._named_padding
        if configured is not None:
            return configured
        last = {row.tokens[-1] for row in batch}
        free = next(i for i in range(len(batch) + 1) if i not in last)
        self._config.pad_token_id = free
        return free

    def _values(self, logits: Any) -> list[float]:
        """Scores [n] of logits [n, label]. Two labels: the probability of the second. One label: the raw value for a
        whole answer, its sigmoid for steps, so that they can be multiplied."""
        if logits.shape[-1] == 2:
            values = logits.softmax(-1)[:, 1]
        else:
            values = logits[:, 0].sigmoid() if self._by_step else logits[:, 0]
        scores: list[float] = values.tolist()
        return scores


def step_ends(answer: str) -> list[int]:
    """Character offsets at which the steps of an answer end, at least one. Steps are its paragraphs; the lines of a
    single paragraph; the sentences of a single line."""
    length = len(answer.rstrip())
    for border in (r"\n\s*\n\s*", r"\n\s*", r"(?<=[.!?])\s+"):
        ends = [match.start() for match in re.finditer(border, answer) if answer[: match.start()].strip()]
        ends = [end for end in ends if end < length]
        if ends:
            return [*ends, length]
    return [length]


def _from_pretrained(source: str, **options: Any) -> Any:
    """The model with the head that its configuration names. Raises ValueError if the weights hold none, where
    transformers would initialise one at random."""
    import transformers

    where = {"trust_remote_code": False, **{k: v for k, v in options.items() if k == "revision"}}
    config = transformers.AutoConfig.from_pretrained(source, **where)
    architecture = (config.architectures or [""])[0]
    if architecture in QWEN_HEADS:
        config.num_labels = QWEN_HEADS[architecture]
        loader: Any = _two_layers(architecture)
    elif architecture.endswith("ForTokenClassification"):
        loader = transformers.AutoModelForTokenClassification
    else:
        loader = transformers.AutoModelForSequenceClassification
    model, loading = loader.from_pretrained(source, config=config, output_loading_info=True, **options)
    if loading["missing_keys"]:
        raise ValueError(f"it is {architecture}, not a reward model: {min(loading['missing_keys'])} is missing")
    return model


def _two_layers(architecture: str) -> type:
    """The heads of Qwen2.5-Math-RM and -PRM, whose code transformers does not include (it is on the hub)."""
    import torch
    import transformers

    per_token = architecture == "Qwen2ForProcessRewardModel"
    base = transformers.Qwen2ForTokenClassification if per_token else transformers.Qwen2ForSequenceClassification

    def build(self: Any, config: Any) -> None:
        base.__init__(self, config)
        wide = config.hidden_size
        layers = (torch.nn.Linear(wide, wide), torch.nn.ReLU(), torch.nn.Linear(wide, config.num_labels))
        self.score = torch.nn.Sequential(*layers)
        self.post_init()

    return type(architecture, (base,), {"__init__": build})
