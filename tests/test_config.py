"""What a run is asked to do: the same from flags, from YAML and from run.json."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from ttc_bench.config import Config, from_fields, from_file, to_fields
from ttc_bench.core import Message
from ttc_bench.errors import TtcError


def test_fields_survive_json() -> None:
    asked = Config(
        model=("builtin",), task=("a", "b"), verifier=("logprob",), difficulty=(2, 5), reasoning_effort=("low",)
    )
    assert from_fields(json.loads(json.dumps(to_fields(asked)))) == asked


def test_every_field_that_changes_a_text_changes_the_address() -> None:
    """A cache keyed by too little keeps samples of another question."""
    messages = (Message("user", "?"),)
    plain = Config(model=("m",), task=("t",)).request("m", messages)
    other = {"max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "seed": 1}
    addresses = {Config(model=("m",), task=("t",), **{k: v}).request("m", messages).address for k, v in other.items()}  # type: ignore[arg-type]
    addresses |= {
        dataclasses.replace(plain, **{k: v}).address
        for k, v in {
            "model": "n",
            "stop": ("x",),
            "reasoning_effort": "low",
            "messages": (Message("system", "?"),),
        }.items()
    }
    assert len(addresses | {plain.address}) == len(other) + 4 + 1


def test_an_address_never_changes() -> None:
    """Stored pools are found by it: this literal may only change together with a new store version."""
    request = Config(model=("m",), task=("t",)).request("m", (Message("user", "ä?"),))
    assert request.canonical == '{"max_tokens":512,"messages":[{"content":"ä?","role":"user"}],"model":"m"}'
    assert request.address == "0342ab28468a72c9b8a341a734fe71a769de187ffd0a67cb9b91471bc6982f43"


@pytest.mark.parametrize(
    ("model", "tasks", "folder"),
    [
        ("builtin", ("countdown",), "builtin-countdown"),
        ("builtin:large", ("countdown",), "builtin-large-countdown"),
        ("hf:Org/Name-1B", ("gsm8k", "./my task.yaml"), "Name-1B-gsm8k-my-task"),
        ("hf:/models/x.Q4.gguf", ("gsm8k",), "x.Q4-gsm8k"),
        ("openai:gpt-5-mini", ("gsm8k",), "gpt-5-mini-gsm8k"),
        ("builtin:small,builtin:medium,builtin:large", ("gsm8k",), "builtin-small+medium+large-gsm8k"),
        ("builtin,builtin:small", ("gsm8k",), "builtin+small-gsm8k"),
        ("hf:Q/Qwen3-0.6B,hf:Q/Qwen3-1.7B,openai:x", ("gsm8k",), "Qwen3-0.6B+Qwen3-1.7B+x-gsm8k"),
        (
            ",".join(f"hf:a-model-of-some-size-{i}b" for i in range(9)),
            ("t",),
            "a-model-of-some-size-0b+1b+2b+3b+4b+5b+6b+7b+8b-t",
        ),
        (",".join(f"hf:{i}-a-model-of-some-size" for i in range(9)), ("t",), "0-a-model-of-some-size+8-others-t"),
    ],
)
def test_folders_are_named_after_model_and_tasks(model: str, tasks: tuple[str, ...], folder: str) -> None:
    assert Config(model=tuple(model.split(",")), task=tasks).folder == Path("results") / folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "expected fields such as"),
        ("model: [", "cannot be read as a configuration"),
        ("model: m\ntask: t\nsamples: true", "samples = True: expected int"),
        ("model: m\ntask: t\nsamples: 1.5", "samples = 1.5: expected int"),
        ("model: m\ntask: t\ntemperature: warm", "temperature = 'warm': expected float"),
        ("model: m\ntask: []", "task: name at least one"),
        ("model: m\ntask: t\nconcurrency: 0", "concurrency = 0"),
        ("model: m\ntask: t\ntokens-per-minute: 0", "tokens_per_minute = 0"),
        ("model: m\ntask: t\nmax-cost: 0", "max_cost = 0.0"),
    ],
)
def test_configurations_that_cannot_work(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(TtcError, match=message):
        from_fields(from_file(tmp_path / "run.yaml"))


def test_flags_and_yaml_read_alike(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("model: m\ntask: [a, b]\nmax-tokens: 64\ndifficulty: 2-5\nmethod: cot, direct\n")
    asked = from_fields(from_file(tmp_path / "run.yaml"))
    assert (asked.task, asked.max_tokens, asked.difficulty, asked.method) == (("a", "b"), 64, (2, 5), ("cot", "direct"))
