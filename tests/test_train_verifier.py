"""The script that trains the built-in verifier, in small: what it learns from, and that what it writes can be used."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from ttc_bench.core import Completion, Problem, Usage
from ttc_bench.generators.base import Rng, is_test

sys.path.insert(0, str(Path(__file__).parent.parent / "training"))

import train_verifier

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


def answer(question: str, text: str, right: bool) -> train_verifier.Answer:
    problem = Problem(question, question, None)
    return train_verifier.Answer("t", problem, Completion(text, "stop", Usage()), right)


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    right, wrong = [0.9, 0.5, 0.5, -math.inf], [0.5, 0.1, 0.9]
    pairs = [(r > w) + (r == w) / 2 for r in right for w in wrong]
    assert train_verifier.auroc(right, wrong) == pytest.approx(sum(pairs) / len(pairs))
    assert train_verifier.auroc([], wrong) is None


def test_every_problem_has_as_many_right_as_wrong_answers() -> None:
    """Otherwise the verifier learns which problems are easy, which is of no use to best-of-n."""
    easy = [answer("easy", str(i), i > 0) for i in range(8)]
    hard = [answer("hard", str(i), i < 3) for i in range(8)]
    never = [answer("never", str(i), False) for i in range(8)]
    kept = train_verifier.balanced([*easy, *hard, *never], Rng("test"))
    counts = {(a.problem.id, a.right): 0 for a in kept}
    for a in kept:
        counts[a.problem.id, a.right] += 1
    assert counts == {("easy", True): 1, ("easy", False): 1, ("hard", True): 3, ("hard", False): 3}


def test_the_problems_are_of_the_training_split() -> None:
    made = train_verifier.training_tasks(60)
    assert {t.name for t in made} == set(train_verifier.MIX)
    assert not any(is_test(p.question) for t in made for p in t.problems)


def test_a_short_training_gives_a_verifier_and_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body: Any = train_verifier.BODY
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "medium").symlink_to(body)
    monkeypatch.setattr(train_verifier, "MODELS", tmp_path / "models")
    monkeypatch.setattr(train_verifier, "MIX", {"chain-arithmetic": 1})
    monkeypatch.setattr(train_verifier, "PASSES", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "verifier"
    words = ["--problems", "24", "--samples", "4", "--held-out", "8", "--minutes", "1", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["train_verifier.py", *words, "--out", str(out)])
    train_verifier.main()
    record = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert record["held_out"]["right"] > 0
    assert 0 <= record["held_out"]["auroc"] <= 1
    assert record["answers"] % 2 == 0
    assert record["steps"] == 2 * math.ceil(record["answers"] / train_verifier.ROWS)
    assert f"AUROC {record['held_out']['auroc']:.3f}" in (out / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in out.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} < files
    assert "generation_config.json" not in files  # it is no model for --model builtin:verifier
    assert json.loads((out / "config.json").read_text(encoding="utf-8"))["architectures"] == [
        "LlamaForSequenceClassification"
    ]
