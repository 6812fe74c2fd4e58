"""inspect_ai itself reads what we write for it, in an environment of its own (`make .venv/peers/ready`)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from exported import CUT, MANIFEST, PLAIN, PROBLEMS, THOUGHT

from ttc_bench.interchange.exports import inspect_ai
from ttc_bench.interchange.formats import detect
from ttc_bench.interchange.records import Record

PYTHON = Path(__file__).parents[2] / ".venv" / "peers" / "bin" / "python"
READ = """
import json, sys
from inspect_ai.log import list_eval_logs, read_eval_log, read_eval_log_sample, write_eval_log
from inspect_ai.log import read_eval_log_sample_summaries
logs = {}
for info in list_eval_logs(sys.argv[1]):
    log = read_eval_log(info)
    one = read_eval_log_sample(info, log.samples[0].id, log.samples[0].epoch)
    again = f"{sys.argv[2]}/{log.eval.task_id}"
    write_eval_log(log, again + ".eval")
    write_eval_log(log, again + ".json")
    logs[log.eval.task_id] = {
        "listed": info.task,
        "log": log.model_dump(mode="json"),
        "reasoning": [[c.reasoning for c in s.output.message.content if c.type == "reasoning"]
                      if isinstance(s.output.message.content, list) else [] for s in log.samples],
        "texts": [s.output.message.text for s in log.samples],
        "summaries": [[s.id, s.epoch, s.scores["grade"].value] for s in read_eval_log_sample_summaries(info)],
        "one": [one.id, one.epoch],
    }
print(json.dumps(logs))
"""


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[Path], Path]:
    """What inspect_ai reads, by the label of the log; our logs; and where it wrote them again."""
    if not PYTHON.exists():
        reason = f"no {PYTHON}: make it with `make .venv/peers/ready`"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    folder, again = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs")
    paths = inspect_ai.write(PROBLEMS, MANIFEST, folder)
    done = subprocess.run([PYTHON, "-c", READ, folder, again], capture_output=True, text=True, check=False, cwd=again)
    assert done.returncode == 0, done.stderr[-2000:]
    logs = {
        f"{of['log']['eval']['task']}, {of['log']['eval']['task_args']['prompt']}": of
        for of in json.loads(done.stdout).values()
    }
    return logs, paths, again


def test_all_logs_are_listed_and_read(read: Any) -> None:
    logs, paths, _ = read
    assert sorted(logs) == ["logic, small, cot", "sums, a/large, cot", "sums, small, cot", "sums, small, direct"]
    assert len(paths) == 4
    assert logs["sums, small, cot"]["listed"] == "sums-small-cot"


def test_samples_epochs_scores_usage_and_texts(read: Any) -> None:
    of = read[0]["sums, small, cot"]
    samples = of["log"]["samples"]
    assert [(s["id"], s["epoch"]) for s in samples] == [
        *(("sums/0", 1), ("sums/1", 1), ("sums/0", 2), ("sums/0", 4), ("sums/0", 5), ("sums/0", 6)),
    ]
    assert of["texts"][0] == PLAIN.text
    assert of["texts"][2:4] == [THOUGHT.text, CUT.text.replace("\ud800", "?")]
    assert of["reasoning"][2] == [THOUGHT.reasoning]
    assert [s["output"]["completion"] for s in samples[2:4]] == of["texts"][2:4]
    assert [s["output"]["choices"][0]["stop_reason"] for s in samples[1:4]] == ["stop", "stop", "max_tokens"]
    assert [s["scores"]["grade"]["value"] for s in samples] == ["C", "I", "I", "I", "C", "C"]
    assert [s["scores"]["grade"]["answer"] for s in samples[:4]] == ["2", "2", "3", None]
    assert samples[0]["scores"]["logprob"]["value"] == -0.5
    assert samples[2]["scores"]["reward:x"]["value"] == 0.25
    usage = [s["output"]["usage"] for s in samples]
    counted = ("input_tokens", "input_tokens_cache_read", "output_tokens", "reasoning_tokens", "total_tokens")
    assert [usage[0][name] for name in counted] == [12, 8, 12, None, 32]
    assert [usage[2][name] for name in counted] == [20, None, 30, 24, 50]
    assert usage[4] is None  # nobody counted
    assert (samples[0]["input"], samples[0]["target"]) == ("What is 1 + 1?", "2")
    assert of["one"] == ["sums/0", 1]
    assert sorted(of["summaries"]) == sorted([s["id"], s["epoch"], s["scores"]["grade"]["value"]] for s in samples)


def test_header(read: Any) -> None:
    log = read[0]["sums, small, cot"]["log"]
    assert (log["status"], log["eval"]["model"], log["eval"]["config"]["epochs"]) == ("success", "small", 6)
    assert log["eval"]["dataset"]["sample_ids"] == ["sums/0", "sums/1"]
    assert [(s["name"], {m["name"]: m["value"] for m in s["metrics"].values()}) for s in log["results"]["scores"]] == [
        ("grade", {"accuracy": 0.3, "stderr": pytest.approx(0.3)}),
        ("logprob", {"mean": -0.5, "stderr": 0.0}),
        ("reward:x", {"mean": 0.25}),
    ]
    assert log["plan"]["config"]["temperature"] == 0.7


def test_what_inspect_ai_writes_again_is_read_as_what_we_wrote(read: Any) -> None:
    """Both of its formats, zstd and all: equal texts, tokens and verdicts."""
    _, paths, again = read
    ours = {path.stem.split("_")[-1]: path for path in paths}
    assert sorted(ours) == sorted({path.stem for path in again.iterdir()})
    for theirs in again.iterdir():
        path = ours[theirs.stem]
        assert _told(theirs) == _told(path)
        assert detect(theirs).facts(theirs) == detect(path).facts(path)


def _told(path: Path) -> dict[Any, Any]:
    rows = [row for row in detect(path).read(path) if isinstance(row, Record)]
    return {
        (r.id, r.repeat): (
            r.text,
            r.reasoning,
            r.prompt,
            r.cached,
            r.completion,
            r.thought,
            r.recorded,
            r.answer,
            r.signals,
        )
        for r in rows
    }
