"""Output files of the batch interface of OpenAI, and of vLLM's `run_batch`, for chat and text completions. The file of
requests that was sent may be given beside them: it has the questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ttc_bench.errors import printable
from ttc_bench.interchange.records import Facts, Hole, Record, Row, Source
from ttc_bench.interchange.sources.values import at, count, cut, mean, number, parts, prose, question, text
from ttc_bench.problems.rows import Broken, stream_rows


class Batch(Source):
    name = "batch"
    about = "output of an OpenAI batch or of vllm run-batch (JSONL), and its file of requests beside it"

    def __init__(self, questions: Mapping[str, str] | None = None, asked: Mapping[str, Any] | None = None) -> None:
        """`questions`: by custom_id. `asked`: the body of one of the requests, for its parameters."""
        self._questions, self._asked = questions or {}, asked or {}
        self._first: dict[str, str] = {}  # the first custom_id of each question: samples of one problem share it
        for name, said in self._questions.items():
            self._first.setdefault(said, name)

    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        return first is not None and "custom_id" in first and bool({"response", "error", "body"} & set(first))

    def beside(self, paths: Sequence[Path]) -> Batch:
        """This format with the questions of the request files among `paths`, whose rows `read` passes over."""
        questions, asked = {}, None
        for path in paths:
            for row in stream_rows(path):
                if isinstance(row, Broken) or not _is_request(row[1]):
                    continue
                name, body = text(row[1].get("custom_id")), row[1]["body"]
                said = question(body.get("messages", body.get("prompt")))
                asked = asked or body
                if name is not None and said is not None:
                    questions[name] = said
        return Batch(questions, asked)

    def read(self, path: Path) -> Iterator[Row]:
        for row in stream_rows(path):
            if isinstance(row, Broken):
                yield row
            elif not _is_request(row[1]):
                yield from self._samples(*row)

    def facts(self, path: Path) -> Facts:
        rows = (row[1] for row in stream_rows(path) if not isinstance(row, Broken))
        first = next((row for row in rows if at(row, "response.body.choices")[0]), {})
        asked = self._asked
        return Facts(
            model=text(at(first, "response.body.model")[1]) or text(asked.get("model")),
            temperature=number(asked.get("temperature")),
            top_p=number(asked.get("top_p")),
            max_tokens=count(asked.get("max_completion_tokens")) or count(asked.get("max_tokens")),
            tool="vllm run-batch" if str(first.get("id")).startswith("vllm-") else "batch",
        )

    def _samples(self, place: str, row: dict[str, Any]) -> Iterator[Row]:
        failed = _failure(row)
        if failed:
            yield Hole(place, failed, text(row.get("custom_id")))
            return
        body = at(row, "response.body")[1]
        choices = body.get("choices") if isinstance(body, Mapping) else None
        if not isinstance(choices, list) or not choices:
            yield Broken(place, "expected 'choices' in response.body: of a chat completion or a text completion")
            return
        name = text(row.get("custom_id"))
        asked = self._questions.get(name) if name is not None else None
        yield from _records(place, choices, body.get("usage"), self._first[asked] if asked else name, asked)


def _is_request(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("body"), Mapping) and "response" not in row


def _failure(row: Mapping[str, Any]) -> str:
    """Why there is no answer, in one line; "" where there is one."""
    status, error = number(at(row, "response.status_code")[1]), row.get("error")
    if not error and (status is None or status < 400):
        return ""
    places = ("error.message", "error.error.message", "error", "response.body.error.message", "error.code")
    said = next((value for value in (at(row, place)[1] for place in places) if isinstance(value, str) and value), "")
    code = f"HTTP {int(status)}" if status is not None and status >= 400 else ""
    return printable(" ".join(f"{code} {said}".split()))[:200] or "an error without a message"


def _said(choice: Mapping[str, Any]) -> tuple[str | None, str]:
    """The text of a choice (None: it has none) and its thinking. A message with thinking only has an empty text."""
    message = choice.get("message")
    if not isinstance(message, Mapping):
        return prose(choice.get("text")), ""
    thinking = prose(message.get("reasoning_content")) or prose(message.get("reasoning")) or ""
    content = message.get("content")
    said = prose(content) if content is not None else prose(message.get("refusal"))
    return ("" if said is None and content in (None, []) else said), thinking


def _logprob(choice: Mapping[str, Any]) -> float | None:
    """The mean log-probability of the tokens, as chat or text completions list them."""
    listed = at(choice, "logprobs.content")[1]
    if isinstance(listed, list):
        return mean([entry.get("logprob") if isinstance(entry, Mapping) else None for entry in listed])
    return mean(at(choice, "logprobs.token_logprobs")[1])


def _records(place: str, choices: list[Any], usage: Any, name: str | None, asked: str | None) -> Iterator[Row]:
    """The samples of one call. Its usage covers all choices: the completion tokens are shared out by length of text,
    the prompt tokens are the first sample's."""
    told = [_said(choice) if isinstance(choice, Mapping) else (None, "") for choice in choices]
    lengths = [len(said or "") + len(thinking) for said, thinking in told]
    given = at(usage, "completion_tokens")[1]
    total = 0 if not any(lengths) and number(given) == 0 else count(given)
    shares: list[int | None] = [None] * len(choices) if total is None else [*parts(total, lengths)]
    prompt, cached = count(at(usage, "prompt_tokens")[1]), count(at(usage, "prompt_tokens_details.cached_tokens")[1])
    several = len(choices) > 1
    for i, (choice, (said, thinking)) in enumerate(zip(choices, told, strict=True)):
        here = f"{place}, sample {i + 1}" if several else place
        if said is None:
            yield Broken(here, "a choice without a text")
            continue
        logprob = _logprob(choice)
        yield Record(
            here,
            said,
            id=name,
            question=asked,
            reasoning=thinking,
            length=cut(choice.get("finish_reason")),
            prompt=prompt,
            cached=cached,
            completion=shares[i],
            thought=None if several else count(at(usage, "completion_tokens_details.reasoning_tokens")[1]),
            apportioned=several and total is not None,
            shares_prompt=several,
            signals={} if logprob is None else {"logprob": logprob},
        )
        prompt, cached = prompt and 0, cached and 0  # the first sample has them
