"""Details of lighteval (`--save-details`): one row a document, its num_samples generations in a list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ttc_bench.interchange.records import Facts, Record, Row, Source
from ttc_bench.interchange.sources.values import count, mean, number, text, verdict
from ttc_bench.problems.rows import Broken, stream_rows

STAMP = re.compile(r"\d{4}-\d\d-\d\dT")  # the folder of a run is its time


class Lighteval(Source):
    name = "lighteval"
    about = "details of lighteval (details_TASK_DATE.parquet with the columns doc and model_response)"

    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        return first is not None and isinstance(first.get("doc"), Mapping) and "model_response" in first

    def read(self, path: Path) -> Iterator[Row]:
        for row in stream_rows(path):
            if isinstance(row, Broken):
                yield row
            else:
                yield from _samples(*row)

    def facts(self, path: Path) -> Facts:
        """The model from a path `details/MODEL/DATE/FILE`, as lighteval writes; the task and the limit of tokens from
        the first row."""
        first = next((row[1] for row in stream_rows(path) if not isinstance(row, Broken)), {})
        doc = _object(first.get("doc"))
        folders = path.parts[:-2] if STAMP.match(path.parent.name) else ()
        under = folders[folders.index("details") + 1 :] if "details" in folders else ()
        several = (count(doc.get("num_samples")) or 1) > 1
        return Facts(
            model="/".join(under) or None,
            task=text(doc.get("task_name")),
            max_tokens=count(doc.get("generation_size")),
            tool="lighteval",
            remarks=("lighteval records one score for all samples of a problem, so no verdict on each",)
            if several
            else (),
        )


def token_counts(texts: list[Any], tokens: Any) -> list[int | None]:
    """The lengths of the lists of tokens, one for each text; None where a list may be padded.

    The transformers backend pads all lists of a batch to one length: so lists of equal length say nothing where their
    texts differ, and neither does a list whose last token stands there twice."""
    if not isinstance(tokens, list) or not tokens:
        return [None] * len(texts)
    if len(texts) == 1 and not isinstance(tokens[0], list):
        tokens = [tokens]  # as the sglang backend writes it
    if len(tokens) != len(texts) or not all(isinstance(listed, list) for listed in tokens):
        return [None] * len(texts)
    if len(texts) > 1 and len({len(listed) for listed in tokens}) == 1 and any(said != texts[0] for said in texts):
        return [None] * len(texts)
    return [None if len(listed) > 1 and listed[-1] == listed[-2] else count(len(listed)) for listed in tokens]


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any, length: int) -> list[Any]:
    """A list with one entry for each sample; of None where it is none."""
    return value if isinstance(value, list) and len(value) == length else [None] * length


def _gold(doc: Mapping[str, Any]) -> str | None:
    """The choice that gold_index names, where it names one."""
    choices, index = doc.get("choices"), doc.get("gold_index")
    if isinstance(index, list) and len(index) == 1:
        index = index[0]
    if not isinstance(choices, list) or not isinstance(index, int) or not 0 <= index < len(choices):
        return None
    return text(choices[index])


def _apart(said: str, final: Any) -> tuple[str, str]:
    """The answer part and the thinking before it, where lighteval took thinking away (text_post_processed)."""
    if isinstance(final, str) and final and final != said and said.endswith(final):
        return final, said[: -len(final)].removeprefix("<think>").rstrip().removesuffix("</think>")
    return said, ""


def _verdict(metric: Any) -> bool | None:
    """What all metrics of one sample agree on, where all are 0 or 1."""
    found = {verdict(number(value)) for value in metric.values()} if isinstance(metric, Mapping) else set()
    return found.pop() if len(found) == 1 else None


def _samples(place: str, row: dict[str, Any]) -> Iterator[Row]:
    doc, answered = _object(row.get("doc")), _object(row.get("model_response"))
    texts = answered.get("text")
    if not isinstance(texts, list) or not texts:
        scored = bool(answered.get("logprobs"))
        yield Broken(place, "no generated text" + (", only choices scored by their log-likelihood" if scored else ""))
        return
    k = len(texts)
    counts = token_counts(texts, answered.get("output_tokens"))
    prompt = answered.get("input_tokens")
    limit = count(doc.get("generation_size"))
    reasonings, finals = _listed(answered.get("reasonings"), k), _listed(answered.get("text_post_processed"), k)
    logprobs = answered.get("logprobs")
    logprob = mean(logprobs) if k == 1 and isinstance(logprobs, list) and len(logprobs) == counts[0] else None
    for i, said in enumerate(texts):
        here = f"{place}, sample {i + 1}"
        if not isinstance(said, str):
            yield Broken(here, "its text is no text")
            continue
        answer, thought = _apart(text(said) or "", text(finals[i]))
        tokens = counts[i]
        yield Record(
            here,
            answer,
            id=text(doc.get("id")) or None,
            question=text(doc.get("original_query")) or text(doc.get("query")),
            gold=_gold(doc),
            reasoning=text(reasonings[i]) or thought,
            length=tokens >= limit if tokens is not None and limit is not None else None,
            prompt=None if tokens is None or not isinstance(prompt, list) else 0 if i else count(len(prompt)),
            completion=tokens,
            shares_prompt=k > 1,
            signals={} if logprob is None else {"logprob": logprob},
            recorded=_verdict(row.get("metric")) if k == 1 else None,
        )
