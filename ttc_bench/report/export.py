"""A run's samples as JSONL or Parquet, through `datasets`: one row a sample, with its grade."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ttc_bench.analysis.views import ProblemView
from ttc_bench.errors import TtcError

WRITERS = {".jsonl": "to_json", ".parquet": "to_parquet"}


def rows(problems: list[ProblemView]) -> list[dict[str, Any]]:
    """One flat row per sample: problem, prompt, index, text, answer, correct, tokens, stop reason, rung, scores."""
    names = sorted({name for p in problems for s in p.samples for name in s.scores})
    return [
        {
            "task": p.task,
            "problem": p.id,
            "question": p.question,
            "gold": p.gold,
            "difficulty": p.difficulty,
            "prompt": s.prompt,
            "index": s.index,
            "text": s.text,
            "reasoning": s.reasoning,
            "answer": s.answer,
            "correct": s.correct,
            "tokens": s.tokens,
            "stop_reason": s.stop_reason,
            "rung": s.rung,
            **{f"score_{name}": s.scores.get(name) for name in names},
        }
        for p in problems
        for s in p.samples
    ]


def check(path: Path) -> None:
    """Raises TtcError where the file's ending names no format."""
    if path.suffix not in WRITERS:
        raise TtcError(f"{path}: unknown kind '{path.suffix}'; expected {' or '.join(WRITERS)}")


def write(problems: list[ProblemView], path: Path) -> int:
    """Writes the rows to PATH.jsonl or PATH.parquet and returns their number. Raises TtcError for another ending."""
    check(path)
    import datasets

    datasets.disable_progress_bars()
    table = datasets.Dataset.from_list(rows(problems))
    path.parent.mkdir(parents=True, exist_ok=True)
    getattr(table, WRITERS[path.suffix])(str(path))
    return len(table)
