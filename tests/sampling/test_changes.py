"""Budgets, waits and revisions: what a change asks for, what it costs, and that it never touches the trace itself."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from fakes import config

from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.core import Completion, Message, Request, Sample, Task, Usage
from ttc_bench.errors import BackendError, PromptTooLong, TtcError
from ttc_bench.experiment import dry_run, replay, run
from ttc_bench.grading.graders import GRADERS
from ttc_bench.sampling.changes import ForcedExit, Refine, Wait, extended, extensions
from ttc_bench.sampling.store import Store
from ttc_bench.terminal.forecasts import show_forecast

TASK = Task("sums", (), 'End with "The answer is N."', GRADERS["number"]())
ASKED = Request("m", (Message("user", "1 + 1?"),), 64)


def completion(text: str, tokens: int, *, stop: str = "stop", reasoning: str = "", thought: int = 0) -> Completion:
    usage = Usage(prompt=9, completion=tokens, reasoning=thought)
    return Completion(text, stop, usage, reasoning)  # type: ignore[arg-type]


def words(text: str, tokens: int, total: int) -> str:
    return " ".join(text.split(" ")[:tokens])


def test_a_budget_cuts_the_trace_and_opens_the_answer() -> None:
    before = completion("one and one make two. The answer is 2.", 9)
    request = ForcedExit(3).request(ASKED, TASK, before, words)
    assert request is not None
    assert request.prefix == "one and one The answer is"
    assert request.messages == ASKED.messages
    after = ForcedExit(3).merge(TASK, before, completion(" 2.", 2), 9)
    assert (after.text, after.usage.completion, after.usage.prompt) == ("The answer is 2.", 3 + 2, 9)


def test_a_budget_beyond_the_trace_changes_nothing() -> None:
    before = completion("The answer is 2.", 4)
    assert ForcedExit(4).request(ASKED, TASK, before, words) is None
    assert ForcedExit(3).request(ASKED, TASK, before, words) is not None


def test_a_trace_without_an_end_is_closed_at_every_budget() -> None:
    """It would count as unreadable at the largest budget, and as answered just below it."""
    cut = completion("one and one make", 4, stop="length")
    request = ForcedExit(100).request(ASKED, TASK, cut, words)
    assert request is not None
    assert request.prefix == "one and one make The answer is"
    assert ForcedExit(100).merge(TASK, cut, completion(" 2.", 2), 9).usage.completion == 4 + 2


def test_thinking_is_closed_with_its_own_tag() -> None:
    before = completion("The answer is 2.", 12, reasoning="hm one and one", thought=6)
    request = ForcedExit(2).request(ASKED, TASK, before, words)
    assert request is not None
    assert request.prefix == "<think>\nhm one\n</think>\n\nThe answer is"
    assert ForcedExit(6).request(ASKED, TASK, before, words) is None  # the thinking counts, not the answer after it
    after = ForcedExit(2).merge(TASK, before, completion(" 2.", 2), 9)
    assert (after.usage.reasoning, after.usage.completion) == (2, 4)


def test_boxed_tasks_are_closed_with_a_box() -> None:
    task = Task("m", (), r"Put your final answer within \boxed{}.", GRADERS["math"]())
    request = ForcedExit(1).request(ASKED, task, completion("so it goes", 3), words)
    assert request is not None
    assert request.prefix.endswith("The answer is \\boxed{")
    merged = ForcedExit(1).merge(task, completion("so it goes", 3), completion("36}.", 2), 9)
    assert task.grader.extract(merged.text).answer == "36"


def test_waiting_takes_the_end_away() -> None:
    before = completion("The answer is 3.", 4)
    request = Wait(1, 64).request(ASKED, TASK, before, words)
    assert request is not None
    assert (request.prefix, request.max_tokens) == ("The answer is 3.\nWait", 60)
    after = Wait(1, 64).merge(TASK, before, completion(", no. The answer is 2.", 6), 9)
    assert (after.text, after.usage.completion) == ("The answer is 3.\nWait, no. The answer is 2.", 10)
    assert TASK.grader.extract(after.text).answer == "2"
    cut = completion("on and on", 64, stop="length")
    assert Wait(1, 64).request(ASKED, TASK, cut, words) is None  # it did not stop early


def test_another_word_to_wait_with_is_another_continuation() -> None:
    before = completion("The answer is 3.", 4)
    request = Wait(1, 64, "Hold on").request(ASKED, TASK, before, words)
    assert request is not None
    assert request.prefix == "The answer is 3.\nHold on"
    assert Wait(1, 64, "Hold on").key != Wait(1, 64).key


def test_waiting_with_no_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TtcError, match="wait_text"):
        config(tmp_path, wait_text=" ")


def test_waiting_inside_thinking_drops_the_answer_that_came_too_early() -> None:
    before = completion("The answer is 3.", 10, reasoning="three", thought=6)
    request = Wait(1, 64).request(ASKED, TASK, before, words)
    assert request is not None
    assert (request.prefix, request.max_tokens) == ("<think>\nthree\nWait", 58)
    rest = completion("The answer is 2.", 7, reasoning=", two", thought=3)
    after = Wait(1, 64).merge(TASK, before, rest, 9)
    assert (after.text, after.reasoning) == ("The answer is 2.", "three\nWait, two")
    assert (after.usage.reasoning, after.usage.completion) == (9, 13)


def test_every_round_of_revision_pays_for_the_conversation_again() -> None:
    before = Completion("The answer is 3.", "stop", Usage(prompt=0, completion=4), shares_prompt=True)
    first = Refine(1).request(ASKED, TASK, before, words)
    assert first is not None
    assert [m.role for m in first.messages] == ["user", "assistant", "user"]
    assert first.messages[-1].content.endswith(TASK.answer_format)
    once = Refine(1).merge(TASK, before, completion("The answer is 2.", 5), 9)
    assert (once.text, once.usage.prompt, once.usage.completion) == ("The answer is 2.", 9 + 9, 9)
    second = Refine(2).request(first, TASK, once, words)
    assert second is not None
    assert len(second.messages) == 5


def test_changes_come_after_those_they_go_on_from() -> None:
    seen: list[object] = [None]
    for change in extensions((8, 16), 2, "Wait", 2, 64):
        assert change.after in seen
        seen.append(change)
    assert len({change.key for change in seen if change}) == 6  # type: ignore[attr-defined]


def test_characters_stand_in_for_tokens_in_proportion() -> None:
    cut = ScriptedBackend(lambda request, index: "").cut
    assert cut("abcdefgh", 2, 4) == "abcd"
    assert cut("äöü", 1, 3) == "ä"


def test_what_has_no_continuation_yet_is_left_out(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    store.add(Sample(ASKED, 0, completion("one and one. The answer is 2.", 8)))
    assert extended(store, TASK, ASKED, ForcedExit(2), 1) == {}
    store.follow(ASKED.address, 0, ForcedExit(2).key, None)
    assert list(extended(store, TASK, ASKED, ForcedExit(2), 1)) == [0]
    store.close()


def thinker(request: Request, index: int) -> str:
    """Counts to the sum; right only where it was let to finish, and wrong again when told to wait."""
    if request.prefix.endswith("Wait"):
        return " no, The answer is 0."
    if request.prefix:
        return " 7." if request.prefix.count("step") < 5 else f" {sum_of(request)}."
    if len(request.messages) > 1:
        return f"The answer is {sum_of(request)}."
    return f"step {index} step step step step step so The answer is {sum_of(request) if index % 2 else 1}."


def sum_of(request: Request) -> str:
    from ttc_bench.core import Problem
    from ttc_bench.problems.generators.chain_arithmetic import solve

    return solve(Problem("", request.messages[0].content, None))


async def test_one_trace_gives_every_budget(tmp_path: Path) -> None:
    backend = ScriptedBackend(thinker)
    asked = config(tmp_path, method=("cot",), samples=2, thinking_budget=("2..8",))
    result = await run(asked, backend)
    line = [p for p in result.analysis.points if p.label() == "cot by budget"]
    assert [p.change.label() for p in line] == ["budget 2", "budget 4", "budget 8"]
    assert line[0].accuracy < 0.2
    assert line[-1].accuracy > line[0].accuracy
    assert all(a.tokens < b.tokens for a, b in pairwise(line))
    assert len(backend.asked) == 6 * 2 * 4  # one trace and three short answers for each of 12 samples
    again = ScriptedBackend(thinker)
    second = await run(asked, again)
    assert again.asked == []
    assert second.analysis.points == result.analysis.points
    replayed = await replay(result.folder)
    assert replayed.analysis.points == result.analysis.points


async def test_a_dry_run_counts_what_comes_after_the_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At most: of a trace that is not made yet nobody knows whether it has to be continued."""
    asked = config(tmp_path, method=("cot", "refine"), samples=2, thinking_budget=("2", "4"), rounds=1)
    (before,) = (await dry_run(asked, backend=ScriptedBackend(thinker))).values()
    assert (before.samples, before.continuations, before.scores) == (12, 12 * 3, 0)
    await run(config(tmp_path, method=("cot",), samples=2), ScriptedBackend(thinker))
    show_forecast(found := await dry_run(asked, backend=ScriptedBackend(thinker)))
    assert [(f.samples, f.continuations) for f in found.values()] == [(0, 12 * 3)]
    said = " ".join(capsys.readouterr().out.split())
    assert said == (
        "Every sample is in the store: up to 36 continuations of traces (budgets, waiting, revision) are still to come."
    )
    await run(asked, ScriptedBackend(thinker))
    show_forecast(await dry_run(asked, backend=ScriptedBackend(thinker)))
    assert "the run would cost nothing" in " ".join(capsys.readouterr().out.split())


