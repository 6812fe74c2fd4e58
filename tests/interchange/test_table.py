"""Tables of anybody's, with --map and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import VALUES, stored, survives, written

from ttc_bench.errors import TtcError
from ttc_bench.interchange.formats import detect
from ttc_bench.interchange.records import Record
from ttc_bench.interchange.sources.table import Table, guess, parse
from ttc_bench.problems.rows import Broken

MATH = {  # the shape of outputs of Qwen2.5-Math's evaluation
    "idx": 3,
    "question": "What is 2 + 3?",
    "gt": "5",
    "level": "Level 3",
    "code": ["so 5", "so 6"],
    "pred": ["5", "6"],
    "score": [True, False],
    "pred_score": [[3.5], [-1.25]],
}
MAPPED = parse(
    "question=question, answer=gt, text=code, id=idx, difficulty=level, recorded=score, read=pred, score.reward=pred_score"
)
PLAIN = parse("question=q,answer=a,text=t,tokens=n,stop=s,recorded=r,prompt_tokens=p,reasoning=c,score.rm=m")


def read(path: Path, mapping: dict[str, str] | None = None) -> list[Any]:
    return list(Table(mapping).read(path))


def test_a_list_column_is_k_samples(tmp_path: Path) -> None:
    first, second = read(written(tmp_path / "m.jsonl", MATH), MAPPED)
    assert first == Record(
        place="line 1, sample 1",
        text="so 5",
        id="3",
        question="What is 2 + 3?",
        gold="5",
        signals={"reward": 3.5},
        recorded=True,
        answer="5",
        difficulty=3.0,
    )
    assert (second.place, second.text, second.signals) == ("line 1, sample 2", "so 6", {"reward": -1.25})
    assert (second.recorded, second.answer) == (False, "6")


def test_one_sample_in_a_row(tmp_path: Path) -> None:
    row = {"q": "q1", "a": 5, "t": "so 5", "n": 12, "s": "length", "r": 1, "p": 30, "c": "hm", "m": "0.5"}
    (record,) = read(written(tmp_path / "m.jsonl", row), PLAIN)
    assert record == Record(
        place="line 1",
        text="so 5",
        question="q1",
        gold="5",
        reasoning="hm",
        length=True,
        prompt=30,
        completion=12,
        signals={"rm": 0.5},
        recorded=True,
    )


def test_the_last_of_the_scores_of_steps_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "m.jsonl", {"q": "q", "t": "x", "m": [0.5, 0.25]}, {"q": "q", "t": "x", "m": []})
    assert [row.signals for row in read(path, parse("question=q,text=t,score.rm=m"))] == [{"rm": 0.25}, {}]


@pytest.mark.parametrize("tokens", [0, -1, None, float("nan"), "", "many", 1.5, True, 10**12, 10**400])
def test_tokens_that_are_no_count_are_unknown(tmp_path: Path, tokens: Any) -> None:
    path = written(tmp_path / "m.jsonl", {"q": "q", "t": "x", "n": tokens})
    assert read(path, parse("question=q,text=t,tokens=n"))[0].completion is None


@pytest.mark.parametrize(
    ("stop", "length"),
    [("length", True), ("max_tokens", True), ("MAX_TOKENS", True), ("model_length", True), ("stop", False),
     ("eos", False), ("EOS_TOKEN", False), ("end_turn", False), ("stop_sequence", False), ("content_filter", None),
     ("", None), (None, None), (1, None)],
)  # fmt: skip
def test_stop_reasons(tmp_path: Path, stop: Any, length: bool | None) -> None:
    path = written(tmp_path / "m.jsonl", {"q": "q", "t": "x", "s": stop})
    assert read(path, parse("question=q,text=t,stop=s"))[0].length is length


def test_one_value_beside_several_texts_says_nothing_of_each(tmp_path: Path) -> None:
    path = written(tmp_path / "m.jsonl", {"q": "q", "t": ["x", "y"], "n": 90}, {"q": "q", "t": ["x"], "n": 90})
    assert [row.completion for row in read(path, parse("question=q,text=t,tokens=n"))] == [None, None, 90]


def test_paths_reach_into_objects_and_lists(tmp_path: Path) -> None:
    row = {"doc": {"q": "q1"}, "out": [{"message": {"content": "x"}}], "a.b": 7}
    mapping = parse("question=doc.q,text=out.0.message.content,answer=a.b")
    (record,) = read(written(tmp_path / "m.jsonl", row), mapping)
    assert (record.question, record.text, record.gold) == ("q1", "x", "7")


def test_a_conversation_is_asked_by_its_last_user(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    (record,) = read(written(tmp_path / "m.jsonl", {"q": turns, "t": "x"}), parse("question=q,text=t"))
    assert record.question == "c"


def test_csv_cells_with_lists(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    lists = '"[""x"", ""y""]","[3, 4]"'
    path.write_text(f'q,t,n\nq1,{lists}\nq2,[asy] z,5\nq3,"[1, 2]",6\n', encoding="utf-8")
    rows = read(path, parse("question=q,text=t,tokens=n"))
    assert [(row.text, row.completion) for row in rows] == [("x", 3), ("y", 4), ("[asy] z", 5), ("[1, 2]", 6)]
    assert [row.place for row in rows] == ["line 2, sample 1", "line 2, sample 2", "line 3", "line 4"]


def test_json_and_parquet_read_alike(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    (tmp_path / "m.json").write_text(json.dumps([MATH, MATH]), encoding="utf-8")
    parquet.write_table(pa.Table.from_pylist([MATH, MATH]), tmp_path / "m.parquet")
    expected = [(row.text, row.signals) for row in read(written(tmp_path / "m.jsonl", MATH, MATH), MAPPED)]
    for name in ("m.json", "m.parquet"):
        assert [(row.text, row.signals) for row in read(tmp_path / name, MAPPED)] == expected


def test_rows_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = written(
        tmp_path / "m.jsonl",
        MATH | {"score": [True]},
        MATH | {"code": [None, "b"]},
        MATH | {"code": []},
        MATH | {"gt": ["5", "6"]},
        '{"question": ',
        MATH | {"gt": ["5"]},
    )
    rows = read(path, MAPPED)
    assert rows[0] == Broken("line 1", "2 texts, but 1 values for recorded")
    assert rows[1] == Broken("line 2, sample 1", "no text")
    assert rows[2].text == "b"
    assert rows[3] == Broken("line 3", "an empty list of texts")
    assert rows[4] == Broken("line 4", "2 values for answer, expected one")
    assert rows[5].place == "line 5"
    assert rows[6].gold == "5"


def test_a_column_that_no_row_has_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "m.jsonl", {"q": "q", "t": "x"}, {"q": "q", "t": "x", "n": 3})
    assert [row.completion for row in read(path, parse("question=q,text=t,tokens=n"))] == [None, 3]
    with pytest.raises(TtcError, match=r"no row has the column 'length' for tokens; the first has q, t$"):
        read(path, parse("question=q,text=t,tokens=length"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("question", "--map question: expected FIELD=COLUMN"),
        ("question=,text=t", "--map question=: expected FIELD=COLUMN"),
        ("questoin=q,text=t", "did you mean question"),
        ("score.=q,text=t", "unknown field 'score.'"),
        ("text=a,text=b,id=i", "--map names text twice: a and b"),
        ("question=q", "no column for text"),
        ("text=t", "no column for question or id"),
        ("", "no column for text"),
    ],
)
def test_a_wrong_map_is_one_line(words: str, message: str) -> None:
    with pytest.raises(TtcError) as error:
        parse(words)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_columns_are_told_by_their_names(tmp_path: Path) -> None:
    row = {"problem": "q", "answer": "5", "response": "so 5", "generation": "other", "correct": True, "note": 1}
    path = written(tmp_path / "m.jsonl", row)
    assert detect(path).name == "table"
    (record,) = read(path)
    assert (record.question, record.gold, record.text, record.recorded) == ("q", "5", "so 5", True)
    (remark,) = Table().facts(path).remarks
    assert "question=problem, answer=answer, text=response" in remark
    assert "could also be generation" in remark
    assert Table(parse("question=problem,text=generation")).facts(path).remarks == ()


def test_what_has_no_known_columns_is_no_table(tmp_path: Path) -> None:
    path = written(tmp_path / "m.jsonl", {"a": 1, "b": 2})
    with pytest.raises(TtcError, match="its first row has a, b; name the columns with --map"):
        detect(path)
    with pytest.raises(TtcError, match="no column is known by its name"):
        read(path)
    assert "text" not in guess({"question": "q"})
    assert Table(parse("question=a,text=b")).recognises(path, {"a": 1})
    assert not Table(parse("question=a,text=b")).recognises(tmp_path / "m.zip", None)


def test_nothing_in_a_row_trips_it(tmp_path: Path) -> None:
    survives(Table(MAPPED), tmp_path, MATH)
    survives(Table(), tmp_path, {"question": "q", "answer": "5", "text": "x", "tokens": 3, "finish_reason": "stop"})


VALUE = st.sampled_from(VALUES) | st.text(max_size=5) | st.integers() | st.floats()
CELL = VALUE | st.lists(VALUE, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys("qatnsrpcm", CELL)))
def test_any_row_is_a_record_or_is_named(tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any]) -> None:
    path = written(tmp_path_factory.mktemp("table") / "m.jsonl", dict.fromkeys("qatnsrpcm"), row)
    for found in list(Table(PLAIN).read(path))[1:]:
        assert found.place.startswith("line 2")
        if isinstance(found, Record):
            stored(found)
        else:
            assert isinstance(found, Broken)
