"""Verifiers that run a model. Scores go through the store: no item is scored twice, and an interruption loses none."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, cast

from ttc_bench.config import Config
from ttc_bench.core import Backend, Completion, Problem, Score, Usage, Verifier
from ttc_bench.errors import BackendError, TtcError
from ttc_bench.grading.columns import content_address
from ttc_bench.sampling.pool import SILENT, Watch
from ttc_bench.sampling.store import Store


class Scorer(Protocol):
    """Runs a model to score samples. Making one loads nothing."""

    @property
    def id(self) -> str:
        """Its key in the store: everything that can change a score (name, revision, dtype, question)."""
        ...

    def identity(self) -> dict[str, Any]:
        """Fields for run.json: name, revision, dtype, ... Never a secret."""
        ...

    def verdicts(self, items: Sequence[tuple[Problem, Completion]]) -> AsyncIterator[tuple[int, Score]]:
        """Yields (position in `items`, score) as scores are ready, in any order. Score(None) means that there is no
        verdict; it is stored too. An item that is left out (a failed call) is scored by the next run. Raises a fatal
        BackendError if it cannot continue."""
        ...

    async def close(self) -> None:
        """Free the memory of the model. The scorer can be used again."""
        ...


@dataclass(frozen=True)
class Setting:
    """The context that verifiers are made in. Without a `backend`, and no way to `open` one, no model may run: only
    stored scores are used. Of imported samples there is a way to open others, but no backend that made them."""

    model: str  # the identity of the model whose samples are scored
    signals: frozenset[str]  # that its backend recorded
    store: Store
    config: Config
    backend: Backend | None = None
    open: Callable[[str], Backend] | None = None  # a model by its name, as --model or as MODEL@URL
    recorded: Mapping[str, Any] = field(default_factory=dict)  # run.json's verifiers, by the name the user gave
    watch: Watch = SILENT

    @property
    def may_ask(self) -> bool:
        """Whether a model may run."""
        return self.backend is not None or self.open is not None

    def command(self) -> str:
        """The command that makes the missing scores."""
        file = str(self.config.folder / "run.json")
        return shlex.join(["ttc-bench", "run", "--config", file, "--verifier", ",".join(self.config.verifiers)])


class StoredVerifier(Verifier):
    """A verifier that takes scores from the store and missing ones from a Scorer. With the entry of run.json in place
    of a Scorer it uses stored scores only. `asked`: its name as the user gave it; `name`: its label in curves."""

    def __init__(self, name: str, asked: str, scorer: Scorer | Mapping[str, Any], setting: Setting) -> None:
        self.name, self._asked, self._setting = name, asked, setting
        self._scorer = None if isinstance(scorer, Mapping) else scorer
        self._described = dict(scorer) if isinstance(scorer, Mapping) else {}
        self._parameters: int | None = None
        self._count, self._usage = 0, Usage()

    @property
    def asked(self) -> str:
        return self._asked

    @property
    def id(self) -> str:
        """Its key in the store."""
        return self._scorer.id if self._scorer else str(self._described["id"])

    @cached_property
    def _own(self) -> bool:
        return bool(self.identity().get("judges_itself"))

    def work(self) -> tuple[int, Usage]:
        return self._count, self._usage

    def identity(self) -> dict[str, Any]:
        """Fields for run.json: the key in the store, and the scorer's own."""
        parameters = {"parameters": self._parameters} if self._parameters else {}
        described = self._scorer.identity() if self._scorer else self._described
        return {"id": self.id, **described, **parameters}

    def pending(self, items: Sequence[tuple[Problem, Completion]]) -> int:
        """How many of these have no stored score, equal ones counted once."""
        addresses = dict.fromkeys(address(problem, completion) for problem, completion in items)
        return len(addresses) - len(self._setting.store.scores(self.id, addresses))

    def known(self, contents: Sequence[str]) -> list[Score | None]:
        """The stored scores."""
        stored = self._setting.store.scores(self.id, dict.fromkeys(contents))
        return [self._noted(stored[content]) if content in stored else None for content in contents]

    async def score(self, items: Sequence[tuple[Problem, Completion]]) -> list[Score]:
        """Scores of all items. Missing ones are made, once for equal items, and stored on arrival; the model is freed
        at the end. Raises TtcError if scoring fails, or if scores are missing and no model may run."""
        addresses = [address(problem, completion) for problem, completion in items]
        scores = self._setting.store.scores(self.id, dict.fromkeys(addresses))
        missing = {a: item for a, item in zip(addresses, items, strict=True) if a not in scores}
        if missing and (self._scorer is None or not self._setting.may_ask):
            raise TtcError(
                f"verifier {self.asked}: {len(missing):,} scores are not stored; "
                f"make them with: {self._setting.command()}"
            )
        if missing and self._scorer is not None:
            try:
                scores |= await self._make(self._scorer, missing)
            except BackendError as error:
                raise TtcError(f"verifier {self.asked}: {error}") from error
            finally:
                await self._scorer.close()
        return [self._noted(scores.get(a, Score(None))) for a in addresses]

    def _noted(self, score: Score) -> Score:
        """The score, marked where the sampling model gave it itself; its parameters are remembered for run.json."""
        self._parameters = self._parameters or score.parameters
        return replace(score, own=True) if self._own else score

    async def _make(self, scorer: Scorer, missing: Mapping[str, tuple[Problem, Completion]]) -> dict[str, Score]:
        store, on_score, waiting = self._setting.store, self._setting.watch.on_score, list(missing)
        scores: dict[str, Score] = {}
        on_score(self.name, 0, len(waiting))
        # mypy knows the protocol's iterator, aclosing wants a generator: every async generator function gives one
        verdicts = cast(AsyncGenerator[tuple[int, Score], None], scorer.verdicts(list(missing.values())))
        async with aclosing(verdicts):
            async for position, score in verdicts:
                store.add_score(scorer.id, waiting[position], score)
                scores[waiting[position]] = score
                self._count, self._usage = self._count + 1, self._usage + score.usage
                on_score(self.name, len(scores), len(waiting))
        return scores


def address(problem: Problem, completion: Completion) -> str:
    """Its key in the store: the content address of the question and the text of the answer, in hex."""
    return content_address(problem.question, completion.text).hex()
