"""What replies teach of a server: one strange reply changes nothing for the run, two do, and later it is tried again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_helpers import ask, backend_at, expected, pool, whole
from fault_server import FaultServer, tokens

from ttc_bench.backends.api.dialect import AGAIN, Ability
from ttc_bench.core import Sample


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")


def sources(samples: list[Sample]) -> list[str]:
    return [s.completion.usage.source for s in samples if s.completion]


def test_an_ability_is_given_up_after_two_misses_in_a_row_and_tried_again_ever_later() -> None:
    ability = Ability()
    assert not ability.seen(False)
    assert not ability.seen(True)
    assert not ability.seen(False), "the two were not in a row"
    assert ability.seen(False)
    for pause in (AGAIN, 2 * AGAIN):
        for _ in range(pause):
            assert not ability.on
            ability.unasked()
        assert ability.on
        assert ability.seen(False), "one miss is enough for what was given up before"
    for _ in range(4 * AGAIN):
        ability.unasked()
    assert not ability.seen(True)
    assert ability.on
    ability.forbid()
    for _ in range(1000):
        ability.unasked()
    assert not ability.on, "what is refused in words stays so"


@pytest.mark.parametrize("fault", ["no logprobs", "one choice", "same index", "one null", "one aborted"])
async def test_one_reply_that_lacks_something_switches_nothing_off(fault: str) -> None:
    faults: Iterator[str | None] = iter([None, fault])
    async with FaultServer(faults) as server, backend_at(server, n_per_request=4, concurrency=1) as backend:
        got = await pool(backend, ask(backend), *range(24))
        assert (backend.dialect.n, backend.dialect.logprobs) == (True, True)
        assert backend.signals == {"logprob"}
    assert whole(got)
    assert len(got) == 24
    assert max(server.served.values()) == 1, "a choice that came is not asked for again"
    assert server.calls <= 8
    exact = [s.completion for s in got if s.completion and s.completion.usage.source == "api"]
    assert len(exact) >= 20
    assert all(c.usage.completion == tokens(c.text) + 1 for c in exact)


async def test_two_replies_without_logprobs_switch_them_off_until_later() -> None:
    faults = iter(["no logprobs"] * 2)
    async with FaultServer(faults) as server, backend_at(server, n_per_request=1, concurrency=1) as backend:
        got = await pool(backend, ask(backend), *range(AGAIN + 10))
        assert backend.signals == {"logprob"}
    asked = ["logprobs" in body for body in server.log]
    assert asked == [True] * 2 + [False] * AGAIN + [True] * 8
    assert [bool(s.completion and s.completion.signals) for s in got] == [False] * (2 + AGAIN) + [True] * 8


async def test_two_replies_with_fewer_choices_switch_n_off_until_later() -> None:
    faults = iter(["one choice"] * 2)
    async with FaultServer(faults) as server, backend_at(server, n_per_request=4, concurrency=1) as backend:
        assert whole(await pool(backend, ask(backend), *range(AGAIN + 60)))
    asked = [body.get("n", 1) for body in server.log]
    assert asked[:2] == [4, 4]
    assert set(asked[2 : 2 + AGAIN]) == {1}
    assert 4 in asked[2 + AGAIN :]
    assert max(server.served.values()) == 1


async def test_null_content_without_tokens_is_a_hole_and_never_an_answer() -> None:
    """An empty answer would be graded wrong for good."""
    async with FaultServer(iter(["null"] * 3)) as server, backend_at(server, max_retries=2) as backend:
        (hole,) = await pool(backend, ask(backend), 0)
        (later,) = await pool(backend, ask(backend), 0)
    assert hole.completion is None
    assert "neither text nor tokens" in str(hole.error)
    assert hole.error
    assert not hole.error.fatal
    assert whole([later])


async def test_an_aborted_choice_keeps_its_place() -> None:
    """Choice j has its own seed: if the others moved up, the last of them would come twice."""
    async with FaultServer(iter(["one aborted"])) as server, backend_at(server, n_per_request=4) as backend:
        got = await pool(backend, ask(backend), 0, 1, 2, 3)
        request = ask(backend)
    assert [s.completion.text for s in got if s.completion] == [expected(request, i) for i in range(4)]
    assert len({s.completion.text for s in got if s.completion}) == 4


async def test_choices_of_one_index_are_one_sample() -> None:
    async with FaultServer(iter(["same index"])) as server, backend_at(server, n_per_request=4) as backend:
        got = await pool(backend, ask(backend), 0, 1, 2, 3)
    assert whole(got)
    assert got[0].wasted.completion > 0, "the copy was billed"


@pytest.mark.parametrize("eos", [0, 1])
async def test_a_server_that_bills_one_choice_of_many_is_counted_by_its_lists(eos: int) -> None:
    async with FaultServer(bills="first", eos=eos) as server, backend_at(server) as backend:
        got = await pool(backend, ask(backend), *range(40))
        assert whole(got)
        assert backend.dialect.n
    assert all(s.completion and s.completion.usage.completion == tokens(s.completion.text) + eos for s in got)
    assert set(sources(got)) == {"api"}
    (note,) = backend.notes
    assert "bills one choice" in note


async def test_where_neither_bill_nor_list_can_be_trusted_each_sample_is_a_call() -> None:
    """Bills of one choice, and no lists: from the second call on every sample has its own bill."""
    async with (
        FaultServer(bills="first", ignores=("logprobs",)) as server,
        backend_at(server, concurrency=1) as backend,
    ):
        got = await pool(backend, ask(backend, max_tokens=8), *range(40))
        again = await pool(backend, ask(backend, max_tokens=8), *range(40, 40 + 3 * AGAIN))
    calls = [body.get("n", 1) for body in server.log]
    assert calls[:2] == [8, 1]
    assert set(calls[1:]) == {1}, "never tried again: it would be counted wrongly again"
    assert sources(got) == ["estimate"] * 8 + ["api"] * 32
    assert set(sources(again)) == {"api"}
    assert any("cannot be counted" in note for note in backend.notes)


async def test_a_begun_answer_that_is_repeated_is_taken_off() -> None:
    async with FaultServer(echoes=True) as server, backend_at(server) as backend:
        request = ask(backend, prefix="The answer is ")
        (sample,) = await pool(backend, request, 0)
    assert server.log[0]["messages"][-1] == {"role": "assistant", "content": "The answer is "}
    assert sample.completion
    assert not sample.completion.text.startswith("The answer is")


async def test_fewer_slots_than_asked_for_are_learned_from_the_refusal() -> None:
    """llama.cpp with four slots: calls for four, not one by one."""
    words = "Field 'n': Value must be between 1 <= value <= 4, but got 8"
    async with FaultServer(n="refused") as server, backend_at(server) as backend:
        server.n_words = words
        original = server._reply

        def slots(body: dict[str, object]) -> object:
            server.n = "refused" if body.get("n", 1) == 8 else "yes"
            return original(body)

        server._reply = slots  # type: ignore[method-assign,assignment]
        assert whole(await pool(backend, ask(backend), *range(16)))
        assert "at most 4 choices" in backend.notes[0]
    assert sorted(body["n"] for body in server.log if body["n"] == 4) == [4] * 4
