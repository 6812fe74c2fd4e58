"""Train the built-in verifier: how likely is an answer to be right? A small Llama with one logit, for best-of-n.

    python training/train_verifier.py --threads 2       # writes ttc_bench/models/verifier

The medium and the large model answer problems of the training split (`generators.base.is_test` divides them by hash) step
by step, at temperature 1; the task's own grader labels the answers. Every token of an answer is labelled: is everything so far
as in the worked solution (process supervision: Lightman et al. 2023, arXiv:2305.20050; all of a right answer is right)?

To tell a right sum from a wrong one, a model must do the sum, and the medium model can. So the verifier is the medium
model, a layer that lays what it expected beside what was written (comparing.py), and `EXTRA` layers that are trained;
all below them stays as it is. Beside the labels they learn from what the body itself provides: the log-probability of
every token, and its least and its mean so far. Labels alone teach which problems are hard but little about answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from comparing import Places, widened
from muon import Muon
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import mse_loss
from train import SEED, save
from transformers import LlamaForCausalLM
from verifier_data import ANSWERED, BODY, MODELS, ROWS, TASK, Answer, Rows, answers, reader, training_task

from ttc_bench.analysis.verifier_quality import auroc, within_auroc
from ttc_bench.backends.local.reward import RewardModel
from ttc_bench.problems import tasks

EXTRA = 2  # layers that are trained
TOKENS = 32  # that are told apart: the most frequent in answers
WARMUP, FLOOR = 30, 0.02  # steps of warm-up; last learning rate as a share of the highest
RATES = {"muon": 0.02, "adamw": 3e-3}
LABELS = 0.5  # weight of their loss, beside that of the likelihoods
LEAST = -6.0  # log-probabilities below it are as good as impossible


def judged(every: Sequence[Answer], scores: Sequence[float]) -> tuple[float | None, float | None, int]:
    """AUROC over all answers; its mean within problems that have right and wrong ones (what best-of-n lives on); how
    many problems these are. None where there is only one kind."""
    by_problem: dict[str, tuple[list[float], list[bool]]] = defaultdict(lambda: ([], []))
    for answer, score in zip(every, scores, strict=True):
        of, right = by_problem[answer.problem.question]
        of.append(score)
        right.append(answer.right)
    over = auroc(scores, [answer.right for answer in every])
    within, mixed = within_auroc(list(by_problem.values()))
    return None if math.isnan(over) else over, within.value if within else None, mixed


async def measure(folder: Path, every: Sequence[Answer]) -> dict[str, Any]:
    """A saved verifier on answers, through the code that `--verifier reward:` runs, beside their log-probability."""
    scorer = RewardModel(str(folder), device="cpu", dtype="float32")
    scores = {i: s.value async for i, s in scorer.verdicts([(a.problem, a.completion) for a in every])}
    await scorer.close()
    known = [-math.inf if (value := scores[i]) is None else value for i in range(len(every))]
    over, within, mixed = judged(every, known)
    _, rival, _ = judged(every, [(a.completion.signals or {})["logprob"] for a in every])
    return {
        "answers": len(every),
        "right": sum(a.right for a in every),
        "problems_with_both": mixed,
        "auroc": over,
        "auroc_within_problems": within,
        "logprob_within_problems": rival,
    }


class Training:
    """The verifier, the body whose likelihoods it learns, and two heads that are thrown away in the end."""

    def __init__(self, rows: Rows) -> None:
        self.body = LlamaForCausalLM.from_pretrained(BODY, dtype=torch.float32).requires_grad_(False)
        self.depth = self.body.config.num_hidden_layers
        written = Counter(token for ids, begin, *_ in rows.rows for token in ids[begin:])
        tokens = sorted(token for token, _ in sorted(written.items(), key=lambda item: (-item[1], item[0]))[:TOKENS])
        (first,) = {ids[0] for ids, *_ in rows.rows}
        torch.manual_seed(SEED)
        self.model = widened(self.body, torch.tensor(tokens), first, EXTRA).requires_grad_(False)
        self.places = Places.of(self.body.config.hidden_size, len(tokens))
        self.trained = self.model.model.layers[self.depth + 1 :]
        for part in (self.trained, self.model.score):
            part.requires_grad_(True)
        width = self.model.config.hidden_size
        self.likely, self.so_far = torch.nn.Linear(width, 1), torch.nn.Linear(width, 2)

    def run(self, batches: Iterator[tuple[torch.Tensor, ...]], steps: int) -> float:
        """Trains for so many steps; returns the mean loss on the labels over the last 50."""
        matrices = [p for p in self.trained.parameters() if p.ndim == 2]
        norms = [p for p in self.trained.parameters() if p.ndim == 1]
        rest = [*self.model.score.parameters(), *norms, *self.likely.parameters(), *self.so_far.parameters()]
        optimisers: dict[str, torch.optim.Optimizer] = {
            "muon": Muon(matrices, lr=0.0),
            "adamw": torch.optim.AdamW(rest, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0),
        }
        losses: list[float] = []
        for step in range(steps):
            cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
            scale = min(1.0, (step + 1) / WARMUP) * (FLOOR + (1 - FLOOR) * cosine)
            for kind, optimiser in optimisers.items():
                for group in optimiser.param_groups:
                    group["lr"] = RATES[kind] * scale
            labels, likelihoods = self.losses(next(batches))
            (LABELS * labels + likelihoods).backward()
            torch.nn.utils.clip_grad_norm_([*matrices, *rest], 1.0)
            for optimiser in optimisers.values():
                optimiser.step()
                optimiser.zero_grad()
            losses.append(labels.item())
            if (step + 1) % 50 == 0:
                mean = sum(losses[-50:]) / 50
                print(f"step {step + 1}/{steps}: labels {mean:.4f} likelihoods {likelihoods.item():.3f}", flush=True)
        last = losses[-50:]
        return sum(last) / len(last) if last else math.nan

    def losses(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the labels, and of the body's likelihoods."""
        ids, labels, counted, last, right = batch
        # No attention mask: padding is on the right, where no token that matters can see it.
        out = self.model.model(input_ids=ids, use_cache=False, output_hidden_states=True)
        logits = self.model.score(out.last_hidden_state)[..., 0]
        each = bce(logits, labels, reduction="none")[counted].mean()
        whole = bce(logits[torch.arange(len(ids)), last], right)
        loss = each + whole / 2
        counted = counted[:, 1:]
        with torch.no_grad():
            body = out.hidden_states[self.depth][:, :-1, : self.body.config.hidden_size]
            wrote = self.body.lm_head(self.body.model.norm(body)).log_softmax(2)
            chance = wrote.gather(2, ids[:, 1:, None])[..., 0].clamp(min=LEAST)
            own = chance * counted  # the question is not the answer's doing
            # the sum over the root of the length: a mean that knows how much it was made of
            summed = own.cumsum(1) / counted.cumsum(1).clamp(min=1) ** 0.5
            so_far = torch.stack([own.cummin(1).values, summed], 2)
        likely = self.likely(self.model.model.norm(out.hidden_states[self.depth + 2]))[:, 1:, 0]
        first = mse_loss(likely[counted], chance[counted])
        return loss, first + mse_loss(self.so_far(out.last_hidden_state)[:, 1:][counted], so_far[counted]) / 2


