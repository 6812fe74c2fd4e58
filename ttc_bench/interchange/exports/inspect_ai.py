"""Samples as logs of inspect_ai, which `inspect_ai.log.read_eval_log` reads and `inspect view` shows.

A log holds the samples of one model on one task in one way of asking: sample i of a problem is epoch i + 1. The grade
is the score "grade" (C or I, with the answer), a verifier's verdict a score under the verifier's name. The input is the
problem's question, without the words that the prompt puts around it. Nothing of inspect_ai is needed to write one: a
log is a zip of JSON files (inspect_ai/log/_log.py has their fields)."""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from ttc_bench.analysis.views import ProblemView, SampleView
from ttc_bench.core import PROMPT_UNKNOWN
from ttc_bench.interchange.exports.files import (
    Group,
    Run,
    file_name,
    mean,
    standard_error,
    tokens,
    whole,
    writing,
)

GRADE = "grade"
STOPS = {"stop": "stop", "length": "max_tokens"}
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every member: equal runs give equal files
COPIED = 1 << 20  # bytes at a time


def write(problems: Iterable[ProblemView], manifest: dict[str, Any], folder: Path) -> list[Path]:
    """Writes one log for each model, task and way of asking into a folder and returns their paths. One problem at a
    time is in memory. Logs appear when they are whole. Raises TtcError where one cannot be written."""
    run = Run(manifest)
    paths: list[Path] = []
    with writing(folder), contextlib.ExitStack() as stack:
        logs: dict[Group, _Log] = {}
        for problem in problems:
            for group, samples in run.groups(problem).items():
                if group not in logs:
                    named = file_name(f"{group.task} {group.label}")
                    paths.append(folder / f"{run.stamp}-00-00_{named}_{group.id}.eval")
                    part = stack.enter_context(whole(paths[-1]))
                    summaries = stack.enter_context(tempfile.TemporaryFile())
                    logs[group] = stack.enter_context(_Log(run, group, part, summaries))
                logs[group].add(problem, samples)
        for log in logs.values():
            log.finish()
    return paths


class _Log:
    """A log that grows problem by problem. A context manager; `finish` writes what stands at its end. `summaries`: an
    empty file, which keeps them until then."""

    def __init__(self, run: Run, group: Group, path: Path, summaries: IO[bytes]) -> None:
        self._run, self._group = run, group
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._summaries = summaries
        self._ids: list[str] = []
        self._means: dict[str, list[float]] = {GRADE: []}  # by score, one a problem
        self._samples = self._epochs = 0
        self._usage: dict[str, int] = {}

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add(self, problem: ProblemView, samples: list[SampleView]) -> None:
        """Appends the samples of a problem."""
        self._ids.append(problem.id)
        values: dict[str, list[float]] = {GRADE: []}
        for s in samples:
            sample = _sample(problem, s, self._group)
            self._member(f"samples/{problem.id}_epoch_{s.index + 1}.json", sample)
            self._summaries.write((b"," if self._samples else b"[") + _encoded(_summary(sample)))
            self._samples, self._epochs = self._samples + 1, max(self._epochs, s.index + 1)
            values[GRADE].append(float(s.correct))
            for name, score in _finite(s).items():
                values.setdefault(name, []).append(score)
            for name, count in (sample["output"].get("usage") or {}).items():
                self._usage[name] = self._usage.get(name, 0) + count
        for name, of_problem in values.items():
            self._means.setdefault(name, []).append(mean(of_problem))

    def finish(self) -> None:
        """Writes summaries, header and the journal's beginning, and closes the file."""
        self._summaries.write(b"]")
        self._summaries.seek(0)
        with self._zip.open(_info("summaries.json"), "w", force_zip64=True) as member:
            while part := self._summaries.read(COPIED):
                member.write(part)
        start = {"version": 2, "eval": self._spec(), "plan": self._plan()}
        self._member("_journal/start.json", start)
        self._member("header.json", {**start, "status": "success", "results": self._results(), "stats": self._stats()})
        self._zip.close()

    def _member(self, name: str, value: Any) -> None:
        self._zip.writestr(_info(name), _encoded(value))

    def _spec(self) -> dict[str, Any]:
        group, run = self._group, self._run
        dataset = {"name": group.task, "samples": len(self._ids), "sample_ids": self._ids, "shuffled": False}
        return {
            "eval_id": group.id,
            "run_id": Group("", "", run.started).id,
            "created": run.started,
            "task": group.task,
            "task_id": group.id,
            "task_version": 0,
            "task_args": {"prompt": group.label},
            "dataset": dataset,
            "model": group.model,
            "config": {"epochs": self._epochs, "epochs_reducer": ["mean"], "log_samples": True},
            "packages": {"ttc-bench": run.version},
            "metadata": {"ttc_bench": {"model": run.identity(group.model), "prompt": group.label}},
            "scorers": [{"name": name} for name in self._means],
        }

    def _plan(self) -> dict[str, Any]:
        steps = [{"solver": self._group.label, "params": {}}]
        return {"name": "plan", "steps": steps, "config": self._run.settings}

    def _results(self) -> dict[str, Any]:
        scores = [_score_of_all(name, values) for name, values in self._means.items()]
        return {"total_samples": self._samples, "completed_samples": self._samples, "scores": scores}

    def _stats(self) -> dict[str, Any]:
        ended = str(self._run.manifest.get("ended") or "")
        usage = {self._group.model: self._usage} if self._usage else {}
        return {"started_at": self._run.started, "completed_at": ended, "model_usage": usage}


