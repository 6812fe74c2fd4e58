"""`ttc-bench cascade` and `ttc-bench plan`, from the command to the files."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import model, signalled

from ttc_bench.backends import by_name
from ttc_bench.core import Completion, Request, Usage

Run = Callable[..., tuple[int, str, str]]
BASE = ("run", "--task", "chain-arithmetic", "--limit", "24", "--samples", "4", "--max-tokens", "32")


def better(request: Request, index: int) -> Completion:
    """Right more often, for ten times the tokens."""
    again = [signalled(request, index + n) for n in (0, 1000, 2000)]
    pick = again[hashlib.sha256(request.address.encode()).digest()[index % 32] % 3]
    return Completion(pick.text, "stop", Usage(prompt=20, completion=70), signals=pick.signals)


@pytest.fixture
def two(ttc: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Two models in one run, `results/both`, and each alone in `results/a` and `results/b`."""
    monkeypatch.setitem(by_name.BACKENDS, "one", lambda name, config: model(name="one"))
    monkeypatch.setitem(by_name.BACKENDS, "two", lambda name, config: model(better, name="two"))
    assert ttc(*BASE, "--model", "one:,two:", "--name", "both")[0] == 0
    for name, of in (("a", "one:"), ("b", "two:")):
        assert ttc(*BASE, "--model", of, "--name", name)[0] == 0
    return ttc


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def test_cascades_of_one_folder_and_of_two_are_the_same(two: Run) -> None:
    code, out, err = two("cascade", "results/both")
    assert (code, err) == (0, "")
    assert "one first, then two · 24 problems" in out
    assert "cross-fitted" in out
    assert "Written to results/both/: cascades.csv, cascades.png, cascades.svg" in " ".join(out.split())
    assert all(len(line) <= 80 for line in out.splitlines())
    code, again, _ = two("cascade", "results/a", "results/b", "--out", "apart")
    assert code == 0
    assert again.replace("apart", "results/both") == out
    assert table("apart/cascades.csv") == table("results/both/cascades.csv")


def test_a_run_of_several_models_reports_them(two: Run) -> None:
    """The same table as the command's, and a section; a run of one model has neither."""
    of_run = Path("results/both/cascades.csv").read_bytes()
    assert "Small first, then large" in Path("results/both/report.html").read_text(encoding="utf-8")
    assert two("cascade", "results/both", "--out", "again")[0] == 0
    assert Path("again/cascades.csv").read_bytes() == of_run
    assert not Path("results/a/cascades.csv").exists()
    assert "Small first, then large" not in Path("results/a/report.html").read_text(encoding="utf-8")


def test_a_plan_over_two_folders(two: Run) -> None:
    code, out, err = two("plan", "results/a", "results/b", "--tokens", "60000", "--problems", "1000")
    assert (code, err) == (0, "")
    words = " ".join(out.split())
    assert "chain-arithmetic: with 60,000 tokens read and generated for 1,000 problems: " in words
    assert "the best single configuration, " in words
    assert "Written to results/a/: plan.csv, plan.png, plan.svg" in words
    rows = table("results/a/plan.csv")
    assert {r["model"] for r in rows} <= {"one", "two", ""}
    for plan in ("single configuration", "mixture"):
        of_plan = [r for r in rows if r["plan"] == plan]
        assert sum(float(r["share"]) * float(r["cost"]) for r in of_plan) <= 60 + 1e-9
        assert sum(float(r["share"]) for r in of_plan) == pytest.approx(1)


def test_a_plan_may_stop_early(two: Run) -> None:
    """A rule that draws three samples where two agree is worth a vote of four, for less: the plan takes it up."""
    everything = ("plan", "results/a", "--tokens", "1e9", "--problems", "1")
    assert two(*everything, "--policy", "lead-by")[0] == 0
    with_rule = {r["configuration"] for r in table("results/a/plan.csv")}
    assert two(*everything)[0] == 0
    without = {r["configuration"] for r in table("results/a/plan.csv")}
    assert any(name.startswith("lead-by at ") for name in with_rule)
    assert not any(name.startswith("lead-by") for name in without)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "results/a", "--problems", "10"), "give one of --dollars, --tokens, --flops"),
        (("plan", "results/a", "--problems", "10", "--dollars", "1"), "no price is known for one"),
        (("plan", "results/a", "--problems", "10", "--flops", "1"), "the parameters of one are not known"),
        (("plan", "results/a", "--problems", "10", "--tokens", "9", "--policy", "led-by"), "did you mean lead-by?"),
        (("cascade", "results/a"), "a cascade needs two models of one task"),
        (("cascade", "results/a", "results/a"), "one folder is given twice"),
        (("cascade", "nowhere"), "no run.json in it"),
    ],
)
def test_what_is_missing_is_one_sentence(
    ttc: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.setitem(by_name.BACKENDS, "one", lambda name, config: model(name="one"))
    assert ttc(*BASE, "--model", "one:", "--name", "a")[0] == 0
    code, out, err = ttc(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
