"""Several servers of one model: they share the work, and one that dies costs nothing but its time."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import fault_server
import pytest
from api_helpers import ask, serving, shared_by, spread_over, whole
from fault_server import FaultServer

from ttc_bench.backends.api.openai import OpenAIBackend
from ttc_bench.backends.by_name import make_backend, open_model
from ttc_bench.backends.spread import Spread
from ttc_bench.config import Config, from_fields
from ttc_bench.core import Backend, Job, Sample
from ttc_bench.errors import BackendError, MemberLost, TtcError
from ttc_bench.experiment import run

PRICES = "as_of: 2026-01-01\nsource: a test\nmodels:\n- {name: m, input: 1000, output: 2000}\n"
URLS = "http://127.0.0.1:1/v1,http://127.0.0.1:2/v1"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def config(folder: Path, url: str, **changes: object) -> Config:
    fields: dict[str, object] = {
        "model": ("openai:m",), "base_url": url, "task": ("chain-arithmetic",), "method": ("cot",), "samples": 16,
        "limit": 8, "max_tokens": 40, "out": str(folder), "concurrency": 4,
    }  # fmt: skip
    return Config(**{**fields, **changes})  # type: ignore[arg-type]


def work(backend: Backend, prompts: int, samples: int = 16) -> list[Job]:
    return [Job(ask(backend, f"prompt {i}"), tuple(range(samples))) for i in range(prompts)]


async def collect(backend: Backend, jobs: list[Job]) -> list[Sample]:
    return [sample async for sample in backend.sample(jobs)]


def once(got: list[Sample], jobs: list[Job]) -> bool:
    asked = Counter((job.request.address, index) for job in jobs for index in job.indices)
    return Counter((s.request.address, s.index) for s in got) == asked


def texts(store: Path) -> list[Any]:
    return sqlite3.connect(store).execute("select address, idx, text from samples order by 1, 2").fetchall()


async def test_three_share_the_work_each_within_its_own_limit() -> None:
    async with shared_by(
        a := FaultServer(latency=0.01), b := FaultServer(latency=0.01), c := FaultServer(latency=0.2)
    ) as spread:
        jobs = work(spread, 60)
        got = await collect(spread, jobs)
        assert whole(got)
        assert once(got, jobs)
        assert max((a.served + b.served + c.served).values()) == 1
        assert c.calls * 2 < min(a.calls, b.calls), "c is slow"
        assert {server.most_under_way for server in (a, b, c)} == {4}
        assert a.calls + b.calls + c.calls == spread.calls(jobs) == 120, "no prompt is paid for more often"
        assert spread.identity()["served"] == ["m-2026-01-01"]
        assert spread.made == {
            a.url: sum(a.served.values()),
            b.url: sum(b.served.values()),
            c.url: c.served.total(),
        }
        assert spread.signals == {"logprob"}
        assert not spread.notes


async def test_one_that_is_killed_leaves_and_nothing_is_lost_or_made_twice() -> None:
    async with shared_by(
        a := FaultServer(latency=0.01), b := FaultServer(latency=0.01), c := FaultServer(latency=0.01), max_retries=50
    ) as spread:
        jobs, got, before = work(spread, 40), [], 0
        async for sample in spread.sample(jobs):
            got.append(sample)
            if len(got) == 100:
                await c.__aexit__()  # its connections are reset, and nobody listens there any more
                before = c.calls
        assert whole(got)
        assert once(got, jobs)
        assert c.calls == before
        refused = spread.members[c.url].counts["connection"]  # type: ignore[attr-defined]
        assert refused < 50, "where nobody listens, no call is tried as often as it might be"
        (note,) = [note for note in spread.notes if "left" in note]
        assert note.startswith(f"{c.url} left after {spread.made[c.url]} samples: ")
        assert 0 < spread.made[c.url] < 160
        served = a.served + b.served + c.served
        twice = sum(count - 1 for count in served.values())
        assert twice <= 4 * 8, "no more than the calls under way at its death"


async def test_one_that_always_fails_leaves_after_its_retries() -> None:
    always = (500, {"error": {"message": "out of order"}})
    async with shared_by(bad := FaultServer(always=always), good := FaultServer(latency=0.005)) as spread:
        jobs = work(spread, 30)
        got = await collect(spread, jobs)
        calls = bad.calls
        assert whole(got)
        assert once(got, jobs)
        assert spread.made == {good.url: 480}
        words = f"{bad.url} had stopped answering (status 500: out of order)"
        assert spread.notes == [f"{bad.url} left after 0 samples: {words}"]
        assert calls <= (8 + 4) * (1 + 3), "eight calls fail for good, each tried four times, and those beside them"
        more = await collect(spread, work(spread, 31)[30:])
        assert whole(more)
        assert bad.calls == calls, "it is not asked again"


@pytest.mark.parametrize(("prompts", "concurrency", "given_up"), [(30, 1, 6), (30, 4, 6), (2, 1, 2)])
async def test_every_bill_for_nothing_is_told_however_the_server_leaves(
    prompts: int, concurrency: int, given_up: int
) -> None:
    """Calls that have failed once are waiting for their next attempt when the server is given up; where it has one call
    only, that call finds out."""
    bad, options = FaultServer(iter(["empty"] * 10**5)), {"n_per_request": 1, "concurrency": concurrency}
    async with shared_by(bad, FaultServer(latency=0.005), **options) as spread:
        member, real = spread.members[bad.url], bad._reply

        def last(body: dict[str, Any]) -> Any:
            if bad.calls == given_up:
                member._failed_in_a_row = 8  # type: ignore[attr-defined]
            return real(body)

        bad._reply = last  # type: ignore[method-assign]
        got = await collect(spread, work(spread, prompts, 1))
        assert whole(got)
        assert len([note for note in spread.notes if f"{bad.url} left after 0 samples" in note]) == (prompts > 2)
        assert sum(s.wasted.prompt + s.wasted.completion for s in got) == bad.billed > 0


@pytest.mark.parametrize(
    ("status", "words"), [(401, "check OPENAI_API_KEY"), (404, "check the model name 'm'"), (402, "no money left")]
)
async def test_what_is_wrong_at_one_server_ends_the_run_only_if_it_is_wrong_at_all(status: int, words: str) -> None:
    always = (status, {"error": {"message": "no"}})
    async with FaultServer(always=always) as bad, FaultServer(always=always) as worse, FaultServer() as good:
        async with spread_over(bad.url, good.url) as spread:
            jobs = work(spread, 10)
            assert whole(await collect(spread, jobs))
            (note,) = spread.notes
            assert words in note
            assert note.startswith(f"{bad.url} left after 0 samples: ")
        async with spread_over(bad.url, worse.url) as spread:
            with pytest.raises(MemberLost, match=words) as caught:
                await collect(spread, work(spread, 10))
            assert caught.value.fatal


async def test_what_is_wrong_with_the_request_ends_the_run() -> None:
    refuses = {"messages": "the roles must alternate"}
    async with shared_by(FaultServer(refuses=refuses), FaultServer()) as spread:
        with pytest.raises(BackendError, match="decoding flags") as caught:
            await collect(spread, work(spread, 10))
    assert not isinstance(caught.value, MemberLost)


async def test_where_all_have_stopped_answering_the_rest_are_holes_as_with_one() -> None:
    faults = [None] * 5 + ["500"] * 10**5
    async with shared_by(FaultServer(iter(faults)), FaultServer(iter(faults))) as spread:
        jobs = work(spread, 40)
        got = await collect(spread, jobs)
        assert once(got, jobs)
        assert sum(s.completion is not None for s in got) == 80
        assert all("answer" in str(s.error) for s in got if s.error)
        assert len([note for note in spread.notes if "left after 40 samples" in note]) == 2


async def test_a_server_that_is_not_there_is_left_out_and_none_is_the_end() -> None:
    async with FaultServer() as gone, FaultServer() as away, FaultServer() as good:
        await gone.__aexit__()
        await away.__aexit__()
        async with spread_over(gone.url, good.url) as spread:
            assert whole(await collect(spread, work(spread, 5)))
            assert f"cannot reach {gone.url}" in spread.notes[0]
        async with spread_over(gone.url, away.url) as spread:
            with pytest.raises(BackendError, match=r"cannot reach .*--base-url"):
                await collect(spread, work(spread, 5))


async def test_a_call_that_one_server_cannot_answer_is_answered_by_another() -> None:
    """Its bills for failed attempts are the run's, and a server that fails at one prompt does not leave."""
    async with shared_by(a := FaultServer(), b := FaultServer()) as spread:
        real = a._reply

        def poisoned(body: dict[str, Any]) -> Any:
            if body["messages"][0]["content"] != "prompt 1":
                return real(body)
            return 200, {**a._completion(body), "choices": []}, None  # billed, without an answer

        a._reply = poisoned  # type: ignore[method-assign]
        jobs = work(spread, 10)
        got = await collect(spread, jobs)
        assert whole(got)
        assert once(got, jobs)
        assert not spread.notes
        failed = spread.members[a.url].counts["holes"] // 8  # type: ignore[attr-defined]
        wasted = sum(s.wasted.prompt for s in got)
        assert wasted == failed * 4 * len(("prompt", "1"))
        assert failed in (1, 2), "a prompt is asked once of each server"
        b._reply, real = poisoned, b._reply  # type: ignore[method-assign]
        got = await collect(spread, jobs)
        holes = [s for s in got if s.error]
        assert once(got, jobs)
        assert {s.request.messages[0].content for s in holes} == {"prompt 1"}
        assert len(holes) == 16


