"""Joining stores: nothing is lost, made up or overwritten, and a refusal or a kill leaves the target as it was."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ttc_bench.core import Completion, Message, Request, Sample, Score, Usage
from ttc_bench.sampling import store_file
from ttc_bench.sampling.claims import Claims
from ttc_bench.sampling.merge import Taken, merge
from ttc_bench.sampling.store import Store
from ttc_bench.sampling.store_file import StoreError

REQUESTS = [Request("m", (Message("user", f"{i} + 1?"),), 16) for i in range(20)]


def sample(request: int, index: int, text: str = "", **usage: int) -> Sample:
    used = Usage(**{"prompt": 5, "completion": 3, **usage})
    done = Completion(text or f"{request}/{index}", "stop", used, "hm", signals={"logprob": -index / 7})
    return Sample(REQUESTS[request], index, done)


def made(path: Path, *samples: Sample) -> Path:
    with closing(Store(path)) as store:
        for one in samples:
            store.add(one)
    return path


def content(path: Path, *without: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    with closing(sqlite3.connect(path)) as db:
        tables = [t for (t,) in db.execute("select name from sqlite_master where type = 'table'") if t not in without]
        return {table: sorted(db.execute(f"select * from {table}").fetchall(), key=repr) for table in tables}


def test_shards_become_the_store_of_one_run(tmp_path: Path) -> None:
    """More of them than SQLite attaches, some of their rows in several, into a new file and into one with samples."""
    stores, held = [], {}
    for shard in range(13):
        own = [sample(r, i) for r in range(20) for i in range(6) if (r + i) % 13 == shard]
        shared = [sample(0, 0), sample(1, shard % 2)]
        stores.append(made(tmp_path / f"{shard}.sqlite", *own, *shared))
        held[stores[-1]] = {(one.request.address, one.index) for one in own + shared}
        with closing(Store(stores[-1])) as store:
            store.follow(REQUESTS[0].address, shard, "refine 1", REQUESTS[1] if shard % 2 else None)
            store.add_score("v", f"item {shard}", Score(shard / 3 if shard else None, Usage(prompt=2), 7))
            store.add_score("v", "shared", Score(0.5))
    whole = tmp_path / "whole.sqlite"
    with closing(Store(whole)) as store:
        for path in stores:
            with closing(Store(path, read_only=True)) as part:
                for request in REQUESTS:
                    for index, completion in part.pool(request).items():
                        store.add(Sample(request, index, completion))
                for item, score in part.scores("v", [f"item {i}" for i in range(13)] + ["shared"]).items():
                    store.add_score("v", item, score)
                for index, child in part.followed(REQUESTS[0].address, "refine 1").items():
                    store.follow(REQUESTS[0].address, index, "refine 1", child)
    taken = merge(stores, tmp_path / "new" / "all.sqlite")
    assert sum(t.samples for t in taken) == 120
    assert sum(t.samples_there for t in taken) == sum(len(held[path]) for path in stores) - 120
    assert (sum(t.scores for t in taken), sum(t.scores_there for t in taken)) == (14, 12)
    assert [t.source for t in taken] == stores

    def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
        timed = ("samples", "scores")  # their last column is when they were made
        return {t: [row[:-1] if t in timed else row for row in all_] for t, all_ in content(path).items()}

    assert rows(tmp_path / "new" / "all.sqlite") == rows(whole)
    merge(stores[5:], made(tmp_path / "some.sqlite", *(sample(r, i) for r in range(20) for i in range(2))))
    merge(stores[:5], tmp_path / "some.sqlite")
    assert rows(tmp_path / "some.sqlite") == rows(whole)
    before = content(whole)
    assert all(t.samples == t.scores == 0 for t in merge(stores, whole))  # once more changes nothing
    assert content(whole) == before


@pytest.mark.parametrize(
    "other",
    [sample(3, 1, "five"), sample(3, 1, completion=4), sample(3, 1, reasoning=2)],
    ids=["text", "tokens", "thought"],
)
@pytest.mark.parametrize("in_target", [False, True])
def test_samples_that_disagree_are_named_and_nothing_is_merged(tmp_path: Path, other: Sample, in_target: bool) -> None:
    first = made(tmp_path / "a.sqlite", sample(3, 1), sample(3, 2))
    second = made(tmp_path / "b.sqlite", sample(4, 0), other, sample(3, 2))
    into = made(tmp_path / "all.sqlite", *([sample(3, 1)] if in_target else []), sample(9, 9))
    before = content(into)
    words = (
        rf"^{second}: 1 of its samples .* in {into} or .*\({REQUESTS[3].address[:12]} sample 1\); nothing was merged"
    )
    with pytest.raises(StoreError, match=words):
        merge([second] if in_target else [first, second], into)
    assert content(into) == before


def test_of_many_disagreeing_samples_some_are_named(tmp_path: Path) -> None:
    first = made(tmp_path / "a.sqlite", *(sample(0, i) for i in range(8)))
    second = made(tmp_path / "b.sqlite", *(sample(0, i, "other") for i in range(8)))
    with pytest.raises(StoreError, match=r"8 of its samples .*sample 0, .*sample 4 and 3 more\); nothing was merged"):
        merge([first, second], tmp_path / "all.sqlite")
    assert Store(tmp_path / "all.sqlite").empty


def test_who_paid_the_prompt_and_the_last_digits_of_signals_do_not_matter(tmp_path: Path) -> None:
    """The same samples made in other batches: the first one's row stays."""
    first = made(tmp_path / "a.sqlite", sample(0, 1))
    again = sample(0, 1, prompt=0)
    assert again.completion is not None
    again = replace(again, completion=replace(again.completion, signals={"logprob": -0.142857}))
    second = made(tmp_path / "b.sqlite", again)
    taken = merge([first, second], tmp_path / "all.sqlite")
    assert [(t.samples, t.samples_there) for t in taken] == [(1, 0), (0, 1)]
    assert Store(tmp_path / "all.sqlite").pool(REQUESTS[0]) == {1: sample(0, 1).completion}


