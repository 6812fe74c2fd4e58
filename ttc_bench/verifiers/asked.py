"""Verifiers that ask a language model: an LLM judge, and the model's own probability of being right.

Every verdict is an ordinary request, stored like any sample and charged to the strategy that uses it. Only the reply is
parsed, and it must match as a whole: instructions, verdicts or delimiters inside a sample cannot affect how its verdict
is parsed. A reply that is not a verdict gives no score, rather than 0.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ttc_bench import prompts
from ttc_bench.core import Backend, Completion, Message, Problem, Request, Score
from ttc_bench.errors import BackendError, PromptTooLong
from ttc_bench.sampling.pool import Watch, fill
from ttc_bench.verifiers.stored import Setting

REPLY_TOKENS = 8  # a digit, with a word or two before it
CHUNK = 256  # verdicts requested at once; progress is reported after each chunk
LEAST_MASS = 0.1  # of all choices; below this the model meant to say something else
_DIGIT = re.compile(r"\s*\**(?:(?:score|rating|verdict)\s*[:=]?\s*)?\**([1-9])(?:\s*/\s*9|\.)?\**\s*", re.IGNORECASE)
_LETTER = re.compile(r"\s*\(?([AB])\)?\.?\s*")


@dataclass(frozen=True)
class Question:
    """A question about a sample, and how its reply is parsed."""

    name: str
    ask: Callable[[str, str, str], tuple[Message, ...]]  # (question, text, fence)
    choices: tuple[str, ...]
    worth: dict[str, float]  # of each choice; the score is the expectation over them
    parse: re.Pattern[str]  # pattern of a whole reply, for backends without probabilities
    prefix: str = ""

    def score(self, reply: Completion) -> float | None:
        """The expected worth over the choices' probabilities (Liu et al. 2023, arXiv:2303.16634), or the
        worth of the choice that is the whole reply; None if the reply is not a verdict."""
        chances = {c: reply.signals.get(f"p:{c}", 0.0) for c in self.choices}
        mass = sum(chances.values())
        if mass >= LEAST_MASS:
            return sum(chances[c] * self.worth[c] for c in self.choices) / mass
        verdict = self.parse.fullmatch(reply.text)
        return self.worth[verdict[1]] if verdict else None


# 1..9 are mapped to 0..1, so that judges are comparable with probabilities
JUDGE = Question(
    "judge", prompts.judge, prompts.JUDGE_SCALE, {d: (int(d) - 1) / 8 for d in prompts.JUDGE_SCALE}, _DIGIT
)
P_TRUE = Question(
    "p-true",
    prompts.p_true,
    (prompts.TRUE, prompts.FALSE),
    {prompts.TRUE: 1.0, prompts.FALSE: 0.0},
    _LETTER,
    prompts.P_TRUE_PREFIX,
)


class Asked:
    """A stored.Scorer that asks a language model one question about every sample."""

    def __init__(self, question: Question, backend: Backend, setting: Setting, *, own: bool) -> None:
        """`own`: close the backend after use."""
        self._question, self._backend, self._own = question, backend, own
        self._store, self._judges = setting.store, setting.model
        # its replies are no samples of the run, but they can be ended early and waited for like them
        self._watch = Watch(on_wait=setting.watch.on_wait, stop=setting.watch.stop)

    @property
    def id(self) -> str:
        return f"{self._question.name} {self._backend.model}"

    def identity(self) -> dict[str, Any]:
        """Fields for run.json: the model, and whether it judges its own samples."""
        return {**self._backend.identity(), "judges_itself": self._backend.model == self._judges}

    async def verdicts(self, items: Sequence[tuple[Problem, Completion]]) -> AsyncIterator[tuple[int, Score]]:
        for start in range(0, len(items), CHUNK):
            requests = [self._request(problem, completion) for problem, completion in items[start : start + CHUNK]]
            crowded = await self._fill(requests)
            parameters = self._backend.identity().get("parameters")
            for position, request in enumerate(requests, start):
                reply = self._store.pool(request, 1).get(0)
                if reply is not None:
                    yield position, Score(self._question.score(reply), reply.usage, parameters)
                elif request.address in crowded:  # exceeds the judge's context: there will never be a verdict
                    yield position, Score(None)

    async def _fill(self, requests: Sequence[Request]) -> set[str]:
        crowded: set[str] = set()
        while True:
            try:
                wanted = [(request, 1) for request in requests if request.address not in crowded]
                await fill(self._store, self._backend, wanted, self._watch)
                return crowded
            except PromptTooLong as error:
                crowded.add(error.address)

    def _request(self, problem: Problem, completion: Completion) -> Request:
        question = self._question
        # derived from the text: equal texts give equal requests, and no text can contain its own fence
        fence = f"=== {hashlib.sha256(completion.text.encode()).hexdigest()[:12]} ==="
        return Request(
            model=self._backend.model,
            messages=question.ask(problem.question, completion.text, fence),
            max_tokens=REPLY_TOKENS,
            temperature=0.0,
            prefix=question.prefix if self._backend.prefills else "",
            choices=question.choices,
        )

    async def close(self) -> None:
        """Frees the judge. If the sampling model is the judge, the run frees it."""
        if self._own:
            await self._backend.close()


def p_true_scorer(argument: str, setting: Setting) -> Asked:
    """`p-true`: the sampling model is asked whether its answer is true. Raises a fatal BackendError if no model may
    run."""
    if setting.backend is None and setting.may_ask:
        raise BackendError("asks the model that made the samples, and these were imported; ask judge:MODEL", fatal=True)
    if setting.backend is None:
        raise BackendError(f"its scores are not stored; make them with: {setting.command()}", fatal=True)
    return Asked(P_TRUE, setting.backend, setting, own=False)


def judge_scorer(argument: str, setting: Setting) -> Asked:
    """`judge:MODEL` or `judge:MODEL@URL`: any model that a run can name, through its own backend. Raises TtcError for
    one that cannot be."""
    if setting.open is None:
        raise BackendError(f"its scores are not stored; make them with: {setting.command()}", fatal=True)
    return Asked(JUDGE, setting.open(argument), setting, own=True)
