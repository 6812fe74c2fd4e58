"""Generations of NeMo-Skills: output-rsSEED.jsonl has a sample of each problem, output.jsonl the greedy one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ttc_bench.interchange.records import Facts, Hole, Record, Row, Source
from ttc_bench.interchange.sources.values import count, cut, level, mean, number, text, verdict
from ttc_bench.problems.rows import Broken, stream_rows

JUDGED = "judgement"
OWN = {"expected_answer", "num_generated_tokens", "generation_time", "symbolic_correct"}  # columns of no other tool
VERDICT = re.compile(r"\*{0,2}judgement\*{0,2}\s*:\s*\*{0,2}\s*(yes|no)\b", re.IGNORECASE)


class NemoSkills(Source):
    name = "nemo-skills"
    about = "generations of NeMo-Skills (output-rsSEED.jsonl, output.jsonl); give the files of all seeds"

    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        return first is not None and "generation" in first and bool(OWN & set(first))

    def read(self, path: Path) -> Iterator[Row]:
        for row in stream_rows(path):
            yield row if isinstance(row, Broken) else _sample(*row)

    def facts(self, path: Path) -> Facts:
        first = next((row[1] for row in stream_rows(path) if not isinstance(row, Broken)), {})
        judged = (
            "the recorded verdicts are those of a judge model; tokens, stop reason and thinking that the judge's own "
            "call overwrote are unknown: give the files from before the judge to have them"
        )
        return Facts(tool="NeMo-Skills", remarks=(judged,) if JUDGED in first else ())


def _own(row: dict[str, Any]) -> dict[str, Any]:
    """The fields that are of the sample itself. A judge writes the fields of its own call first (its tokens, its stop
    reason), its judgement last of them, and then the fields of the row that it did not overwrite."""
    names = list(row)
    return {name: row[name] for name in names[names.index(JUDGED) :]} if JUDGED in row else row


def _judged(row: dict[str, Any]) -> bool | None:
    """A judge's verdict, else that of the symbolic comparison (`is_correct` before 2025), else None."""
    found = VERDICT.search(row[JUDGED]) if isinstance(row.get(JUDGED), str) else None
    if found:
        return found[1].lower() == "yes"
    return verdict(row.get("symbolic_correct", row.get("is_correct")))


def _thinking(own: dict[str, Any], said: str) -> str:
    """Thinking that the server kept apart, or that `parse_reasoning` cut off (then the whole is `_full_generation`)."""
    apart, whole = text(own.get("reasoning_content")), own.get("_full_generation")
    if apart or not isinstance(whole, str) or not whole.endswith(said):
        return apart or ""
    before = whole[: len(whole) - len(said)].strip()
    return text(before.removeprefix("<think>").removesuffix("</think>").strip()) or ""


def _sample(place: str, row: dict[str, Any]) -> Row:
    if not row:
        return Hole(place, "an empty row, as NeMo-Skills writes for a generation that was not finished")
    own, said = _own(row), row.get("generation")
    if not isinstance(said, str):
        return Broken(place, "expected a text in 'generation'")
    signals = {"logprob": mean(own.get("logprobs")), "reward": number(row.get("reward_model_score"))}
    return Record(
        place,
        text(said) or "",
        id=text(row.get("id", row.get("problem_id"))),
        question=text(row.get("problem", row.get("question"))),
        gold=text(row.get("expected_answer")),
        reasoning=_thinking(own, said.rstrip()),
        length=cut(own.get("finish_reason")),
        prompt=count(own.get("num_input_tokens")),
        completion=count(own.get("num_generated_tokens")),
        thought=count(own.get("num_reasoning_tokens")),
        signals={name: value for name, value in signals.items() if value is not None},
        recorded=_judged(row),
        answer=text(row.get("predicted_answer")),
        difficulty=level(row.get("level")),
    )
