"""Output files of batches. The rows have the fields of OpenAI's batch output and of vllm/entrypoints/openai/run_batch.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nasty import survives, written

from ttc_bench.interchange.formats import detect
from ttc_bench.interchange.records import Hole, Record
from ttc_bench.interchange.sources.batch import Batch
from ttc_bench.problems.rows import Broken

CHOICE: dict[str, Any] = {
    "index": 0,
    "message": {"role": "assistant", "content": "So 5.", "refusal": None, "reasoning_content": "two and three"},
    "logprobs": {"content": [{"token": "So", "logprob": -0.5}, {"token": " 5.", "logprob": -1.5}]},
    "finish_reason": "stop",
}
USAGE: dict[str, Any] = {
    "prompt_tokens": 30,
    "completion_tokens": 12,
    "total_tokens": 42,
    "prompt_tokens_details": {"cached_tokens": 16},
    "completion_tokens_details": {"reasoning_tokens": 8},
}


def row(*choices: dict[str, Any], name: str = "p1", **usage: Any) -> dict[str, Any]:
    body = {"id": "chatcmpl-1", "model": "gpt-x", "choices": list(choices), "usage": USAGE | usage}
    response = {"status_code": 200, "request_id": "r", "body": body}
    return {"id": "batch_req_1", "custom_id": name, "response": response, "error": None}


def said(text: Any, **fields: Any) -> dict[str, Any]:
    return CHOICE | {"logprobs": None, "message": {"role": "assistant", "content": text}} | fields


def asked(name: str, question: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Think."}, {"role": "user", "content": question}]
    body = {"model": "gpt-x", "messages": messages, "temperature": 0.7, "max_completion_tokens": 64}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def read(tmp_path: Path, *rows: Any, source: Batch | None = None) -> list[Any]:
    return list((source or Batch()).read(written(tmp_path / "output.jsonl", *rows)))


def test_a_chat_completion(tmp_path: Path) -> None:
    assert read(tmp_path, row(CHOICE)) == [
        Record(
            place="line 1",
            text="So 5.",
            id="p1",
            reasoning="two and three",
            length=False,
            prompt=30,
            cached=16,
            completion=12,
            thought=8,
            signals={"logprob": -1.0},
        )
    ]
    assert detect(tmp_path / "output.jsonl").name == "batch"
    facts = Batch().facts(tmp_path / "output.jsonl")
    assert (facts.model, facts.tool, facts.temperature) == ("gpt-x", "batch", None)


def test_the_usage_of_several_choices_is_shared_out_by_length(tmp_path: Path) -> None:
    rows = read(
        tmp_path, row(said("a" * 30), said("b" * 20, finish_reason="length"), said("c" * 10), completion_tokens=13)
    )
    assert [r.place for r in rows] == ["line 1, sample 1", "line 1, sample 2", "line 1, sample 3"]
    assert [r.completion for r in rows] == [6, 4, 3]  # 6.5, 4.33 and 2.17 of 13, in whole numbers that sum to it
    assert [(r.prompt, r.cached) for r in rows] == [(30, 16), (0, 0), (0, 0)]
    assert [r.length for r in rows] == [False, True, False]
    assert all(r.apportioned and r.shares_prompt and r.thought is None for r in rows)


def test_the_first_sample_that_is_one_carries_the_prompt(tmp_path: Path) -> None:
    broken, second, third = read(tmp_path, row(said(3), said("b"), said("c")))
    assert isinstance(broken, Broken)
    assert [second.prompt, third.prompt] == [30, 0]


def test_unknown_usage_stays_unknown(tmp_path: Path) -> None:
    without = row(said("a"), said("b"))
    without["response"]["body"].pop("usage")
    rows = read(tmp_path, without)
    assert [(r.prompt, r.cached, r.completion, r.apportioned) for r in rows] == [(None, None, None, False)] * 2
    assert read(tmp_path, row(said(""), completion_tokens=0))[0].completion == 0
    assert read(tmp_path, row(said("a"), completion_tokens=0))[0].completion is None


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": None, "reasoning_content": "hm"}, "", "hm"),
        ({"content": [{"type": "text", "text": "So "}, {"type": "text", "text": "5."}]}, "So 5.", ""),
        ({"content": "5", "reasoning": "hm"}, "5", "hm"),
        ({"content": None, "refusal": "I cannot."}, "I cannot.", ""),
        ({"content": []}, "", ""),
        ({}, "", ""),
    ],
    ids=["null", "parts", "reasoning", "refusal", "empty", "nothing"],
)
def test_messages(tmp_path: Path, message: dict[str, Any], text: str, reasoning: str) -> None:
    (record,) = read(tmp_path, row(CHOICE | {"message": message}))
    assert (record.text, record.reasoning) == (text, reasoning)


def test_a_text_completion(tmp_path: Path) -> None:
    choice = {"index": 0, "text": " 5", "finish_reason": "length", "logprobs": {"token_logprobs": [-1.0, -3.0]}}
    (record,) = read(tmp_path, row(choice))
    assert (record.text, record.length, record.signals) == (" 5", True, {"logprob": -2.0})


@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        ({"response": None, "error": {"code": "batch_expired", "message": "Not in\n time."}}, "Not in time."),
        ({"response": {"status_code": 400, "body": {"error": {"message": "too long"}}}}, "HTTP 400 too long"),
        (
            {"response": {"status_code": 400, "request_id": "vllm-batch-1", "body": None}, "error": "bad"},
            "HTTP 400 bad",
        ),
        ({"response": {"status_code": 500}, "error": {"error": {"message": "lost"}}}, "HTTP 500 lost"),
        ({"response": {"status_code": 500}, "error": {"object": "error", "message": "old"}}, "HTTP 500 old"),
        ({"response": None, "error": {"code": "batch_cancelled"}}, "batch_cancelled"),
        ({"response": None, "error": [1]}, "an error without a message"),
    ],
    ids=["expired", "status", "vllm text", "vllm response", "vllm older", "code", "no message"],
)
def test_a_failed_request_is_a_hole(tmp_path: Path, failed: dict[str, Any], reason: str) -> None:
    assert read(tmp_path, {"id": "1", "custom_id": "p1", "error": None} | failed) == [Hole("line 1", reason, "p1")]


def test_other_bodies_are_named(tmp_path: Path) -> None:
    embedding = row()
    embedding["response"]["body"] = {"object": "list", "data": []}
    missing = {"id": "1", "custom_id": "p1", "response": None, "error": None}
    first, second = read(tmp_path, embedding, missing)
    assert isinstance(first, Broken)
    assert "expected 'choices'" in first.reason
    assert isinstance(second, Broken)


def test_the_requests_beside_it_have_the_questions(tmp_path: Path) -> None:
    """Two requests of one question are samples of one problem."""
    requests = written(
        tmp_path / "requests.jsonl",
        asked("p1-0", "2 + 3?"),
        asked("p1-1", "2 + 3?"),
        asked("p2-0", [{"type": "text", "text": "4 + 4?"}]),
    )
    assert detect(requests).name == "batch"
    output = tmp_path / "output.jsonl"
    source = Batch().beside([output_of(output), requests])
    rows = list(source.read(output))
    assert [(r.id, r.question) for r in rows if isinstance(r, Record)] == [
        ("p1-0", "2 + 3?"),
        ("p2-0", "4 + 4?"),
        ("p1-0", "2 + 3?"),
        ("p9", None),
    ]
    assert list(source.read(requests)) == []
    facts = source.facts(output)
    assert (facts.temperature, facts.max_tokens) == (0.7, 64)


def output_of(path: Path) -> Path:
    return written(path, *(row(CHOICE, name=name) for name in ("p1-1", "p2-0", "p1-0", "p9")))


def test_the_tool_of_vllm(tmp_path: Path) -> None:
    path = written(tmp_path / "o.jsonl", row(CHOICE) | {"id": "vllm-1f"})
    assert Batch().facts(path).tool == "vllm run-batch"


def test_nothing_in_a_row_trips_it(tmp_path: Path) -> None:
    survives(Batch(), tmp_path, row(CHOICE, said("b")))
    survives(Batch().beside([written(tmp_path / "r.jsonl", asked("p1", "q"))]), tmp_path, row(CHOICE))
