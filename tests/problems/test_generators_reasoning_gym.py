"""The adapter to reasoning-gym: against a fake of the package, and against the package where it is installed."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from ttc_bench.errors import TaskError
from ttc_bench.grading.phrase import Checked
from ttc_bench.problems.generators import reasoning_gym as adapter


class Sums:
    """Ten different questions; half the score for an answer that merely holds the right one."""

    category = "arithmetic"

    def __init__(self, size: int, seed: int, step: int = 1) -> None:
        self.size, self.seed, self.step = size, seed, step

    def __getitem__(self, index: int) -> dict[str, Any]:
        a = (self.seed + index) % 10
        return {"question": f" What is {a} + {self.step}? ", "answer": str(a + self.step), "metadata": {"a": a}}

    def score_answer(self, answer: str, entry: dict[str, Any]) -> float:
        if answer == "crash":
            raise RecursionError("too deep")
        return 1.0 if answer == entry["answer"] else 0.5 if entry["answer"] in answer else 0.0


class Evaluated(Sums):
    def score_answer(self, answer: str, entry: dict[str, Any]) -> float:
        return float(eval(answer) == int(entry["answer"]))


class Lines(Sums):
    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"question": f"Board {index}?", "answer": "_ Q\nQ _", "metadata": {}}


class Wrong(Sums):
    def score_answer(self, answer: str, entry: dict[str, Any]) -> float:
        return 0.1


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"sums": Sums, "evaluated": Evaluated, "lines": Lines, "wrong": Wrong, "simple_integration": Sums}
    fake = types.ModuleType("reasoning_gym")
    fake.factory = types.SimpleNamespace(DATASETS=kinds)  # type: ignore[attr-defined]
    fake.create_dataset = lambda name, **config: kinds[name](**config)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reasoning_gym", fake)
    adapter._dataset.cache_clear()


@pytest.fixture(autouse=True)
def forget() -> Any:
    """Data sets are remembered by name: the fake's must not be taken for the package's."""
    yield
    adapter._dataset.cache_clear()


@pytest.mark.usefixtures("package")
def test_problems_are_different_and_growing_keeps_the_first() -> None:
    ten = adapter.problems("sums", 10, seed=3, config={"step": 2})
    assert len({p.question for p in ten}) == len({p.id for p in ten}) == 10
    assert [p.question for p in adapter.problems("sums", 4, seed=3, config={"step": 2})] == [
        p.question for p in ten[:4]
    ]
    assert ten[0].question == "What is 3 + 2?"
    assert ten[0].answer == "5"
    assert ten[0].tags == ("arithmetic",)


@pytest.mark.usefixtures("package")
def test_only_the_full_score_is_right() -> None:
    """Scorers give part of the score for form or nearness: "5 or 6" is not right because 5 is in it."""
    problem = adapter.problems("sums", 1, seed=3, config={"step": 2})[0]
    assert adapter.check("5", problem)
    assert not adapter.check("5 or 6", problem)
    assert not adapter.check("crash", problem)
    grader = Checked(adapter.check)
    assert grader.correct(grader.extract("So it is 5. The answer is 5.").answer, problem)


@pytest.mark.usefixtures("package")
def test_a_scorer_that_evaluates_sees_nothing_that_can_act(monkeypatch: pytest.MonkeyPatch) -> None:
    """reasoning-gym's countdown passes a model's text to sympy's parse_expr, and n_queens to eval."""
    seen = []
    monkeypatch.setattr("builtins.open", lambda *a, **k: seen.append(a))
    problem = adapter.problems("evaluated", 1, seed=3, config={"step": 2})[0]
    assert adapter.check("2 * (1 + 1) + 1", problem)
    for text in (
        "open('x')",
        "open('x') or 5",
        "__import__('os').getpid()",
        "9**9**9**9",
        "9 * * 9",
        "9999999999 * 2",
        "[x for x in 'ab']",
        "().__class__",
        "5 if open('x') else 5",
        "(lambda: 5)()",
        "{5}",
        "f'{open(1)}'",
        "５",
        "(" * 100_000,
    ):
        assert not adapter.check(text, problem), text
        assert not seen, text
    assert adapter.check("5", problem)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "n", "config", "message"),
    [
        ("sumz", 1, {}, "did you mean sums"),
        ("sums", 11, {}, "only 10 different"),
        ("sums", 1, {"colour": 1}, "does not accept"),
        ("lines", 1, {}, "several lines"),
        ("wrong", 1, {}, "rejects its own answer '1'"),
        ("simple_integration", 1, {}, "grader 'math'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(name: str, n: int, config: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message) as error:
        adapter.problems(name, n, config=config)
    assert "\n" not in str(error.value)


def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(TaskError, match=r"pip install 'ttc-bench\[reasoning-gym\]'"):
        adapter.problems("chain_sum", 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["chain_sum", "countdown", "knights_knaves", "propositional_logic", "emoji_mystery"])
def test_the_package_itself(name: str) -> None:
    pytest.importorskip("reasoning_gym")
    made = adapter.problems(name, 5, seed=1)
    assert len({p.question for p in made}) == 5
    assert [p.question for p in adapter.problems(name, 5, seed=1)] == [p.question for p in made]
    for problem in made:
        assert problem.answer is None or adapter.check(problem.answer.rstrip("."), problem)
        for text in ("", "no idea", "__import__('os')", "(" * 1000):
            assert not adapter.check(text, problem)
