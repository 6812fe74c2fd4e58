"""The interface of a family of generated problems: a seeded maker, levels of difficulty, a reference solver.

The sha256 of its question decides the split of a problem: one in eight is a test problem, the others are for training
and few-shot examples. So the two splits never share a problem, whatever the seed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal, TypeVar

from ttc_bench.core import Problem
from ttc_bench.errors import TaskError

T = TypeVar("T")
Split = Literal["test", "train"]
TEST_BYTES = 32  # of 256: a question whose digest starts below this is a test question
GIVE_UP = (
    2_000  # attempts in a row without a new problem, after which the family counts as exhausted at that difficulty
)


class Rng:
    """Random choices that are the same on every machine and Python version: only the raw bits of the Mersenne Twister
    are used. Equal keys give equal choices."""

    def __init__(self, *key: object) -> None:
        digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
        self._bits = random.Random(int.from_bytes(digest, "big")).getrandbits

    def below(self, n: int) -> int:
        """A uniform integer in 0..n-1."""
        width = n.bit_length()
        while (value := self._bits(width)) >= n:  # rejection: exactly uniform
            pass
        return value

    def between(self, low: int, high: int) -> int:
        """A uniform integer in low..high, both included."""
        return low + self.below(high - low + 1)

    def choice(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A new list in random order (Fisher-Yates)."""
        out = list(items)
        for i in range(len(out) - 1, 0, -1):
            j = self.below(i + 1)
            out[i], out[j] = out[j], out[i]
        return out

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """k different items, in random order."""
        return self.shuffled(items)[:k]

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent


@dataclass(frozen=True)
class Family:
    """A kind of problem. `make(rng, difficulty)` gives a Problem with question, answer (None if only `check` can
    judge), facts and solution (worked steps that end in the answer sentence); id and difficulty are filled in here."""

    name: str
    levels: int  # difficulties are 1..levels
    meaning: str  # of the difficulty number, for people
    make: Callable[[Rng, int], Problem]
    solve: Callable[[Problem], str]  # the answer text that a perfect model gives, from question and facts alone
    guess: Callable[[Problem], float]  # expected accuracy of a uniform guess over the answers that make sense
    check: Callable[[str, Problem], bool] | None = None  # exact check of an answer text that needs no gold


def is_test(question: str) -> bool:
    """Whether a question belongs to the test split."""
    return hashlib.sha256(question.encode()).digest()[0] < TEST_BYTES


def stream(family: Family, difficulty: int, seed: int, split: Split) -> Iterator[Problem]:
    """An endless stream of distinct problems of one difficulty; item i depends on (family, difficulty, seed, split)
    alone. Raises TaskError once the family is exhausted."""
    seen: set[str] = set()
    misses = 0
    for attempt in count():
        problem = family.make(Rng(family.name, difficulty, seed, attempt), difficulty)
        if problem.question in seen or is_test(problem.question) != (split == "test"):
            misses += 1
            if misses == GIVE_UP:
                raise TaskError(
                    f"{family.name}: only {len(seen)} different {split} problems of difficulty {difficulty} were "
                    f"found; ask for fewer, or for a wider range of difficulties"
                )
            continue
        misses = 0
        seen.add(problem.question)
        yield replace(problem, id=f"{family.name}-{difficulty}-{len(seen) - 1}", difficulty=float(difficulty))


def problems(
    family: Family, n: int, *, seed: int = 0, low: int = 1, high: int | None = None, split: Split = "test"
) -> tuple[Problem, ...]:
    """n problems whose difficulties cycle from low to high, so that any prefix is a balanced mix; the first m of n
    problems are the same for every n. Raises TaskError for a range outside 1..levels."""
    high = family.levels if high is None else high
    if not 1 <= low <= high <= family.levels:
        raise TaskError(
            f"{family.name}: difficulty {low}..{high} was asked for, expected within 1..{family.levels} ({family.meaning})"
        )
    streams = [stream(family, d, seed, split) for d in range(low, high + 1)]
    return tuple(next(streams[i % len(streams)]) for i in range(n))
