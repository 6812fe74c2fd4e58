"""Several `transformers serve` of one model behind one run, and `kill -9` to the first of them on the way.

    python benchmarks/several_servers.py MODEL_DIR [--servers 2] [--limit 20] [--samples 4] [--keep]

Prints the exit code, the samples that each server made, and what the run says of the one that was killed; `--keep`
kills none. The run is the command line's; the servers know nothing of each other."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from serve_agreement import served


def stored(store: Path) -> int:
    if not store.exists():
        return 0
    try:
        return int(sqlite3.connect(store, timeout=30).execute("select count(*) from samples").fetchone()[0])
    except sqlite3.OperationalError:  # the table is being made
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=60)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [stack.enter_context(served(args.model, folder / f"{i}.log")) for i in range(args.servers)]
        wanted, store = args.limit * args.samples, folder / "results" / "samples.sqlite"
        command = [sys.executable, "-m", "ttc_bench", "run", "--model", f"openai:{args.model}", "--name", "run"]
        command += ["--task", "chain-arithmetic", "--method", "cot", "--limit", str(args.limit)]
        command += ["--samples", str(args.samples), "--max-tokens", str(args.max_tokens)]
        command += ["--concurrency", str(args.concurrency), "--base-url", ",".join(server.url for server in servers)]
        started = time.monotonic()
        run = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        while not args.keep and run.poll() is None:
            if stored(store) >= wanted // 3:
                os.kill(servers[0].pid, signal.SIGKILL)
                print(f"killed {servers[0].url} with {stored(store)} of {wanted} samples stored")
                break
            time.sleep(0.05)
        code = run.wait()
        print(f"exit code {code} after {time.monotonic() - started:.1f} s, {stored(store)} of {wanted} samples stored")
        manifest = json.loads((folder / "results" / "run" / "run.json").read_text())
        for url, member in manifest["models"][0]["members"].items():
            print(f"{url} made {member['samples']}")
        print(*manifest["notes"], sep="\n")


if __name__ == "__main__":
    main()
