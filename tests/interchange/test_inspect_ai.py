"""Logs that inspect_ai wrote (fixtures/inspect_ai/make.py) give exactly the samples that its mock model said."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ttc_bench.errors import TtcError
from ttc_bench.interchange.formats import detect
from ttc_bench.interchange.records import Facts, Hole, Record
from ttc_bench.interchange.sources.inspect_ai import InspectAI
from ttc_bench.interchange.sources.inspect_samples import rows
from ttc_bench.interchange.sources.plain_json import Plain
from ttc_bench.problems.rows import Broken

FIXTURES = Path(__file__).parent / "fixtures" / "inspect_ai"
LONG = "The next question comes from a list of sums that nobody has looked at for a long time, so take care. " * 2


def read(name: str) -> dict[str, Any]:
    """The rows of a fixture by problem and repeat; holes by place."""
    found = list(InspectAI().read(FIXTURES / name))
    return {f"{r.id} {r.repeat}" if isinstance(r, Record) else r.place: r for r in found}


def told(record: Record) -> tuple[Any, ...]:
    """Text, length, prompt, cached, completion and thought."""
    return record.text, record.length, record.prompt, record.cached, record.completion, record.thought


@pytest.mark.parametrize(("name", "epochs"), [("sums.eval", 3), ("sums.json", 1)])
def test_samples_are_those_that_the_model_said(name: str, epochs: int) -> None:
    found = read(name)
    assert len(found) == epochs * 9  # 8 questions, one of which got two choices
    for n in range(1, epochs + 1):
        at = n - 1
        assert told(found[f"two {at}"]) == (
            f"Sum number {n}.\nANSWER: {2 if n < 3 else 11}",
            False,
            10,
            None,
            5 + n,
            None,
        )
        assert told(found[f"4 {at}"]) == ("It is 4", False, 16, 4, 3, None)
        assert told(found[f"six {at}"]) == (LONG + f"Sixth try {n}: 6", False, 60, None, 50 + n, None)
        assert told(found[f"seven {at}"]) == (f"Made {n}: \n7", False, 14, None, 30 + n, 20 + n)
        assert found[f"seven {at}"].reasoning == f"Seven or eight? Round {n}."
        assert told(found[f"eight/8 {at}"]) == ("Yes: 8", False, 56, None, 6, None)  # both of its calls
        first, second = found[f"five {2 * at}"], found[f"five {2 * at + 1}"]
        assert told(first) == ("I count: 1, 2, 3, 4", True, 20, None, 21, None)
        assert told(second) == ("5", False, 0, None, 2, None)
        assert first.apportioned
        assert second.apportioned
        assert first.shares_prompt
        assert second.shares_prompt
        assert not found[f"two {at}"].apportioned
        assert not found[f"two {at}"].shares_prompt
        assert (first.recorded, second.recorded) == (False, None)  # scorers see the first
    asked = {key.split()[0]: (r.question, r.gold) for key, r in found.items() if isinstance(r, Record)}
    assert asked["three"] == ("What is 1 + 2?", "3")
    assert asked["five"] == ("What is 2 + 3?", "5")
    assert asked["six"] == (LONG + "What is 3 + 3?", "6")


def test_verdicts_answers_signals_and_holes() -> None:
    found = read("sums.eval")
    verdicts = [(found[f"two {i}"].recorded, found[f"two {i}"].answer) for i in range(3)]
    assert verdicts == [(True, "2"), (True, "2"), (False, "11")]
    assert [dict(found[f"4 {i}"].signals) for i in range(3)] == [
        {"logprob": -0.5},
        {"logprob": -0.375},
        {"logprob": -0.5},
    ]
    assert [dict(found[f"4 {i}"].judged) for i in range(3)] == [
        {"reward": 0.07}
    ] * 3  # a scorer's, who may see the gold
    assert found["samples/nine_epoch_1.json"] == Hole(
        "samples/nine_epoch_1.json", "RuntimeError('the server said 500')", "nine"
    )
    assert [found[f"nine {i}"].length for i in (1, 2)] == [None, False]  # stop_reason "unknown", "stop"
    assert found["two 0"].place == "samples/two_epoch_1.json"


@pytest.mark.parametrize("name", ["letters.eval", "old.eval"])
def test_choices_are_part_of_the_question(name: str) -> None:
    """zstd and deflate, as inspect_ai 0.3.285 and 0.3.110 write them."""
    found = read(name)
    assert len(found) == 4
    assert found["largest 0"].question == "Which is the largest?\n\nA) 3\nB) 5\nC) 4"
    assert told(found["largest 0"]) == ("ANSWER: B", False, 30, None, 4, None)
    assert (found["largest 0"].gold, found["largest 0"].recorded, found["largest 0"].answer) == ("B", True, "B")


def test_both_ways_to_compress_are_read() -> None:
    kinds = {name: zipfile.ZipFile(FIXTURES / name).infolist()[0].compress_type for name in ("sums.eval", "old.eval")}
    assert kinds == {"sums.eval": 93, "old.eval": zipfile.ZIP_DEFLATED}


def test_facts() -> None:
    known = Facts("mockllm/model", "sums", 0.7, None, 64, "inspect_ai 0.3.285")
    assert InspectAI().facts(FIXTURES / "sums.eval") == InspectAI().facts(FIXTURES / "sums.json") == known
    assert InspectAI().facts(FIXTURES / "old.eval").tool == "inspect_ai 0.3.110"


def test_a_run_that_was_killed_gives_what_it_had() -> None:
    """Its log has a journal and no end."""
    assert len(read("killed.eval")) == 11
    facts = InspectAI().facts(FIXTURES / "killed.eval")
    assert (facts.model, facts.temperature) == ("mockllm/model", 0.7)
    assert facts.remarks == ("the log's run did not end well (status: started); samples may be missing",)


@pytest.mark.parametrize("name", ["sums.eval", "sums.json", "killed.eval", "old.eval"])
def test_logs_are_recognised(name: str) -> None:
    assert detect(FIXTURES / name).name == "inspect"


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.eval").mkdir()
    (tmp_path / "x.json").mkdir()
    for path in (tmp_path / "x.eval", tmp_path / "x.json"):
        refused(path)
        with pytest.raises(TtcError, match="cannot be read"):
            InspectAI().recognises(path, None)


def one(**fields: Any) -> Any:
    """The only row of a sample of the mock with other fields."""
    message = {"role": "assistant", "content": "8", "source": "generate"}
    output = {
        "choices": [{"message": message, "stop_reason": "stop"}],
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
    sample = {"id": 1, "epoch": 1, "input": "?", "target": "8", "messages": [message], "output": output}
    (row,) = rows("here", {**sample, **fields})
    return row


def output(content: Any, **usage: int) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}, "stop_reason": "stop"}], "usage": usage or None}


def test_long_texts_may_lie_in_attachments() -> None:
    attachments = {"ab12": "a long text", "cd34": "long thoughts", "ef56": "a long question"}
    parts = [{"type": "reasoning", "reasoning": "attachment://cd34"}, {"type": "text", "text": "attachment://ab12"}]
    row = one(input="attachment://ef56", output=output(parts), attachments=attachments)
    assert (row.question, row.text, row.reasoning) == ("a long question", "a long text", "long thoughts")
    lost = one(output=output("attachment://ab12"))
    assert lost.text == "attachment://ab12"


def test_redacted_thinking_is_its_summary() -> None:
    parts = [{"type": "reasoning", "reasoning": "c2VjcmV0", "redacted": True, "summary": "in short"}, {"type": "image"}]
    assert (one(output=output(parts)).text, one(output=output(parts)).reasoning) == ("", "in short")


@pytest.mark.parametrize(
    ("scores", "recorded", "judged"),
    [
        ({"a": {"value": "I", "answer": "x"}, "b": {"value": "C"}}, False, {}),
        ({"a": {"value": True}}, True, {}),
        ({"a": {"value": "N"}}, False, {}),
        ({"a": {"value": "P"}}, None, {}),
        ({"a": {"value": 0.5}}, None, {"a": 0.5}),
        ({"a": {"value": 1.0}, "b": {"value": "I"}}, False, {"a": 1.0}),
        ({"a": {"value": 1.0}}, True, {}),
        ({"a": {"value": 1.0}, "b": {"value": 0.3}}, True, {"b": 0.3}),
        ({"a": {"value": float("nan")}}, None, {}),
        ({"a": {"value": {"depth": 2, "words": "many"}}}, None, {"a.depth": 2.0}),
        ({"a": {"value": [1, 0]}}, None, {}),
        (None, None, {}),
        ("odd", None, {}),
    ],
)
def test_scores(scores: Any, recorded: bool | None, judged: dict[str, float]) -> None:
    """What is the verdict is no score, and no scorer's number is one to choose by unasked."""
    row = one(scores=scores)
    assert (row.recorded, dict(row.judged), dict(row.signals)) == (recorded, judged, {})


