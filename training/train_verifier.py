"""Train the built-in verifier: how likely is an answer to be right? A small Llama with one logit, for best-of-n.

    python training/train_verifier.py --threads 2       # writes ttc_bench/models/verifier

The medium model answers problems of the training split (`generators.base.is_test` divides them by hash) step by step,
at temperature 1; the task's own grader labels the answers. Every token of an answer is labelled: is everything so far
as in the worked solution (process supervision: Lightman et al. 2023, arXiv:2305.20050; all of a right answer is right)?

To tell a right sum from a wrong one, a model must do the sum. The medium model can: what it would have written stands in
its last layer one token before the token that it did write. So the verifier is the medium model with `EXTRA` layers on
top, trained in two stages. First the body is frozen, and the new layers learn to compare the two, from targets that the
body itself provides: the log-probability of every token, and its least and its mean so far. Then everything is trained on
the labels alone. Labels alone, without the first stage, teach which problems are hard but nothing about their answers.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from muon import Muon
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import mse_loss
from train import ROOT, SEED, save
from transformers import AutoTokenizer, LlamaForCausalLM, LlamaForSequenceClassification

from ttc_bench import tasks
from ttc_bench.backends.hf import HFBackend
from ttc_bench.backends.reward import RewardModel
from ttc_bench.core import Completion, Job, Problem, Request, Task
from ttc_bench.diagnostics import auroc, within_auroc
from ttc_bench.generators import FAMILIES
from ttc_bench.generators.base import Rng, problems
from ttc_bench.prompts import PROMPTS

MODELS = ROOT / "ttc_bench" / "models"
BODY = MODELS / "medium"
TASK = "chain-arithmetic"  # whose worked solutions are unique, so that every step has a label
EXTRA = 2  # layers on top of the body
ROWS, WARMUP, FLOOR = 48, 30, 0.02  # answers a step; steps of warm-up; last learning rate as a share of the highest
RATES = {"frozen": {"muon": 0.02, "adamw": 3e-3}, "whole": {"muon": 4e-3, "adamw": 5e-4}}
LABELS = 0.1  # weight of the labels in the first stage
LEAST = -6.0  # log-probabilities below it are as good as impossible
MAX_TOKENS = 256  # of an answer


@dataclass(frozen=True)
class Answer:
    problem: Problem
    completion: Completion
    right: bool

    def sound(self) -> int:
        """How many characters of the answer agree with the worked solution; all of them where it is right."""
        text, solution = self.completion.text, self.problem.solution or ""
        if self.right:
            return len(text)
        differ = (i for i, (a, b) in enumerate(zip(text, solution, strict=False)) if a != b)
        return next(differ, min(len(text), len(solution)))


async def answers(task: Task, samples: int, folder: Path) -> list[Answer]:
    """`samples` answers of a model to every problem, labelled by the grader; the same text to a problem once."""
    found: dict[tuple[str, str], Answer] = {}
    backend = HFBackend(str(folder), device="cpu")
    asked: dict[str, Problem] = {}
    jobs = []
    for problem in task.problems:
        request = Request(backend.model, PROMPTS["cot"].render(task, problem), MAX_TOKENS, seed=SEED)
        asked[request.address] = problem
        jobs.append(Job(request, tuple(range(samples))))
    made = {(s.request.address, s.index): s.completion async for s in backend.sample(jobs)}
    for (address, _), completion in sorted(made.items(), key=lambda item: item[0]):  # not in the order of arrival
        if completion is not None:
            problem = asked[address]
            right = task.grader.correct(task.grader.extract(completion.text).answer, problem)
            found.setdefault((problem.question, completion.text), Answer(problem, completion, right))
    await backend.close()
    return list(found.values())


def training_task(n: int) -> Task:
    """n problems of the training split, of the difficulties that the shipped task has."""
    (task,) = tasks.load(TASK, limit=64)
    levels = [int(p.difficulty or 1) for p in task.problems]
    made = problems(FAMILIES[TASK], n, seed=SEED, low=min(levels), high=max(levels), split="train")
    return Task(task.name, made, task.answer_format, task.grader)


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


def reader(task: Task) -> Any:
    """The body's tokenizer with a template that asks the question as the body was asked in training."""
    tokenizer = AutoTokenizer.from_pretrained(BODY)
    problem = task.problems[0]
    (asked,) = PROMPTS["cot"].render(task, problem)
    words = asked.content.removeprefix(problem.question)
    user = "<|user|>{{ m.content }}"
    assert words != asked.content
    assert user in tokenizer.chat_template
    tokenizer.chat_template = tokenizer.chat_template.replace(user, user + words)
    return tokenizer


