"""Verifiers that run a model: nothing is scored twice, nothing is lost, and a report runs none."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import Longest, config, model, setting

from ttc_bench.config import Config
from ttc_bench.core import Completion, Problem, Request, Usage
from ttc_bench.errors import BackendError, TaskError, TtcError
from ttc_bench.experiment import dry_run, report, run
from ttc_bench.sampling.pool import Watch
from ttc_bench.terminal.words import paid
from ttc_bench.verifiers import menu as verifiers
from ttc_bench.verifiers.stored import StoredVerifier

SAME = Completion("The answer is 4.", "stop", Usage(completion=5))
PROBLEM = Problem("p", "2 + 2?", "4")


@pytest.fixture
def scorer(monkeypatch: pytest.MonkeyPatch) -> Longest:
    made = Longest()
    monkeypatch.setitem(verifiers.SCORERS, "longest", lambda argument, setting: made)
    return made


def asked(folder: Path, **changes: object) -> Config:
    return config(folder, **{"method": ("best-of-n",), "verifier": ("longest:some/path",), **changes})


def test_an_old_store_opens(tmp_path: Path) -> None:
    """A store that was made before there were scores gets the table when it is opened."""
    old = setting(tmp_path, model()).store
    old.close()
    with sqlite3.connect(old.path) as db:
        db.execute("drop table scores")
    assert setting(tmp_path, model()).store.scores("v", ["a"]) == {}


async def test_nothing_is_scored_twice(tmp_path: Path, scorer: Longest) -> None:
    """Neither by a second run, nor by a run into another folder, nor two samples with the same text."""
    first = await run(asked(tmp_path), model())
    assert len(scorer.asked) == len(set(scorer.asked)) > 0
    assert scorer.closed == 1
    scorer.asked.clear()
    again = await run(asked(tmp_path), model())
    await run(asked(tmp_path, name="other"), model())
    await report(first.folder)
    assert scorer.asked == []
    assert scorer.closed == 1
    assert again.analysis.points == first.analysis.points
    more = await run(asked(tmp_path, samples=8), model())
    assert len(scorer.asked) <= 6 * 4
    assert more.analysis.points[-1].k == 8


async def test_equal_samples_are_asked_once_and_charged_each(tmp_path: Path) -> None:
    scorer, place = Longest(), setting(tmp_path, model())
    scores = await StoredVerifier("v", "v", scorer, place).score(
        [(PROBLEM, SAME), (PROBLEM, replace(SAME, usage=Usage()))]
    )
    assert scorer.asked == [SAME.text]
    assert [(s.value, s.usage.prompt, s.usage.completion, s.parameters) for s in scores] == [(16.0, 11, 2, 1000)] * 2


async def test_another_question_or_verifier_is_another_score(tmp_path: Path) -> None:
    scorer, place = Longest(), setting(tmp_path, model())
    await StoredVerifier("v", "v", scorer, place).score([(PROBLEM, SAME), (replace(PROBLEM, question="3 + 1?"), SAME)])
    await StoredVerifier("v", "v", scorer, place).score([(replace(PROBLEM, id="renamed", answer=None), SAME)])
    assert len(scorer.asked) == 2
    scorer.id = "longest@2"
    await StoredVerifier("v", "v", scorer, place).score([(PROBLEM, SAME)])
    assert len(scorer.asked) == 3


async def test_no_verdict_is_kept_and_a_hole_is_asked_again(tmp_path: Path) -> None:
    """A verdict that could not be read is none, never zero, and paying for it once is enough."""
    scorer, place = Longest(fails=frozenset({"gone"})), setting(tmp_path, model())
    items = [(PROBLEM, replace(SAME, text=text)) for text in ("", "gone", "fine")]
    verifier = StoredVerifier("v", "v", scorer, place)
    assert [s.value for s in await verifier.score(items)] == [None, None, 4.0]
    assert [s.value for s in await verifier.score(items)] == [None, None, 4.0]
    assert sorted(scorer.asked) == ["", "fine", "gone", "gone"]
    scorer.fails = frozenset()
    assert [(s.value, s.usage.prompt) for s in await verifier.score(items)] == [(None, 11), (4.0, 11), (4.0, 11)]


async def test_an_interruption_keeps_what_was_scored(tmp_path: Path, scorer: Longest) -> None:
    scorer.most = 5
    with pytest.raises(KeyboardInterrupt):
        await run(asked(tmp_path), model())
    first, scorer.most = list(scorer.asked), 10**6
    await run(asked(tmp_path), model())
    assert len(scorer.asked) == len(set(scorer.asked))
    assert scorer.asked[:5] == first
    assert scorer.closed == 2  # also where scoring was interrupted


async def test_a_report_without_the_scores_says_how_to_make_them(tmp_path: Path, scorer: Longest) -> None:
    result = await run(asked(tmp_path, verifier=()), model())
    with pytest.raises(TtcError) as raised:
        await report(result.folder, {"verifier": "longest:some/path"})
    command = f"ttc-bench run --config {result.folder}/run.json --verifier longest:some/path"
    assert f"verifier longest:some/path: 24 scores are not stored; make them with: {command}" == str(raised.value)
    assert scorer.asked == []
    await run(asked(tmp_path), model())
    done = await report(result.folder, {"verifier": "longest:some/path"})
    assert {p.label() for p in done.analysis.points if not p.bound} == {"best-of-n (longest:path)"}


async def test_a_report_does_not_even_make_the_scorer(
    tmp_path: Path, scorer: Longest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights of a verifier may be gone, or their hub out of reach, when a run is looked at again."""
    result = await run(asked(tmp_path), model())

    def gone(argument: str, setting: object) -> Longest:
        raise BackendError("no model at some/path", fatal=True)

    monkeypatch.setitem(verifiers.SCORERS, "longest", gone)
    again = await report(result.folder)
    assert again.analysis.points == result.analysis.points
    assert again.manifest["models"][0]["verifiers"] == result.manifest["models"][0]["verifiers"]
    with pytest.raises(TaskError, match="verifier longest:some/path: no model at some/path"):
        await run(asked(tmp_path), model())


