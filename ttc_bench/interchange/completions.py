"""A record as a sample of ours: what its source does not say is unknown, whatever number stands for it there."""

from __future__ import annotations

from collections.abc import Callable

from ttc_bench.core import Completion, StopReason, TokenSource, Usage
from ttc_bench.interchange.records import Record

Count = Callable[[str], int]  # tokens of a text


def completion_of(record: Record, count: Count | None) -> Completion:
    """The record as a sample. `count`: counts its generated tokens in place of the source."""
    generated = record.completion if record.completion and record.completion > 0 else None
    prompt = record.prompt
    if count is not None:
        generated, prompt = count(record.reasoning) + count(record.text), None
    elif generated is None and record.completion == 0 and not (record.text or record.reasoning):
        generated = 0
    source: TokenSource = "api"
    if generated is None:
        source = "unknown"
    elif prompt is None:
        source = "guess" if record.apportioned and count is None else "completion"
    elif record.apportioned:
        source = "estimate"
    usage = Usage(source=source)
    if generated is not None:
        usage = Usage(
            prompt=prompt or 0,
            cached=min(record.cached or 0, prompt or 0),
            completion=generated,
            reasoning=min(record.thought or 0, generated),
            source=source,
        )
    end: StopReason = "unknown" if record.length is None else "length" if record.length else "stop"
    return Completion(
        record.text, end, usage, record.reasoning, record.shares_prompt, {**record.judged, **record.signals}
    )