def test_tokens_that_nobody_counted_are_unknown() -> None:
    for nothing in (output("8"), output("8", input_tokens=0, output_tokens=0)):
        row = one(output=nothing)
        assert (row.prompt, row.completion, row.thought) == (None, None, None)


def test_of_several_calls_all_or_none_are_counted() -> None:
    said = {"role": "assistant", "content": "8", "source": "generate"}
    call = {"event": "model", "output": output("8", input_tokens=3, output_tokens=5)}
    scoring = {"event": "span_begin", "type": "scorers"}
    assert one(messages=[said, said], events=[call, call, scoring, call]).completion == 10
    assert one(messages=[said, said], events=[]).completion is None  # the log has no events


def test_samples_without_an_output_are_holes() -> None:
    assert one(output={"choices": []}) == Hole("here", "it has no output")
    limit = {"type": "token", "limit": 10}
    assert one(output={"choices": []}, limit=limit).reason == "it ended at its limit (token) without output"
    assert one(invalidation={"author": "me"}).reason == "marked as invalid in the log"
    assert one(error={"message": "boom\nline two"}).reason == "boom line two"


@pytest.mark.parametrize("sample", [None, [], {}, {"id": 1, "epoch": 1, "output": []}, {"output": {"choices": []}}])
def test_what_is_no_sample_is_broken(sample: Any) -> None:
    assert list(rows("here", sample)) == [Broken("here", "not a sample of inspect_ai: expected id, epoch and output")]


