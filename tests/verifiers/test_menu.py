"""Verifiers see a problem and a completion, never the gold."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import model, setting

from ttc_bench.core import Completion, Usage
from ttc_bench.errors import TaskError
from ttc_bench.problems import tasks
from ttc_bench.verifiers import menu as verifiers


def said(text: str, **signals: float) -> Completion:
    return Completion(text, "stop", Usage(completion=3), signals=signals)


async def test_a_signal_is_read_and_a_missing_one_is_no_verdict(tmp_path: Path) -> None:
    (task,) = tasks.load("countdown", limit=1)
    (verifier,) = verifiers.make(["self-certainty"], [task], setting(tmp_path, model()))["countdown"]
    scores = await verifier.score([(task.problems[0], said("a", self_certainty=2.5)), (task.problems[0], said("b"))])
    assert [s.value for s in scores] == [2.5, None]
    assert sum(s.usage.completion for s in scores) == 0


async def test_the_checker_tells_right_from_wrong_without_gold(tmp_path: Path) -> None:
    (task,) = tasks.load("countdown", limit=1)
    (problem,) = task.problems
    assert problem.answer is None
    (verifier,) = verifiers.make(["checker"], [task], setting(tmp_path, model()))["countdown"]
    scores = await verifier.score([(problem, said(problem.solution or "")), (problem, said("The answer is 1 + 1."))])
    assert [s.value for s in scores] == [1.0, 0.0]


def test_a_verifier_serves_the_tasks_that_it_can(tmp_path: Path) -> None:
    chain, countdown = tasks.load("chain-arithmetic", limit=1)[0], tasks.load("countdown", limit=1)[0]
    made = verifiers.make(["self-certainty", "checker"], [chain, countdown], setting(tmp_path, model()))
    assert {name: [v.name for v in found] for name, found in made.items()} == {
        "chain-arithmetic": ["self-certainty"],
        "countdown": ["self-certainty", "checker"],
    }


@pytest.mark.parametrize(
    ("signals", "chosen"), [({"self_certainty", "logprob"}, "self-certainty"), ({"logprob"}, "logprob")]
)
def test_without_a_choice_the_first_that_the_model_serves_is_taken(
    signals: set[str], chosen: str, tmp_path: Path
) -> None:
    """API servers record no self-certainty: a run that names no verifier ended in an error there."""
    (task,) = tasks.load("chain-arithmetic", limit=1)
    backend = model()
    backend.signals = frozenset(signals)
    assert [v.name for v in verifiers.make(["auto"], [task], setting(tmp_path, backend))["chain-arithmetic"]] == [
        chosen
    ]


@pytest.mark.parametrize("name", [*verifiers.VERIFIERS, "oracle"])
def test_what_cannot_serve_says_why(name: str, tmp_path: Path) -> None:
    (task,) = tasks.load("chain-arithmetic", limit=1)
    bare = model()
    bare.signals = frozenset()
    with pytest.raises(TaskError, match=r"unknown verifier|records no|no check that works without"):
        verifiers.make([name], [task], setting(tmp_path, bare))
