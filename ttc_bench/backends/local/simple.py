"""The plain generation loop: correct for any causal or encoder-decoder transformers model and any kind of cache.

Only prompts of equal length share a batch, so there is no padding and no mask that a recurrent or windowed layer could
get wrong. A prompt is read once and its cache copied to its rows; finished rows leave the cache. Where an encoder reads
the question, it does so once, and the decoder's rows begin with `Row.prompt`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from ttc_bench.backends.local.rows import Finished, Row, RowTable, Stopped
from ttc_bench.errors import BackendError


def generate(model: Any, rows: Sequence[Row], room: int, ends: Tensor, stopped: Stopped) -> Iterator[list[Finished]]:
    """Generates `rows`, at most `room` at a time; yields after every step the rows that it finished (often none).
    `ends`: bool [V]; `stopped`: whether the text of a row now contains a stop string."""

    def lengths(row: Row) -> tuple[int, int]:
        return -len(row.source), -len(row.prompt)

    ordered = sorted(rows, key=lambda row: (lengths(row), row.source, row.prompt, row.address, row.index))
    for _, same in groupby(ordered, key=lengths):
        group = list(same)
        for start in range(0, len(group), room):
            yield from _batch(model, group[start : start + room], ends, stopped)


def _batch(model: Any, rows: list[Row], ends: Tensor, stopped: Stopped) -> Iterator[list[Finished]]:
    device = ends.device
    prompts = list(dict.fromkeys((row.source, row.prompt) for row in rows))
    place = {prompt: i for i, prompt in enumerate(prompts)}
    table = RowTable(len(rows), max(row.limit for row in rows), ends, device)
    table.add(rows)
    ids = torch.tensor([prompt for _, prompt in prompts], device=device)
    spread = torch.tensor([place[row.source, row.prompt] for row in rows], device=device)
    feed: dict[str, Any] = {"use_cache": True}
    if rows[0].source:
        name = "decoder_input_ids"
        encoded = model.get_encoder()(input_ids=torch.tensor([source for source, _ in prompts], device=device))
        feed["encoder_outputs"] = encoded
    else:
        name = "input_ids"
        feed["logits_to_keep"] = 1
    out = model(**{name: ids}, **feed)
    logits = out.logits[spread, -1]
    cache_name = "past_key_values" if "past_key_values" in out else "cache_params"  # state-space models call it this
    feed[cache_name] = out[cache_name]
    _keep(feed, spread)
    while True:
        ended, watched = table.step(logits)
        leaving = sorted({*ended, *(i for i in watched if stopped(table.rows[i], table.tokens(i)))})
        finished = table.finish(leaving)
        if leaving:
            sources = torch.arange(len(table), device=device)
            into, out_of = table.drop(leaving)
            sources[into] = torch.tensor(out_of, dtype=torch.int64, device=device)
            _keep(feed, sources[: len(table)])
        yield finished
        n = len(table)
        if not n:
            return
        logits = model(**{name: table.last[:n, None]}, **feed).logits[:, -1]


def _keep(feed: dict[str, Any], rows: Tensor) -> None:
    """Reduce the cache and encoder outputs in `feed` to the given rows ([R] indices), in place."""
    for name, value in feed.items():
        if name in {"past_key_values", "cache_params"}:
            value.reorder_cache(rows)
        elif name == "encoder_outputs":
            feed[name] = BaseModelOutput(last_hidden_state=value.last_hidden_state[rows])


def decoder_start(model: Any) -> tuple[int, ...] | None:
    """The tokens that the decoder of an encoder-decoder model begins with, those that its configuration forces to come
    first included; None for a model without an encoder. Raises a fatal BackendError where they are not known."""
    if not model.config.is_encoder_decoder:
        return None
    configs = (model.generation_config, model.config)
    for name in ("decoder_start_token_id", "bos_token_id"):  # the order in which transformers' generate looks
        for config in configs:
            start = getattr(config, name, None)
            if isinstance(start, int):
                forced = next((f for c in configs if (f := getattr(c, "forced_bos_token_id", None)) is not None), None)
                return (start,) if forced is None else (start, forced)
    raise BackendError("the model's configuration names no decoder_start_token_id to begin an answer with", fatal=True)
