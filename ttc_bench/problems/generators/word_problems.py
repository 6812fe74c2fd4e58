"""Word problems of the GSM8K kind (Cobbe et al. 2021, arXiv:2110.14168), with some irrelevant numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ttc_bench.core import Problem
from ttc_bench.problems.generators.base import Family, Rng

LIMIT = 999  # no result of a step is larger, none is below 1
NAMES = ("Alice", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Hugo", "Irene", "Jack", "Kira", "Leo")
ITEMS = ("apples", "beads", "cards", "coins", "marbles", "nuts", "pencils", "shells", "stamps", "stickers")

Step = tuple[int, str, int]
Effect = Callable[[int, int, int], tuple[Step, ...]]  # (what there is, {a}, {b}) -> the steps that this sentence takes

STARTS: dict[str, Effect] = {
    "{name} has {a} {items}.": lambda v, a, b: ((0, "+", a),),  # given, not worked out: costs no step
    "{name} has {a} jars with {b} {items} each.": lambda v, a, b: ((a, "*", b),),
}
EVENTS: dict[str, Effect] = {
    "{name} buys {a} more {items}.": lambda v, a, b: ((v, "+", a),),
    "{friend} gives {name} {a} {items}.": lambda v, a, b: ((v, "+", a),),
    "{name} gives {a} {items} to {friend}.": lambda v, a, b: ((v, "-", a),),
    "{name} loses {a} {items}.": lambda v, a, b: ((v, "-", a),),
    "{name} gives half of the {items} to {friend}.": lambda v, a, b: ((v, "/", 2),),
    "{name} wins as many {items} as {name} already has.": lambda v, a, b: ((v, "*", 2),),
    "{name} buys {a} boxes with {b} {items} each.": lambda v, a, b: ((a, "*", b), (v, "+", a * b)),
    "{name} gives {b} {items} to each of {a} classmates.": lambda v, a, b: ((a, "*", b), (v, "-", a * b)),
    "{name} gives a third of the {items} to {friend}.": lambda v, a, b: ((v, "/", 3), (v, "-", v // 3)),
    "{friend} had {a} times as many {items} and now gives {name} all of them.": (
        lambda v, a, b: ((v, "*", a), (v, "+", v * a))
    ),
}
ENDS: dict[str, Effect] = {
    "How many {items} does {name} have now?": lambda v, a, b: (),
    "{name} packs all {items} evenly into {a} bags. How many {items} are in each bag?": (
        lambda v, a, b: ((v, "/", a),)
    ),
    "{name} sells all {items} for {a} dollars each. How many dollars does {name} get?": (
        lambda v, a, b: ((v, "*", a),)
    ),
    "{friend} has {a} more {items} than {name} has now. How many {items} do they have together?": (
        lambda v, a, b: ((v, "+", a), (v, "+", v + a))
    ),
}
NOISE = (
    "{name} is {a} years old.",
    "{friend} has {a} {others}.",
    "{name} also has {a} {others}.",
    "The shop is {a} minutes away.",
    "{friend} lives at number {a}.",
)


class Sentence(NamedTuple):
    """A template, what it does, the steps that takes, and whether it multiplies or divides (by a small number)."""

    template: str
    effect: Effect
    cost: int
    small: bool

    @classmethod
    def of(cls, template: str, effect: Effect) -> Sentence:
        steps = [step for step in effect(6, 2, 2) if step[0]]
        return cls(template, effect, len(steps), any(op in "*/" for _, op, _ in steps))


START_SENTENCES = [Sentence.of(*item) for item in STARTS.items()]
EVENT_SENTENCES = [Sentence.of(*item) for item in EVENTS.items()]
END_SENTENCES = [Sentence.of(*item) for item in ENDS.items()]


def _result(step: Step) -> int | None:
    """The result, None where it is below 1, above LIMIT or no whole number."""
    a, op, b = step
    if op == "/":
        return a // b if a % b == 0 else None
    value = {"+": a + b, "-": a - b, "*": a * b}[op]
    return value if 1 <= value <= LIMIT else None


def _plan(rng: Rng, steps: int) -> list[Sentence]:
    """A start, some events and an end that take exactly this many steps; no event twice in a row."""
    start, end = rng.choice(START_SENTENCES), rng.choice(END_SENTENCES)
    remaining = steps - start.cost - end.cost
    if remaining < 0:
        return _plan(rng, steps)
    plan = [start]
    while remaining:
        event = rng.choice(EVENT_SENTENCES)
        if event.cost <= remaining and event is not plan[-1]:
            plan.append(event)
            remaining -= event.cost
    return [*plan, end]


def _numbers(rng: Rng, sentence: Sentence, value: int) -> tuple[int, int, list[int]] | None:
    """{a}, {b} and the results of the steps; None where no numbers give whole results within the limit."""
    for _ in range(20):
        a, b = rng.between(2, 9 if sentence.small else 60), rng.between(2, 12)
        results = [result for step in sentence.effect(value, a, b) if (result := _result(step))]
        if len(results) == len(sentence.effect(value, a, b)):
            return a, b, results
        if "{a}" not in sentence.template:  # no numbers are drawn, so another attempt is useless
            return None
    return None


def make(rng: Rng, difficulty: int) -> Problem:
    """`difficulty` + 1 steps in sentences; one number (two from five steps on) is irrelevant."""
    name, *friends = rng.sample(NAMES, 4)
    items, *others = rng.sample(ITEMS, 3)

    def tell(template: str, a: int, b: int) -> str:
        return template.format(name=name, friend=rng.choice(friends), items=items, others=rng.choice(others), a=a, b=b)

    while True:
        value, sentences, steps = 0, [], []
        for sentence in _plan(rng, difficulty + 1):
            numbers = _numbers(rng, sentence, value)
            if numbers is None:
                break  # this story does not come out in whole numbers: tell another
            a, b, results = numbers
            sentences.append(tell(sentence.template, a, b))
            steps += [
                f"{x} {op} {y} = {result}."
                for (x, op, y), result in zip(sentence.effect(value, a, b), results, strict=True)
                if x
            ]
            value = results[-1] if results else value
        else:
            break
    for _ in range(1 if difficulty < 4 else 2):
        sentences.insert(rng.between(1, len(sentences) - 1), tell(rng.choice(NOISE), rng.between(2, 60), 0))
    return Problem(
        id="",
        question=" ".join(sentences),
        answer=str(value),
        solution=" ".join([*steps, f"The answer is {value}."]),
    )


def _pattern(template: str) -> re.Pattern[str]:
    numbers = re.sub(r"\\{([ab])\\}", r"(?P<\1>[0-9]+)", re.escape(template))
    return re.compile(re.sub(r"\\{\w+\\}", r"\\w+", numbers))


_FIRST = [(_pattern(template), effect) for template, effect in STARTS.items()]
_THEN = [(_pattern(template), effect) for part in (EVENTS, ENDS) for template, effect in part.items()]


def solve(problem: Problem) -> str:
    """Reads the question sentence by sentence, skipping those that change nothing."""
    sentences = [(match, effect) for pattern, effect in _FIRST if (match := pattern.match(problem.question))]
    later = [(match, effect) for pattern, effect in _THEN for match in pattern.finditer(problem.question)]
    sentences += sorted(later, key=lambda item: item[0].start())
    value = 0
    for match, effect in sentences:
        numbers = {"a": 0, "b": 0, **{k: int(v) for k, v in match.groupdict().items()}}
        for step in effect(value, numbers["a"], numbers["b"]):
            value = _result(step) or 0
    return str(value)


WORD_PROBLEMS = Family(
    name="word-problems",
    levels=7,
    meaning="steps of arithmetic, less one",
    make=make,
    solve=solve,
    guess=lambda problem: 1 / LIMIT,  # one of the whole numbers in 1..999
)
