"""The script that trains the built-in verifier, in small: what it learns from, and that what it writes can be used."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from ttc_bench.core import Completion, Problem, Usage
from ttc_bench.problems.generators.base import is_test

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

import comparing
import train_verifier
import verifier_data

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


def answer(question: str, text: str, right: bool, solution: str = "", logprob: float = 0.0) -> verifier_data.Answer:
    problem = Problem(question, question, None, solution=solution)
    return verifier_data.Answer(problem, Completion(text, "stop", Usage(), signals={"logprob": logprob}), right)


def test_knowing_the_problem_is_not_knowing_the_answer() -> None:
    """Scores that tell easy from hard problems look good over all answers and are worth nothing within them."""
    easy = [answer("easy", str(i), i > 0) for i in range(4)]
    hard = [answer("hard", str(i), i == 0) for i in range(4)]
    never = [answer("never", str(i), False) for i in range(4)]
    over, within, mixed = train_verifier.judged([*easy, *hard, *never], [2.0] * 4 + [1.0] * 4 + [0.0] * 4)
    assert over is not None
    assert over > 0.8
    assert (within, mixed) == (0.5, 2)
    assert train_verifier.judged(never, [1.0, 2.0, 3.0, 4.0]) == (None, None, 0)
    unread = [0.0, -math.inf, 1.0, 2.0]  # an answer without a score counts as the worst
    assert train_verifier.judged(easy, unread)[1] == 2 / 3


@pytest.mark.parametrize(
    ("text", "right", "sound"),
    [
        ("83 - 5 = 78. 78 * 2 = 56. The answer is 56.", True, 43),
        ("83 - 5 = 78. 78 * 2 = 57. The answer is 57.", False, 23),
        ("83 - 5 = 78. 78", False, 15),
        ("83 - 5 = 79. 79 * 2 = 56. The answer is 56.", True, 43),  # right in the end is right
    ],
)
def test_an_answer_is_sound_as_far_as_it_agrees_with_the_worked_solution(text: str, right: bool, sound: int) -> None:
    worked = "83 - 5 = 78. 78 * 2 = 56. The answer is 56."
    assert answer("q", text, right, worked).sound() == sound


def test_every_token_of_an_answer_is_labelled_and_none_of_the_question() -> None:
    worked = "83 - 5 = 78. 78 * 2 = 56. The answer is 56."
    tokenizer = verifier_data.reader(verifier_data.training_task(8))
    wrong = answer("Start with 83.", "83 - 5 = 78. 78 * 2 = 57. The answer is 57.", False, worked)
    rows = verifier_data.Rows(tokenizer, [wrong, answer("Start with 83.", worked, True, worked)])
    ids, labels, counted, last, right = next(rows.batches())
    for row in range(2):
        said = tokenizer.decode(ids[row][counted[row]])
        assert said == f"{worked if right[row] else wrong.completion.text}<|end|>"
        assert int(counted[row].nonzero().max()) == int(last[row])
        sound = tokenizer.decode(ids[row][counted[row] & (labels[row] == 1)])
        assert sound == (said if right[row] else "83 - 5 = 78. 78 * 2 = 5")
    asked = tokenizer.decode(ids[0][~counted[0]])
    assert asked == '<|user|>Start with 83.\n\nThink step by step. End with "The answer is N."<|assistant|>'


def test_the_problems_are_of_the_training_split() -> None:
    made = verifier_data.training_task(60)
    assert made.name == verifier_data.TASK
    assert len(made.problems) == 60
    assert not any(is_test(p.question) for p in made.problems)


@pytest.fixture(scope="module")
def solutions() -> verifier_data.Rows:
    task = verifier_data.training_task(12)
    every = [answer(p.question, p.solution or "", True, p.solution or "") for p in task.problems]
    return verifier_data.Rows(verifier_data.reader(task), every)


def test_what_was_expected_lies_beside_what_was_written(solutions: verifier_data.Rows) -> None:
    """The layer that is set: above it stand the body's logits of one token before, exactly, and that of the token."""
    training = train_verifier.Training(solutions)
    body, at = training.body, training.places
    ids, _, counted, *_ = next(solutions.batches())
    with torch.no_grad():
        expected = body(input_ids=ids).logits[:, :-1]
        states = training.model.model(input_ids=ids, use_cache=False, output_hidden_states=True).hidden_states
    above = states[training.depth + 1]
    here = training.model.model.embed_tokens.weight[:, at.here]
    tokens = here.argmax(0)  # those told apart
    expected = expected[..., tokens] - expected[..., tokens].mean(-1, keepdim=True)
    counted = counted[:, 1:]
    found = above[:, 1:, at.expected] / comparing.SCALE
    assert (found - expected)[counted].abs().max() < 0.05
    assert expected[counted].abs().max() > 5
    written = (ids[:, 1:, None] == tokens) & counted[..., None]
    assert written.sum() > 0.9 * counted.sum(), "the tokens of answers are among those told apart"
    chance = above[:, 1:, at.chance] / comparing.SCALE
    wanted = (expected * written).sum(-1)
    assert ((chance - wanted).abs() < 0.03 * wanted.abs() + 0.05)[written.any(-1)].all()
    assert (above[:, 1:, at.read] - written.float())[written.any(-1)].abs().max() < 0.05
    assert above[..., at.large][:, 1:][counted].std() < 0.01 * comparing.LARGE


def test_training_leaves_the_body_alone_and_learns_what_it_finds_likely(solutions: verifier_data.Rows) -> None:
    """Which the labels need not know: the loss on the body's likelihoods falls."""
    training, batches = train_verifier.Training(solutions), solutions.batches()
    batch = next(batches)
    before = {name: p.clone() for name, p in training.model.named_parameters()}
    first = training.losses(batch)[1].item()
    training.run(batches, 30)
    assert training.losses(batch)[1].item() < first / 2
    changed = {name for name, p in training.model.named_parameters() if not torch.equal(p, before[name])}
    top = training.depth + 1
    assert changed
    assert all(name.startswith(("score", f"model.layers.{top}", f"model.layers.{top + 1}")) for name in changed)


def test_a_short_training_gives_a_verifier_and_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "medium").symlink_to(verifier_data.BODY)
    monkeypatch.setattr(train_verifier, "MODELS", tmp_path / "models")
    monkeypatch.setattr(train_verifier, "ANSWERED", ["medium"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "verifier"
    options = {"problems": 24, "samples": 2, "steps": 2, "held-out": 8, "threads": 1}
    words = [word for name, n in options.items() for word in (f"--{name}", str(n))]
    monkeypatch.setattr(sys, "argv", ["train_verifier.py", *words, "--out", str(out)])
    train_verifier.main()
    record = json.loads((out / "training.json").read_text(encoding="utf-8"))
    found = record["held_out"]["medium"]
    assert found["right"] > 0
    assert 0 <= found["auroc"] <= 1
    assert record["steps"] == 2
    card = (out / "README.md").read_text(encoding="utf-8")
    assert f"| medium | {found['answers']} | {found['right']} | {found['auroc']:.3f} |" in card
    assert record["command"] in card
    files = {path.name for path in out.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} < files
    assert "generation_config.json" not in files  # it is no model for --model builtin:verifier
    assert json.loads((out / "config.json").read_text(encoding="utf-8"))["architectures"] == [
        "LlamaForSequenceClassification"
    ]
