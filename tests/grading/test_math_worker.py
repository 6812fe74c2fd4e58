"""math-verify in its own process: hostile expressions, threads, and a process that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from ttc_bench.grading import math_worker
from ttc_bench.grading.formula import Math
from ttc_bench.grading.number import Number


def test_a_power_tower_in_python_is_no_number_and_no_hang():
    assert not Math().same("9**9**9**9", "x + 5")
    assert not Number().same("9**9**9**9", "9")


@pytest.mark.parametrize("hostile", ["9^{9^{9^{9}}}", "(" * 400 + ")" * 400])
def test_a_hostile_expression_is_given_up_and_the_next_is_compared(hostile):
    """Big integers are computed inside one C call, where no signal handler runs: the process has to end."""
    before = math_worker.WORKER.timeouts
    assert not Math().same(hostile, "x + 5")
    assert math_worker.WORKER.timeouts == before + 1
    assert not Math().same("x + 5", hostile)  # remembered, in either order
    assert math_worker.WORKER.timeouts == before + 1
    assert Math().same(rf"\sqrt{{{before + 200}}}", rf"{before + 200}^{{1/2}}")


def test_mathematics_is_compared_off_the_main_thread():
    """math-verify's own time limit raises there."""
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(Math().same(r"\sqrt{8}", r"2\sqrt{2}")))
    thread.start()
    thread.join()
    assert seen == [True]


def test_grading_loads_no_sympy_prints_nothing_and_ends():
    """sympy takes a second to load, math-verify warns at every start, a forgotten process keeps a run alive."""
    script = "import sys; from ttc_bench.grading.graders import Math; "
    script += "ok = Math().same('x + x', '2x'); sys.exit(0 if ok and 'sympy' not in sys.modules else 1)"
    done = subprocess.run([sys.executable, "-W", "always", "-c", script], capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_worker_that_was_ended_is_replaced_and_asked_again():
    """Whoever ended the process (the system, short of memory) must not change a grade."""
    assert Math().same(r"\sqrt{18}", r"3\sqrt{2}")
    process = math_worker.WORKER._process
    assert process is not None
    process.kill()
    process.wait()
    before = math_worker.WORKER.timeouts
    assert Math().same(r"\sqrt{50}", r"5\sqrt{2}")
    assert math_worker.WORKER.timeouts == before


def test_an_interrupted_comparison_leaves_no_reply_behind(monkeypatch):
    """Ctrl-C between question and reply: the next pair would be given the reply to this one."""

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(math_worker.WORKER, "_reply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            math_worker.WORKER.ask("x+x", "2x")
    assert not math_worker.WORKER.ask("x+x", "3x")


def test_a_silent_worker_is_given_up(monkeypatch):
    """A process that is stopped or swapped out uses no processor time, so its own alarm never rings."""
    worker = math_worker.WORKER
    assert worker.ask("x+x", "2x")
    before = worker.timeouts
    monkeypatch.setattr(worker, "patience", 0.2)
    os.killpg(worker._process.pid, signal.SIGSTOP)
    assert not worker.ask("x+x", "2x")
    assert worker.timeouts == before + 1
