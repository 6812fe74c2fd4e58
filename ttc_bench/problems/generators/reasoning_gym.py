"""Problems of the package reasoning-gym (an optional extra), judged by its own scorers: about a hundred kinds.
(Stojanovski et al. 2025, Reasoning Gym, arXiv:2505.24760.)

Some of its scorers evaluate what a model wrote with Python's eval or sympy's parse_expr, which is eval as well. Text
that a model wrote is never evaluated here: such a scorer gets an answer only if it can hold no call, name or power.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ttc_bench.core import Problem
from ttc_bench.errors import TaskError, nearest

SPARE_ITEMS = 2_000  # items that may repeat an earlier question
MAX_ANSWER = 900  # characters; graders read no more than 1000
FULL_SCORE = 0.999  # the maximum is 1; a lower score is partial credit, which counts as wrong
_EVALUATES = re.compile(r"\b(?:eval|exec|parse_expr|sympify)\(")
# Numbers of up to nine digits and + - * / with brackets, no powers; or words, numbers and lists without any call.
_HARMLESS = re.compile(r"(?!.*(?:\*\s*\*|[0-9]{10}))[-+*/().0-9\s]{1,300}|(?!.*\bfor\b)[\w,'\"\[\]\s]{1,300}", re.ASCII)
# Right answers to these need the evaluation of formulas with functions and powers.
FORMULAS = ("simple_integration", "intermediate_integration", "polynomial_multiplication")


@lru_cache(maxsize=64)
def _dataset(name: str, config: str, size: int) -> tuple[Any, bool]:
    """A data set of the package, and whether its scorer evaluates what it is given (read from its source; one that
    cannot be read is taken to do so). config: JSON of the data set's own parameters, the seed among them."""
    try:
        package = importlib.import_module("reasoning_gym")
    except ModuleNotFoundError as error:
        raise TaskError(
            "source.reasoning_gym needs the package reasoning-gym: pip install 'ttc-bench[reasoning-gym]'"
        ) from error
    names = list(package.factory.DATASETS)
    if name not in names:
        raise TaskError(nearest(name, names, "reasoning-gym data set"))
    if name in FORMULAS:
        raise TaskError(
            f"reasoning-gym's scorer of {name} evaluates formulas that a model wrote, which is not safe; "
            "export its problems to a file and use a task with the grader 'math'"
        )
    try:
        dataset = package.create_dataset(name, size=size, **json.loads(config))
    except (TypeError, ValueError, AssertionError) as error:
        raise TaskError(f"reasoning-gym does not accept this configuration of {name}: {error}") from error
    try:
        source = inspect.getsource(dataset.score_answer)
    except (OSError, TypeError):
        return dataset, True
    return dataset, _EVALUATES.search(source) is not None


def problems(name: str, n: int, *, seed: int = 0, config: Mapping[str, Any] | None = None) -> tuple[Problem, ...]:
    """n different problems of a data set; the first m of n are the same for every n. `config`: the data set's own
    parameters. They are as reproducible as the package's version is; its problems are not divided into test and
    training ones. Raises TaskError where the package is missing, does not know the name or the parameters, has fewer
    problems, or has answers that an answer sentence cannot carry or that its own scorer rejects."""
    parameters = json.dumps({**(config or {}), "seed": seed}, sort_keys=True)
    size = n + SPARE_ITEMS
    dataset, _ = _dataset(name, parameters, size)
    by_question: dict[str, Problem] = {}
    for index in range(size):
        if len(by_question) == n:
            break
        entry = dataset[index]
        question, answer = str(entry["question"]).strip(), entry["answer"]
        if question in by_question:
            continue
        problem = Problem(
            id=f"{name}-{index}",
            question=question,
            answer=None if answer is None else str(answer),
            tags=(str(getattr(dataset, "category", "reasoning-gym")),),
            facts={"reasoning_gym": name, "config": parameters, "size": size, "entry": entry},
        )
        if problem.answer is not None:
            if "\n" in problem.answer.strip() or len(problem.answer) > MAX_ANSWER:
                raise TaskError(
                    f"reasoning-gym's {name} has answers of several lines or of more than {MAX_ANSWER} characters, which "
                    "no answer sentence can carry; choose other parameters or another data set"
                )
            if not _full_score(dataset, str(answer), entry):
                raise TaskError(f"reasoning-gym's scorer of {name} rejects its own answer {problem.answer!r}")
        by_question[question] = problem
    if len(by_question) < n:
        raise TaskError(f"reasoning-gym's {name} has only {len(by_question)} different problems with these parameters")
    return tuple(by_question.values())


def _full_score(dataset: Any, text: str, entry: Mapping[str, Any]) -> bool:
    try:
        return float(dataset.score_answer(text, entry)) > FULL_SCORE
    except Exception:  # a scorer may raise anything on a text that it does not expect
        return False


def _plain(text: str) -> str:
    """The answer with single spaces and without a full stop at the end, as graders normalise it."""
    return " ".join(text.split()).rstrip(".")


def check(answer: str, problem: Problem) -> bool:
    """Whether the answer is the package's own, or its scorer gives it the full score. An answer on which the scorer
    fails is wrong."""
    facts = problem.facts
    dataset, evaluates = _dataset(facts["reasoning_gym"], facts["config"], facts["size"])
    if problem.answer is not None and _plain(answer) == _plain(problem.answer):
        return True
    if evaluates and not _HARMLESS.fullmatch(answer):
        return False
    return _full_score(dataset, answer, facts["entry"])