async def test_what_a_server_says_stands_with_its_name_unless_all_say_it() -> None:
    refuses = {"seed": "Unsupported parameter: seed"}
    async with shared_by(FaultServer(n="refused"), b := FaultServer(n="refused", refuses=refuses)) as spread:
        assert all(s.completion for s in await collect(spread, work(spread, 20)))
        alone = [note for note in spread.notes if note.startswith("http")]
        both = [note for note in spread.notes if not note.startswith("http")]
    assert [note.startswith(f"{b.url}: ") and "seed" in note for note in alone] == [True]
    assert len(both) == 1
    assert "refuses n" in both[0]


async def test_pools_do_not_depend_on_how_many_serve(tmp_path: Path) -> None:
    with serving() as a, serving() as b, serving() as c:
        one = await run(config(tmp_path / "one", a.url))
        calls = a.calls
        urls = f"{a.url},{b.url}/,{c.url}"
        three = await run(config(tmp_path / "three", urls))
        assert texts(tmp_path / "one" / "samples.sqlite") == texts(tmp_path / "three" / "samples.sqlite")
        assert min(a.calls - calls, b.calls, c.calls) > 0
        first, again = ((result.folder / "curve.csv").read_bytes() for result in (one, three))
        assert first == again
        before = a.calls + b.calls + c.calls
        grown = await run(config(tmp_path / "one", urls))
        assert (grown.filled.made, a.calls + b.calls + c.calls) == (0, before), "the samples of one are those of three"
        (entry,) = three.manifest["models"]
        assert entry["id"] == f"openai:m@{a.url}"
        assert list(entry["members"]) == [a.url, b.url, c.url]
        assert sum(member["samples"] for member in entry["members"].values()) == 128


