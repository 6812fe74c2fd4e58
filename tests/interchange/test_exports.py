"""What is written for inspect_ai and lm-eval is read back by our own import as it was, and appears when it is whole."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from exported import CUT, FIRST, GUESSED, LOGIC, MANIFEST, OTHER, PLAIN, PROBLEMS, SECOND, SHARED, THOUGHT, UNCOUNTED
from fakes import config, model

from ttc_bench.analysis.views import ProblemView, SampleView
from ttc_bench.errors import TtcError
from ttc_bench.experiment import run
from ttc_bench.interchange.exports import inspect_ai, lm_eval
from ttc_bench.interchange.formats import detect
from ttc_bench.interchange.records import Facts, Record

WRITERS = pytest.mark.parametrize("write", [inspect_ai.write, lm_eval.write], ids=["inspect", "lm-eval"])
Write = Callable[..., list[Path]]
TEXT = CUT.text.replace("\ud800", "?")


def records(paths: list[Path]) -> dict[str, dict[tuple[str, int], Record]]:
    """By file, then by problem and index."""
    found = {}
    for path in paths:
        if not path.name.startswith("results"):
            rows = list(detect(path).read(path))
            assert all(isinstance(row, Record) for row in rows)
            found[path.name] = {(r.id, r.repeat): r for r in rows}  # type: ignore[union-attr]
    return found


def named(found: dict[str, Any], *words: str) -> Any:
    """The only file whose name has all the words."""
    (name,) = [name for name in found if all(word in name for word in words)]
    return found[name]


@WRITERS
def test_one_file_for_each_model_task_and_prompt(write: Write, tmp_path: Path) -> None:
    paths = write(PROBLEMS, MANIFEST, tmp_path / "new")
    found = records(paths)
    assert sorted(p for p in (tmp_path / "new").rglob("*") if p.is_file()) == sorted(paths)
    assert len(found) == 4
    assert list(named(found, "sums-small-cot")) == [("sums/0", i) for i in (0, 1, 3, 4, 5)] + [("sums/1", 0)]
    assert list(named(found, "sums-a-large-cot")) == [("sums/0", 0), ("sums/1", 0)]
    assert list(named(found, "sums-small-direct")) == [("sums/0", 0), ("sums/0", 1)]
    assert list(named(found, "logic-small-cot")) == [("7", 0)]


@WRITERS
def test_texts_tokens_and_verdicts_come_back(write: Write, tmp_path: Path) -> None:
    of = named(records(write(PROBLEMS, MANIFEST, tmp_path)), "sums-small-cot")
    for sample in (PLAIN, THOUGHT, replace(CUT, text=TEXT)):
        record = of["sums/0", sample.index]
        assert (record.text, record.reasoning) == (sample.text, sample.reasoning)
        assert (record.recorded, record.answer, record.completion) == (sample.correct, sample.answer, sample.tokens)
        assert record.length is (sample.stop_reason == "length")
        assert dict(record.signals) == {n: v for n, v in sample.scores.items() if math.isfinite(v)}
        assert (record.question, record.gold, record.difficulty) == ("What is 1 + 1?", "2", 1.0)
    assert of["sums/1", 0].recorded is False
    assert (of["sums/0", UNCOUNTED.index].completion, of["sums/0", UNCOUNTED.index].prompt) == (None, None)
    guessed = of["sums/0", GUESSED.index]
    assert (guessed.completion, guessed.apportioned) == (GUESSED.tokens, True)
    assert of["sums/0", GUESSED.index].length is None


@WRITERS
def test_a_problem_without_a_gold_has_none(write: Write, tmp_path: Path) -> None:
    record = named(records(write([LOGIC], MANIFEST, tmp_path)), "logic")["7", 0]
    assert (record.gold, record.difficulty, record.recorded) == (None, None, True)


def test_inspect_logs_keep_prompt_tokens(tmp_path: Path) -> None:
    found = records(inspect_ai.write(PROBLEMS, MANIFEST, tmp_path))
    of = named(found, "sums-small-cot")
    assert [(of["sums/0", i].prompt, of["sums/0", i].cached, of["sums/0", i].thought) for i in (0, 1)] == [
        *((20, 8, None), (20, None, 24)),
    ]
    assert not of["sums/0", 0].shares_prompt
    shared = named(found, "small-direct")
    assert [(r.prompt, r.completion, r.shares_prompt) for r in shared.values()] == [(20, 12, True), (0, 12, True)]
    other = named(found, "a-large")["sums/0", 0]
    assert (other.prompt, other.completion) == (None, OTHER.tokens)


def test_facts_come_back(tmp_path: Path) -> None:
    known = Facts("a/large", "sums", 0.7, 0.9, 64, "ttc-bench 0.1.0")
    logs = inspect_ai.write(PROBLEMS, MANIFEST, tmp_path)
    path = named({p.name: p for p in logs}, "a-large")
    assert detect(path).facts(path) == known
    lines = lm_eval.write(PROBLEMS, MANIFEST, tmp_path)
    path = named({p.name: p for p in lines}, "samples", "a-large")
    assert detect(path).facts(path) == replace(known, task="sums-a-large-cot", tool="lm_eval")


def test_equal_runs_give_equal_logs(tmp_path: Path) -> None:
    one, other = (inspect_ai.write(PROBLEMS, MANIFEST, tmp_path / name) for name in "ab")
    assert [p.name for p in one] == [p.name for p in other]
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in other]


def test_results_of_lm_eval_have_what_its_table_needs(tmp_path: Path) -> None:
    paths = lm_eval.write(PROBLEMS, MANIFEST, tmp_path)
    results = json.loads(named({str(p): p for p in paths}, "/small/results_").read_text())
    assert results["results"]["sums-small-cot"] == {
        "alias": "sums-small-cot",
        "sample_len": 2,
        "exact_match,ttc-bench": 0.3,
        "exact_match_stderr,ttc-bench": 0.3,
    }
    assert results["results"]["logic-small-cot"]["exact_match_stderr,ttc-bench"] == "N/A"  # of one problem
    assert results["model_name"] == "small"
    assert results["config"]["model_args"] == {"pretrained": "hf:small@sha256:12"}


def test_datasets_reads_the_lines_of_lm_eval(tmp_path: Path) -> None:
    import datasets

    path = named({p.name: p for p in lm_eval.write(PROBLEMS, MANIFEST, tmp_path)}, "samples", "sums-small-cot")
    table = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert [len(row["resps"][0]) for row in table] == [5, 1]
    assert table[0]["filtered_resps"] == [["2", "3", "[invalid]", "2", "2"]]
    assert table[0]["exact_match"] == 0.6


def test_models_and_prompts_of_like_names_stay_apart(tmp_path: Path) -> None:
    samples = [
        replace(PLAIN, prompt=f"{model}, {prompt}", model=model)
        for model in ("a/b", "a-b")
        for prompt in ("c d", "c-d")
    ]
    problem = replace(FIRST, samples=tuple(samples))
    manifest = {**MANIFEST, "config": {"model": ["a/b", "a-b"]}, "models": [{"id": "1"}, {"id": "2"}]}
    for write, results in ((inspect_ai.write, 0), (lm_eval.write, 2)):
        paths = write([problem], manifest, tmp_path / write.__module__)
        assert len(set(paths)) == len(paths) == 4 + results
        assert len([record for path in paths if path.suffix != ".json" for record in detect(path).read(path)]) == 4


@WRITERS
async def test_the_samples_of_a_run_are_those_that_it_stored(write: Write, tmp_path: Path) -> None:
    result = await run(config(tmp_path, limit=2, samples=3), model())
    found = records(write(result.analysis.problems, result.manifest, tmp_path / "out"))
    assert len(found) == 2  # direct and cot
    graded = {(p.id, s.index): s for p in result.analysis.problems for s in p.samples if s.prompt == "cot"}
    of = named(found, "cot")
    assert len(of) == len(graded) == 6
    for key, sample in graded.items():
        read = of[key]
        assert (read.text, read.completion, read.recorded) == (sample.text, sample.tokens, sample.correct)
        if write is inspect_ai.write:
            assert sample.usage is not None
            assert read.prompt == sample.usage.prompt > 0


class Streamed:
    """Problems of which two at most may be alive: each looks whether those before it are gone."""

    def __init__(self) -> None:
        self.most = self.alive = 0

    def __iter__(self) -> Iterator[ProblemView]:
        for number in range(60):
            yield replace(SECOND, id=str(number), samples=(self._counted(),))

    def _counted(self) -> SampleView:
        import weakref

        view = replace(PLAIN)
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(view, self._gone)
        return view

    def _gone(self) -> None:
        self.alive -= 1


@WRITERS
def test_samples_are_let_go_once_written(write: Write, tmp_path: Path) -> None:
    streamed = Streamed()
    assert len(named(records(write(streamed, MANIFEST, tmp_path)), "sums")) == 60
    assert streamed.most <= 2


@WRITERS
def test_an_export_that_breaks_off_leaves_what_was_there(write: Write, tmp_path: Path) -> None:
    paths = write([FIRST], MANIFEST, tmp_path)
    before = {path: path.read_bytes() for path in paths}

    def broken() -> Iterator[ProblemView]:
        yield SECOND
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(broken(), MANIFEST, tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@WRITERS
def test_a_folder_that_cannot_be_written_is_one_line(write: Write, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(TtcError, match=r"cannot be written \(.+\); give another folder with --to") as raised:
        write(PROBLEMS, MANIFEST, tmp_path / "taken")
    assert "\n" not in str(raised.value)


@WRITERS
def test_a_run_without_samples_gives_no_file(write: Write, tmp_path: Path) -> None:
    assert write([replace(FIRST, samples=())], MANIFEST, tmp_path / "none") == []


def test_shared_prompts_are_counted_once(tmp_path: Path) -> None:
    """The sum over samples is what was paid, and stands in the log's statistics."""
    path = named({p.name: p for p in inspect_ai.write([FIRST], MANIFEST, tmp_path)}, "direct")
    with zipfile.ZipFile(path) as file:
        stats = json.loads(file.read("header.json"))["stats"]["model_usage"]["small"]
    assert stats == {"input_tokens": 20, "output_tokens": sum(s.tokens for s in SHARED), "total_tokens": 44}
