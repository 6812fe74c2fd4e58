"""The command line: exit codes, one line for what is wrong, and nothing lost whatever ends a run."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import model

from ttc_bench.backends import by_name as resolve
from ttc_bench.core import Request
from ttc_bench.errors import BackendError

Run = Callable[..., tuple[int, str, str]]
BASE = ("run", "--model", "scripted:", "--task", "chain-arithmetic", "--limit", "6", "--samples", "4")


def test_the_main_job(ttc: Run, tmp_path: Path) -> None:
    code, out, err = ttc(*BASE)
    assert code == 0
    assert "48 samples to make" in err
    assert re.search(r"self-consistency +1 .*\n +2 .*\n +4 +0\.\d{3} +\[0\.\d{3}, \d\.\d{3}\]", out)
    assert re.search(r"cot: of 24 samples 0\.0% cut at the token limit, 0\.0% without", " ".join(out.split()))
    assert re.search(r"majority +0\.\d{3} +0\.\d{3} .*\n *self-certainty +0\.\d{3} +0\.\d{3} +-?\d+% +0\.\d\d", out)
    assert all(len(line) <= 80 for line in out.splitlines())
    assert (tmp_path / "results" / "scripted-chain-arithmetic" / "report.html").exists()
    code, out, err = ttc(*BASE)
    assert code == 0
    assert "All 48 samples are in the store: nothing is sampled." in " ".join(err.split())
    assert "This run spent: nothing." in out


def test_a_run_from_a_file_and_from_a_manifest(ttc: Run, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        "model: 'scripted:'\ntask: chain-arithmetic\nlimit: 6\nsamples: 4\nmethod: [cot, self-consistency]\n"
    )
    assert ttc("run", "--config", "run.yaml")[0] == 0
    code, _, err = ttc("run", "--config", "results/scripted-chain-arithmetic/run.json", "--samples", "8")
    assert code == 0
    assert "24 samples to make; 24 are in the store already" in err


def test_report_tasks_and_export(ttc: Run, tmp_path: Path) -> None:
    assert ttc(*BASE)[0] == 0
    folder = "results/scripted-chain-arithmetic"
    code, out, _ = ttc("report", folder, "--method", "self-consistency", "--samples", "2")
    assert code == 0
    assert "best-of-n" not in out
    before = {path: path.read_bytes() for path in Path(folder).iterdir()}
    for kind in ("jsonl", "parquet"):
        code, out, _ = ttc("export", folder, "--to", f"s.{kind}")
        assert (code, out) == (0, f"48 samples written to s.{kind}\n")
    assert {path: path.read_bytes() for path in Path(folder).iterdir()} == before
    first = json.loads((tmp_path / "s.jsonl").read_text().splitlines()[0])
    assert first["prompt"] == "direct"
    assert first["correct"] == (first["answer"] == first["gold"])
    code, out, _ = ttc("tasks")
    assert code == 0
    assert "bbh-web-of-lies" in out
    code, out, _ = ttc("tasks", "chain-arithmetic", "--n", "2", "--difficulty", "4")
    assert out.count("[gold]") == 2
    assert "difficulty 4" in out
    assert 'Think step by step. End with "The answer is N."' in out
    assert out.count("[solution]") == 2


def test_reference_solvers_of_tasks(ttc: Run, tmp_path: Path) -> None:
    code, out, _ = ttc("tasks", "chain-arithmetic", "--solve", "--difficulty", "7-8")
    assert (code, out) == (0, "chain-arithmetic: 200 of 200 solved (100.0 %)\n")
    code, out, _ = ttc("tasks", "--solve", "--n", "2")
    assert code == 0
    assert out.count(": 2 of 2 solved (100.0 %)\n") == len(out.splitlines()) > 20
    task = (
        "{name: mine, source: {generator: chain-arithmetic}, grader: choice, answer_format: 'Say \"The answer is X.\"'}"
    )
    (tmp_path / "mine.yaml").write_text(task, encoding="utf-8")
    code, out, _ = ttc("tasks", "mine.yaml", "--solve", "--n", "3")
    assert code == 3
    assert out.startswith("mine: 0 of 3 solved (0.0 %)")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--task", "countdown"), "model: missing; give it with --model"),
        (("run", "--model", "builtin"), "task: missing; give it with --task"),
        ((*BASE, "--task", "countdwn"), "unknown task 'countdwn': did you mean countdown"),
        ((*BASE, "--method", "cots"), "unknown method 'cots': did you mean cot"),
        ((*BASE, "--verifier", "logprobs"), "unknown verifier 'logprobs': did you mean logprob?"),
        ((*BASE, "--verifier", "checker"), "task chain-arithmetic has no check that works without the gold"),
        ((*BASE, "--model", "hg:x"), "unknown model prefix 'hg:': did you mean hf:"),
        ((*BASE, "--model", "builtin:huge"), "unknown built-in model 'huge'"),
        ((*BASE, "--model", "hf:"), "model hf: names no model"),
        ((*BASE, "--model", "hf:./nowhere"), "no model at ./nowhere"),
        ((*BASE, "--samples", "0"), "samples = 0: expected at least 1"),
        ((*BASE, "--limit", "0"), "limit = 0: expected at least 1"),
        ((*BASE, "--temperature", "0"), "use --samples 1, or a temperature above 0"),
        ((*BASE, "--temperature", "-1"), "temperature = -1.0: expected 0 or more"),
        ((*BASE, "--temperature", "nan"), "temperature = nan: expected 0 or more"),
        ((*BASE, "--top-p", "0"), "top_p = 0.0: expected above 0"),
        ((*BASE, "--min-p", "1"), "min_p = 1.0: expected at least 0 and below 1"),
        ((*BASE, "--top-k", "-1"), "top_k = -1: expected 0 (all) or more"),
        ((*BASE, "--rows", "0"), "rows = 0: expected at least 1"),
        ((*BASE, "--max-tokens", "0"), "max_tokens = 0: expected at least 1"),
        ((*BASE, "--samples", "many"), "Invalid value for '--samples'"),
        ((*BASE, "--sample", "3"), "No such option: --sample"),
        ((*BASE, "--difficulty", "hard"), "difficulty = 'hard': expected"),
        ((*BASE, "--prompt", "ct"), "unknown prompt 'ct': did you mean cot"),
        ((*BASE, "--config", "gone.yaml"), "gone.yaml: cannot be read as a configuration"),
        ((*BASE, "--store", "."), "cannot be used as a sample store"),
        (("tasks", "gsm8k", "--solve"), "gsm8k has no reference solver"),
        (("report", "nowhere"), "nowhere: no run.json in it"),
        (("export", "nowhere", "--to", "x.xls"), "unknown format 'x.xls'"),
    ],
)
def test_bad_input_ends_in_one_line_and_code_2(ttc: Run, words: tuple[str, ...], message: str) -> None:
    code, _, err = ttc(*words)
    assert code == 2
    lines = [line for line in err.splitlines() if line]
    assert len(lines) == 1
    assert lines[0].startswith("ttc-bench: ")
    assert message in lines[0]


def test_misspelt_fields_of_a_configuration(ttc: Run, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("model: builtin\ntask: countdown\nsampels: 4\n")
    code, _, err = ttc("run", "--config", "run.yaml")
    assert (code, err) == (2, "ttc-bench: run.yaml: unknown field 'sampels': did you mean samples?\n")


def test_a_prompt_longer_than_the_context_names_the_problem(
    ttc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ttc_bench.errors import PromptTooLong

    def script(request: Request, index: int) -> str | BackendError:
        if request.messages[0].content.count(".") > 9:
            return PromptTooLong(request.address, 2_000, 1_024)
        return "The answer is 1."

    monkeypatch.setitem(resolve.BACKENDS, "scripted", lambda name, config: model(script))
    code, _, err = ttc(*BASE, "--limit", "8", "--method", "cot")
    assert code == 2
    assert re.search(r"problem chain-arithmetic-\d-0, prompt cot: the prompt has 2000 tokens, .* context is 1024", err)


def test_a_run_with_holes_ends_with_code_3(ttc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(request: Request, index: int) -> str | BackendError:
        return BackendError("503") if index == 3 else f"The answer is {index}."

    monkeypatch.setitem(resolve.BACKENDS, "scripted", lambda name, config: model(script))
    code, out, _ = ttc(*BASE, "--method", "cot,self-consistency")
    assert code == 3
    assert "6 of 24 samples are missing (failed, or not asked for), so curves end at k = 3" in " ".join(out.split())


SLOW = textwrap.dedent("""
    import asyncio, signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started deaf to it
    sys.path.insert(0, sys.argv.pop(1))
    import fakes
    from ttc_bench.backends import by_name as resolve
    from ttc_bench import cli

    class Slow(fakes.ScriptedBackend):
        async def sample(self, jobs, limit=None):
            async for sample in super().sample(jobs, limit):
                await asyncio.sleep(0.08)  # 48 samples: time to be interrupted in, also on a busy machine
                yield sample

    def make(name, config):
        return Slow(fakes.signalled, model="scripted", signals=frozenset({"self_certainty"}))

    resolve.BACKENDS["scripted"] = make
    cli.main()
