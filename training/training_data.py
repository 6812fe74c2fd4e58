"""What the built-in models learn from: problems of the training split, as conversations of tokens.

Only problems of the training split are used (`generators.base.is_test` divides them by hash), worded by the same
prompts.py and tasks/*.yaml that the harness uses. 30 in 100 answers are direct, the others have their steps written
out; three in a hundred of those come after worked examples. A seed and a number give the same batches everywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from ttc_bench.core import Message, Problem, Task
from ttc_bench.problems.generators import FAMILIES
from ttc_bench.problems.generators.base import Rng, is_test
from ttc_bench.prompts import PROMPTS

ROOT = Path(__file__).parent.parent
NO_GRADER: Any = None  # nothing is graded in training
# Percent of the training problems. Only families whose worked solutions are short and made of steps that a small model
# can learn; all the others are unseen, and so are the data sets of the hub.
MIX = {
    "chain-arithmetic": 40,
    "nested-arithmetic": 20,
    "countdown": 12,
    "boolean-expressions": 8,
    "navigation": 8,
    "comparison": 6,
    "modular-arithmetic": 6,
}
VOCABULARY, CONTEXT, BATCH_TOKENS, SEED = 512, 1024, 3072, 20261121
DIRECT, FEW_SHOT = 30, 3  # percent of all answers that are direct; percent of the others that follow worked examples
CHUNK = 1024  # problems that are made, sorted by length and cut into batches together (few would need more padding)
PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'assistant' %}<|assistant|>{{ m.content }}<|end|>"
    "{% else %}<|user|>{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ANSWER = "The answer is "


def task_wording(name: str) -> Task:
    spec = yaml.safe_load((ROOT / "tasks" / f"{name}.yaml").read_text(encoding="utf-8"))
    return Task(name, (), spec["answer_format"], NO_GRADER)


TASKS = {name: task_wording(name) for name in MIX}


def difficulty(rng: Rng, top: int) -> int:
    """A difficulty in 1..top, d with a chance proportional to 1/d: the elementary steps are seen often and long
    problems seldom."""
    weights = [840 // d for d in range(1, top + 1)]  # 840 = lcm(1, ..., 8)
    roll = rng.below(sum(weights))
    for d, weight in enumerate(weights, 1):
        roll -= weight
        if roll < 0:
            return d
    raise AssertionError("unreachable: the roll is below the sum")


def training_problem(family_name: str, rng: Rng, top: int | None = None) -> Problem:
    """A problem of the training split, of a random difficulty up to `top` (default: all levels of its family)."""
    family = FAMILIES[family_name]
    while True:
        problem = family.make(rng, difficulty(rng, min(top or family.levels, family.levels)))
        if not is_test(problem.question):
            return problem


def example(rng: Rng) -> tuple[tuple[Message, ...], str]:
    """Messages, and the answer that the model shall learn to give."""
    roll, name = rng.below(sum(MIX.values())), ""
    for name, share in MIX.items():  # noqa: B007
        roll -= share
        if roll < 0:
            break
    task, problem = TASKS[name], training_problem(name, rng)
    solution = problem.solution or ""
    if rng.chance(DIRECT):
        return PROMPTS["direct"].render(task, problem), solution[solution.rindex(ANSWER) :]
    prompt = PROMPTS["cot"]
    if rng.chance(FEW_SHOT):
        shots = tuple(training_problem(name, rng, top=3) for _ in range(rng.between(1, 3)))
        task = Task(task.name, (), task.answer_format, task.grader, examples=shots)
        prompt = PROMPTS["cot-few-shot"]
    return prompt.render(task, problem), solution


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, digits one by one: any text can be written, and none is lost."""
    rng = Rng("tokenizer", SEED)
    corpus = []
    for _ in range(3000):
        messages, answer = example(rng)
        corpus.append("\n".join([*(m.content for m in messages), answer]))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[A-Za-z]+| ?\d|\n+| ?[^\sA-Za-z\d]|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, USER, ASSISTANT, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        chat_template=TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def row(tokenizer: PreTrainedTokenizerFast, messages: tuple[Message, ...], answer: str) -> tuple[list[int], list[int]]:
    """Token ids of a conversation, and its labels: -100 (no loss) everywhere but on the last answer and its end."""
    shown = tokenizer.apply_chat_template(
        [{"role": m.role, "content": m.content} for m in messages], tokenize=False, add_generation_prompt=True
    )
    prompt = tokenizer(shown, add_special_tokens=False)["input_ids"]
    target = tokenizer(answer + END, add_special_tokens=False)["input_ids"]
    return prompt + target, [-100] * len(prompt) + target


def batches(tokenizer: PreTrainedTokenizerFast, chunk: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The batches of one chunk of problems: (ids, labels), each [row, position] of at most BATCH_TOKENS positions, rows
    of similar length together so that little padding is computed."""
    rng = Rng("train", SEED, chunk)
    rows = sorted((row(tokenizer, *example(rng)) for _ in range(CHUNK)), key=lambda r: len(r[0]))
    parts: list[list[tuple[list[int], list[int]]]] = [[]]
    for ids, labels in rows:
        if parts[-1] and len(ids) * (len(parts[-1]) + 1) > BATCH_TOKENS:
            parts.append([])
        parts[-1].append((ids, labels))
    out = []
    for part in rng.shuffled(parts):
        width = max(len(ids) for ids, _ in part)
        pad = tokenizer.pad_token_id
        out.append(
            (
                torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in part]),
                torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in part]),
            )
        )
    return out
