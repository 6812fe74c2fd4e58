"""Train the built-in verifier: how likely is an answer to be right? A small Llama with one logit, for best-of-n.

    python training/train_verifier.py --problems 2000 --minutes 30       # writes ttc_bench/models/verifier

The built-in models answer problems of the training split (`generators.base.is_test` divides them by hash) several times
step by step, at temperature 1; the tasks' own graders label the answers. Of each problem as many right as wrong answers
are kept, so that knowing the problem says nothing and only the answer counts. The body starts as the medium model's;
the loss is binary cross-entropy at the last token, plus that at every token of the answer (Cobbe et al. 2021,
arXiv:2110.14168), so that beginnings of answers can be scored too. Of the training problems one in ten decides which
pass over the others was the best. AUROC is measured on the first problems of the shipped tasks, which are of the test
split, through the same code that `--verifier reward:builtin` runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from train import MIX, ROOT, SEED, save
from transformers import AutoTokenizer, LlamaForCausalLM, LlamaForSequenceClassification

from ttc_bench import tasks
from ttc_bench.backends.hf import HFBackend
from ttc_bench.backends.reward import RewardModel
from ttc_bench.core import Completion, Job, Problem, Request, Task
from ttc_bench.generators import FAMILIES
from ttc_bench.generators.base import Rng, problems
from ttc_bench.prompts import PROMPTS

MODELS = ROOT / "ttc_bench" / "models"
BODY = MODELS / "medium"
PASSES, ROWS, RATE, WARMUP = 8, 32, 1e-3, 50  # over the data at most; answers a step; highest learning rate; steps
MAX_TOKENS = 256  # of an answer; longer ones are wrong
DEV = 10  # one training problem in so many is held out to choose the pass


@dataclass(frozen=True)
class Answer:
    task: str
    problem: Problem
    completion: Completion
    right: bool


async def answers(chosen: Sequence[Task], samples: int, models: Sequence[Path]) -> list[Answer]:
    """`samples` answers of every model to every problem, labelled by the grader; the same text to a problem once."""
    found: dict[tuple[str, str], Answer] = {}
    for folder in models:
        backend = HFBackend(str(folder), device="cpu")
        asked: dict[str, tuple[Task, Problem]] = {}
        jobs = []
        for task in chosen:
            for problem in task.problems:
                request = Request(backend.model, PROMPTS["cot"].render(task, problem), MAX_TOKENS, seed=SEED)
                asked[request.address] = (task, problem)
                jobs.append(Job(request, tuple(range(samples))))
        made = {(s.request.address, s.index): s.completion async for s in backend.sample(jobs)}
        for (address, _), completion in sorted(made.items(), key=lambda item: item[0]):  # not in the order of arrival
            if completion is not None:
                task, problem = asked[address]
                right = task.grader.correct(task.grader.extract(completion.text).answer, problem)
                found.setdefault((problem.question, completion.text), Answer(task.name, problem, completion, right))
        await backend.close()
    return list(found.values())


def training_tasks(n: int) -> list[Task]:
    """The tasks that the built-in models know, each with its share of n problems of the training split, of the
    difficulties that the task asks."""
    out = []
    for name, share in MIX.items():
        (task,) = tasks.load(name, limit=64)
        levels = [int(p.difficulty or 1) for p in task.problems]
        few = max(1, round(n * share / sum(MIX.values())))
        made = problems(FAMILIES[name], few, seed=SEED, low=min(levels), high=max(levels), split="train")
        out.append(Task(name, made, task.answer_format, task.grader))
    return out


def balanced(every: Sequence[Answer], rng: Rng) -> list[Answer]:
    """As many right as wrong answers of each problem; problems that have only one kind are left out."""
    by_problem: dict[str, tuple[list[Answer], list[Answer]]] = defaultdict(lambda: ([], []))
    for answer in every:
        by_problem[answer.problem.question][answer.right].append(answer)
    out = []
    for wrong, right in by_problem.values():
        few = min(len(wrong), len(right))
        out += rng.sample(wrong, few) + rng.sample(right, few)
    return out


def auroc(right: Sequence[float], wrong: Sequence[float]) -> float | None:
    """The chance that a right answer scores above a wrong one, ties counting half; None where there is only one kind."""
    if not right or not wrong:
        return None
    low = np.sort(wrong)
    below, upto = (np.searchsorted(low, right, side) for side in ("left", "right"))
    return float((below + upto).mean() / 2 / len(wrong))


async def measure(folder: Path, every: Sequence[Answer]) -> dict[str, Any]:
    """AUROC over all answers, and its mean within problems (what best-of-n lives on), of a saved verifier."""
    scorer = RewardModel(str(folder), device="cpu", dtype="float32")
    scores = {i: s.value async for i, s in scorer.verdicts([(a.problem, a.completion) for a in every])}
    await scorer.close()
    both: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for i, answer in enumerate(every):
        both[answer.problem.question][answer.right].append(-math.inf if scores[i] is None else float(scores[i] or 0))
    within = [a for wrong, right in both.values() if (a := auroc(right, wrong)) is not None]
    right, wrong = ([s for pair in both.values() for s in pair[kind]] for kind in (True, False))
    return {
        "auroc": auroc(right, wrong),
        "auroc_within_problems": sum(within) / len(within) if within else None,
        "answers": len(every),
        "right": len(right),
        "problems_with_both": len(within),
    }


class Rows:
    """Answers as the verifier reads them: tokens of the conversation, where the answer begins, and the label."""

    def __init__(self, tokenizer: Any, every: Sequence[Answer]) -> None:
        self.pad = tokenizer.pad_token_id
        self.rows = []
        for a in every:
            asked = [{"role": "user", "content": a.problem.question}]
            said = [*asked, {"role": "assistant", "content": a.completion.text}]
            begin = len(tokenizer.apply_chat_template(asked, add_generation_prompt=True)["input_ids"])
            text = tokenizer.apply_chat_template(said, tokenize=False)
            self.rows.append((tokenizer(text, add_special_tokens=False)["input_ids"], begin, float(a.right)))

    def batches(self, rng: Rng) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """(ids, which tokens are of the answer, labels), each [row, position] or [row]; rows of similar length."""
        order = sorted(rng.shuffled(range(len(self.rows))), key=lambda i: len(self.rows[i][0]) // 16)
        out = []
        for part in rng.shuffled([order[i : i + ROWS] for i in range(0, len(order), ROWS)]):
            mine = [self.rows[i] for i in part]
            width = max(len(ids) for ids, _, _ in mine)
            ids = torch.tensor([row + [self.pad] * (width - len(row)) for row, _, _ in mine])
            at = torch.arange(width)
            counted = torch.stack([(at >= begin) & (at < len(row)) for row, begin, _ in mine])
            out.append((ids, counted, torch.tensor([label for _, _, label in mine])))
        return out


def loss_of(model: LlamaForSequenceClassification, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    ids, counted, labels = batch
    # No attention mask: padding is on the right, where no token that matters can see it.
    logits = model.score(model.model(input_ids=ids, use_cache=False).last_hidden_state)[..., 0]
    last = (counted * torch.arange(ids.shape[1])).argmax(1, keepdim=True)
    each = bce(logits, labels[:, None].expand_as(logits), reduction="none")
    along = (each * counted).sum(1) / counted.sum(1)
    return (bce(logits.gather(1, last)[:, 0], labels) + along.mean()) / 2


def train(rows: Rows, dev: Sequence[Answer], out: Path, minutes: float) -> dict[str, Any]:
    """Trains and writes the pass that told the answers of `dev` apart best. Returns the record of it."""
    tokenizer = AutoTokenizer.from_pretrained(BODY)
    body = LlamaForCausalLM.from_pretrained(BODY, dtype=torch.float32)
    body.config.num_labels = 1
    torch.manual_seed(SEED)
    model = LlamaForSequenceClassification(body.config)
    model.model.load_state_dict(body.model.state_dict())
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    start, step, total = time.monotonic(), 0, PASSES * math.ceil(len(rows.rows) / ROWS)
    best: dict[str, Any] = {"dev_auroc": -1.0}
    for number in range(1, PASSES + 1):
        losses = []
        for batch in rows.batches(Rng("verifier", SEED, number)):
            # a cosine over the steps, or over the time where that is shorter
            done = min(1.0, max(step / total, (time.monotonic() - start) / (60 * minutes)))
            scale = min(1.0, (step + 1) / WARMUP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
            for group in optimiser.param_groups:
                group["lr"] = RATE * scale
            loss = loss_of(model, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            model.zero_grad()
            losses.append(loss.item())
            step += 1
            if done == 1:
                break
        part = out.with_name(out.name + ".part")
        save(model, tokenizer, part)
        measured = asyncio.run(measure(part, dev))["auroc"] or 0.0  # of few problems, dev may be empty
        print(f"pass {number} step {step} loss {sum(losses) / len(losses):.4f} dev AUROC {measured:.4f}", flush=True)
        if measured > best["dev_auroc"]:
            save(model, tokenizer, out)
            best = {"dev_auroc": measured, "pass": number, "step": step, "loss": round(sum(losses) / len(losses), 4)}
        for file in part.iterdir():
            file.unlink()
        part.rmdir()
        if done == 1:
            break
    parameters = sum(p.numel() for p in model.parameters())
    return {"parameters": parameters, "steps": step, "stopped_by_time": done == 1 and step < total, "best": best}


CARD = """# ttc-bench built-in verifier

