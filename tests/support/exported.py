"""A small run as exports see it: two models, two prompts, two tasks, and whatever a sample can hold."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ttc_bench.analysis.views import ProblemView, SampleView
from ttc_bench.core import Usage

MANIFEST: dict[str, Any] = {
    "ttc_bench": "0.1.0",
    "config": {"model": ["small", "a/large"], "temperature": 0.7, "top_p": 0.9, "max_tokens": 64},
    "models": [{"id": "hf:small@sha256:12"}, {"id": "api:a/large@http://host"}],
    "started": "2026-11-25T11:45:07+00:00",
    "ended": "2026-11-25T11:46:07+00:00",
}
PLAIN = SampleView(
    *("small, cot", 0, "1 + 1 = 2. The answer is 2.", "", "2", True, 12, "stop", "format", {"logprob": -0.5}),
    model="small",
    usage=Usage(prompt=20, cached=8, completion=12, source="tokenizer"),
)
THOUGHT = replace(
    *(PLAIN,),
    index=1,
    text="The answer is 3.",
    reasoning="Two? No:\nthree.",
    answer="3",
    correct=False,
    tokens=30,
    scores={"logprob": -math.inf, "reward:x": 0.25},
    usage=Usage(prompt=20, completion=30, reasoning=24, source="api"),
)
CUT = replace(PLAIN, index=3, text="lone \ud800, NUL \0 \u2028 ünï", answer=None, correct=False, stop_reason="length")
UNCOUNTED = replace(PLAIN, index=4, tokens=0, usage=Usage(source="unknown"))  # type: ignore[arg-type]
GUESSED = replace(PLAIN, index=5, stop_reason="unknown", usage=Usage(prompt=20, completion=12, source="estimate"))
OTHER = replace(PLAIN, prompt="a/large, cot", model="a/large", usage=Usage(completion=12, source="completion"))
SHARED = [
    replace(PLAIN, prompt="small, direct", index=i, shares_prompt=True, usage=Usage(prompt=given, completion=12))
    for i, given in enumerate((20, 0))
]
FIRST = ProblemView(
    "sums", "sums/0", "What is 1 + 1?", "2", 1.0, (PLAIN, THOUGHT, CUT, UNCOUNTED, GUESSED, OTHER, *SHARED)
)
SECOND = ProblemView("sums", "sums/1", "What is 0 + 2?", "2", None, (replace(PLAIN, correct=False), OTHER))
LOGIC = ProblemView("logic", "7", "Who lies?", None, None, (replace(PLAIN, scores={}),))
PROBLEMS = [FIRST, SECOND, LOGIC]