def _sample(problem: ProblemView, s: SampleView, group: Group) -> dict[str, Any]:
    """EvalSample."""
    asked = {"role": "user", "source": "input", "content": problem.question}
    thought = [{"type": "reasoning", "reasoning": s.reasoning, "redacted": False}, {"type": "text", "text": s.text}]
    content = thought if s.reasoning else s.text
    message = {"role": "assistant", "source": "generate", "model": group.model, "content": content}
    usage = _usage(s)
    choice = {"message": message, "stop_reason": STOPS.get(s.stop_reason, "unknown")}
    output = {"model": group.model, "choices": [choice], "completion": s.text, "usage": usage}
    grade = {"value": "C" if s.correct else "I", "answer": s.answer, "metadata": {"rung": s.rung}}
    ours = {"prompt": s.prompt, "index": s.index, "shares_prompt": s.shares_prompt}
    ours |= {"tokens_from": s.usage.source} if s.usage else {}
    return {
        "id": problem.id,
        "epoch": s.index + 1,
        "input": problem.question,
        "target": problem.gold or "",
        "messages": [asked, message],
        "output": output,
        "scores": {GRADE: grade} | {name: {"value": score} for name, score in _finite(s).items()},
        "metadata": {"difficulty": problem.difficulty, "ttc_bench": ours},
        "model_usage": {group.model: usage} if usage else {},
        "uuid": Group(group.id, problem.id, str(s.index)).id,
    }


def _summary(sample: dict[str, Any]) -> dict[str, Any]:
    """EvalSampleSummary, which a list of samples is made of."""
    kept = ("id", "epoch", "input", "target", "scores", "model_usage", "uuid")
    thin = {"completed": True, "message_count": len(sample["messages"])}
    return {name: sample[name] for name in kept} | thin


def _usage(s: SampleView) -> dict[str, int] | None:
    """ModelUsage, without the counts that nobody made; its input is without what was cached."""
    made = tokens(s)
    if made is None:
        return None
    counts = {"output_tokens": made, "total_tokens": made}
    if s.usage and s.usage.source not in PROMPT_UNKNOWN:
        given = {"input_tokens": s.usage.prompt - s.usage.cached, "total_tokens": made + s.usage.prompt}
        counts |= given | ({"input_tokens_cache_read": s.usage.cached} if s.usage.cached else {})
    return counts | ({"reasoning_tokens": s.usage.reasoning} if s.usage and s.usage.reasoning else {})


def _score_of_all(name: str, values: list[float]) -> dict[str, Any]:
    """EvalScore: the mean over problems of the means over their samples, and its standard error."""
    metrics = {"accuracy" if name == GRADE else "mean": mean(values)}
    error = standard_error(values)
    metrics |= {} if error is None else {"stderr": error}
    shown = {metric: {"name": metric, "value": value} for metric, value in metrics.items()}
    return {"name": name, "scorer": name, "reducer": "mean", "metrics": shown}


def _finite(s: SampleView) -> dict[str, float]:
    """Its scores, but for infinity, which JSON does not have."""
    return {name: score for name, score in s.scores.items() if math.isfinite(score)}


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode(), EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _encoded(value: Any) -> bytes:
    """JSON in which halves of surrogate pairs, which inspect_ai refuses, are question marks."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