def test_verdicts_and_continuations_that_differ_are_counted_and_the_first_stay(tmp_path: Path) -> None:
    paths = [tmp_path / "a.sqlite", tmp_path / "b.sqlite"]
    for i, path in enumerate(paths):
        with closing(Store(path)) as store:
            store.add_score("v", "same", Score(1.0))
            store.add_score("v", "other", Score(2.0 + i))
            store.add_score("v", "none", Score(None if i else 3.0))
            store.follow("address", 0, "wait 1", REQUESTS[i])
            store.follow("address", 1, "wait 1", None)
    taken = merge(paths, tmp_path / "all.sqlite")
    assert taken == [Taken(paths[0], 0, 0, 3, 0, 0, 0), Taken(paths[1], 0, 0, 0, 3, 2, 1)]
    with closing(Store(tmp_path / "all.sqlite")) as store:
        assert [s.value for s in store.scores("v", ["same", "other", "none"]).values()].count(3.0) == 1
        assert store.scores("v", ["other"])["other"].value == 2.0
        assert store.followed("address", "wait 1") == {0: REQUESTS[0], 1: None}


def test_claims_stay_where_they_are(tmp_path: Path) -> None:
    path = made(tmp_path / "a.sqlite", sample(0, 0))
    claims = Claims(path)
    claims.take(["x"])
    merge([path], tmp_path / "all.sqlite")
    assert content(tmp_path / "all.sqlite")["claims"] == []
    claims.close()


def test_a_run_at_work_on_the_target_is_not_held_up(tmp_path: Path) -> None:
    """It would wait for the whole merge; one that was killed, or has ended, is in nobody's way."""
    source, into = made(tmp_path / "a.sqlite", sample(0, 0)), made(tmp_path / "all.sqlite")
    claims = Claims(into)
    claims.take(["x"])
    with pytest.raises(StoreError, match=r"process \d+ on .* is sampling into it; merge when it has ended"):
        merge([source], into)
    claims.close()
    with closing(sqlite3.connect(into)) as db, db:  # of a process that is gone
        machine = claims.owner.rsplit(" ", 2)[0]
        db.execute("insert into claims values ('y', ?, 3)", (f"{machine} 4194305 abcd",))
    assert merge([source], into)[0].samples == 1


