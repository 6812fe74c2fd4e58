"""Samples of others as pools: the same curves as if we had sampled, unknown counts never 0, nothing half imported."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ttc_bench import experiment
from ttc_bench.backends.by_name import BUILTIN_MODELS, token_counter
from ttc_bench.core import Usage
from ttc_bench.errors import TtcError
from ttc_bench.interchange import formats
from ttc_bench.interchange.importing import import_samples
from ttc_bench.interchange.outcome import Imported
from ttc_bench.interchange.recorded import Recorded
from ttc_bench.interchange.records import Facts, Hole, Record, Row, Source
from ttc_bench.interchange.wanted import Import
from ttc_bench.problems import tasks
from ttc_bench.problems.rows import Broken
from ttc_bench.sampling.store import Store

Run = Callable[..., tuple[int, str, str]]
RUN = ("run", "--model", "scripted:", "--task", "chain-arithmetic", "--limit", "6", "--samples", "4", "--name", "a")
SAME = ("label", "k", "accuracy", "low", "high", "tokens", "problems", "samples", "truncated", "unextracted")


def curve(folder: Path | str, prompt: str = "cot") -> list[dict[str, str]]:
    with (Path(folder) / "curve.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["prompt"] == prompt]


def columns(rows: list[dict[str, str]], *more: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in (*SAME, *more)) for row in rows]


class Given(Source):
    """A format of a test: its rows are at hand."""

    name, about = "given", "rows of a test"

    def __init__(self, *rows: Row, **facts: Any) -> None:
        self.rows, self._facts = rows, Facts(**facts)

    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        return True

    def read(self, path: Path) -> Iterator[Row]:
        yield from self.rows

    def facts(self, path: Path) -> Facts:
        return self._facts


def record(place: str = "line 1", text: str = "The answer is 2.", **fields: Any) -> Record:
    return Record(**{"place": place, "text": text, "question": "1 + 1?", "gold": "2", **fields})


def taken(folder: Path, monkeypatch: pytest.MonkeyPatch, source: Source, **fields: Any) -> Imported:
    """An import of rows at hand."""
    monkeypatch.setattr(formats, "FORMATS", {"given": source})
    (folder / "f.log").write_text(repr(source.__dict__), encoding="utf-8")
    return import_samples(
        Import(**{"files": (str(folder / "f.log"),), "grader": "number", "out": str(folder / "results"), **fields})
    )


def stored(imported: Imported) -> list[Usage]:
    store = Store(imported.folder / "samples.sqlite", read_only=True)
    return [c.usage for request in store.requests() for c in store.pool(request).values()]


def test_an_export_comes_back_with_the_same_curve(ttc: Run) -> None:
    assert ttc(*RUN)[0] == 0
    for kind in ("jsonl", "parquet", "csv"):
        assert ttc("export", "results/a", "--to", f"s.{kind}")[0] == 0
        code, out, err = ttc("import", f"s.{kind}", "--task", "chain-arithmetic", "--name", kind)
        assert (code, err) == (0, "")
        assert "24 samples imported: 6 of 200 problems, 4 samples each." in out
        assert columns(curve(f"results/{kind}"), "total_tokens") == columns(curve("results/a"), "total_tokens")
    assert ttc("import", "s.jsonl", "--task", "chain-arithmetic", "--prompt", "direct", "--name", "d")[0] == 0
    direct = curve("results/d", "direct")
    assert columns(direct)[:1] == columns(curve("results/a", "direct"))


def test_a_store_comes_back_with_all_its_tokens(ttc: Run) -> None:
    assert ttc(*RUN)[0] == 0
    assert ttc("import", "results/samples.sqlite", "--task", "chain-arithmetic", "--name", "b")[0] == 0
    assert columns(curve("results/b"), "total_tokens") == columns(curve("results/a"), "total_tokens")
    run = json.loads(Path("results/b/run.json").read_text(encoding="utf-8"))
    assert run["models"][0]["id"].startswith("import:")
    assert run["models"][0]["name"] == "scripted; max_tokens 512"
    code, out, _ = ttc("report", "results/b", "--method", "weighted-vote", "--samples", "2")
    assert code == 0
    assert "weighted-vote (self-certainty)" in out
    assert "24 samples left out: asked with another prompt, direct" in " ".join(out.split())


def test_problems_may_come_from_the_file_and_move_with_the_folder(ttc: Run) -> None:
    assert ttc(*RUN)[0] == 0
    assert ttc("export", "results/a", "--to", "s.jsonl")[0] == 0
    assert ttc("import", "s.jsonl", "--grader", "number", "--name", "b")[0] == 0
    assert columns(curve("results/b")) == columns(curve("results/a"))
    Path("results/b").rename("elsewhere")
    Path("s.jsonl").unlink()
    assert ttc("report", "elsewhere", "--samples", "2")[0] == 0
    assert {row["samples"] for row in curve("elsewhere")} == {"2"}


def test_the_same_files_again_are_the_same_run(ttc: Run) -> None:
    assert ttc(*RUN)[0] == 0
    assert ttc("export", "results/a", "--to", "s.jsonl")[0] == 0
    command = ("import", "s.jsonl", "--task", "chain-arithmetic")
    assert ttc(*command)[0] == 0
    before = curve("results/imported-s")
    assert ttc(*command)[0] == 0
    assert curve("results/imported-s") == before
    Path("s.jsonl").write_text(Path("s.jsonl").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    code, _, err = ttc(*command)
    assert (code, err) == (
        2,
        "ttc-bench: results/imported-s belongs to another run; choose another folder with --name\n",
    )


def test_what_a_source_does_not_count_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        record(),
        record(completion=0),
        record(completion=-1, prompt=4),
        record(completion=7),
        record(completion=7, prompt=4, thought=9, cached=9),
        record(completion=7, prompt=4, apportioned=True),
        record(text="", completion=0, prompt=4),
    )
    usages = stored(taken(tmp_path, monkeypatch, Given(*rows)))
    assert [u.source for u in usages] == ["unknown"] * 3 + ["completion", "api", "estimate", "api"]
    assert [u.completion for u in usages] == [0, 0, 0, 7, 7, 7, 0]
    assert (usages[4].reasoning, usages[4].cached) == (7, 4)  # never more than what they are a part of


def test_a_tokenizer_counts_in_place_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Given(record(reasoning="3 + 4", completion=900, prompt=3))
    imported = taken(tmp_path, monkeypatch, source, tokenizer=str(BUILTIN_MODELS / "small"))
    count = token_counter(str(BUILTIN_MODELS / "small"))
    assert stored(imported) == [Usage(completion=count("3 + 4") + count("The answer is 2."), source="completion")]
    assert any("counted by the tokenizer small" in remark for remark in imported.remarks)


def test_everything_that_is_left_out_is_counted_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        *(record(f"line {i}", f"It is {i}.") for i in range(3)),
        record("line 3", "It is 1."),
        record("line 4", question="2 + 2?", gold="4"),
        record("line 5", question="3 + 3?", gold="many"),
        Broken("line 6", "not JSON"),
        Hole("line 7", "the server was busy"),
    )
    source = Given(*rows, model="a, b", temperature=0.7, remarks=("the file is old",))
    imported = taken(tmp_path, monkeypatch, source, bad_rows="skip")
    assert (imported.samples, imported.problems, imported.fewest, imported.most) == (5, 2, 1, 4)
    assert imported.sentences() == [
        "1 row left out: not JSON (line 6)",
        "1 sample left out: a gold answer that the grader cannot read; choose another with --grader (line 5)",
        "1 sample failed where it was made: the server was busy (line 7)",
        "problems have 1 to 4 samples, so curves end at k = 1; --at-least N leaves out those with fewer",
        "1 sample with the very text of an earlier one of the same problem",
        "the file is old",
        "decoding settings as the source gives them: temperature 0.7; those in run.json's config only make addresses",
    ]
    run = json.loads((imported.folder / "run.json").read_text(encoding="utf-8"))
    assert run["imported"]["notes"] == imported.sentences()
    assert run["models"][0]["name"] == "a b"
    fewer = taken(tmp_path, monkeypatch, source, bad_rows="skip", at_least=2, name="fewer")
    assert (fewer.problems, fewer.few) == (1, 1)
    only = json.loads((fewer.folder / "run.json").read_text(encoding="utf-8"))["tasks"][0]["only"]
    assert only == ["fewer-0"]


def test_what_the_source_said_is_kept_beside_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (record("line 1", recorded=True, answer="2"), record("line 2", "The answer is 3.", recorded=False))
    imported = taken(tmp_path, monkeypatch, Given(*rows))
    recorded = Recorded.of(imported.folder)
    assert recorded is not None
    (verdicts,) = recorded.verdicts("f", "cot").values()
    assert list(verdicts.place) == ["line 1", "line 2"]


def test_a_score_of_the_source_is_a_verifier_by_its_name(ttc: Run, tmp_path: Path) -> None:
    rows = [
        {"task": "t", "problem": "p", "question": "1 + 1?", "gold": "2", "prompt": "cot", "index": i, "tokens": 9}
        | {"text": f"The answer is {a}.", "stop_reason": "stop", "rung": "", "score_reward:prm": score}
        for i, (a, score) in enumerate(((2, 0.9), (3, 0.1), (3, 0.2)))
    ]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert ttc("import", "s.jsonl", "--grader", "number", "--name", "b")[0] == 0
    (best,) = (row for row in curve("results/b") if row["method"] == "best-of-n" and row["k"] == "3")
    assert (best["verifier"], float(best["accuracy"])) == ("reward:prm", 1.0)
    assert (best["tokens"], best["total_tokens"]) == ("27.0", "")  # of the samples; who knows what the verifier read
    assert "nobody counted what verifier reward:prm read" in Path("results/b/report.html").read_text(encoding="utf-8")
    code, _, err = ttc("report", "results/b", "--verifier", "rewart:prm", "--method", "best-of-n")
    assert code == 2
    assert "did you mean reward:" in err


def test_unknown_tokens_are_drawn_over_k_and_said(ttc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (record(text=f"The answer is {a}.") for a in (2, 2, 3, 2))
    monkeypatch.setattr(formats, "FORMATS", {"given": Given(*rows)})
    (tmp_path / "f.log").write_text("rows", encoding="utf-8")
    code, out, _ = ttc("import", "f.log", "--grader", "number", "--name", "b")
    assert code == 0
    words = " ".join(out.split())
    assert "the tokens of 4 of 4 samples are not known, so its curves are drawn over k" in words
    assert "whether 4 of 4 samples were cut at a token limit is not known" in words
    assert "not known how many cut at the token limit" in words
    assert {(row["tokens"], row["total_tokens"], row["truncated"], row["pareto"]) for row in curve("results/b")} == {
        ("", "", "", "False")
    }
    picture = (tmp_path / "results/b/accuracy_vs_tokens.svg").read_text(encoding="utf-8")
    assert "samples per problem (log scale)" in picture
    assert "as nobody counted the tokens" in picture
    assert "NaN" not in (tmp_path / "results/b/report.html").read_text(encoding="utf-8").split("<script")[0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((record(), Broken("line 2", "not JSON")), "line 2: not JSON; nothing was imported"),
        ((Hole("line 1", "busy"),), "no sample for f: 1 sample failed where it was made: busy (line 1); nothing"),
        ((record(gold=None),), "no gold answer"),
        ((), "no sample for f: no rows; nothing was imported"),
    ],
)
def test_a_refused_import_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: tuple[Row, ...], message: str
) -> None:
    with pytest.raises(TtcError) as error:
        taken(tmp_path, monkeypatch, Given(*rows))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert list((tmp_path / "results").iterdir()) == []


def test_a_killed_import_leaves_no_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(Given):
        def read(self, path: Path) -> Iterator[Row]:
            yield record()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taken(tmp_path, monkeypatch, Killed())
    assert list((tmp_path / "results").iterdir()) == []


def test_several_models_in_a_file_are_never_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Given(record("line 1", model="m1"), record("line 2", model="m2"), record("line 3", model="m1"))
    first = taken(tmp_path, monkeypatch, source)
    assert (first.samples, first.unmatched.counts) == (2, {"of another model, m2 (--model chooses)": 1})
    second = taken(tmp_path, monkeypatch, source, model="m2", name="second")
    assert second.samples == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "gsm8k"}, "--task has a grader of its own"),
        ({"grader": "numbers"}, "did you mean number?"),
        ({"grader": "words"}, "unknown grader 'words'"),
        ({"prompt": "cots"}, "did you mean cot"),
        ({"bad_rows": "eat"}, "expected refuse or skip"),
        ({"at_least": 0}, "expected 1 or more samples"),
    ],
)
def test_wishes_that_cannot_work(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(TtcError, match=message):
        Import(**{"files": ("f",), "grader": "number", **fields})


def test_files_that_cannot_be_imported_are_one_line(ttc: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"colour": "red"}\n', encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"colour": "red"}\n', encoding="utf-8")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "blank.csv").write_text("a,b\n", encoding="utf-8")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").touch()
    for words, message in (
        (("nowhere.jsonl", "--grader", "number"), "nowhere.jsonl: no such file"),
        (("a.jsonl", "--grader", "number", "--format", "inspekt"), "unknown format 'inspekt'"),
        (("a.jsonl", "--grader", "number"), "its first row has colour"),
        (("empty.jsonl", "--grader", "number"), "empty.jsonl: the file is empty"),
        (("blank.csv", "--grader", "number"), "blank.csv: no rows in it"),
        (("a.jsonl", "b.jsonl", "--format", "ttc-bench", "--grader", "number"), "has the same content as a.jsonl"),
        (("a.jsonl", "--format", "ttc-bench", "--grader", "number"), "a.jsonl, line 1: not a row of an export"),
        (("a.jsonl", "--format", "ttc-bench", "--task", "bbh"), "stands for several tasks"),
        (("a.jsonl", "--format", "ttc-bench", "--task", "countdown", "--tokenizer", "./none"), "--tokenizer ./none"),
        (
            ("a.jsonl", "--format", "ttc-bench", "--grader", "number", "--out", ".", "--name", "other"),
            "other holds other files and no run.json",
        ),
    ):
        code, _, err = ttc("import", *words)
        assert code == 2, words
        assert message in err
        assert err.count("\n") == 1


def test_several_prompts_make_one_run(ttc: Run) -> None:
    """Direct answers and chains of thought are points of one chart, whether rows tell them apart or files do."""
    assert ttc(*RUN)[0] == 0
    assert ttc("export", "results/a", "--to", "s.jsonl")[0] == 0
    rows = [json.loads(line) for line in Path("s.jsonl").read_text(encoding="utf-8").splitlines()]
    for prompt in ("direct", "cot"):
        of_prompt = "".join(json.dumps(row) + "\n" for row in rows if row["prompt"] == prompt)
        Path(f"{prompt}.jsonl").write_text(of_prompt, encoding="utf-8")
    task = ("--task", "chain-arithmetic")
    assert ttc("import", "s.jsonl", "--prompt", "direct,cot", *task, "--name", "rows")[0] == 0
    assert ttc("import", "direct=direct.jsonl", "cot=cot.jsonl", *task, "--name", "files")[0] == 0
    for prompt in ("direct", "cot"):
        assert columns(curve("results/rows", prompt)) == columns(curve("results/files", prompt))
        assert columns(curve("results/rows", prompt)) == columns(curve("results/a", prompt))


def test_a_row_of_no_known_prompt_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Given(record("line 1"), record("line 2", prompt_name="cot"), record("line 3", prompt_name="direct"))
    imported = taken(tmp_path, monkeypatch, source, prompt="direct,cot")
    assert imported.samples == 2
    assert imported.unmatched.counts == {"asked with a prompt that the row does not name; write PROMPT=FILE": 1}


def test_best_of_n_asks_for_scores_that_most_samples_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every, few = {"logprob": -1.0, "prm": 0.5}, {"logprob": -1.0}
    rows = [record(text=f"{i}. The answer is 2.", signals=every if i else few) for i in range(4)]
    run = json.loads((taken(tmp_path, monkeypatch, Given(*rows)).folder / "run.json").read_text(encoding="utf-8"))
    assert run["models"][0]["signals"] == ["logprob", "prm"]
    assert run["config"]["verifier"] == ["logprob"]  # only three of four have the other
    assert "3 of 4 samples have the score prm; --verifier prm ranks the others last" in run["imported"]["notes"]
    rows = [record(text=f"{i}. The answer is 2.", signals=every) for i in range(4)]
    again = taken(tmp_path, monkeypatch, Given(*rows), name="again")
    run = json.loads((again.folder / "run.json").read_text(encoding="utf-8"))
    assert run["config"]["verifier"] == ["prm"]


def test_samples_that_failed_at_their_source_are_counted_as_failed(ttc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        record(),
        record("line 2", "It is 2."),
        Hole("line 3", "busy"),
        record("line 4", question="2 + 2?", gold="4"),
    )
    monkeypatch.setattr(formats, "FORMATS", {"given": Given(*rows)})
    Path("f.log").write_text("rows", encoding="utf-8")
    code, out, _ = ttc("import", "f.log", "--grader", "number", "--name", "b")
    assert code == 0
    assert "25.0% failed" in out  # one of four calls; that a problem has one sample fewer is no failure
    assert "asks for them again" not in out


def test_verifiers_with_a_model_score_imported_samples_once(ttc: Run) -> None:
    assert ttc(*RUN)[0] == 0
    assert ttc("import", "results/samples.sqlite", "--task", "chain-arithmetic", "--name", "b")[0] == 0
    command = ("report", "results/b", "--verifier", "reward:builtin", "--method", "best-of-n")
    code, out, err = ttc(*command)
    assert code == 0
    assert "24 scores to make by reward:builtin" in err
    assert "This run spent: 24 scores by verifiers" in " ".join(out.split())
    first = curve("results/b")
    assert {row["verifier"] for row in first if row["method"] == "best-of-n"} == {"reward:builtin"}
    code, out, _ = ttc(*command)
    assert code == 0
    assert "This run spent: nothing" in out
    assert curve("results/b") == first
    assert ttc("import", "results/samples.sqlite", "--task", "chain-arithmetic", "--name", "b")[0] == 0
    assert "This run spent: nothing" in ttc(*command)[1]  # the scores outlive another import of the same samples
    code, _, err = ttc("report", "results/b", "--verifier", "p-true", "--method", "best-of-n")
    assert (code, err.count("\n")) == (2, 1)
    assert "asks the model that made the samples, and these were imported" in err


def test_what_came_in_is_told_before_anything_is_drawn(ttc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (record(), record("line 2", "I do not know."), record("line 3", question="?", gold="many"))
    monkeypatch.setattr(formats, "FORMATS", {"given": Given(*rows)})
    Path("f.log").write_text("rows", encoding="utf-8")
    monkeypatch.setattr(experiment, "report", lambda *_, **__: sys.exit(0))  # nothing is drawn
    code, out, _ = ttc("import", "f.log", "--grader", "number", "--name", "b")
    assert code == 0
    words = " ".join(out.split())
    assert words.startswith("2 samples imported: 1 problems, 2 samples each. 1 sample without a readable answer.")
    assert "1 sample left out: a gold answer that the grader cannot read" in words


def test_rows_of_another_model_make_no_problem(ttc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A problem that only the other model was asked would have no sample, and the run no curve."""
    rows = (record(model="m1"), record("line 2", question="2 + 2?", gold="4", model="m2"))
    monkeypatch.setattr(formats, "FORMATS", {"given": Given(*rows)})
    Path("f.log").write_text("rows", encoding="utf-8")
    assert ttc("import", "f.log", "--grader", "number", "--name", "b")[0] == 0
    assert {(row["problems"], row["accuracy"]) for row in curve("results/b")} == {("1", "1.0")}


