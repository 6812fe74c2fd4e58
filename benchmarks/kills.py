"""kill -9 at random moments: what was stored stays, nothing is paid for twice, and the end is that of an undisturbed run.

    python benchmarks/kills.py [--kills 100] [--seed 1]

Runs against a server on this machine are killed until so many kills are done, then run to their end; every tenth time two
runs work on one store and one of them is killed. A quarter of the kills meet a local built-in model. In the end every
store is compared with that of a run that nobody disturbed, and the server's own log says which samples were served more
often than once: no more than were under way when a run was killed, or had arrived in the quarter of a second before, as
samples are written together. Ends with exit code 1 if anything is wrong."""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from api_helpers import serving
from fault_server import FaultServer

CALLS = 8  # at once
LATENCY = 0.05  # seconds of each
LOST = CALLS + round(CALLS / LATENCY * 0.25)  # most samples that a kill costs: under way, and not yet written
API = ["--model", "openai:m", "--task", "chain-arithmetic", "--method", "cot", "--limit", "100", "--samples", "16"]
API += ["--max-tokens", "40", "--concurrency", str(CALLS)]
LOCAL = [
    "--model",
    "builtin:small",
    "--task",
    "chain-arithmetic",
    "--method",
    "cot",
    "--limit",
    "200",
    "--samples",
    "32",
]
LOCAL += ["--max-tokens", "160", "--device", "cpu"]


def start(place: Path, flags: list[str], name: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ttc_bench", "run", *flags, "--out", str(place), "--name", name]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stored(place: Path) -> int:
    with contextlib.suppress(sqlite3.Error):
        path = place / "samples.sqlite"
        return (
            sqlite3.connect(path, timeout=30).execute("select count(*) from samples").fetchone()[0]
            if path.exists()
            else 0
        )
    return 0


def samples(place: Path) -> list[tuple[object, ...]]:
    query = "select address, idx, text, completion_tokens, stop_reason from samples order by 1, 2"
    return sqlite3.connect(place / "samples.sqlite").execute(query).fetchall()


def kill_until(place: Path, flags: list[str], kills: int, rng: random.Random, server: FaultServer | None) -> int:
    """Kills runs on one store; returns how many were killed."""
    done = 0
    while done < kills:
        pair = server is not None and done % 10 == 9
        processes = [start(place, flags, f"run{i}") for i in range(2 if pair else 1)]
        before, until = stored(place), time.monotonic() + 60
        goal = before + rng.randint(1, 40)
        while stored(place) < goal and processes[0].poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.1)
        if processes[0].poll() is None:
            processes[0].send_signal(signal.SIGKILL)
            done += 1
        if pair:  # the other run goes on with what the killed one had claimed
            processes[1].wait(300)
        for process in processes:
            process.wait(300)
        if all(process.returncode == 0 for process in processes) or pair:
            for path in place.glob("samples.sqlite*"):  # finished: begin anew
                path.rename(place / f"done{done}-{path.name}")
            for folder in place.glob("run*"):
                (folder / "run.json").unlink(missing_ok=True)
                for file in folder.iterdir():
                    file.unlink()
    process = start(place, flags, "run0")
    process.wait(600)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng, fine = random.Random(args.seed), True
    for name, flags, kills in (("API", API, args.kills - args.kills // 4), ("local", LOCAL, args.kills // 4)):
        with (
            tempfile.TemporaryDirectory() as folder,
            serving(latency=LATENCY, keep_log=False, n="refused") as server,
        ):  # a call is a sample
            place, calm = Path(folder) / "killed", Path(folder) / "calm"
            flags = [*flags, "--base-url", server.url] if name == "API" else flags
            began = time.monotonic()
            done = kill_until(place, flags, kills, rng, server if name == "API" else None)
            stores = len(list(place.glob("done*.sqlite"))) + 1
            # each store asked for every sample once; what was served more often had been under way at a kill
            again = sum(max(0, count - stores) for count in server.served.values())
            start(calm, flags, "run0").wait(600)
            same = samples(place) == samples(calm)
            print(
                f"{name}: {done} kills in {time.monotonic() - began:.0f} s, {stores} stores filled; the last one is ",
                end="",
            )
            print(f"{'' if same else 'NOT '}that of an undisturbed run ({len(samples(calm)):,} samples)")
            if name == "API":
                print(f"  served more than once for a store: {again}; at most under way or unwritten: {LOST * done}")
            fine = fine and same and again <= LOST * done and done == kills
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