def test_a_store_that_is_written_meanwhile_gives_what_it_has(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "a.sqlite")) as store:
        store.add(sample(0, 0))
        store.settle()
        assert merge([store.path], tmp_path / "all.sqlite")[0].samples == 1
        store.add(sample(0, 1))
        store.settle()
        assert merge([store.path], tmp_path / "all.sqlite")[0] == Taken(store.path, 1, 1, 0, 0, 0, 0)


def test_a_locked_target_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, into = made(tmp_path / "a.sqlite", sample(0, 0)), made(tmp_path / "all.sqlite")
    monkeypatch.setattr(store_file, "WAIT_S", 0.05)
    with closing(sqlite3.connect(into, isolation_level=None)) as db:
        db.execute("begin immediate")
        with pytest.raises(StoreError, match=r"^[^\n]*another program has locked the file[^\n]*$"):
            merge([source], into)


def test_two_merges_at_once_join_both(tmp_path: Path) -> None:
    stores = [
        made(tmp_path / f"{n}.sqlite", *(sample(r, i) for r in range(20) for i in range(n, 60, 2))) for n in (0, 1)
    ]
    into = tmp_path / "all.sqlite"
    command = "import sys; from pathlib import Path; from ttc_bench.sampling.merge import merge; "
    command += "print(merge([Path(sys.argv[1])], Path(sys.argv[2]))[0].samples)"
    merges = [
        subprocess.Popen([sys.executable, "-c", command, str(path), str(into)], stdout=subprocess.PIPE, text=True)
        for path in stores
    ]
    assert [one.communicate(timeout=120)[0].strip() for one in merges] == ["600", "600"]
    assert Store(into).missing([(request, 60) for request in REQUESTS]) == []


