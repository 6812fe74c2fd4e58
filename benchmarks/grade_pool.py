"""Grade a pool of known samples with the math grader and show every grade that differs from the pool's own.

    python benchmarks/grade_pool.py POOL.jsonl

Each line of the pool is one problem: `gt` (gold), `response` (n completions), `score` (the pool's own grade of each),
`pred_score` (the reward of each, in a list of its own) and `idx`. Needs no model and no network.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttc_bench.analysis.stats import pass_at_k
from ttc_bench.core import Candidate, Problem
from ttc_bench.grading.classes import group
from ttc_bench.grading.graders import GRADERS
from ttc_bench.grading.math_worker import WORKER
from ttc_bench.strategies.exact import BestOfN, MajorityVote


def measures(grades: Sequence[bool], candidates: Sequence[Candidate]) -> dict[str, float]:
    """The four numbers of one problem at k = n, in 0..1."""
    n = len(grades)
    best = BestOfN().outcome(candidates, n).weights
    majority = MajorityVote().outcome(candidates, n).weights
    return {
        "pass@1": sum(grades) / n,
        f"best-of-{n} by reward": sum(w for w, right in zip(best, grades, strict=True) if right),
        f"pass@{n}": pass_at_k(n, sum(grades), n),
        f"maj@{n}": sum(w for w, right in zip(majority, grades, strict=True) if right),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("pool", type=Path, help="a JSONL pool of graded samples")
    rows: list[dict[str, Any]] = [json.loads(line) for line in arguments.parse_args().pool.open(encoding="utf-8")]
    grader = GRADERS["math"]()
    ours: Counter[str] = Counter()
    theirs: Counter[str] = Counter()
    rungs: Counter[str] = Counter()
    differing = 0
    began = time.perf_counter()
    for row in rows:
        problem = Problem(str(row["idx"]), row["question"], row["gt"])
        extractions = [grader.extract(text) for text in row["response"]]
        rungs.update(f.rung for f in extractions)
        answers = group([f.answer for f in extractions], grader)
        grades = [grader.correct(f.answer, problem) for f in extractions]
        candidates = [
            Candidate(answer, len(text.split()), score=reward[0])
            for answer, text, reward in zip(answers, row["response"], row["pred_score"], strict=True)
        ]
        ours.update(measures(grades, candidates))
        theirs.update(measures(row["score"], candidates))
        for i, (grade, recorded) in enumerate(zip(grades, row["score"], strict=True)):
            if grade != recorded:
                differing += 1
                verdict = "right here, wrong there" if grade else "wrong here, right there"
                print(
                    f"problem {row['idx']} sample {i}: {verdict}: gold {row['gt']!r}, extracted {extractions[i].answer!r}"
                )
    seconds = time.perf_counter() - began
    samples = sum(rungs.values())
    print(f"\n{samples} samples of {len(rows)} problems in {seconds:.1f} s, rungs {dict(rungs)}")
    print(f"{differing} grades differ from the pool's own; {WORKER.timeouts} comparisons timed out\n")
    print(f"{'':24}{'graded here':>12}{'pool grade':>12}")
    for name in ours:
        print(f"{name:24}{ours[name] / len(rows):12.4f}{theirs[name] / len(rows):12.4f}")


if __name__ == "__main__":
    main()