async def test_a_trace_without_an_end_is_brought_to_an_answer_once(tmp_path: Path) -> None:
    """Two budgets beyond an unfinished trace ask for the same continuation; it was asked for twice at once."""
    backend = ScriptedBackend(lambda request, index: " 7." if request.prefix else "step " * 99)
    asked = config(tmp_path, method=("cot",), samples=1, limit=1, max_tokens=10, thinking_budget=("16", "32"))
    result = await run(asked, backend)
    assert asked.longest == 32
    assert len(backend.asked) == 3
    unfinished = config(tmp_path, method=("cot",), samples=1, limit=1, thinking_budget=("16", "32"), name="cut")
    short = ScriptedBackend(
        lambda request, index: " 7." if request.prefix else Completion("step by step", "length", Usage(9, completion=3))
    )
    result = await run(unfinished, short)
    assert len(short.asked) == 2
    assert {p.tokens for p in result.analysis.points if p.change} == {3 + 2}


async def test_a_model_without_room_keeps_its_trace(tmp_path: Path) -> None:
    def crowded(request: Request, index: int) -> str | BackendError:
        return PromptTooLong(request.address, 99, 64) if request.prefix else "The answer is 1."

    result = await run(config(tmp_path, method=("cot",), samples=1, wait=1), ScriptedBackend(crowded))
    _, plain, waited = result.analysis.points
    assert (waited.change.label(), waited.tokens, waited.failed) == ("wait 1", plain.tokens, 0)


