"""The samples of one problem as columns, which is how the strategies here compute on them.

A strategy of your own need not know: `Candidates` is a sequence of `Candidate`, and a plain list becomes one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np

from ttc_bench.core import Candidate

Array = np.ndarray[Any, np.dtype[Any]]
LARGEST = 1e100  # differences and squares of scores stay finite


class Sorted(NamedTuple):
    """The samples in an order that is a matter of their answers and scores alone."""

    order: Array  # [sample]: numbers of the samples
    starts: Array  # where in that order a run of samples with the same answer and score begins
    digest: bytes  # of all answers and scores


@dataclass(frozen=True, eq=False)
class Candidates(Sequence[Candidate]):
    """A pool of n candidates; all columns are [sample]. Made of arrays it costs no work per sample.

    `codes`: the number 0, 1, ... of the class of equal answers, -1 where there is no answer. `names`: the answer of
    each class, [class]; None: the answers are the numbers themselves as text. `tokens`: counts, or means of counts.
    `scores`: NaN where the verifier gave no verdict.

    Weighted votes draw their random subsets by the names, so without names the numbers must not come from the order of
    the samples where the result is not to depend on it."""

    codes: Array
    names: Sequence[str] | None
    tokens: Array
    scores: Array

    @classmethod
    def of(cls, candidates: Sequence[Candidate]) -> Candidates:
        """The columns of any sequence of candidates: the argument itself if it has them already."""
        if isinstance(candidates, Candidates):
            return candidates
        number: dict[str, int] = {}
        codes = [-1 if c.answer is None else number.setdefault(c.answer, len(number)) for c in candidates]
        scores = [np.nan if c.score is None else c.score for c in candidates]
        return cls(
            np.array(codes, int), tuple(number), np.array([c.tokens for c in candidates]), np.array(scores, float)
        )

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, index: int) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice) -> Candidates: ...
    def __getitem__(self, index: int | slice) -> Candidate | Candidates:
        if isinstance(index, slice):
            return Candidates(self.codes[index], self.names, self.tokens[index], self.scores[index])
        code, score = int(self.codes[index]), float(self.scores[index])
        answer = None if code < 0 else str(code) if self.names is None else self.names[code]
        return Candidate(answer, self.tokens[index].item(), None if np.isnan(score) else score)

    def __iter__(self) -> Iterator[Candidate]:
        return (self[i] for i in range(len(self)))

    @cached_property
    def votes(self) -> Array:
        """[class]: the number of samples with this answer."""
        return np.bincount(self.codes[self.codes >= 0])

    @property
    def silent(self) -> int:
        """The number of samples without an answer."""
        return len(self) - int(self.votes.sum())

    @cached_property
    def mean_tokens(self) -> float:
        """Tokens per sample."""
        return float(self.tokens.sum()) / len(self)

    @cached_property
    def by_content(self) -> Sorted:
        """The samples sorted by answer and score."""
        used = np.flatnonzero(self.votes).tolist()
        names = sorted((str(code) if self.names is None else self.names[code], code) for code in used)
        place = np.full(len(self.votes) + 1, len(names))  # of each class; behind them all the samples without an answer
        place[[code for _, code in names]] = np.arange(len(names))
        answers, scores = place[self.codes], np.where(np.isnan(self.scores), np.inf, self.cut_scores)
        order = np.lexsort((scores, answers))
        answers, scores = answers[order], scores[order]
        change = (answers[1:] != answers[:-1]) | (scores[1:] != scores[:-1])
        written = repr([name for name, _ in names]).encode() + answers.tobytes() + scores.tobytes()
        return Sorted(order, np.flatnonzero(np.append(True, change)), hashlib.sha256(written).digest())

    @cached_property
    def cut_scores(self) -> Array:
        """The scores with those beyond LARGEST cut to it, and 0 where there is none."""
        cut = np.minimum(np.maximum(self.scores, -LARGEST), LARGEST)
        return np.where(np.isnan(cut), 0.0, cut) + 0.0  # -0.0 + 0.0 is 0.0