def test_a_stranger_may_write_anything_into_a_sample() -> None:
    odd: list[Any] = [None, 1, "x", [], {}, [None], [{"x": 1}], {"x": None}, float("nan"), 10**400, "\ud800"]
    for field in ("id", "epoch", "input", "target", "messages", "scores", "events", "choices", "attachments", "limit"):
        for value in odd:
            assert isinstance(one(**{field: value}), Record)
    for value in odd:
        assert isinstance(one(output=output(value)), Record)
        (row,) = rows("here", {"id": 1, "epoch": 1, "output": {"choices": value}})
        assert isinstance(row, Record | Hole)
    assert one(input="\ud800", output=output("\ud800")).text == "?"


def members(name: str) -> dict[str, bytes]:
    with zipfile.ZipFile(FIXTURES / name) as file:
        return {n: file.read(n) for n in file.namelist()}


def log(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path


def test_a_broken_sample_is_named_and_the_others_read(tmp_path: Path) -> None:
    parts = members("old.eval")
    parts["samples/largest_epoch_1.json"] = parts["samples/largest_epoch_1.json"][:500]
    parts["samples/smallest_epoch_1.json"] = b'{"id": "\xff"}'
    found = list(InspectAI().read(log(tmp_path / "x.eval", parts)))
    broken = [row for row in found if isinstance(row, Broken)]
    assert [row.place for row in broken] == ["samples/largest_epoch_1.json", "samples/smallest_epoch_1.json"]
    assert broken[0].reason.startswith("not JSON (")
    assert broken[1].reason.startswith("cannot be read (")
    assert len(found) == 4
    assert not any("\n" in row.reason for row in broken)


def test_damage_within_a_compressed_sample_is_found(tmp_path: Path) -> None:
    for name in ("letters.eval", "old.eval"):
        raw = bytearray((FIXTURES / name).read_bytes())
        at = raw.index(b"samples/largest_epoch_1.json") + 200
        raw[at : at + 40] = bytes(40)
        (tmp_path / name).write_bytes(raw)
        found = list(InspectAI().read(tmp_path / name))
        assert [isinstance(row, Broken) for row in found] == [True, False, False, False]


def test_the_last_of_two_members_of_one_name_counts(tmp_path: Path) -> None:
    """A sample that is run again is appended."""
    parts = members("old.eval")
    path = log(tmp_path / "x.eval", parts)
    sample = json.loads(parts["samples/largest_epoch_1.json"])
    sample["output"]["choices"][0]["message"]["content"] = "again"
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("samples/largest_epoch_1.json", json.dumps(sample))
    found = [row for row in InspectAI().read(path) if isinstance(row, Record) and row.id == "largest"]
    assert [row.text for row in found] == ["again", "ANSWER: B"]


def refused(path: Path) -> list[str]:
    """What reading a file, and asking for its facts, say in one line each."""
    said = []
    for ask in (lambda: list(InspectAI().read(path)), lambda: InspectAI().facts(path)):
        with pytest.raises(TtcError) as raised:
            ask()
        assert "\n" not in str(raised.value)
        assert str(path) in str(raised.value)
        said.append(str(raised.value))
    return said


def test_a_truncated_zip_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "half.eval"
    path.write_bytes((FIXTURES / "sums.eval").read_bytes()[:20000])
    assert detect(path).name == "inspect"
    assert all("not a whole zip file" in line for line in refused(path))


def test_a_zip_of_something_else_is_one_line(tmp_path: Path) -> None:
    first, second = refused(log(tmp_path / "other.eval", {"word/document.xml": b"<x/>"}))
    assert "no samples in it" in first
    assert "neither header.json nor _journal/start.json" in second
    path = log(tmp_path / "odd.eval", {**members("old.eval"), "header.json": b"{"})
    with pytest.raises(TtcError, match=r"header\.json: not JSON"):
        InspectAI().facts(path)


def test_json_that_ends_early_is_one_line(tmp_path: Path) -> None:
    whole = (FIXTURES / "sums.json").read_bytes()
    path = tmp_path / "half.json"
    path.write_bytes(whole[: len(whole) // 2])
    assert detect(path).name == "inspect"
    found = []
    with pytest.raises(TtcError, match=r"after sample \d: not JSON \(.+\); was the log written to its end\?"):
        found.extend(InspectAI().read(path))
    assert InspectAI().facts(path).model == "mockllm/model"  # its header stands first
    path.write_bytes(whole[:600])
    refused(path)
    path.write_bytes(whole[:600] + b"}")
    refused(path)


def test_a_log_without_samples_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"version": 2, "status": "success", "eval": {}, "samples": []}))
    with pytest.raises(TtcError, match="no samples in it"):
        list(InspectAI().read(path))


def test_json_with_nan_is_read(tmp_path: Path) -> None:
    """inspect_ai writes NaN for a sample that a scorer left unscored."""
    content = json.loads((FIXTURES / "sums.json").read_text(encoding="utf-8"))
    content["samples"][0]["scores"]["reward"]["value"] = float("nan")
    content["samples"][1]["output"]["choices"][0]["message"]["content"] = 'NaN, "NaN" and -Infinity\\'
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    first, second, *_ = InspectAI().read(path)
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert dict(first.signals) == {"logprob": -0.5}
    assert second.text == 'NaN, "NaN" and -Infinity\\'


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 16])
def test_constants_become_null_wherever_a_chunk_ends(size: int) -> None:
    value = {"a\\": [float("nan"), float("inf"), -float("inf"), 'NaN \\" NaN', "\\\\"], "NaN": "x", "b": [1, True]}
    text = json.dumps([value] * 3)
    file = Plain(io.BytesIO(text.encode()))
    plain = b"".join(iter(lambda: file.read(size), b""))
    expected = {"a\\": [None, None, None, 'NaN \\" NaN', "\\\\"], "NaN": "x", "b": [1, True]}
    assert json.loads(plain) == [expected] * 3