def test_a_killed_merge_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    """Killed in the midst of the rows, with many of them written to the file already."""
    source = made(tmp_path / "a.sqlite", *(sample(r, i, "long " * 400) for r in range(20) for i in range(200)))
    into = made(tmp_path / "all.sqlite", sample(19, 500))
    before = content(into)
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from ttc_bench.sampling import merge
        rows, merge.CACHE_KB = merge._Seen.rows, 100  # so that SQLite writes to the file before the end
        def stopping(self, *args):
            for row in rows(self, *args):
                yield row
                if self.count == 3500:
                    print("there", flush=True)
                    time.sleep(60)
        merge._Seen.rows = stopping
        merge.merge([Path(sys.argv[1])], Path(sys.argv[2]))
    """)
    command = [sys.executable, "-c", script, str(source), str(into)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        assert Path(f"{into}-wal").stat().st_size > 2**20
        process.send_signal(signal.SIGKILL)
    assert content(into) == before
    assert merge([source], into)[0].samples == 4000


def test_what_cannot_be_merged_is_one_line_and_makes_no_file(tmp_path: Path) -> None:
    fine, into = made(tmp_path / "fine.sqlite", sample(0, 0)), tmp_path / "all.sqlite"
    text, photos, newer = tmp_path / "text", tmp_path / "photos.sqlite", made(tmp_path / "newer.sqlite", sample(1, 0))
    text.write_text("hello, this is no database at all")
    with closing(sqlite3.connect(photos)) as db, db:
        db.execute("create table photos (name text)")
    with closing(sqlite3.connect(newer)) as db, db:
        db.execute("pragma user_version = 99")
    for path, words in (
        (tmp_path / "gone.sqlite", "no such file; name stores that runs have made"),
        (tmp_path, "no such file"),
        (text, r"cannot be used as a sample store; name another file \("),
        (photos, "is an SQLite file of another program; name another file$"),
        (newer, "store version 99, this ttc-bench reads 1; name another file$"),
    ):
        with pytest.raises(StoreError, match=f"^{path}: {words}"):
            merge([fine, path], into)
        assert not into.exists()
    for path in (photos, newer):
        before = content(path)
        with pytest.raises(StoreError, match="name another file"):
            merge([fine], path)
        assert content(path) == before


def test_a_store_is_not_merged_into_itself(tmp_path: Path) -> None:
    path = made(tmp_path / "a.sqlite", sample(0, 0))
    (tmp_path / "link.sqlite").symlink_to(path)
    for name in (path, tmp_path / "link.sqlite"):
        with pytest.raises(StoreError, match="is the store to merge into; name only others before --into"):
            merge([name], path)


def test_a_damaged_source_names_the_source(tmp_path: Path) -> None:
    source, into = made(tmp_path / "a.sqlite", *(sample(r, i) for r in range(20) for i in range(60))), tmp_path / "all"
    data = bytearray(source.read_bytes())
    data[len(data) // 2 :] = b"\x07" * (len(data) - len(data) // 2)
    source.write_bytes(data)
    made(into, sample(0, 70))
    before = content(into)
    with pytest.raises(StoreError, match=f"^{source}: the file is damaged"):
        merge([source], into)
    assert content(into) == before


def test_a_forged_request_is_refused(tmp_path: Path) -> None:
    paths = [made(tmp_path / f"{name}.sqlite", sample(0, i)) for i, name in enumerate("ab")]
    with closing(sqlite3.connect(paths[1])) as db, db:
        db.execute("update requests set request = '{}'")
    with pytest.raises(StoreError, match=r"b.sqlite: the file is damaged.*not the one of its address"):
        merge(paths, tmp_path / "all.sqlite")


def test_stores_from_before_there_were_scores_are_taken(tmp_path: Path) -> None:
    path = made(tmp_path / "a.sqlite", sample(0, 0))
    with closing(sqlite3.connect(path)) as db, db:
        for table in ("scores", "follow_ups", "claims"):
            db.execute(f"drop table {table}")
    assert merge([path], tmp_path / "all.sqlite")[0].samples == 1


def only_whole_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite on a disk that is read only, which a test may not mount: it opens files only if told that nobody writes."""
    connect = sqlite3.connect

    def refusing(name: str, **options: object) -> sqlite3.Connection:
        if "mode=ro" in str(name) and "immutable=1" not in name:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(name, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", refusing)


def test_a_source_may_lie_on_a_read_only_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "a.sqlite", sample(0, 0))
    only_whole_files(monkeypatch)
    assert merge([path], tmp_path / "all.sqlite")[0].samples == 1


def test_the_last_samples_of_a_killed_run_are_not_left_out_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in the file beside the store, which SQLite does not look at on a read-only disk."""
    with closing(Store(tmp_path / "running.sqlite")) as store:
        store.add(sample(0, 0))
        store.settle()
        for name in ("", "-wal"):
            shutil.copy(f"{store.path}{name}", f"{tmp_path}/killed.sqlite{name}")
    killed = tmp_path / "killed.sqlite"
    with monkeypatch.context() as patch:
        only_whole_files(patch)
        with pytest.raises(StoreError, match=r"its last samples are in killed.sqlite-wal.*copy both files to another"):
            merge([killed], tmp_path / "all.sqlite")
    assert merge([killed], tmp_path / "all.sqlite")[0].samples == 1


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Over 50 MB of texts pass through a process that is allowed 30 MB more than it has before."""
    source = made(tmp_path / "a.sqlite", *(sample(r, i, "word " * 4000) for r in range(20) for i in range(150)))
    script = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from ttc_bench.sampling import merge
        merge.CACHE_KB = 2000
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        merge.merge([Path(sys.argv[1])], Path(sys.argv[2]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, str(source), str(tmp_path / "all.sqlite")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert source.stat().st_size > 50 * 2**20
    assert int(done.stdout) < 30 * (1024 if sys.platform == "linux" else 2**20)