class Rows:
    """Answers as the verifier reads them: tokens of the conversation, where the answer begins, a label for each token
    and one for the whole."""

    def __init__(self, tokenizer: Any, every: Sequence[Answer]) -> None:
        self.pad = tokenizer.pad_token_id
        self.rows = []
        for a in every:
            asked = [{"role": "user", "content": a.problem.question}]
            said = [*asked, {"role": "assistant", "content": a.completion.text}]
            before = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
            text = tokenizer.apply_chat_template(said, tokenize=False)
            read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            begin = len(tokenizer(before, add_special_tokens=False)["input_ids"])
            sound = len(text) if a.right else len(before) + a.sound()
            labels = [float(end <= sound) for _, end in read["offset_mapping"]]
            self.rows.append((read["input_ids"], begin, labels, float(a.right)))

    def batches(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """Without end: (ids, labels, which tokens are of the answer), each [row, position], and (place of the last
        token, label of the whole), each [row]; rows of similar length, in an order that SEED alone decides."""
        number = 0
        while True:
            number += 1
            rng = Rng("verifier", SEED, number)
            order = sorted(rng.shuffled(range(len(self.rows))), key=lambda i: len(self.rows[i][0]) // 8)
            for part in rng.shuffled([order[i : i + ROWS] for i in range(0, len(order), ROWS)]):
                mine = [self.rows[i] for i in part]
                width = max(len(ids) for ids, *_ in mine)
                at = torch.arange(width)
                yield (
                    torch.tensor([ids + [self.pad] * (width - len(ids)) for ids, *_ in mine]),
                    torch.tensor([labels + [0.0] * (width - len(labels)) for _, _, labels, _ in mine]),
                    torch.stack([(at >= begin) & (at < len(ids)) for ids, begin, _, _ in mine]),
                    torch.tensor([len(ids) - 1 for ids, *_ in mine]),
                    torch.tensor([right for *_, right in mine]),
                )


class Training:
    """The verifier, the body whose likelihoods it learns first, and two heads that are thrown away after that."""

    def __init__(self) -> None:
        self.body = LlamaForCausalLM.from_pretrained(BODY, dtype=torch.float32).requires_grad_(False)
        config = copy.deepcopy(self.body.config)
        config.num_labels, config.num_hidden_layers = 1, config.num_hidden_layers + EXTRA
        torch.manual_seed(SEED)
        self.model = LlamaForSequenceClassification(config)
        self.model.model.load_state_dict(self.body.model.state_dict(), strict=False)  # the new layers stay random
        self.model.train()
        self.likely, self.so_far = torch.nn.Linear(config.hidden_size, 1), torch.nn.Linear(config.hidden_size, 2)

    def stage(self, name: str, batches: Iterator[tuple[torch.Tensor, ...]], steps: int) -> float:
        """Trains for so many steps; returns the mean loss on the labels over the last 50."""
        frozen = name == "frozen"
        depth = self.body.config.num_hidden_layers
        self.model.requires_grad_(not frozen)
        for part in (self.model.model.layers[depth:], self.model.score, self.model.model.norm):
            part.requires_grad_(True)
        matrices = [p for p in self.model.model.layers.parameters() if p.ndim == 2 and p.requires_grad]
        chosen = {id(p) for p in matrices}
        heads = [*self.likely.parameters(), *self.so_far.parameters()] if frozen else []
        rest = [p for p in self.model.parameters() if p.requires_grad and id(p) not in chosen]
        optimisers: dict[str, torch.optim.Optimizer] = {
            "muon": Muon(matrices, lr=0.0),
            "adamw": torch.optim.AdamW([*rest, *heads], lr=0.0, betas=(0.9, 0.98), weight_decay=0.0),
        }
        losses: list[float] = []
        for step in range(steps):
            cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
            scale = min(1.0, (step + 1) / WARMUP) * (FLOOR + (1 - FLOOR) * cosine)
            for kind, optimiser in optimisers.items():
                for group in optimiser.param_groups:
                    group["lr"] = RATES[name][kind] * scale
            labels, likelihoods = self.losses(next(batches), frozen)
            (LABELS * labels + likelihoods if frozen else labels).backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            for optimiser in optimisers.values():
                optimiser.step()
                optimiser.zero_grad()
            losses.append(labels.item())
            if (step + 1) % 50 == 0:
                said = f" likelihoods {likelihoods.item():.3f}" if frozen else ""
                print(f"{name} {step + 1}/{steps}: labels {sum(losses[-50:]) / 50:.4f}{said}", flush=True)
        last = losses[-50:]
        return sum(last) / len(last) if last else math.nan

    def losses(self, batch: tuple[torch.Tensor, ...], likelihoods: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the labels, and of the body's likelihoods where they are wanted."""
        ids, labels, counted, last, right = batch
        # No attention mask: padding is on the right, where no token that matters can see it.
        out = self.model.model(input_ids=ids, use_cache=False, output_hidden_states=likelihoods)
        logits = self.model.score(out.last_hidden_state)[..., 0]
        each = bce(logits, labels, reduction="none")[counted].mean()
        whole = bce(logits[torch.arange(len(ids)), last], right)
        loss = each + whole / 2
        if not likelihoods:
            return loss, torch.zeros(())
        depth, counted = self.body.config.num_hidden_layers, counted[:, 1:]
        with torch.no_grad():
            wrote = self.body.lm_head(self.body.model.norm(out.hidden_states[depth][:, :-1])).log_softmax(2)
            chance = wrote.gather(2, ids[:, 1:, None])[..., 0].clamp(min=LEAST)
            own = chance * counted  # the question is not the answer's doing
            # the sum over the root of the length: a mean that knows how much it was made of
            summed = own.cumsum(1) / counted.cumsum(1).clamp(min=1) ** 0.5
            so_far = torch.stack([own.cummin(1).values, summed], 2)
        likely = self.likely(out.hidden_states[depth + 1])[:, 1:, 0]
        first = mse_loss(likely[counted], chance[counted])
        return loss, first + mse_loss(self.so_far(out.last_hidden_state)[:, 1:][counted], so_far[counted]) / 2


CARD = """# ttc-bench built-in verifier

A Llama of {parameters:,} parameters with one logit: the medium built-in model and {extra} layers more. How likely is this
answer to this question to be right? For `ttc-bench run --verifier reward:builtin`. Stored in bf16.

* **Data**: {rows:,} distinct answers of the medium model to {problems:,} training-split problems of `{task}`, step by step
  at temperature 1, {right:,} of them right. Labelled token by token: as in the worked solution so far?
* **Recipe**: `{command}`: {frozen} steps on the body's own likelihoods with the body frozen, then {whole} on the labels
  with everything; `training.json` has the record.
* **Measured** by that command on distinct answers to {held_out} test-split problems, none of which it was trained on. AUROC
  (0.5 is chance) over all answers, and within a problem (mean over the problems that have right and wrong answers), the
  latter beside that of the answer's mean log-probability:
{table}
* **What it cannot**: judge other tasks, other wording, or anything but short answers to these puzzles.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=10_000, help="of the training split (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=3, help="answers to each problem (default: %(default)s)")
    parser.add_argument("--frozen", type=int, default=1300, help="steps of the first stage (default: %(default)s)")
    parser.add_argument("--whole", type=int, default=500, help="steps of the second stage (default: %(default)s)")
    parser.add_argument("--held-out", type=int, default=64, help="test-split problems (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=MODELS / "verifier")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    task = training_task(args.problems)
    every = asyncio.run(answers(task, args.samples, BODY))
    print(f"{len(every):,} distinct answers, {sum(a.right for a in every):,} right", flush=True)
    tokenizer = reader(task)
    batches = Rows(tokenizer, every).batches()
    training = Training()
    losses = {name: training.stage(name, batches, getattr(args, name)) for name in RATES}
    save(training.model, tokenizer, args.out)
    (shown,) = tasks.load(TASK, limit=args.held_out)
    measured = {}
    for folder in sorted(path.parent for path in MODELS.glob("*/generation_config.json")):
        measured[folder.name] = asyncio.run(measure(args.out, asyncio.run(answers(shown, 16, folder))))
    command = f"python training/train_verifier.py --problems {args.problems} --samples {args.samples}"
    command += f" --frozen {args.frozen} --whole {args.whole} --held-out {args.held_out} --threads {args.threads}"
    record = {
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "answers": len(every),
        "right": sum(a.right for a in every),
        "problems": len({a.problem.question for a in every}),
        "steps": {name: getattr(args, name) for name in RATES},
        "losses": {name: round(loss, 4) for name, loss in losses.items()},
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
        held_out=args.held_out,
        frozen=args.frozen,
        whole=args.whole,
        table="\n".join(table),
    )
    (args.out / "README.md").write_text(card, encoding="utf-8")
    print(json.dumps(record))


def _show(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