def test_a_format_looks_at_all_files_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    class Looking(Given):
        def beside(self, paths: Sequence[Path]) -> Source:
            looked.append(len(paths))
            return self

    monkeypatch.setattr(formats, "FORMATS", {"given": Looking(record())})
    files = tuple(str(tmp_path / f"{name}.log") for name in "abc")
    for file in files:
        Path(file).write_text(file, encoding="utf-8")
    import_samples(Import(files=files, grader="number", out=str(tmp_path / "results")))
    assert looked == [3]


def test_files_of_different_models_are_never_one_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OfModels(Given):
        def facts(self, path: Path) -> Facts:
            return Facts(model=path.stem)

    monkeypatch.setattr(formats, "FORMATS", {"given": OfModels(record())})
    files = tuple(str(tmp_path / f"{name}.log") for name in ("m1", "m2"))
    for file in files:
        Path(file).write_text(file, encoding="utf-8")
    wanted = Import(files=files, grader="number", out=str(tmp_path / "results"))
    with pytest.raises(TtcError, match="different models, m1, m2: import them apart, or choose with --model"):
        import_samples(wanted)
    chosen = import_samples(replace(wanted, model="m2"))
    assert (chosen.samples, chosen.folder.name) == (1, "imported-m2")


def test_ids_that_contradict_the_golds_are_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yes and no in another order: half of the ids fit by chance."""
    (task,) = tasks.load("chain-arithmetic", limit=20)
    golds = [p.answer if i % 2 else "-1" for i, p in enumerate(task.problems)]
    rows = [Record(p.id, "It is 2.", id=p.id, gold=g) for p, g in zip(task.problems, golds, strict=True)]
    with pytest.raises(TtcError, match="problems are in another order"):
        taken(tmp_path, monkeypatch, Given(*rows), task="chain-arithmetic", grader=None)
    alone = taken(
        tmp_path, monkeypatch, Given(replace(rows[0], gold=None)), task="chain-arithmetic", grader=None, name="b"
    )
    assert any("1 sample joined by their id alone" in said for said in alone.sentences())


def test_problems_of_which_every_sample_failed_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (record(id="a"), Hole("line 2", "busy", "a"), Hole("line 3", "busy", "b"), Hole("line 4", "busy"))
    imported = taken(tmp_path, monkeypatch, Given(*rows))
    assert imported.lost == ["b"]
    assert "every sample of 1 problem failed, which no accuracy counts (b)" in imported.sentences()


def test_a_verifier_that_cannot_be_is_no_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [record(text=f"{i}. It is 2.", signals={"checker": 1.0}) for i in range(2)]
    with pytest.raises(TtcError, match="unknown verifier 'rewart'"):
        taken(tmp_path, monkeypatch, Given(*rows), verifier=("rewart",), method=("best-of-n",))
    assert list((tmp_path / "results").iterdir()) == []
    run = json.loads((taken(tmp_path, monkeypatch, Given(*rows)).folder / "run.json").read_text(encoding="utf-8"))
    assert run["config"]["verifier"] == ["checker of the source"]  # not ours of that name, which knows the problem


def test_scores_that_may_know_the_gold_are_never_taken_unasked(ttc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [record(text=f"{i}. The answer is {a}.", judged={"f1": float(a == 2)}) for i, a in enumerate((2, 3, 3, 3))]
    monkeypatch.setattr(formats, "FORMATS", {"given": Given(*rows)})
    Path("f.log").write_text("rows", encoding="utf-8")
    code, out, _ = ttc("import", "f.log", "--grader", "number", "--name", "b")
    assert code == 0
    assert "the score f1 may have been given by somebody who knew the gold answer" in " ".join(out.split())
    assert not [row for row in curve("results/b") if row["method"] == "best-of-n"]
    assert ttc("report", "results/b", "--verifier", "f1", "--method", "best-of-n")[0] == 0


def test_settings_that_nobody_gave_are_not_handed_on(ttc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (record(), record("line 2"))
    monkeypatch.setattr(formats, "FORMATS", {"given": Given(*rows, temperature=0.0)} | formats.FORMATS)
    Path("f.log").write_text("rows", encoding="utf-8")
    code, out, _ = ttc("import", "f.log", "--format", "given", "--grader", "number", "--name", "b")
    assert code == 0
    assert "all samples of every problem are the same text; more samples" in " ".join(out.split())  # it was greedy
    assert ttc("export", "results/b", "--to", "inspect", "--out", "logs")[0] == 0
    (log,) = Path("logs").glob("*.eval")
    assert ttc("import", str(log), "--name", "c")[0] == 0
    notes = json.loads(Path("results/c/run.json").read_text(encoding="utf-8"))["imported"]["notes"]
    assert any("as the source gives them: temperature 0;" in note for note in notes)


def test_estimated_tokens_stay_estimated_without_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usages = stored(taken(tmp_path, monkeypatch, Given(record(completion=7, apportioned=True))))
    assert usages == [Usage(completion=7, source="guess")]
