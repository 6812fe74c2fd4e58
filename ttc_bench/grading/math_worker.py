"""math-verify in a process of its own, so that a hostile expression (9**9**9**9) cannot hold up a run.

math-verify's own time limit is a signal handler: it works in the main thread only and not inside a C call. Here the
process that hangs is ended instead, and its successor is ready within milliseconds. This file runs as a script in that
process and imports the standard library only.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
from functools import lru_cache

LIMIT = 1.0  # seconds of processor time for one comparison; not of the clock, so a busy machine grades alike
PATIENCE = 20.0  # seconds on the clock after which the whole worker is started anew


class Worker:
    """The process in which math-verify runs: started at the first need, restarted when stuck, ended with this one."""

    def __init__(self) -> None:
        self.timeouts = 0  # comparisons given up so far
        self.patience = PATIENCE
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ask(self, a: str, b: str) -> bool:
        """Whether math-verify finds the two equal, in either order. False where it took too long."""
        with self._lock:
            for _ in range(2):  # a process that somebody ended gave no verdict: its successor is asked
                process = self._process or self._start()
                try:
                    reply = self._exchange(process, json.dumps([a, b]).encode())
                except BaseException:  # Ctrl-C: the reply to this pair must not be read as the reply to the next
                    self._stop()
                    raise
                if reply in (b"equal", b"different"):
                    return reply == b"equal"
                if reply == b"given up":
                    break
                self._stop()
                if reply is None:
                    break
            self.timeouts += 1
            return False

    def _exchange(self, process: subprocess.Popen[bytes], line: bytes) -> bytes | None:
        assert process.stdin is not None
        try:
            process.stdin.write(line + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return b""
        return self._reply(process, self.patience)

    def _start(self) -> subprocess.Popen[bytes]:
        # By path and with -P: this file needs nothing of the package, and its neighbours must not shadow other modules.
        # In a session of its own: Ctrl-C is for the run, which ends this process by closing the pipe.
        process = self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if self._reply(process, 120) != b"ready":
            from ttc_bench.errors import TtcError

            self._stop()
            raise TtcError("math-verify did not start; \"python -c 'import math_verify'\" shows why")
        return process

    def _reply(self, process: subprocess.Popen[bytes], patience: float) -> bytes | None:
        """The next line; empty where the process has ended, None where it kept silent for `patience` seconds."""
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], patience)
        return process.stdout.readline().strip() if ready else None

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            process.communicate()

    def close(self) -> None:
        with self._lock:
            self._stop()


WORKER = Worker()
atexit.register(WORKER.close)


def _serve() -> None:
    """Read pairs from standard input, one JSON list a line; write "equal" or "different". Each pair is compared in a
    forked child under a processor-time alarm that ends the process, C code included; a new child takes milliseconds,
    where a new interpreter would have to load sympy again."""
    logging.disable(logging.CRITICAL)  # math-verify warns that its own time limits are off
    from math_verify import parse, verify

    parsed = lru_cache(maxsize=4096)(lambda text: parse(f"${text}$", parsing_timeout=None))

    def compare(a: str, b: str) -> bool:
        x, y = parsed(a), parsed(b)
        # math-verify's answer can depend on which of the two is the gold
        return any(verify(*pair, timeout_seconds=None) for pair in ((x, y), (y, x)))

    def say(line: bytes) -> None:
        os.write(1, line + b"\n")

    compare("\\frac{1}{2}", "x+1")  # compiles its patterns, outside anybody's second
    say(b"ready")
    while True:
        child = os.fork()
        if child == 0:
            for line in sys.stdin.buffer:
                signal.setitimer(signal.ITIMER_PROF, LIMIT)
                verdict = False
                with contextlib.suppress(Exception):
                    verdict = compare(*json.loads(line))
                signal.setitimer(signal.ITIMER_PROF, 0)
                say(b"equal" if verdict else b"different")
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:  # end of input
            return
        say(b"given up")


if __name__ == "__main__":
    _serve()
