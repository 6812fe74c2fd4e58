"""The votes of one problem, as replays need them: classes of equal answers and those of equal size, without the order
of the samples."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ttc_bench.strategies.candidates import Array


@dataclass(frozen=True, eq=False)
class Ballots:
    """The pool of one problem. Arrays are [class], sorted by size, then by `right`; classes of no sample are left out.

    Classes of one size and rightness are exchangeable as far as a rule can see, so each is given their mean of
    `tokens`: that changes no expectation."""

    sizes: Array  # samples with this answer
    right: Array  # share of them that are graded as correct: 0 or 1 wherever equal answers are graded alike
    tokens: Array  # generated for a sample: the mean of the class
    total: int  # samples, those without an answer included
    all_tokens: float  # of all samples together

    @staticmethod
    def of(votes: Array, correct: Array, tokens: Array) -> Ballots:
        """From columns [sample]: the class of the answer (-1: none), whether it is correct, generated tokens."""
        voting = votes >= 0
        _, of_class, sizes = np.unique(votes[voting], return_inverse=True, return_counts=True)
        right = np.bincount(of_class, correct[voting], len(sizes)) / np.maximum(sizes, 1)
        spent = np.bincount(of_class, tokens[voting], len(sizes))
        order = np.lexsort((right, sizes))
        sizes, right, spent = sizes[order], right[order], spent[order]
        kinds = np.cumsum(_changes(sizes, right)) - 1
        mean = np.bincount(kinds, spent) / np.bincount(kinds, sizes)
        return Ballots(sizes, right, mean[kinds], len(votes), float(tokens.sum()))

    @cached_property
    def kinds(self) -> Array:
        """[class]: a number that exchangeable classes share, rising."""
        return np.cumsum(_changes(self.sizes, self.right)) - 1

    @property
    def silent(self) -> int:
        """Samples without an answer."""
        return self.total - int(self.sizes.sum())

    @property
    def silent_tokens(self) -> float:
        """Mean tokens of a sample without an answer; 0 where there is none."""
        return (self.all_tokens - float(self.sizes @ self.tokens)) / max(self.silent, 1) if self.silent else 0.0

    def digest(self) -> bytes:
        """Of the votes, whatever order the samples came in."""
        return hashlib.sha256(self.sizes.tobytes() + self.right.tobytes() + bytes(str(self.total), "ascii")).digest()


def _changes(sizes: Array, right: Array) -> Array:
    """[class] bool: whether a class is of another kind than the one before it."""
    return np.append(True, (sizes[1:] != sizes[:-1]) | (right[1:] != right[:-1]))[: len(sizes)]
