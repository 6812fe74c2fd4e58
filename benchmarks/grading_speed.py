"""Microseconds that each grader takes to read the answer of a text, with made-up texts and with your own.

    python benchmarks/grading_speed.py
    python benchmarks/grading_speed.py gsm8k=test.jsonl:answer math=pool.jsonl:response
    python benchmarks/grading_speed.py --beside CHECKOUT    # the same with the code of another checkout, and the ratio

The texts made up here are chains of thought of 1 KB that announce their answer, of 1 KB that were cut off before it, and
of 30 KB. A corpus of your own is NAME=FILE.jsonl:FIELD, the field a text or a list of texts (at most 400 are read). Times
are of the processor, the least of three rounds, in a process of its own for each checkout and round, in turn; the
readings that are remembered from text to text (a short answer said again) count, as they do in a run. Needs no model and
no network.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
KINDS = ("number", "math", "choice", "yes-no", "boolean", "text")
STORY = (
    "each day she sells the eggs that are left for two dollars at the market and then buys some more feed because "
    "that is what remains of the total which means we can write it as follows so the number of hours they work if no "
    "one is missing from their group does not change while half of it goes to his brother"
)
ENDS = {"number": "{n}", "math": r"$\frac{{{n}}}{{7}}$", "choice": "({letter})", "yes-no": "yes", "boolean": "False"}


def sentence(rng: random.Random) -> str:
    words = " ".join(rng.choices(STORY.split(), k=rng.randint(6, 14)))
    a, b = rng.randint(2, 99), rng.randint(2, 99)
    return rng.choice([f"{words.capitalize()}. ", f"{words.capitalize()}, {a} + {b} = {a + b}.\n", f"So {words} {a}. "])


def thought(rng: random.Random, kind: str, size: int, announced: bool) -> str:
    text = ""
    while len(text) < size:
        text += sentence(rng)
    end = ENDS.get(kind, "the {letter} house").format(n=rng.randint(1, 60), letter=rng.choice("ABCD"))
    return f"{text}\nThe answer is {end}." if announced else text


def made(kind: str) -> dict[str, list[str]]:
    rng = random.Random(kind)
    return {
        "1 KB": [thought(rng, kind, 1000, True) for _ in range(300)],
        "1 KB, cut off": [thought(rng, kind, 1000, False) for _ in range(300)],
        "30 KB": [thought(rng, kind, 30_000, True) for _ in range(10)],
    }


def own(spec: str) -> tuple[str, list[str]]:
    name, _, rest = spec.partition("=")
    path, _, key = rest.rpartition(":")
    texts: list[str] = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        value = json.loads(line)[key]
        texts += value if isinstance(value, list) else [value]
    return name, texts[:400]


def measure(specs: Sequence[str]) -> None:
    """One round with whichever ttc_bench is imported: {corpus: {grader: µs}} as JSON."""
    from ttc_bench.grading.graders import GRADERS

    theirs = dict(map(own, specs))
    times: dict[str, dict[str, float]] = {}
    for kind in KINDS:
        grader = GRADERS[kind]()
        for corpus, texts in (made(kind) | theirs).items():
            grader.extract(texts[0])
            began = time.process_time()
            for text in texts:
                grader.extract(text)
            times.setdefault(corpus, {})[kind] = (time.process_time() - began) / len(texts) * 1e6
    print(json.dumps(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpora", nargs="*", metavar="NAME=FILE.jsonl:FIELD")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="measure the code of this checkout as well")
    parser.add_argument("--one-round", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one_round:
        measure(arguments.corpora)
        return
    roots = [root for root in (arguments.beside, HERE) if root]
    best: dict[Path, dict[str, dict[str, float]]] = {}
    for root in roots * 3:
        command = [sys.executable, __file__, "--one-round", *arguments.corpora]
        environment = {**os.environ, "PYTHONPATH": str(root.resolve())}
        ran = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        for corpus, kinds in json.loads(ran.stdout).items():
            for kind, took in kinds.items():
                row = best.setdefault(root, {}).setdefault(corpus, {})
                row[kind] = min(took, row.get(kind, took))
    print("| texts | " + " | ".join(KINDS) + " |\n|" + "---|" * (1 + len(KINDS)))
    for corpus, mine in best[HERE].items():
        cells = [f"{mine[kind]:.0f}" for kind in KINDS]
        if arguments.beside:
            before = best[arguments.beside][corpus]
            cells = [f"{before[kind]:.0f} → {mine[kind]:.0f} (÷{before[kind] / mine[kind]:.1f})" for kind in KINDS]
        print(f"| {corpus} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
