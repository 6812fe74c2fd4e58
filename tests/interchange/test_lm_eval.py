"""Samples that lm-eval logged (fixtures/lm_eval/make.py) are read as its model said them, each once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ttc_bench.interchange.formats import detect
from ttc_bench.interchange.records import Facts, Record
from ttc_bench.interchange.sources.lm_eval import LMEval
from ttc_bench.problems.rows import Broken

FIXTURES = Path(__file__).parent / "fixtures" / "lm_eval"
SUMS = next(FIXTURES.glob("samples_sums_*.jsonl"))
LARGER = next(FIXTURES.glob("samples_larger_*.jsonl"))
RESULTS = next(FIXTURES.glob("results_*.json"))


def said(right: int, n: int) -> str:
    """The nth answer of the model of make.py."""
    number = right + (n == (1 if right == 9 else 3))
    return f" {number}, I think ({n})." if right % 2 else f" Let me count: {number}"


def test_each_sample_is_read_once_though_each_filter_has_a_line() -> None:
    assert len(SUMS.read_text(encoding="utf-8").splitlines()) == 16  # 8 documents, 2 filters
    found = list(LMEval().read(SUMS))
    assert [(r.id, r.repeat, r.text) for r in found if isinstance(r, Record)] == [
        (str(doc), repeat, said(doc + 2, repeat + 1)) for doc in range(8) for repeat in range(4)
    ]


def test_questions_golds_and_what_is_unknown() -> None:
    first = next(iter(LMEval().read(SUMS)))
    assert first == Record(
        "line 1, sample 1", " Let me count: 2", "0", "What is 1 + 1?", "2", recorded=True, answer="2", repeat=0
    )


def test_the_verdict_is_of_the_sample_that_the_filter_took() -> None:
    found = [r for r in LMEval().read(SUMS) if isinstance(r, Record)]
    firsts = [(r.recorded, r.answer) for r in found if r.repeat == 0]
    assert firsts == [(doc < 7, str(doc + 2) if doc < 7 else "10") for doc in range(8)]
    assert {(r.recorded, r.answer) for r in found if r.repeat} == {(None, None)}


def test_without_the_results_file_nobody_knows_whose_the_verdict_is(tmp_path: Path) -> None:
    shutil.copy(SUMS, tmp_path)
    found = list(LMEval().read(tmp_path / SUMS.name))
    assert len(found) == 32
    assert {(r.recorded, r.answer) for r in found if isinstance(r, Record)} == {(None, None)}
    facts = LMEval().facts(tmp_path / SUMS.name)
    assert (facts.model, facts.task, facts.temperature, facts.tool) == (None, "sums", 0.7, "lm_eval")
    (tmp_path / RESULTS.name).write_text("[")
    assert LMEval().facts(tmp_path / SUMS.name) == facts


def test_facts() -> None:
    remark = "the verdicts are those of the filter first-number; majority had others"
    assert LMEval().facts(SUMS) == Facts("counting-1", "sums", 0.7, None, 32, "lm_eval 0.4.13", (remark,))


def test_samples_are_recognised() -> None:
    assert detect(SUMS).name == detect(LARGER).name == "lm-eval"


def test_choices_that_were_compared_have_no_text() -> None:
    reason = "no generated text in it: its choices were compared by their log-likelihood"
    assert list(LMEval().read(LARGER)) == [Broken(f"line {i}", reason) for i in range(1, 9)]


def written(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def line(**fields: Any) -> dict[str, Any]:
    arguments = {"gen_args_0": {"arg_0": "Q: 1 + 1?\nA:", "arg_1": {"do_sample": False, "temperature": 0.7}}}
    usual = {"doc_id": 3, "doc": {"question": "1 + 1?"}, "target": "2", "arguments": arguments, "resps": [["it is 2"]]}
    return {
        **usual,
        "filtered_resps": ["2"],
        "filter": "strict",
        "metrics": ["exact_match"],
        "exact_match": 1.0,
        **fields,
    }


def only(path: Path, **fields: Any) -> Any:
    (row,) = LMEval().read(written(path / "x.jsonl", line(**fields)))
    return row


def test_one_response_has_the_verdict_of_its_document(tmp_path: Path) -> None:
    row = only(tmp_path)
    assert (row.place, row.recorded, row.answer, row.repeat) == ("line 1", True, "2", 0)
    assert (only(tmp_path, exact_match=0.0).recorded, only(tmp_path, exact_match=0.5).recorded) == (False, None)
    assert only(tmp_path, metrics=["f1"], f1=0.3).recorded is None
    assert only(tmp_path, metrics=None).recorded is True
    assert only(tmp_path, filtered_resps=["[invalid]"]).answer is None
    assert only(tmp_path, filtered_resps=[["2", "3"]]).answer == "2"
    assert only(tmp_path, filter="none").answer is None


def test_the_prompt_is_the_question_where_the_document_names_none(tmp_path: Path) -> None:
    assert only(tmp_path).question == "1 + 1?"
    assert only(tmp_path, doc={"problem": "1 + 1?"}).question == "1 + 1?"
    assert only(tmp_path, doc={"question": "something else"}).question == "Q: 1 + 1?\nA:"
    assert only(tmp_path, doc={"x": "1 + 1?"}).question == "Q: 1 + 1?\nA:"
    assert only(tmp_path, arguments=[["Q: old", {"until": []}]], doc={}).question == "Q: old"
    assert only(tmp_path, arguments=None, doc={}).question is None


def test_greedy_decoding_has_temperature_0(tmp_path: Path) -> None:
    assert LMEval().facts(written(tmp_path / "x.jsonl", line())).temperature == 0.0


def test_requests_that_generate_nothing_are_named(tmp_path: Path) -> None:
    for arguments in (
        {"gen_args_0": {"arg_0": "Q", "arg_1": " 2"}},
        {"gen_args_0": {"arg_0": "Q"}},
        [["Q", " 2"]],
        [["Q"]],
    ):
        row = only(tmp_path, arguments=arguments, resps=[["-1.5"]])
        assert "no generated text" in row.reason
    assert "no generated text" in only(tmp_path, resps=[]).reason
    assert only(tmp_path, resps=[["a"], ["b"]]).reason == "2 requests for one document: expected one"


def test_filters_may_be_interleaved(tmp_path: Path) -> None:
    lines = [line(doc_id=doc, filter=name) for doc in (0, 2, 1) for name in ("strict", "flexible")]
    found = list(LMEval().read(written(tmp_path / "x.jsonl", *lines)))
    assert [(r.place, r.id) for r in found if isinstance(r, Record)] == [
        ("line 1", "0"),
        ("line 3", "2"),
        ("line 5", "1"),
    ]


def test_a_file_cut_in_half_names_the_line(tmp_path: Path) -> None:
    whole = SUMS.read_bytes()
    path = tmp_path / SUMS.name
    path.write_bytes(whole[: whole.index(b"\n") + 300])
    *found, last = LMEval().read(path)
    assert len(found) == 4
    assert isinstance(last, Broken)
    assert last.place == "line 2"
    assert last.reason.startswith("not JSON (")


@pytest.mark.parametrize(
    "field", ["doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"]
)
def test_a_stranger_may_write_anything_into_a_line(tmp_path: Path, field: str) -> None:
    for odd in (None, 1, "x", [], {}, [None], [[None]], [[["x"]]], {"gen_args_0": 1}, [{"x": 1}], -1, "\ud800"):
        path = written(tmp_path / "x.jsonl", line(**{field: odd}))
        assert all(isinstance(row, Record | Broken) for row in LMEval().read(path))
        assert LMEval().facts(path).model is None
    assert only(tmp_path, doc_id=None) == Broken("line 1", "not a line of lm-eval: expected doc_id and resps")
