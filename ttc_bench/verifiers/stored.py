"""Verifiers that run a model, behind the store: nothing is scored twice, and an interruption loses no score."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, cast

from ttc_bench.config import Config
from ttc_bench.core import Backend, Completion, Problem, Score
from ttc_bench.errors import BackendError, TtcError
from ttc_bench.sampling.pool import Filled
from ttc_bench.sampling.store import Store


class Scorer(Protocol):
    """What runs a model to score samples. Making one loads nothing."""

    @property
    def id(self) -> str:
        """Everything that can change a score: name, revision, dtype, how it is asked. Its name in the store."""
        ...

    def identity(self) -> dict[str, Any]:
        """What run.json says about it: name, revision, dtype, ... Never a secret."""
        ...

    def verdicts(self, items: Sequence[tuple[Problem, Completion]]) -> AsyncIterator[tuple[int, Score]]:
        """(position in `items`, score) of each as it is done, in any order. Score(None) is a verdict that could not be
        read: it is kept. An item that is left out (a failed call) has no score and is asked for again by the next run.
        Raises a fatal BackendError where it cannot go on."""
        ...

    async def close(self) -> None:
        """Free what scoring has loaded. The scorer can be used again."""
        ...


def _nothing_opens(name: str) -> Backend:
    raise AssertionError(f"{name}: a report opens no model")


@dataclass(frozen=True)
class Setting:
    """What verifiers are made from."""

    backend: Backend  # who answered: the signals it recorded, and the model itself for one that is asked again
    store: Store
    config: Config
    recorded: Mapping[str, Any] | None = None  # the verifiers of run.json, where no model may run
    on_score: Callable[[str, int, int], None] = lambda verifier, done, missing: None
    open: Callable[[str], Backend] = _nothing_opens  # a model by its name, as --model or as MODEL@URL


@dataclass(frozen=True)
class Recorded:
    """A scorer as run.json describes it, where no model may run."""

    id: str
    described: Mapping[str, Any]

    def identity(self) -> dict[str, Any]:
        return dict(self.described)

    def verdicts(self, items: Sequence[tuple[Problem, Completion]]) -> AsyncIterator[tuple[int, Score]]:
        raise AssertionError("a report never scores")

    async def close(self) -> None:
        return None


class Stored:
    """core.Verifier of a Scorer. `asked`: the verifier as the user named it; `name`: as curves are labelled."""

    def __init__(self, name: str, asked: str, scorer: Scorer, setting: Setting) -> None:
        self.name, self.asked = name, asked
        self._scorer, self._setting = scorer, setting
        self._parameters: int | None = None
        self.did = Filled()  # what this run has scored so far

    def identity(self) -> dict[str, Any]:
        """What run.json says: the name in the store, and what the scorer knows of itself."""
        parameters = {"parameters": self._parameters} if self._parameters else {}
        return {"id": self._scorer.id, **self._scorer.identity(), **parameters}

    def pending(self, items: Sequence[tuple[Problem, Completion]]) -> int:
        """How many of these have no stored score, equal ones counted once."""
        addresses = dict.fromkeys(address(problem, completion) for problem, completion in items)
        return len(addresses) - len(self._setting.store.scores(self._scorer.id, addresses))

    async def score(self, items: Sequence[tuple[Problem, Completion]]) -> list[Score]:
        """Asks for the scores that are not stored, equal items once, and stores each as it comes; what scoring has
        loaded is freed at the end. Raises TtcError where it cannot go on, or where a model would have to run and none
        may."""
        addresses = [address(problem, completion) for problem, completion in items]
        scores = self._setting.store.scores(self._scorer.id, dict.fromkeys(addresses))
        missing = {a: item for a, item in zip(addresses, items, strict=True) if a not in scores}
        if missing and self._setting.recorded is not None:
            raise TtcError(
                f"verifier {self.asked}: {len(missing):,} of {len(set(addresses)):,} scores are not stored; "
                f"make them with: {self._command()}"
            )
        if missing:
            try:
                await self._ask(missing, scores)
            except BackendError as error:
                raise TtcError(f"verifier {self.asked}: {error}") from error
            finally:
                await self._scorer.close()
        self._parameters = next((s.parameters for s in scores.values() if s.parameters), None)
        return [scores.get(a, Score(None)) for a in addresses]

    async def _ask(self, missing: Mapping[str, tuple[Problem, Completion]], scores: dict[str, Score]) -> None:
        store, on_score, waiting, done = self._setting.store, self._setting.on_score, list(missing), 0
        on_score(self.name, done, len(waiting))
        # mypy knows the protocol's iterator, aclosing wants a generator: every async generator function gives one
        verdicts = cast(AsyncGenerator[tuple[int, Score], None], self._scorer.verdicts(list(missing.values())))
        async with aclosing(verdicts):
            async for position, score in verdicts:
                store.add_score(self._scorer.id, waiting[position], score)
                scores[waiting[position]] = score
                self.did += Filled(scores=1, scoring=score.usage)
                done += 1
                on_score(self.name, done, len(waiting))

    def _command(self) -> str:
        config = self._setting.config
        file = str(config.folder / "run.json")
        return shlex.join(["ttc-bench", "run", "--config", file, "--verifier", ",".join(config.verifiers)])


def address(problem: Problem, completion: Completion) -> str:
    """sha256 (64 hex digits) of what a verifier sees of a sample: the question and the text of the answer."""
    seen = {"question": problem.question, "text": completion.text}
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()