async def test_waits_and_revisions_are_points_of_one_line(tmp_path: Path) -> None:
    asked = config(tmp_path, method=("cot", "refine"), samples=2, wait=2, rounds=2)
    result = await run(asked, ScriptedBackend(thinker))
    waits = [p for p in result.analysis.points if p.label() == "cot + wait"]
    assert [p.change.label() for p in waits] == ["", "wait 1", "wait 2"]
    assert (waits[0].accuracy, waits[-1].accuracy) == (pytest.approx(0.5, abs=0.1), pytest.approx(0, abs=0.1))
    rounds = [p for p in result.analysis.points if p.label() == "refine"]
    assert [p.change.label() for p in rounds] == ["", "refine 1", "refine 2"]
    assert rounds[1].accuracy == 1
    assert rounds[2].total_tokens - rounds[2].tokens > rounds[1].total_tokens - rounds[1].tokens


async def test_announced_budgets_are_runs_of_their_own(tmp_path: Path) -> None:
    backend = ScriptedBackend(thinker)
    asked = config(tmp_path, method=("cot",), samples=1, thinking_budget=("4", "8"), budget_mode="rerun")
    result = await run(asked, backend)
    line = [p for p in result.analysis.points if p.label() == "cot by budget (announced)"]
    assert [p.change.label() for p in line] == ["budget 4 announced", "budget 8 announced"]
    store = Store(asked.store_path)
    texts = [row[0] for row in store._db.execute("select request from requests")]
    store.close()
    assert sum("Use at most 8 tokens." in text for text in texts) == 6


async def test_a_server_that_continues_nothing_is_told_its_budget(tmp_path: Path) -> None:
    backend = ScriptedBackend(thinker)
    backend.prefills = False  # type: ignore[attr-defined]
    result = await run(config(tmp_path, method=("cot",), samples=1, thinking_budget=("4",)), backend)
    assert [p.change.label() for p in result.analysis.points if p.change] == ["budget 4 announced"]
    assert result.manifest["config"]["budget_mode"] == "rerun"
    with pytest.raises(TtcError, match="leave --wait out"):
        await run(config(tmp_path, method=("cot",), samples=1, wait=1), backend)


@pytest.mark.parametrize("wrong", ["0", "x", "8..4", "1..2..3", "-3"])
def test_wrong_budgets_are_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(TtcError, match="thinking_budget"):
        config(tmp_path, thinking_budget=(wrong,))
