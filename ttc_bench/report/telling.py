"""Which samples of a problem a reader should see first, where a report has no room for all of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from ttc_bench.analysis.views import ProblemView, SampleView

Place = tuple[str, int]  # prompt, and the position among the samples under it


def order(problem: ProblemView, groups: Mapping[str, Sequence[SampleView]]) -> Iterator[Place]:
    """The places of all samples, the most worth reading first. The telling ones come in this order, each kind for every
    prompt before the next kind: the first right one; the first wrong one; the first with the answer of most samples,
    where that is wrong; the first that was cut at the limit; the first without a readable answer; the wrong one that
    each verifier scores highest. The others follow in a random order that depends on the task and the problem only."""
    found = {prompt: _telling(samples) for prompt, samples in groups.items()}
    most = max(map(len, found.values()), default=0)
    first: dict[Place, None] = {}
    for kind in range(most):
        for prompt, places in found.items():
            place = places[kind] if kind < len(places) else None
            if place is not None:
                first[prompt, place] = None
    yield from first
    rest = [(prompt, i) for prompt, samples in groups.items() for i in range(len(samples)) if (prompt, i) not in first]
    random.Random(f"{problem.task}/{problem.id}").shuffle(rest)
    yield from rest


def _telling(samples: Sequence[SampleView]) -> list[int | None]:
    """A position for each kind, in the order of the kinds; None where there is none of the kind."""

    def first(kind: Callable[[SampleView], bool]) -> int | None:
        return next((i for i, s in enumerate(samples) if kind(s)), None)

    answers = Counter(s.answer for s in samples if s.answer is not None)
    majority = answers.most_common(1)[0][0] if answers else None
    wrong = [i for i, s in enumerate(samples) if s.answer is not None and not s.correct]
    best: dict[str, int] = {}  # verifier -> the wrong sample that it scores highest
    for i in wrong:
        for name, score in samples[i].scores.items():
            if name not in best or score > samples[best[name]].scores[name]:
                best[name] = i
    return [
        first(lambda s: s.correct),
        wrong[0] if wrong else None,
        first(lambda s: s.answer == majority and not s.correct) if majority is not None else None,
        first(lambda s: s.stop_reason == "length"),
        first(lambda s: s.answer is None),
        *(best[name] for name in sorted(best)),
    ]
