r"""What ttc-bench reads in ten telling texts, beside the filters of lm-evaluation-harness and math-verify's parser.

    python benchmarks/readings.py
    python benchmarks/readings.py TEXTS.jsonl    # lines of {"grader": "number", "text": ..., "answer": "18" or null}

The second prints, for each grader, how many of your own texts are read as you say (words:valid,invalid names the words),
and those that are not. The first prints a Markdown table (docs/grading.md shows it). The filters are the regular expressions of lm-evaluation-harness
0.4's tasks, written down here: gsm8k's strict and flexible ones, gsm8k_cot's and bbh's. math-verify is called with its
defaults, as lighteval's and open-r1's graders do. Needs no model and no network.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ttc_bench.core import Grader
from ttc_bench.grading.graders import GRADERS

INVALID = "-"
NUMBER, CHOICE, YES_NO, TEXT, MATH = (GRADERS[name]() for name in ("number", "choice", "yes-no", "text", "math"))
TEXTS: list[tuple[Grader, str]] = [
    (NUMBER, "She makes 9 * 2 = 18.\n#### 18"),
    (NUMBER, "The answer is 20. Wait... the correct answer should be 18."),
    (NUMBER, "Thus, Janet makes $18 every day from 9 eggs."),
    (NUMBER, "The answer is 18.\n\nI am 95% confident."),
    (NUMBER, '```json\n{"steps": "9 * 2", "answer": 18, "unit": "dollars of 2024"}\n```'),
    (NUMBER, "Die Antwort ist 1.250,50 Euro."),
    (CHOICE, "Thus (B) is the correct answer, not (A)."),
    (YES_NO, "So the answer is (Yes or No) the same for all people."),
    (TEXT, "So the answer is St. Louis."),
    (MATH, "The number of ways is $\\binom{5}{2}$, which equals $10$."),
]


def lm_eval(pattern: str, which: int) -> Callable[[str], str]:
    """The filter `regex` of lm-evaluation-harness: the first (0) or last (-1) match, of several groups the first."""

    def read(text: str) -> str:
        matches = re.findall(pattern, text)
        if not matches:
            return INVALID
        match = matches[which]
        return str(next(filter(None, match)) if isinstance(match, tuple) else match).strip() or INVALID

    return read


def math_verify(text: str) -> str:
    from math_verify import parse

    logging.disable(logging.CRITICAL)
    parsed = parse(text, parsing_timeout=None)
    return str(parsed[0]) if parsed else INVALID


READERS: dict[str, Callable[[str], str]] = {
    "gsm8k strict": lm_eval(r"#### (\-?[0-9\.\,]+)", 0),
    "gsm8k flexible": lm_eval(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1),
    "gsm8k_cot": lm_eval(r"The answer is (\-?[0-9\.\,]+).", 0),
    "bbh": lm_eval(r"(?<=the answer is )(.*)(?=.)", 0),
    "math-verify": math_verify,
}


def cell(text: str) -> str:
    return text.replace("\n", "⏎").replace("|", "\\|")


def compare(path: Path) -> None:
    """How many of a file's texts are read as it says, by grader."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        name, _, words = row["grader"].partition(":")
        grader = GRADERS[name](tuple(words.split(","))) if words else GRADERS[name]()
        ours, theirs = grader.extract(row["text"]).answer, row["answer"]
        fine = ours is theirs is None or (ours is not None and theirs is not None and grader.same(ours, theirs))
        total[row["grader"]] += 1
        right[row["grader"]] += fine
        if not fine:
            print(f"{row['grader']}: {cell(row['text'])}: {ours}, expected {theirs}")
    for name, count in total.items():
        print(f"{name}: {right[name]} of {count}")
    print(f"all: {right.total()} of {total.total()}")


def main() -> None:
    if len(sys.argv) > 1:
        compare(Path(sys.argv[1]))
        return
    print("| text | grader | ttc-bench | " + " | ".join(READERS) + " |")
    print("|" + "---|" * (3 + len(READERS)))
    for grader, text in TEXTS:
        kind = next(name for name, make in GRADERS.items() if name not in ("words", "check") and make() == grader)
        ours = grader.extract(text)
        read = [f"{ours.answer} ({ours.rung})" if ours.answer else "none"]
        read += [reader(text) for reader in READERS.values()]
        print(f"| ```` {cell(text)} ```` | {kind} | " + " | ".join(map(cell, read)) + " |")


if __name__ == "__main__":
    main()
