"""Samples in the files of lm-eval: MODEL/samples_TASK-PROMPT_DATE.jsonl, a line for each problem, and
MODEL/results_DATE.json, as `lm_eval --log_samples --output_path` writes them.

The filter is "ttc-bench": it keeps the answer of every response, and `exact_match` is the share of them that is right.
lm-eval has no place for tokens, thinking and the grade of each response: they are under the key "ttc_bench" of each
line, which its tools pass over and our own import reads."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from ttc_bench.analysis.views import ProblemView, SampleView
from ttc_bench.interchange.exports.files import Group, Run, file_name, mean, standard_error, tokens, whole, writing

FILTER = "ttc-bench"
INVALID = "[invalid]"  # what lm-eval writes where a filter finds no answer


def write(problems: Iterable[ProblemView], manifest: dict[str, Any], folder: Path) -> list[Path]:
    """Writes a file of samples for each model, task and way of asking, and a file of results for each model, into a
    folder for each model; returns their paths. One problem at a time is in memory. Files appear when they are whole.
    Raises TtcError where one cannot be written."""
    run = Run(manifest)
    paths: list[Path] = []
    with writing(folder), contextlib.ExitStack() as stack:
        tasks: dict[Group, _Task] = {}
        for problem in problems:
            for group, samples in run.groups(problem).items():
                if group not in tasks:
                    name = _name(group, {task.name for g, task in tasks.items() if g.model == group.model})
                    paths.append(folder / _model(group.model, run) / f"samples_{name}_{run.stamp}.jsonl")
                    part = stack.enter_context(whole(paths[-1]))
                    file = stack.enter_context(part.open("w", encoding="utf-8", errors="replace", newline="\n"))
                    tasks[group] = _Task(run, name, file)
                tasks[group].add(problem, samples)
        for model in dict.fromkeys(group.model for group in tasks):
            paths.append(folder / _model(model, run) / f"results_{run.stamp}.json")
            part = stack.enter_context(whole(paths[-1]))
            of_model = {task.name: task for group, task in tasks.items() if group.model == model}
            part.write_bytes(_encoded(_results(run, model, of_model), indent=2))
    return paths


def _name(group: Group, taken: set[str]) -> str:
    """The name of a task, without what parts the name of a file."""
    name = file_name(f"{group.task} {group.label}")
    return name if name not in taken else f"{name}-{group.id[:6]}"


def _model(model: str, run: Run) -> str:
    """The folder of a model."""
    name = file_name(model)
    same = [m for m in run.models if file_name(m) == name]
    return name if len(same) < 2 else f"{name}-{Group('', model, '').id[:6]}"


class _Task:
    """A file of samples that grows problem by problem."""

    def __init__(self, run: Run, name: str, file: IO[str]) -> None:
        self.name = name
        self.accuracies: list[float] = []  # one a problem
        self.repeats = 0
        self.options = _options(run)
        self._file = file

    def add(self, problem: ProblemView, samples: list[SampleView]) -> None:
        """Appends the line of a problem."""
        accuracy = mean(float(s.correct) for s in samples)
        doc = {"question": problem.question, "answer": problem.gold, "id": problem.id}
        target = problem.gold or ""
        line = {
            "doc_id": len(self.accuracies),
            "doc": doc | {"difficulty": problem.difficulty},
            "target": target,
            "arguments": {"gen_args_0": {"arg_0": problem.question, "arg_1": self.options}},
            "resps": [[s.text for s in samples]],
            "filtered_resps": [[INVALID if s.answer is None else s.answer for s in samples]],
            "filter": FILTER,
            "metrics": ["exact_match"],
            "doc_hash": _hash(json.dumps(doc, sort_keys=True)),
            "prompt_hash": _hash(problem.question),
            "target_hash": _hash(target),
            "exact_match": accuracy,
            "ttc_bench": _ours(problem, samples),
        }
        self._file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        self.accuracies.append(accuracy)
        self.repeats = max(self.repeats, len(samples))


def _ours(problem: ProblemView, samples: list[SampleView]) -> dict[str, Any]:
    """What lm-eval has no place for, as columns in the order of the responses. null: not known."""
    names = sorted({name for s in samples for name in s.scores})
    scores = {name: [s.scores.get(name) for s in samples] for name in names}
    return {
        "id": problem.id,
        "index": [s.index for s in samples],
        "correct": [s.correct for s in samples],
        "tokens": [tokens(s) for s in samples],
        "tokens_from": [s.usage.source if s.usage else None for s in samples],
        "stop_reason": [s.stop_reason for s in samples],
        "reasoning": [s.reasoning for s in samples],
        "scores": {
            name: [v if v is not None and math.isfinite(v) else None for v in of] for name, of in scores.items()
        },
    }


def _options(run: Run) -> dict[str, Any]:
    """The generation arguments, in lm-eval's words."""
    known = dict(run.settings)
    if "max_tokens" in known:
        known["max_gen_toks"] = known.pop("max_tokens")
    sampled = {"do_sample": known["temperature"] > 0} if "temperature" in known else {}
    return {"until": []} | sampled | known


def _results(run: Run, model: str, tasks: dict[str, _Task]) -> dict[str, Any]:
    """results_DATE.json, of which lm-eval makes its table."""
    kept = {"name": FILTER, "filter": [{"function": "take_first_k"}]}
    return {
        "results": {name: _metrics(task) for name, task in tasks.items()},
        "configs": {
            name: {
                "task": name,
                "output_type": "generate_until",
                "generation_kwargs": task.options,
                "repeats": task.repeats,
                "filter_list": [kept],
            }
            for name, task in tasks.items()
        },
        "versions": dict.fromkeys(tasks, 0),
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {name: {"exact_match": True} for name in tasks},
        "n-samples": {
            name: {"original": len(task.accuracies), "effective": len(task.accuracies)} for name, task in tasks.items()
        },
        "config": {"model": "ttc-bench", "model_args": {"pretrained": run.identity(model)}},
        "model_source": f"ttc-bench {run.version}",
        "model_name": model,
    }


def _metrics(task: _Task) -> dict[str, Any]:
    error = standard_error(task.accuracies)
    return {
        "alias": task.name,
        "sample_len": len(task.accuracies),
        f"exact_match,{FILTER}": mean(task.accuracies),
        f"exact_match_stderr,{FILTER}": "N/A" if error is None else error,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _encoded(value: Any, indent: int) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent).encode("utf-8", "replace")