async def test_the_manifest_names_the_verifier_and_the_terminal_counts(tmp_path: Path, scorer: Longest) -> None:
    seen: list[tuple[str, int, int]] = []
    watch = Watch(on_score=lambda verifier, done, missing: seen.append((verifier, done, missing)))
    result = await run(asked(tmp_path, verifier=("longest:some/path", "self-certainty")), model(), watch)
    kept = json.loads((result.folder / "run.json").read_text(encoding="utf-8"))["models"][0]["verifiers"]
    told = {"id": "longest@1", "kind": "fake", "revision": "1", "parameters": 1000}
    assert kept == {"longest:some/path": told, "self-certainty": {}}
    assert seen == [("longest:path", i, 24) for i in range(25)]


async def test_what_the_verifier_reads_and_writes_is_charged(tmp_path: Path, scorer: Longest) -> None:
    both = await run(asked(tmp_path, verifier=("longest:some/path", "self-certainty")), model())
    at = {(p.label(), p.k): (p.tokens, p.total_tokens) for p in both.analysis.points}
    free, paid = at["best-of-n (self-certainty)", 4], at["best-of-n (longest:path)", 4]
    assert paid == (free[0] + 4 * 2, free[1] + 4 * (2 + 11))


async def test_a_run_says_what_it_scored(tmp_path: Path, scorer: Longest) -> None:
    """A run that samples nothing and scores has not spent nothing."""
    await run(asked(tmp_path, method=("cot",), verifier=()), model())
    scored = await run(asked(tmp_path), model())
    assert paid(scored.filled) == "24 scores by verifiers, 48 generated and 264 prompt tokens"
    told = json.loads((scored.folder / "run.json").read_text(encoding="utf-8"))["this_run"]
    assert (told["scores_made"], told["spent_on_scores"]["prompt"]) == (24, 264)
    assert paid((await run(asked(tmp_path), model())).filled) == "nothing"


async def test_a_dry_run_counts_the_scores_that_are_missing(tmp_path: Path, scorer: Longest) -> None:
    (before,) = (await dry_run(asked(tmp_path), backend=model())).values()
    assert (before.samples, before.scores) == (24, 24)
    await run(asked(tmp_path, method=("cot",), verifier=()), model())
    (sampled,) = (await dry_run(asked(tmp_path), backend=model())).values()
    assert (sampled.samples, sampled.scores) == (0, 24)
    await run(asked(tmp_path, samples=2), model())
    (some,) = (await dry_run(asked(tmp_path), backend=model())).values()
    assert (some.scores, len(scorer.asked)) == (12, 12)
    await run(asked(tmp_path), model())
    (none,) = (await dry_run(asked(tmp_path), backend=model())).values()
    assert none.scores == 0


async def test_two_verifiers_with_one_last_name_are_told_apart(tmp_path: Path, scorer: Longest) -> None:
    result = await run(asked(tmp_path, verifier=("longest:some/path", "longest:other/path")), model())
    methods = {p.label() for p in result.analysis.points if not p.bound}
    assert methods == {"best-of-n (longest:path)", "best-of-n (longest:other/path)"}


async def test_an_error_of_a_verifier_is_one_line_and_names_it(tmp_path: Path, scorer: Longest) -> None:
    def broken(items: object) -> object:
        raise BackendError("does not fit the memory", fatal=True)

    scorer.verdicts = broken  # type: ignore[assignment, method-assign]
    with pytest.raises(TtcError, match="verifier longest:some/path: does not fit the memory"):
        await run(asked(tmp_path), model())
    assert scorer.closed == 1


async def test_the_same_answers_to_other_requests_share_scores(tmp_path: Path, scorer: Longest) -> None:
    """The address is that of what is scored: neither the model nor the prompt that led to it."""

    def script(request: Request, index: int) -> Completion:
        return replace(SAME, text=f"The answer is {index}.")

    await run(asked(tmp_path, method=("best-of-n",)), model(script))
    count = len(scorer.asked)
    await run(asked(tmp_path, prompt="direct", temperature=0.5, name="x"), model(script, name="another"))
    assert len(scorer.asked) == count == 6 * 4
