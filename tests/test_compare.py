"""`ttc-bench compare`: from stored samples to tables and files, and one sentence for what cannot be compared."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import arithmetic, model

from ttc_bench.backends import by_name
from ttc_bench.core import Completion, Request, Usage
from ttc_bench.experiment import compare

Run = Callable[..., tuple[int, str, str]]
METHODS = "cot,self-consistency"


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def sampled(ttc: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Makes results/NAME, of a model that is right half the time (half, half-...) or never, for more tokens (wrong)."""

    def script(name: str) -> Callable[[Request, int], Completion]:
        def answer(request: Request, index: int) -> Completion:
            text = {"wrong": "The answer is 1000.", "half": arithmetic(request, index)}[name]
            return Completion(text, "stop", Usage(prompt=20, completion=7 if name == "half" else 14))

        return answer

    monkeypatch.setitem(by_name.BACKENDS, "scripted", lambda name, config: model(script(name), f"openai:{name}@local"))

    def make(name: str, *more: str) -> tuple[int, str, str]:
        words = ("--task", "chain-arithmetic", "--samples", "4", "--method", METHODS, "--name", name, *more)
        return ttc("run", "--model", f"scripted:{name.partition('-')[0]}", *words)

    return make


def test_two_runs_meet_on_the_problems_of_both(ttc: Run, sampled: Run) -> None:
    """The longer run counts on the problems of the shorter one alone: the same difference as between two short ones."""
    assert sampled("wrong", "--limit", "6")[0] == sampled("half-long", "--limit", "10")[0] == 0
    assert sampled("half", "--limit", "6")[0] == 0
    code, out, err = ttc("compare", "results/wrong", "results/half-long", "--power")
    assert (code, err) == (0, "")
    assert all(len(row) <= 80 for row in out.splitlines())
    assert "chain-arithmetic · 6 common problems" in out
    assert "B = scripted:half of half-long" in out
    folder = Path("results/compare-wrong-half-long")
    assert {p.name for p in folder.iterdir()} == {
        *("compare.csv", "changed.csv", "power.csv", "compare.png", "compare.svg"),
    }
    rows = table(f"{folder}/compare.csv")
    of_run = [float(row["accuracy"]) for row in table("results/half/curve.csv") if row["label"] == "cot"]
    (cot,) = [row for row in rows if row["what"] == "cot"]
    assert (float(cot["accuracy_a"]), float(cot["accuracy_b"])) == (0.0, pytest.approx(of_run[0]))
    assert (cot["equal"], cot["tokens_a"], cot["tokens_b"]) == ("k", "14.0", "7.0")
    assert {row["equal"] for row in rows} == {"k", "tokens"}
    changed = [row for row in table(f"{folder}/changed.csv") if row["what"] == "self-consistency"]
    assert len(changed) == 6
    assert changed == sorted(changed, key=lambda row: -float(row["change"]))
    assert len(table(f"{folder}/power.csv")) == sum(
        row["equal"] == "k" and row["what"] != "best method" for row in rows
    )
    assert ttc("compare", "results/wrong", "results/half-long")[0] == 0
    assert not (folder / "power.csv").exists()  # it was of another command


def test_an_imported_run_meets_a_sampled_one(ttc: Run, sampled: Run) -> None:
    """The same samples, exported and imported: no difference at all. An export has no prompt tokens, so no FLOPs."""
    assert sampled("half", "--limit", "6")[0] == 0
    assert ttc("export", "results/half", "--to", "s.jsonl")[0] == 0
    assert ttc("import", "s.jsonl", "--task", "chain-arithmetic", "--name", "theirs")[0] == 0
    code, out, _ = ttc("compare", "results/half", "results/theirs", "--out", "side")
    assert code == 0
    assert {float(row["difference"]) for row in table("side/compare.csv")} == {0.0}
    assert "none tells theirs from half" in " ".join(out.split())
    assert ttc("import", "s.jsonl", "--grader", "number", "--name", "ours")[0] == 0  # a task of its own
    code, out, _ = ttc("compare", "results/half", "results/ours", "--out", "side")
    assert code == 0
    assert "ours of ours is taken for chain-arithmetic of half: 6 questions are the same" in " ".join(out.split())


def test_samples_that_both_use_are_said(ttc: Run, sampled: Run) -> None:
    assert sampled("half", "--limit", "6")[0] == sampled("half-again", "--limit", "6", "--samples", "2")[0] == 0
    _, out, _ = ttc("compare", "results/half", "results/half-again")
    assert "half and half-again have samples in common" in " ".join(out.split())


def test_prices_may_be_given_afterwards(ttc: Run, sampled: Run) -> None:
    assert sampled("half", "--limit", "4")[0] == sampled("wrong", "--limit", "4")[0] == 0
    entry = "  - {name: %s, input: 1.0, output: 4.0}\n"
    head = "as_of: 2025-01-01\nsource: https://example.org\nmodels:\n"
    Path("half.yaml").write_text(head + entry % "half")
    Path("both.yaml").write_text(head + entry % "half" + entry % "wrong")
    code, out, _ = ttc("compare", "results/half", "results/wrong", "--prices", "half.yaml")
    assert code == 0
    told = "not at equal dollars: no price is known for scripted:wrong of wrong; give one with --prices FILE"
    assert told in " ".join(out.split())
    assert ttc("compare", "results/half", "results/wrong", "--prices", "both.yaml")[0] == 0
    (cot,) = [row for row in table("results/compare-half-wrong/compare.csv") if row["what"] == "cot"]
    assert float(cot["dollars_a"]) == pytest.approx(20e-6 + 7 * 4e-6)
    assert float(cot["dollars_b"]) == pytest.approx(20e-6 + 14 * 4e-6)


def test_what_cannot_be_compared_is_one_sentence(ttc: Run, sampled: Run) -> None:
    assert sampled("half", "--limit", "4")[0] == sampled("wrong", "--limit", "4")[0] == 0
    assert sampled("half-hard", "--limit", "4", "--difficulty", "8")[0] == 0
    for words, expected in (
        (["results/half"], "compare needs at least two results folders, got results/half; add that of another run"),
        (
            ["results/half", "results/half/"],
            "results/half is given twice; compare it with the results folder of another run",
        ),
        (
            ["results/half", "nowhere"],
            "nowhere: no run.json in it; give the folder of an earlier run, such as results/NAME",
        ),
        (
            ["results/half", "results/half-hard"],
            "half and half-hard have fewer than 2 problems in common: half has 4 problems",
        ),
        (["results/half", "results/wrong", "--task", "chain"], "--task: unknown task 'chain'"),
        (["results/half", "results/wrong", "--out", "results/half"], "results/half is the results folder of a run"),
    ):
        code, out, err = ttc("compare", *words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"ttc-bench: {expected}")


def test_from_python_it_is_one_call(sampled: Run) -> None:
    assert sampled("half", "--limit", "4")[0] == sampled("wrong", "--limit", "4")[0] == 0
    found = asyncio.run(compare([Path("results/wrong"), Path("results/half")]))
    assert found.runs == ("wrong", "half")
    assert {row.difference > 0 for row in found.rows} == {True}
