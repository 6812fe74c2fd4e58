"""What a grade depends on beside the text, as a key: the grader and its code, the problem. A grade that is kept under
it holds for as long as none of them changes."""

from __future__ import annotations

import hashlib
import json
import pickle
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ttc_bench.core import Grader, Problem

LIBRARIES = ("math-verify", "latex2sympy2_extended", "sympy", "reasoning-gym")  # that decide on some answers
PACKAGE = Path(__file__).parents[1]


@lru_cache(maxsize=1)
def version() -> str:
    """sha256 (16 hex digits) of all code that decides on an answer: the graders, the checks of generated problems, and
    the versions of the libraries that they ask."""
    code = hashlib.sha256()
    for folder in ("grading", "problems/generators"):
        for path in sorted((PACKAGE / folder).glob("*.py")):
            code.update(path.read_bytes())
    for name in LIBRARIES:
        try:
            code.update(f"{name} {metadata.version(name)}".encode())
        except metadata.PackageNotFoundError:
            code.update(name.encode())
    return code.hexdigest()[:16]


def grading_key(grader: Grader, problem: Problem) -> str | None:
    """sha256 (32 hex digits) of a grader with its settings and a problem. None for a grader of somebody else's, whose
    code may change unseen: its grades are not kept."""
    settings = _settings(grader)
    if settings is None:
        return None
    facts = json.dumps([problem.question, problem.answer, problem.facts], sort_keys=True, default=_plain)
    return hashlib.sha256(settings + facts.encode()).hexdigest()[:32]


def _settings(grader: Grader) -> bytes | None:
    if not _ours(type(grader).__module__) or not _ours(getattr(getattr(grader, "check", None), "__module__", "")):
        return None
    try:
        return pickle.dumps(grader, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError):  # a check inside another function
        return None


def _ours(module: str) -> bool:
    return not module or module.startswith(("ttc_bench.grading.", "ttc_bench.problems.generators."))


def _plain(value: Any) -> Any:
    """What JSON lacks, in an order that does not change from run to run."""
    return sorted(map(repr, value)) if isinstance(value, set | frozenset) else repr(value)
