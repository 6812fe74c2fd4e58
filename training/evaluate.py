"""Measure a built-in model on the tasks that it was trained for and on two that it was not, and write its model card.

    python training/evaluate.py --size medium                 # writes ttc_bench/models/medium/README.md
    python training/evaluate.py --size medium --task chain-arithmetic,countdown --limit 64

The numbers come from a run of the harness on the test split (`ttc-bench run` with the same settings gives the same);
what was trained comes from training.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training_data import MIX, ROOT

from ttc_bench import experiment
from ttc_bench.config import Config
from ttc_bench.core import CurvePoint
from ttc_bench.problems.generators import FAMILIES

UNSEEN = ("word-problems", "shuffled-objects")  # of the families outside the mix, measured here
COLUMNS = (("direct", 1), ("cot", 1), ("self-consistency", 0), ("pass@k", 0))  # method and k; 0 is all samples


def settings(size: str, out: Path, limit: int, samples: int, task: tuple[str, ...] = (*MIX, *UNSEEN)) -> Config:
    return Config(
        model=(f"builtin:{size}",),
        task=task,
        method=("direct", "cot", "self-consistency"),
        limit=limit,
        samples=samples,
        max_tokens=200,
        name=f"card-{size}",
        out=str(out),
    )


def table(points: Sequence[CurvePoint], samples: int) -> str:
    """Markdown: one row per task, accuracy with its 95 % interval per method."""
    by_key = {(p.task, p.method, p.k): p for p in points}
    head = f"| task | trained on | direct | cot | maj@{samples} | pass@{samples} | tokens direct, cot |"
    rows = [head, "|---|---|---|---|---|---|---|"]
    for task in dict.fromkeys(p.task for p in points):
        at = [by_key[task, method, k or samples] for method, k in COLUMNS]
        cells = [f"{p.accuracy:.2f} [{p.low:.2f}, {p.high:.2f}]" for p in at]
        share = f"{MIX[task]} %" if task in MIX else "no"
        rows.append("| " + " | ".join([task, share, *cells, f"{at[0].tokens:.0f}, {at[1].tokens:.0f}"]) + " |")
    return "\n".join(rows)


def command(config: Config) -> str:
    return (
        f"ttc-bench run --model {','.join(config.model)} --task {','.join(config.task)} --method {','.join(config.method)} "
        f"--limit {config.limit} --samples {config.samples} --max-tokens {config.max_tokens}"
    )


def card(config: Config, shape: dict[str, Any], record: dict[str, Any], points: Sequence[CurvePoint]) -> str:
    """The model card. `shape`: config.json of the model; `record`: its training.json."""
    size = record["size"]
    seen = ", ".join(f"{name} {share} %" for name, share in record["mix"].items())
    unseen = ", ".join(name for name in FAMILIES if name not in record["mix"])
    return f"""# ttc-bench built-in model, {size}

A Llama-architecture model of {record["parameters"]:,} parameters (hidden size {shape["hidden_size"]}, {shape["num_hidden_layers"]} layers, {shape["num_attention_heads"]} heads, intermediate size
{shape["intermediate_size"]}, byte-level BPE of {shape["vocab_size"]} tokens with digits one by one), stored in bf16, for `ttc-bench run --model builtin:{size}`.
It exists to show what a test-time-compute evaluation shows, offline and in minutes. It knows nothing but the puzzles
below, in exactly the harness's own wording.

* **Data**: {seen}; made on the fly from the training split (the test split, one question in
  eight by its hash, was never seen), low difficulties more often (in proportion to 1/d). {record["direct_percent"]} in 100 answers are direct, the
  others have their steps; {record["few_shot_percent"]} in 100 of those follow worked examples. Loss on the answers only.
* **Unseen**: every other family ({unseen}) and
  all data sets of the hub.
* **Recipe**: `python training/train.py --size {size}`: Muon for the matrices, AdamW for the rest, seed {record["seed"]}, {record["tokens"]:,} tokens
  ({record["answer_tokens"]:,} of them answers) in {record["steps"]:,} steps of at most {record["batch_tokens"]:,}. All sizes share recipe, data and tokens.
* **Training compute**: 6 N D = 6 x {record["parameters"]:,} x {record["tokens"]:,} = {record["flops"]:.2e} FLOPs; {record["minutes"]:.0f} minutes on one AVX2 core that was
  shared with other work.

## Accuracy

{points[0].problems} test problems a task over all difficulties, {points[0].samples} samples each at temperature 1; 95 % intervals over problems. A task
of the mix whose steps score no better than direct answers was not learned in so few tokens.

{table(points, config.samples)}

`training/evaluate.py` wrote this page; the run behind it is

    {command(config)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("small", "medium", "large"), default="medium")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of the run and of its samples")
    parser.add_argument("--limit", type=int, default=40, help="problems per task (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=16, help="samples per problem (default: %(default)s)")
    parser.add_argument("--task", default=",".join((*MIX, *UNSEEN)), help="comma-separated (default: %(default)s)")
    args = parser.parse_args()
    folder = ROOT / "ttc_bench" / "models" / args.size
    config = settings(args.size, args.out, args.limit, args.samples, tuple(args.task.split(",")))
    points = asyncio.run(experiment.run(config)).analysis.points
    shape, record = (
        json.loads((folder / name).read_text(encoding="utf-8")) for name in ("config.json", "training.json")
    )
    (folder / "README.md").write_text(card(config, shape, record, points), encoding="utf-8")
    print(table(points, config.samples))


if __name__ == "__main__":
    main()