A Llama of {parameters:,} parameters with one logit, whose body was the medium built-in model: how likely is this answer
to this question to be right? For `ttc-bench run --verifier reward:builtin`. Stored in bf16.

* **Data**: {rows:,} answers to {problems:,} training-split problems of {tasks}, written by the built-in models
  ({models}) step by step at temperature 1, labelled by the tasks' graders, as many right as wrong of each problem.
* **Recipe**: `{command}`; `training.json` has the record.
* **Measured** by that command on {answers:,} distinct answers ({right:,} of them right) to test-split problems, none of
  which it was trained on: AUROC {auroc} over all of them, {within} within a problem (mean over the {both:,}
  problems that have right and wrong answers), where 0.5 is chance.
{table}
* **What it cannot**: judge other tasks, other models' wording, or anything but short answers to these puzzles.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=2000, help="of the training split, all tasks together")
    parser.add_argument("--samples", type=int, default=8, help="answers of each model to each problem")
    parser.add_argument("--held-out", type=int, default=50, help="test-split problems of each task")
    parser.add_argument("--minutes", type=float, default=30, help="of training at most; sampling comes before")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=MODELS / "verifier")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    models = sorted(path.parent for path in MODELS.glob("*/generation_config.json"))
    start = time.monotonic()
    every = asyncio.run(answers(training_tasks(args.problems), args.samples, models))
    questions = sorted({a.problem.question for a in every})
    apart = set(Rng("verifier dev", SEED).sample(questions, max(1, len(questions) // DEV)))
    kept = balanced([a for a in every if a.problem.question not in apart], Rng("verifier balance", SEED))
    dev = balanced([a for a in every if a.problem.question in apart], Rng("verifier balance", SEED, "dev"))
    print(f"{len(every):,} distinct answers, {len(kept):,} kept, {time.monotonic() - start:.0f} s", flush=True)
    if not kept:
        raise SystemExit("no problem has both right and wrong answers; ask for more --problems or --samples")
    record = train(Rows(AutoTokenizer.from_pretrained(BODY), kept), dev, args.out, args.minutes)
    shown = [tasks.load(name, limit=args.held_out)[0] for name in MIX]
    held_out = asyncio.run(answers(shown, args.samples, models))
    found = asyncio.run(measure(args.out, held_out))
    by_task = {
        name: asyncio.run(measure(args.out, [a for a in held_out if a.task == name]))
        for name in dict.fromkeys(a.task for a in held_out)
    }
    command = f"python training/train_verifier.py --problems {args.problems} --samples {args.samples}"
    command += f" --held-out {args.held_out} --minutes {args.minutes:g} --threads {args.threads}"
    record |= {
        "answers": len(kept),
        "problems": len({a.problem.question for a in kept}),
        "seed": SEED,
        "command": command,
        "models": [path.name for path in models],
        "held_out": found,
        "held_out_by_task": by_task,
    }
    (args.out / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    rows = [f"| {n} | {m['answers']} | {m['right']} | {_show(m['auroc'])} | {_show(m['auroc_within_problems'])} |"
            for n, m in by_task.items()]  # fmt: skip
    head = ["", "| task | answers | right | AUROC | within a problem |", "|---|---|---|---|---|"]
    card = CARD.format(
        parameters=record["parameters"],
        rows=len(kept),
        problems=record["problems"],
        tasks=", ".join(f"`{name}`" for name in MIX),
        models=", ".join(path.name for path in models),
        command=command,
        answers=found["answers"],
        right=found["right"],
        auroc=_show(found["auroc"]),
        within=_show(found["auroc_within_problems"]),
        both=found["problems_with_both"],
        table="\n".join([*head, *rows, ""]),
    )
    (args.out / "README.md").write_text(card, encoding="utf-8")
    print(json.dumps(record))


def _show(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
