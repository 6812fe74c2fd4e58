"""Completions of search-and-learn (Hugging Face, "Scaling test-time compute with open models"): a row for a problem,
its n completions in a list, and for each the scores of its steps by a process reward model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ttc_bench.interchange.records import Facts, Record, Row, Source
from ttc_bench.interchange.sources.values import count, level, number, text
from ttc_bench.problems.rows import Broken, stream_rows

SEARCHES = ("beam_search", "dvts")  # names of files and folders; the completions of one search depend on each other
SETTING = re.compile(r"--T-([\d.]+)--top_p-([\d.]+)--")  # in the name that the project gives a revision


class SearchAndLearn(Source):
    name = "search-and-learn"
    about = "completions of search-and-learn, with the scores of a process reward model (JSONL, Parquet)"

    def recognises(self, path: Path, first: Mapping[str, Any] | None) -> bool:
        if first is None or not isinstance(first.get("completions"), list) or "problem" not in first:
            return False
        return "scores" in first or "completion_tokens" in first

    def read(self, path: Path) -> Iterator[Row]:
        for row in stream_rows(path):
            if isinstance(row, Broken):
                yield row
            else:
                yield from _samples(*row)

    def facts(self, path: Path) -> Facts:
        """The model from a path `data/ORGANISATION/MODEL/FILE`, as the project writes by default, and the temperature
        from the name of a revision."""
        folders = path.parts[:-1]
        under = folders[len(folders) - folders[::-1].index("data") :] if "data" in folders else ()
        setting = SETTING.search(str(path))
        remarks = ["the reward that search-and-learn itself chooses by is prm-last, the score of the last step"]
        if any(name in path.name.replace("-", "_").lower() for name in SEARCHES) or _searched(path):
            remarks.append(
                "these completions come from a search, so they are no independent draws: "
                "curves over k of them do not say what k samples would reach"
            )
        return Facts(
            model="/".join(under) if len(under) == 2 else None,
            temperature=number(setting[1]) if setting else None,
            top_p=number(setting[2]) if setting else None,
            tool="search-and-learn",
            remarks=tuple(remarks),
        )


def process_scores(steps: Any) -> dict[str, float]:
    """The scores of a completion's steps in the three aggregations of search-and-learn (`agg_strategy`): "prm-last",
    "prm-min", "prm-prod". Empty where a step has no finite score."""
    values = [number(step) for step in steps] if isinstance(steps, list) else [number(steps)]
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return {}
    made = {"prm-last": known[-1], "prm-min": min(known), "prm-prod": math.prod(known)}
    return {name: value for name, value in made.items() if math.isfinite(value)}


def _searched(path: Path) -> bool:
    """Whether the first row has the tokens of a search, not counted: -1 (dvts), or 0 for each (beam search)."""
    first = next((row[1] for row in stream_rows(path) if not isinstance(row, Broken)), {})
    tokens = first.get("completion_tokens")
    return number(tokens) == -1 or (isinstance(tokens, list) and tokens != [] and not any(map(count, tokens)))


def _samples(place: str, row: dict[str, Any]) -> Iterator[Row]:
    texts = row.get("completions")
    if not isinstance(texts, list) or not texts:
        yield Broken(place, "expected a list of texts in 'completions'")
        return
    columns: dict[str, list[Any]] = {}
    for name in ("completion_tokens", "scores"):
        values = row.get(name)
        if isinstance(values, list) and len(values) != len(texts):
            yield Broken(place, f"{len(texts)} completions, but {len(values)} values in '{name}'")
            return
        columns[name] = values if isinstance(values, list) else [None] * len(texts)
    gold = text(row.get("answer"))
    for i, said in enumerate(texts):
        here = f"{place}, sample {i + 1}"
        if not isinstance(said, str):
            yield Broken(here, "its completion is no text")
            continue
        yield Record(
            here,
            text(said) or "",
            id=text(row.get("unique_id")),
            question=text(row.get("problem")),
            gold=gold if gold is not None else text(row.get("solution")),
            completion=count(columns["completion_tokens"][i]),
            signals=process_scores(columns["scores"][i]),
            difficulty=level(row.get("level")),
        )