""")


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOW, str(Path(__file__).parent / "support"), *BASE]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def stored(folder: Path) -> int:
    import sqlite3

    path = folder / "results" / "samples.sqlite"
    if not path.exists():
        return 0
    try:
        return int(sqlite3.connect(path).execute("select count(*) from samples").fetchone()[0])
    except sqlite3.OperationalError:  # the table is being made
        return 0


def wait_for(folder: Path, samples: int) -> None:
    end = time.monotonic() + 60
    while stored(folder) < samples:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_ctrl_c_keeps_every_finished_sample_and_says_how_to_go_on(tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_for(tmp_path, 5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "every finished sample is kept. To go on:\n  ttc-bench run --model scripted: --task" in err
    assert "Traceback" not in err
    assert 5 <= stored(tmp_path) < 48


def test_kill_9_and_a_rerun_give_the_undisturbed_curve(ttc: Run, tmp_path: Path) -> None:
    """Killed twice in the middle of a run; what was stored is not asked for again, and the curve is the same."""
    (tmp_path / "killed").mkdir()
    for samples in (5, 20):
        process = start(tmp_path / "killed")
        wait_for(tmp_path / "killed", samples)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    kept = stored(tmp_path / "killed")
    process = start(tmp_path / "killed")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert f"{48 - kept} samples to make; {kept} are in the store already" in err
    ttc(*BASE)
    curves = [p / "results" / "scripted-chain-arithmetic" / "curve.csv" for p in (tmp_path, tmp_path / "killed")]
    assert curves[0].read_bytes() == curves[1].read_bytes()


def test_progress_without_a_terminal_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    from ttc_bench.core import Completion, Message, Sample, Usage
    from ttc_bench.terminal.progress import Progress

    request = Request("m", (Message("user", "?"),), 8)
    with Progress() as progress:
        progress.plan(3, 2)
        for index in range(2):
            progress.sample(Sample(request, index, Completion("x", "stop", Usage(completion=50))))
    err = capsys.readouterr().err
    assert "2 samples to make; 1 are in the store already." in err
    assert re.search(r"sampling 2/2, [\d,]+ tokens/s, 0 s left\n", err)


def test_grading_that_takes_long_is_seen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from ttc_bench.terminal import progress as terminal

    monkeypatch.setattr(terminal, "PLAIN_EVERY", 0.0)
    with terminal.Progress() as progress:
        for done in range(1, 4):
            progress.watch().on_grade(done, 1500)
    assert "graded 3/1,500 prompts\n" in capsys.readouterr().err


def test_one_event_loop_only(ttc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio.run stands in the command line alone: a second loop would cut the backend's connections."""
    loops = []
    original = asyncio.run
    monkeypatch.setattr(asyncio, "run", lambda job: loops.append(1) or original(job))
    ttc(*BASE)
    assert loops == [1]