async def test_the_cost_limit_is_one_for_all_servers(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    with serving(latency=0.005) as a, serving(latency=0.005) as b:
        asked: dict[str, Any] = {"prices": str(tmp_path / "prices.yaml"), "max_cost": 6.0, "limit": 40}
        result = await run(config(tmp_path, f"{a.url},{b.url}", **asked))
        assert 0 < result.filled.made < 640
        assert min(a.calls, b.calls) > 0
        assert any("stopped before --max-cost $6" in note for note in result.analysis.notes)
        assert result.filled.spent.prompt * 0.001 + result.filled.spent.completion * 0.002 <= 6.0
        with pytest.raises(TtcError, match=f"--max-cost needs the price of openai:m@{a.url}"):
            make_backend("openai:m", config(tmp_path, f"{a.url},{b.url}", max_cost=2.0))


def test_addresses_are_given_once_each(tmp_path: Path) -> None:
    both = make_backend("openai:m", config(tmp_path, URLS))
    assert isinstance(both, Spread)
    assert {member.model for member in both.members.values()} == {"openai:m@http://127.0.0.1:1/v1"} == {both.model}
    assert isinstance(make_backend("openai:m", config(tmp_path, URLS.split(",")[0])), OpenAIBackend)
    assert isinstance(make_backend("openai:m", config(tmp_path, None)), OpenAIBackend)  # type: ignore[arg-type]
    for url, line in (
        ("http://a/v1,,http://b/v1", "an address is empty"),
        ("http://a/v1,", "an address is empty"),
        ("http://a/v1,http://A/v1/", "base_url names http://a/v1 twice"),
        ("http://a/v1,b/v1", "http://host:port/v1"),
    ):
        with pytest.raises(TtcError, match=line):
            make_backend("openai:m", config(tmp_path, url))
    with pytest.raises(TtcError, match="set OPENAI_API_KEY instead"):
        config(tmp_path, "http://a/v1,http://user:word@b/v1")
    listed = from_fields({"model": "openai:m", "task": "gsm8k", "base_url": URLS.split(",")})
    assert listed.base_url == URLS, "a list in a YAML file"


def test_a_judge_has_its_own_server_or_all_of_the_run(tmp_path: Path) -> None:
    judge = open_model(config(tmp_path, URLS), "openai:j@http://127.0.0.1:3/v1")
    assert judge.model == "openai:j@http://127.0.0.1:3/v1"
    assert isinstance(open_model(config(tmp_path, URLS), "openai:j"), Spread)


def test_a_run_goes_on_when_a_server_is_killed(tmp_path: Path) -> None:
    """The command line, three servers in processes of their own, and kill -9."""
    command = [sys.executable, fault_server.__file__, "--latency", "0.2"]
    servers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        urls = [server.stdout.readline().strip() for server in servers]  # type: ignore[union-attr]
        flags = ["--task", "chain-arithmetic", "--method", "cot", "--limit", "24", "--samples", "16"]
        flags += ["--model", "openai:m", "--max-tokens", "40", "--concurrency", "2", "--base-url", ",".join(urls)]
        done = subprocess.Popen(
            [sys.executable, "-m", "ttc_bench", "run", *flags], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        try:
            store = tmp_path / "results" / "samples.sqlite"
            while done.poll() is None and stored(store) < 64:
                pass
            os.kill(servers[0].pid, signal.SIGKILL)
            output, _ = done.communicate(timeout=120)
        finally:
            done.kill()
            done.wait()
        assert done.returncode == 0
        assert f"{urls[0]} left after" in " ".join(output.split())
        assert stored(store) == 24 * 16
        # the dead one may stay in the list, and must where it is the first: the samples bear its name
        asyncio.run(run(config(tmp_path / "calm", f"{urls[0]},{urls[1]}", limit=24, concurrency=64)))
        assert texts(store) == texts(tmp_path / "calm" / "samples.sqlite")
    finally:
        for server in servers:
            server.kill()
            server.wait()
            server.stdout.close()  # type: ignore[union-attr]


def stored(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        with sqlite3.connect(path, timeout=30) as connection:
            return int(connection.execute("select count(*) from samples").fetchone()[0])
    except sqlite3.OperationalError:  # the table is being made
        return 0
