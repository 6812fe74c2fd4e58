"""The scripted backend: what it counts, it says how."""

from __future__ import annotations

from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.core import Job, Message, Request


async def test_words_are_not_tokens_and_are_marked_as_an_estimate() -> None:
    backend = ScriptedBackend(lambda request, index: "one two three four")
    requests = [Request("scripted", (Message("user", "how many words"),), most) for most in (3, 4)]
    cut, whole = [s.completion async for s in backend.sample([Job(r, (0,)) for r in requests])]
    assert cut
    assert whole
    assert (cut.text, cut.stop_reason, cut.usage.completion) == ("one two three", "length", 3)
    assert (whole.text, whole.stop_reason, whole.usage.completion) == ("one two three four", "stop", 4)
    assert {cut.usage.source, whole.usage.source} == {"estimate"}
    assert cut.usage.prompt == 3
