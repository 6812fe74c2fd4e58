"""Samples of lm-eval (EleutherAI's lm-evaluation-harness), as `--log_samples` writes them: samples_TASK_DATE.jsonl,
with results_DATE.json beside it.

A line is a document under one filter. A document has a line for each filter, and the same responses in all of them: the
first line counts. lm-eval gives one verdict a document: it is that of a sample where the document has one response, or
where results_DATE.json says that the filter takes the first. It logs no tokens.
https://github.com/EleutherAI/lm-evaluation-harness/blob/main/docs/interface.md"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ttc_bench.interchange.records import Facts, Record, Row, Source
from ttc_bench.interchange.sources.shapes import mapping, one_line, real, sequence, string, whole
from ttc_bench.interchange.sources.values import CHECKER, ESTIMATED
from ttc_bench.problems.rows import Broken, stream_rows

NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.:-]+)")
METRICS = ("exact_match", "acc", "pass@1")  # of a line that does not name its own
INVALID = "[invalid]"  # what lm-eval's regex filter finds where it finds nothing
QUESTIONS = ("question", "problem")  # columns of a document that hold what is asked, if its prompt has them
LARGEST = 64 << 20  # bytes of a results file


class LMEval(Source):
    name = "lm-eval"
    about = "samples_TASK_DATE.jsonl of lm-evaluation-harness (--log_samples)"

    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        return first is not None and first.keys() >= {"doc_id", "doc", "resps", "filtered_resps"}

    def read(self, path: Path) -> Iterator[Row]:
        results = _results(path)
        seen: dict[str, Any] = {}  # document -> the filter whose lines are its samples
        for row in stream_rows(path):
            if isinstance(row, Broken):
                yield row
                continue
            place, line = row
            doc_id = whole(line.get("doc_id")) if not isinstance(line.get("doc_id"), str) else line["doc_id"]
            if doc_id is None or not isinstance(line.get("resps"), list):
                yield Broken(place, "not a line of lm-eval: expected doc_id and resps")
            elif seen.setdefault(str(doc_id), line.get("filter")) == line.get("filter"):  # others say the same again
                yield from _samples(place, str(doc_id), line, _takes_first(results, _task(path), line.get("filter")))

    def facts(self, path: Path) -> Facts:
        first = next((row[1] for row in stream_rows(path) if not isinstance(row, Broken)), {})
        results, task = _results(path), _task(path)
        options = mapping(_argument(first, 1))
        version = string(results.get("lm_eval_version"))
        greedy = options.get("do_sample") is False
        filters = [string(mapping(f).get("name")) for f in sequence(_config(results, task).get("filter_list"))]
        others = [name for name in filters if name and name != first.get("filter")]
        remark = f"the verdicts are those of the filter {first.get('filter')}; {', '.join(others)} had others"
        return Facts(
            model=_model(results),
            task=task,
            temperature=0.0 if greedy else real(options.get("temperature")),
            top_p=None if greedy else real(options.get("top_p")),
            max_tokens=whole(options.get("max_gen_toks")),
            tool=f"lm_eval {version}" if version else "lm_eval",
            remarks=(one_line(remark),) if others else (),
        )


def _samples(place: str, doc_id: str, line: dict[str, Any], takes_first: bool) -> Iterator[Row]:
    """The samples of a document: the responses to its request."""
    responses = [sequence(r) if isinstance(r, list) else [r] for r in line["resps"]]
    options = _argument(line, 1)
    if not responses or not all(isinstance(text, str) for of in responses for text in of) or options is False:
        yield Broken(place, "no generated text in it: its choices were compared by their log-likelihood")
        return
    if len(responses) > 1:
        yield Broken(place, f"{len(responses)} requests for one document: expected one")
        return
    doc, ours, texts = mapping(line.get("doc")), mapping(line.get("ttc_bench")), responses[0]
    judged = len(texts) == 1 or takes_first
    first = next(iter(sequence(line.get("filtered_resps"))), None)
    kept = first if isinstance(first, list) and len(first) == len(texts) else None  # of a filter that keeps all
    for i, text in enumerate(texts):
        of_doc = judged and i == 0
        record = Record(
            f"{place}, sample {i + 1}" if len(texts) > 1 else place,
            string(text) or "",
            id=string(ours.get("id")) or doc_id,
            question=_question(doc, string(_argument(line, 0))),
            gold=string(line.get("target")) or None,
            recorded=_verdict(line) if of_doc else None,
            answer=_answer(line, kept[i]) if kept else _answer(line, first) if of_doc else None,
            repeat=i,
        )
        yield replace(record, **_of_ours(ours, doc, i)) if ours else record


def _of_ours(ours: dict[str, Any], doc: dict[str, Any], i: int) -> dict[str, Any]:
    """What our own export says of its ith response besides."""

    def at(name: str, columns: dict[str, Any] = ours) -> Any:
        column = sequence(columns.get(name))
        return column[i] if i < len(column) else None

    stop, correct, scores = at("stop_reason"), at("correct"), mapping(ours.get("scores"))
    signals = {name: real(at(name, scores)) for name in scores}
    return {
        "recorded": correct if isinstance(correct, bool) else None,
        "reasoning": string(at("reasoning")) or "",
        "length": stop == "length" if stop in ("stop", "length") else None,
        "completion": whole(at("tokens")),
        "apportioned": at("tokens_from") in ESTIMATED,
        "signals": {name: value for name, value in signals.items() if value is not None and name != CHECKER},
        "difficulty": real(doc.get("difficulty")),
        "repeat": whole(at("index")),
    }


def _argument(line: Mapping[str, Any], number: int) -> Any:
    """An argument of the first request: the prompt (0), or the options of its generation (1). None: the line has no
    arguments; False: the request has fewer, or another kind of them, and generates nothing."""
    arguments = line.get("arguments")
    if isinstance(arguments, dict):
        value = mapping(arguments.get("gen_args_0")).get(f"arg_{number}", False)
    elif isinstance(arguments, list) and arguments:  # as versions before 0.4.2 wrote them
        first = sequence(arguments[0])
        value = first[number] if len(first) > number else False
    else:
        return None
    return value if number == 0 or isinstance(value, dict) else False


def _question(doc: dict[str, Any], prompt: str | None) -> str | None:
    """The question alone where the document names it (a prompt may show other questions, with answers, before it)."""
    asked = [text for name in QUESTIONS if (text := string(doc.get(name)))]
    return next((text for text in asked if prompt is None or text in prompt), prompt)


def _verdict(line: dict[str, Any]) -> bool | None:
    """The first metric of the line that is a yes or no."""
    named = [name for name in sequence(line.get("metrics")) if isinstance(name, str)]
    values = [line.get(name) for name in named or METRICS]
    return next((bool(v) for v in values if isinstance(v, bool) or real(v) in (0.0, 1.0)), None)


def _answer(line: dict[str, Any], found: Any) -> str | None:
    """What the filter found, the first of several; None where it found nothing, or there was none."""
    text = string(next(iter(found), None) if isinstance(found, list) else found)
    return None if text == INVALID or line.get("filter") == "none" else text


def _takes_first(results: dict[str, Any], task: str | None, name: Any) -> bool:
    """Whether a filter takes the first response to each request, without a look at the others."""
    for entry in map(mapping, sequence(_config(results, task).get("filter_list"))):
        if entry.get("name") == name:
            functions = [mapping(f).get("function") for f in sequence(entry.get("filter"))]
            return "take_first" in functions and "majority_vote" not in functions
    return False


def _task(path: Path) -> str | None:
    named = NAME.fullmatch(path.stem)
    return named["task"] if named else None


def _config(results: dict[str, Any], task: str | None) -> dict[str, Any]:
    return mapping(mapping(results.get("configs")).get(task or ""))


def _model(results: dict[str, Any]) -> str | None:
    """The model's name. `config.model` is the kind of backend ("hf"), which is all that old versions say besides."""
    config = mapping(results.get("config"))
    return string(results.get("model_name")) or string(config.get("model_name")) or string(config.get("model"))


def _results(path: Path) -> dict[str, Any]:
    """What results_DATE.json of the same run says; empty where there is none that can be read."""
    named = NAME.fullmatch(path.stem)
    beside = path.with_name(f"results_{named['date']}.json") if named else path
    try:
        if beside == path or beside.stat().st_size > LARGEST:
            return {}
        return mapping(json.loads(beside.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return {}