CARD = """# ttc-bench built-in verifier

A Llama of {parameters:,} parameters with one logit: the medium built-in model, a layer on top that lays what it expected
beside what was written (`training/comparing.py`), and {extra} layers that were trained. How likely is this answer to this
question to be right? For `ttc-bench run --verifier reward:builtin`. Stored in bf16.

* **Data**: {rows:,} distinct answers of {models} to {problems:,} training-split problems of `{task}`, step by step
  at temperature 1, {right:,} of them right. Labelled token by token: as in the worked solution so far?
* **Recipe**: `{command}`: {steps:,} steps of {batch} answers, on the labels and on the
  body's own likelihoods; `training.json` has the record.
* **Measured** by that command on distinct answers to {held_out} test-split problems, none of which it was trained on. AUROC
  (0.5 is chance) over all answers, and within a problem (mean over the problems that have right and wrong answers), the
  latter beside that of the answer's mean log-probability:
{table}
* **What it cannot**: judge other tasks, other wording, or anything but short answers to these puzzles.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=10_000, help="of the training split (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=2, help="of each model, to each problem (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1500, help="of training (default: %(default)s)")
    parser.add_argument("--held-out", type=int, default=200, help="test-split problems (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=MODELS / "verifier")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    task = training_task(args.problems)
    found = [answer for name in ANSWERED for answer in asyncio.run(answers(task, args.samples, MODELS / name))]
    every = list({(answer.problem.question, answer.completion.text): answer for answer in found}.values())
    print(f"{len(every):,} distinct answers, {sum(a.right for a in every):,} right", flush=True)
    tokenizer = reader(task)
    rows = Rows(tokenizer, every)
    training, batches = Training(rows), rows.batches()
    loss = training.run(batches, args.steps)
    save(training.model, tokenizer, args.out)
    (shown,) = tasks.load(TASK, limit=args.held_out)
    measured = {}
    for folder in sorted(path.parent for path in MODELS.glob("*/generation_config.json")):
        measured[folder.name] = asyncio.run(measure(args.out, asyncio.run(answers(shown, 16, folder))))
    command = f"python training/train_verifier.py --problems {args.problems} --samples {args.samples}"
    command += f" --steps {args.steps} --held-out {args.held_out} --threads {args.threads}"
    record = {
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "answers": len(every),
        "right": sum(a.right for a in every),
        "problems": len({a.problem.question for a in every}),
        "models": list(ANSWERED),
        "steps": args.steps,
        "loss": round(loss, 4),
        "seed": SEED,
        "torch": torch.__version__,
        "command": command,
        "held_out": measured,
    }
    (args.out / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    table = [
        "",
        "  | answers of | answers | right | AUROC | within | log-probability within | problems |",
        "  |---|---|---|---|---|---|---|",
        *(
            f"  | {name} | {m['answers']} | {m['right']} | {_show(m['auroc'])} | {_show(m['auroc_within_problems'])} | "
            f"{_show(m['logprob_within_problems'])} | {m['problems_with_both']} |"
            for name, m in measured.items()
        ),
        "",
    ]
    card = CARD.format(
        **{key: record[key] for key in ("parameters", "problems", "right", "command")},
        extra=EXTRA,
        rows=len(every),
        task=TASK,
        held_out=len(shown.problems),
        models=" and ".join(ANSWERED),
        steps=args.steps,
        batch=ROWS,
        table="\n".join(table),
    )
    (args.out / "README.md").write_text(card, encoding="utf-8")
    print(json.dumps(record))


def _show(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
