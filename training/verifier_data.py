"""What the verifier learns from: answers of a built-in model, labelled, as rows of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from train import ROOT, SEED
from transformers import AutoTokenizer

from ttc_bench.backends.local.hf import HFBackend
from ttc_bench.core import Completion, Job, Problem, Request, Task
from ttc_bench.problems import tasks
from ttc_bench.problems.generators import FAMILIES
from ttc_bench.problems.generators.base import Rng, problems
from ttc_bench.prompts import PROMPTS

MODELS = ROOT / "ttc_bench" / "models"
BODY = MODELS / "medium"
ANSWERED = ("medium", "large")  # models whose answers are judged
TASK = "chain-arithmetic"  # whose worked solutions are unique, so that every step has a label
ROWS = 48  # answers a step
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
    distinct: dict[tuple[str, str], Answer] = {}
    backend = HFBackend(str(folder), device="cpu")
    problem_of: dict[str, Problem] = {}
    jobs = []
    for problem in task.problems:
        request = Request(backend.model, PROMPTS["cot"].render(task, problem), MAX_TOKENS, seed=SEED)
        problem_of[request.address] = problem
        jobs.append(Job(request, tuple(range(samples))))
    completions = {(s.request.address, s.index): s.completion async for s in backend.sample(jobs)}
    for (address, _), completion in sorted(
        completions.items(), key=lambda item: item[0]
    ):  # not in the order of arrival
        if completion is not None:
            problem = problem_of[address]
            right = task.grader.correct(task.grader.extract(completion.text).answer, problem)
            distinct.setdefault((problem.question, completion.text), Answer(problem, completion, right))
    await backend.close()
    return list(distinct.values())


def training_task(n: int) -> Task:
    """n problems of the training split, of the difficulties that the shipped task has."""
    (task,) = tasks.load(TASK, limit=64)
    levels = [int(p.difficulty or 1) for p in task.problems]
    made = problems(FAMILIES[TASK], n, seed=SEED, low=min(levels), high=max(levels), split="train")
    return Task(task.name, made, task.answer_format, task.grader)


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
