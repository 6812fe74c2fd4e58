"""Graded pools, which all curves are made of: columns of numbers (grading/columns.py), without the texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ttc_bench.core import UNCHANGED, Change, Completion, Problem, Request, Score, Task
from ttc_bench.grading.columns import Columns
from ttc_bench.sampling.changes import TraceChange, extended
from ttc_bench.sampling.store import Store

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Scores:
    """The verdicts of one verifier on the samples of one problem, as columns. Arrays are [sample]."""

    value: Array  # NaN: no verdict
    prompt: Array  # tokens that the verifier read
    completion: Array  # and generated
    parameters: Array  # of its model; NaN where it has no weights here
    own: Array  # bool: given by the sampling model itself

    @staticmethod
    def of(scores: Sequence[Score]) -> Scores:
        rows = [
            (
                np.nan if s.value is None else s.value,
                *(s.usage.prompt, s.usage.completion),
                np.nan if s.parameters is None else s.parameters,
                s.own,
            )
            for s in scores
        ]
        value, prompt, completion, parameters, own = np.array(rows, dtype=float).reshape(-1, 5).T
        return Scores(value, prompt, completion, parameters, own.astype(bool))

    @staticmethod
    def free(values: Array) -> Scores:
        """Verdicts that cost nothing."""
        none = np.zeros(len(values))
        return Scores(values, none, none, none * np.nan, none.astype(bool))

    @staticmethod
    def unpriced(values: Array) -> Scores:
        """Verdicts that cost tokens which nobody counted: to generate them took few, to read the samples many."""
        return replace(Scores.free(values), prompt=np.full(len(values), np.nan))

    def only(self, kept: Array) -> Scores:
        """Those of the samples at these places."""
        columns = (self.value, self.prompt, self.completion, self.parameters, self.own)
        return Scores(*(column[kept] for column in columns))

    @property
    def tokens(self) -> Array:
        """Read and generated."""
        return self.prompt + self.completion

    @cached_property
    def means(self) -> tuple[float, float]:
        """Mean tokens that the verifier reads, and generates, for a sample."""
        return float(self.prompt.mean()), float(self.completion.mean())

    @cached_property
    def bill(self) -> Bill:
        here = ~np.isnan(self.parameters)
        return Bill(
            float(self.prompt[here].sum()),
            float(self.completion[here].sum()),
            float((self.parameters * self.tokens)[here].sum()),
            bool(((self.tokens > 0) & ~here & ~self.own).any()),
        )


class Bill(NamedTuple):
    """What a verifier's verdicts on one problem cost in all."""

    read: float  # tokens of a model with weights on this machine
    generated: float
    work: float  # these tokens times the model's parameters
    unknown: bool  # whether another model was paid for some, whose price is not known here


@dataclass(frozen=True, eq=False)
class Graded:
    """The samples of one problem under one prompt, in the order of the index."""

    problem: Problem
    samples: Columns
    scores: Mapping[str, Scores] = field(default_factory=dict)  # by verifier
    request: Request | None = None  # that began them

    def __len__(self) -> int:
        return len(self.samples)

    def only(self, kept: Array) -> Graded:
        """The samples at these places."""
        scores = {name: scores.only(kept) for name, scores in self.scores.items()}
        return replace(self, samples=self.samples.only(kept), scores=scores)


@dataclass(frozen=True, eq=False)
class GradedPool:
    """All graded samples of one model on one task under one prompt and effort, as sampled or after a change. `asked`:
    the number of samples per problem that the run wants."""

    task: Task
    prompt: str
    effort: str | None
    asked: int
    problems: tuple[Graded, ...]
    change: Change = UNCHANGED
    model: str = ""
    compared: bool = False  # whether the run has several models, so that labels include this one
    after: TraceChange | None = None  # how the change was made
    holes: int | None = None  # of imported samples: how many failed where they were made; None: those that are missing

    def label(self) -> str:
        """A name for people, unique among the pools of its task: model if there are several, prompt, effort, change."""
        return f"{self.model}, {self.samples_label()}" if self.compared else self.samples_label()

    def samples_label(self) -> str:
        """The same without the model."""
        effort = f"effort {self.effort}" if self.effort else ""
        return ", ".join(part for part in (self.prompt, effort, self.change.label()) if part)

    @cached_property
    def depth(self) -> int:
        """The number of samples that every problem has: the largest possible k."""
        return min(len(g) for g in self.problems)

    @cached_property
    def sizes(self) -> Array:
        """[problem]: the number of its samples."""
        return np.array([len(g) for g in self.problems])

    @property
    def requested(self) -> int:
        """The samples that there would be if none had failed."""
        return self.asked * len(self.problems) if self.holes is None else int(self.sizes.sum()) + self.holes

    @cached_property
    def right(self) -> Array:
        """[problem]: the number of right ones among them."""
        return np.array([int(g.samples.correct.sum()) for g in self.problems])

    def column(self, name: str) -> Array:
        """A column of all samples, problem after problem."""
        return np.concatenate([getattr(g.samples, name) for g in self.problems])

    def mean(self, name: str) -> Array:
        """[problem]: the mean of a column over the samples."""
        if name not in self._means:
            self._means[name] = np.array([getattr(g.samples, name).mean() for g in self.problems])
        return self._means[name]

    @cached_property
    def computed(self) -> dict[Any, Any]:
        """What strategies came to on this pool, by strategy and verifier (curves.chances)."""
        return {}

    @cached_property
    def _means(self) -> dict[str, Array]:
        return {}

    @cached_property
    def shared(self) -> Array:
        """[problem] bool: whether one prompt serves all samples."""
        return np.array([bool(g.samples.shares_prompt.all()) for g in self.problems])

    @cached_property
    def longest_prompt(self) -> Array:
        """[problem]: the most prompt tokens of a sample."""
        return np.array([g.samples.prompt.max(initial=0) for g in self.problems])

    @cached_property
    def cached(self) -> float:
        """Share of the prompt tokens that were billed as cached."""
        return float(self.column("cached").sum() / max(self.column("prompt").sum(), 1))

    @cached_property
    def tokens_known(self) -> bool:
        """Whether somebody counted the generated tokens of every sample."""
        return bool(self.column("tokens_known").all())

    @cached_property
    def prompt_known(self) -> bool:
        """Whether somebody counted the prompt tokens of every sample."""
        return bool(self.column("prompt_known").all())

    def changed(self, pools: Sequence[GradedPool]) -> list[GradedPool]:
        """Those of the given pools that are this one after a change."""
        key = (self.model, self.task.name, self.prompt, self.effort)
        return [p for p in pools if p.change and (p.model, p.task.name, p.prompt, p.effort) == key]

    def completions(self, store: Store, g: Graded) -> list[Completion]:
        """The samples themselves, with their texts, in the order of the columns. Raises StoreError."""
        assert g.request is not None
        found = extended(store, self.task, g.request, self.after, self.asked)
        return [found[index] for index in g.samples.index.tolist()]
