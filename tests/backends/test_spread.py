"""Several backends as one: every sample once, whoever is fast, dies, or cannot."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ttc_bench.backends.spread import Spread
from ttc_bench.core import Backend, Completion, Job, Message, Request, Sample, SpendingLimit, Usage
from ttc_bench.errors import BackendError, MemberLost, PromptTooLong


@dataclass
class Member(Backend):
    """Makes a sample every `pace` turns of the event loop. It raises `error` instead of the sample after `most`, cannot
    make those of the requests in `refuses`, and with `polite` ends by itself when it is stopped."""

    pace: int = 1
    most: int = 10**9
    error: Exception = field(default_factory=lambda: MemberLost("the power went"))
    refuses: frozenset[str] = frozenset()
    polite: bool = False
    shard: int | None = 16
    keeps: float | None = None
    costs: bool = False
    model: str = "m"
    handed: list[list[Job]] = field(default_factory=list)
    made: int = 0
    closed: int = 0
    _stopped: bool = False

    @property
    def at_once(self) -> float | None:
        return self.keeps

    async def sample(self, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> AsyncIterator[Sample]:
        self.handed.append(list(jobs))
        for job in jobs:
            for index in job.indices:
                for _ in range(self.pace):
                    await asyncio.sleep(0)
                if self._stopped:
                    return
                if self.costs and limit and limit.hold(job.request, 1) is None:
                    return
                if self.made >= self.most:
                    raise self.error
                text = job.request.messages[0].content
                if text in self.refuses:
                    yield Sample(job.request, index, error=MemberLost("not this one"), wasted=Usage(prompt=3))
                    continue
                self.made += 1
                yield Sample(job.request, index, Completion(f"{text}/{index}", "stop", Usage(completion=1)))

    def stop(self) -> bool:
        self._stopped = self.polite
        return self.polite

    async def close(self) -> None:
        self.closed += 1


def work(requests: int, samples: int) -> list[Job]:
    return [Job(Request("m", (Message("user", f"q{i}"),), 9), tuple(range(samples))) for i in range(requests)]


def keys(jobs: Sequence[Job]) -> Counter[tuple[str, int]]:
    return Counter((job.request.address, index) for job in jobs for index in job.indices)


async def collect(backend: Backend, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> list[Sample]:
    return [sample async for sample in backend.sample(jobs, limit)]


def complete(samples: Sequence[Sample], jobs: Sequence[Job]) -> bool:
    """Every sample of the jobs is there once, with the text that it has whoever makes it."""
    texts = [f"{s.request.messages[0].content}/{s.index}" for s in samples]
    return [s.completion and s.completion.text for s in samples] == texts and keys(jobs) == Counter(
        (s.request.address, s.index) for s in samples
    )


MEMBERS = st.builds(
    Member,
    pace=st.integers(1, 4),
    most=st.sampled_from([0, 1, 5, 40, 10**9]),
    polite=st.booleans(),
    shard=st.sampled_from([None, 1, 8, 16, 100]),
    keeps=st.sampled_from([None, 1.0, 20.0]),
    refuses=st.frozensets(st.sampled_from(["q0", "q1", "q2"])),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(MEMBERS, min_size=1, max_size=4), st.integers(0, 12), st.integers(1, 20))
async def test_whoever_dies_or_cannot_every_sample_is_yielded_once(
    members: list[Member], requests: int, samples: int
) -> None:
    """A sample is a hole only if every member has refused its request or has left."""
    jobs = work(requests, samples)
    spread = Spread({f"m{i}": member for i, member in enumerate(members)})
    got = await asyncio.wait_for(collect(spread, jobs), 30)
    assert Counter((s.request.address, s.index) for s in got) == keys(jobs)
    alive = [spread.members[name] for name in spread.alive]
    for sample in got:
        if sample.completion:
            assert sample.completion.text == f"{sample.request.messages[0].content}/{sample.index}"
        else:
            assert all(sample.request.messages[0].content in m.refuses for m in alive)  # type: ignore[attr-defined]
    assert sum(spread.made.values()) == sum(s.completion is not None for s in got)
    # a refusal is paid for, whoever makes the sample in the end, and each member is asked once
    assert all(s.wasted.prompt % 3 == 0 and s.wasted.prompt <= 3 * len(members) for s in got)


async def test_a_fast_member_gets_more_and_shards_shrink_towards_the_end() -> None:
    slow, fast = Member(pace=9), Member(pace=1)
    jobs = work(40, 8)
    assert complete(await collect(Spread({"slow": slow, "fast": fast}), jobs), jobs)
    assert fast.made > 4 * slow.made
    sizes = [sum(len(job.indices) for job in jobs) for jobs in fast.handed]
    assert sizes[0] == 16
    assert sizes[-1] == 8
    assert all(len(job.indices) == 8 for jobs in fast.handed for job in jobs), "a prompt's samples stay together"
    slow, fast = Member(pace=9, shard=64), Member(shard=64)
    await collect(Spread({"slow": slow, "fast": fast}), work(64, 8))
    sizes = [sum(len(job.indices) for job in jobs) for jobs in fast.handed]
    assert (max(sizes), min(sizes[:-1])) == (64, 16), "but never so far that batches are spoilt"


async def test_the_samples_of_one_prompt_are_divided_too() -> None:
    pair = {"a": Member(), "b": Member()}
    jobs = work(1, 64)
    assert complete(await collect(Spread(pair), jobs), jobs)
    assert [member.made for member in pair.values()] == [32, 32]
    assert all(len(share.indices) % 8 == 0 for member in pair.values() for (share,) in member.handed)


async def test_few_samples_are_divided_among_all() -> None:
    three = {name: Member() for name in "abc"}
    await collect(Spread(three), work(9, 1))
    assert [member.made for member in three.values()] == [3, 3, 3]


async def test_a_member_that_keeps_calls_under_way_is_handed_the_next_shard_early() -> None:
    member = Member(keeps=20.0)
    jobs = work(10, 8)
    spread = Spread({"a": member, "b": Member(pace=1000)})
    most = 0
    async for _ in spread.sample(jobs):
        most = max(most, sum(len(j.indices) for jobs in member.handed for j in jobs) - member.made)
        if member.made == 40:
            break
    assert 20 <= most < 20 + 16 + 1


async def test_an_even_share_each_is_handed_once() -> None:
    three = {name: Member(shard=None) for name in "abc"}
    jobs = work(7, 5)
    spread = Spread(three)
    assert spread.calls(jobs) == 35
    assert complete(await collect(spread, jobs), jobs)
    handed = {name: [job.request.messages[0].content for job in jobs] for name, m in three.items() for jobs in m.handed}
    assert handed == {"a": ["q0", "q3", "q6"], "b": ["q1", "q4"], "c": ["q2", "q5"]}


async def test_one_that_dies_leaves_with_a_note_and_loses_nothing() -> None:
    dies, lives = Member(most=5), Member(pace=3)
    spread = Spread({"server A": dies, "server B": lives})
    jobs = work(20, 8)
    assert complete(await collect(spread, jobs), jobs)
    assert spread.notes == ["server A left after 5 samples: the power went"]
    assert dies.made + lives.made == 160
    before = len(dies.handed)
    assert complete(await collect(spread, work(3, 8)), work(3, 8))
    assert len(dies.handed) == before, "it stays away"
    await spread.close()
    dies.most = 10**9
    assert complete(await collect(spread, work(3, 8)), work(3, 8))
    assert len(dies.handed) > before, "a closed backend can be used again"
    assert spread.identity() == {"name": "m", "members": {
        "server A": {"samples": dies.made}, "server B": {"samples": lives.made}}}  # fmt: skip


async def test_where_none_is_left_the_last_error_decides() -> None:
    """Never reached: the end of the run. Died on the way: holes, which the next run asks for again."""
    fatal = MemberLost("cannot reach it", fatal=True)
    jobs = work(6, 8)
    with pytest.raises(BackendError, match="cannot reach it"):
        await collect(Spread({"a": Member(most=3), "b": Member(most=30, error=fatal, pace=3)}), jobs)
    spread = Spread({"a": Member(most=0, error=fatal), "b": Member(most=30)})
    got = await collect(spread, jobs)
    assert sum(s.completion is not None for s in got) == 30
    assert {str(s.error) for s in got if s.error} == {"the power went"}
    assert keys(jobs) == Counter((s.request.address, s.index) for s in got)
    assert {str(s.error) for s in await collect(spread, jobs)} == {"the power went"}, "nobody is asked again"


@pytest.mark.parametrize("polite", [True, False])
async def test_an_error_that_is_about_the_request_ends_the_run(polite: bool) -> None:
    """What others have under way is waited for where it is paid for, and broken off where it is not."""
    first = Member(most=5, error=PromptTooLong("address", 9, 8))
    other = Member(pace=2, polite=polite)
    spread = Spread({"a": first, "b": other})
    with pytest.raises(PromptTooLong):
        await asyncio.wait_for(collect(spread, work(1000, 8)), 10)
    assert other.made < 50
    assert not spread.notes
    assert len(asyncio.all_tasks()) == 1


async def test_a_sample_that_one_member_cannot_make_is_asked_of_the_others() -> None:
    """And what the refusals were billed is told once."""
    jobs = work(4, 3)
    some, all_ = frozenset({"q1"}), frozenset({"q1", "q2"})
    spread = Spread({"a": Member(refuses=all_), "b": Member(refuses=all_), "c": Member(refuses=some, pace=5)})
    got = await collect(spread, jobs)
    assert keys(jobs) == Counter((s.request.address, s.index) for s in got)
    holes = [s for s in got if s.error]
    assert {s.request.messages[0].content for s in holes} == {"q1"}
    assert [(s.wasted, str(s.error)) for s in holes] == [(Usage(prompt=9), "not this one")] * 3
    assert not spread.notes, "nobody left"


async def test_the_spending_limit_holds_for_all_together() -> None:
    class Limit:
        left = 50

        def hold(self, request: Request, samples: int) -> float | None:
            self.left -= 1
            return 1.0 if self.left >= 0 else None

        def settle(self, held: float, usage: Usage | None) -> None: ...

    limit, members = Limit(), [Member(costs=True, polite=True) for _ in range(3)]
    got = await collect(Spread({str(i): m for i, m in enumerate(members)}), work(100, 8), limit)
    assert len(got) == 50
    assert limit.left == -1, "the first refusal is the last question"


async def test_stopped_from_outside_nothing_further_is_handed_out() -> None:
    members = [Member(polite=True), Member(polite=True, pace=3)]
    spread = Spread({str(i): m for i, m in enumerate(members)})
    got = []
    async for sample in spread.sample(work(100, 8)):
        got.append(sample)
        if len(got) == 20:
            assert spread.stop()
    assert 20 <= len(got) < 24
    members[1].polite = False
    assert not spread.stop(), "one of them has to be broken off"


async def test_what_refusals_cost_is_told_though_no_other_was_asked_any_more() -> None:
    refuses, busy = Member(refuses=frozenset({"q0"}), polite=True, shard=8), Member(pace=50, polite=True, shard=8)
    spread = Spread({"a": refuses, "b": busy})
    got = []
    async for sample in spread.sample(work(20, 8)):
        got.append(sample)
        spread.stop()
    assert sum(s.wasted.prompt for s in got if s.error) == 3 * 8
    assert sum(s.completion is not None for s in got) <= 3


async def test_a_reader_that_goes_away_ends_every_member() -> None:
    spread = Spread({"a": Member(), "b": Member()})
    samples = spread.sample(work(100, 8))
    await anext(samples)
    await samples.aclose()
    assert len(asyncio.all_tasks()) == 1
    await spread.close()
    assert [m.closed for m in spread.members.values()] == [1, 1]  # type: ignore[attr-defined]


async def test_a_member_may_join_on_the_way() -> None:
    spread, late = Spread({"a": Member(pace=5)}), Member()
    jobs, got = work(40, 8), []
    async for sample in spread.sample(jobs):
        got.append(sample)
        if len(got) == 20:
            spread.join("late", late)
    assert complete(got, jobs)
    assert late.made > 150


def test_members_are_of_one_model_and_can_what_all_can() -> None:
    able, other = Member(), Member()
    able.signals, other.signals = frozenset({"logprob", "x"}), frozenset({"logprob"})
    other.prefills = False
    spread = Spread({"a": able, "b": other})
    assert (spread.signals, spread.prefills, spread.model) == ({"logprob"}, False, "m")
    assert spread.cut("some text", 4, 9) == "some"
    with pytest.raises(BackendError, match="b serves other, the others m"):
        Spread({"a": able, "b": Member(model="other")})
