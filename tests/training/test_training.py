"""The training of the built-in models, shortened to seconds: what is learnt from, and that a seed decides the weights."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))

import muon  # noqa: E402
import train  # noqa: E402
import training_data  # noqa: E402

from ttc_bench.problems.generators.base import Rng, is_test  # noqa: E402

TOTAL = 12_000  # tokens: six or seven steps


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(train.SIZES, "tiny", (16, 1, 2, 32))
    monkeypatch.setattr(training_data, "CHUNK", 48)
    tokenizer = training_data.make_tokenizer()
    monkeypatch.setattr(train, "make_tokenizer", lambda: tokenizer)


def weights(training: train.Training) -> dict[str, torch.Tensor]:
    return dict(training.model.state_dict())


def same(a: train.Training, b: train.Training) -> bool:
    return all(torch.equal(tensor, weights(b)[name]) for name, tensor in weights(a).items())


def test_equal_seeds_give_equal_weights_also_after_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An optimiser state or a batch number that a checkpoint forgets would show in the weights."""
    whole, again, stopped = train.Training("tiny"), train.Training("tiny"), train.Training("tiny")
    first = {name: tensor.clone() for name, tensor in weights(whole).items()}
    whole.run(TOTAL)
    again.run(TOTAL)
    assert same(whole, again)
    assert not any(torch.equal(tensor, first[name]) for name, tensor in weights(whole).items())

    made = training_data.batches

    def failing(tokenizer: object, chunk: int) -> object:
        if chunk == 2:
            raise KeyboardInterrupt
        return made(tokenizer, chunk)

    monkeypatch.setattr(train, "batches", failing)
    with pytest.raises(KeyboardInterrupt):
        stopped.run(TOTAL, tmp_path, every=0)
    monkeypatch.setattr(train, "batches", made)
    resumed = train.Training("tiny")
    resumed.read(tmp_path)
    assert 0 < resumed.progress["tokens"] < TOTAL
    resumed.run(TOTAL)
    assert same(whole, resumed)
    drop = {"seconds"}
    assert {k: v for k, v in whole.progress.items() if k not in drop} == {
        k: v for k, v in resumed.progress.items() if k not in drop
    }
    assert whole.record("tiny")["flops"] == 6 * whole.parameters() * whole.progress["tokens"]


def test_training_lowers_the_loss_and_a_checkpoint_can_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setattr(train, "WARMUP", 2)
    monkeypatch.setattr(train, "RATES", {"muon": 0.03, "adamw": 0.03})
    training = train.Training("tiny")
    ids, labels = training_data.batches(training.tokenizer, 0)[0]
    training.step(ids, labels, 100_000)
    before = training.progress["smooth"]
    training.run(60_000)
    training.progress["smooth"] = None
    training.step(ids, labels, 100_000)
    assert training.progress["smooth"] < before - 0.5
    training.write(tmp_path)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert model.dtype == torch.float32  # what config.json says; the file holds bf16, half the size
    assert all(tensor.dtype == torch.bfloat16 for tensor in load_file(tmp_path / "model.safetensors").values())
    assert torch.equal(model.lm_head.weight, weights(training)["lm_head.weight"].to(torch.bfloat16).float())
    assert tokenizer.decode(tokenizer("12 * 34 = 408.")["input_ids"]) == "12 * 34 = 408."


def test_loss_is_taken_on_the_answer_and_nothing_else() -> None:
    tokenizer, rng = train.make_tokenizer(), Rng("rows")
    direct = 0
    for _ in range(300):
        messages, answer = training_data.example(rng)
        ids, labels = training_data.row(tokenizer, messages, answer)
        learnt = [i for i in labels if i != -100]
        assert tokenizer.decode(learnt) == answer + training_data.END
        assert ids[-len(learnt) :] == learnt
        assert len(ids) <= training_data.CONTEXT
        assert answer.endswith(".")
        direct += answer.startswith("The answer is ")
        assert answer.startswith("The answer is ") == ("Give only the answer." in messages[-1].content)
    assert 60 <= direct <= 125


def test_batches_hold_every_row_once_and_little_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_data, "CHUNK", 512)
    tokenizer, rng = train.make_tokenizer(), Rng("train", training_data.SEED, 5)
    rows = [training_data.row(tokenizer, *training_data.example(rng))[0] for _ in range(512)]
    pad, found = tokenizer.pad_token_id, []
    for ids, labels in training_data.batches(tokenizer, 5):
        assert ids.shape == labels.shape
        assert ids.numel() <= training_data.BATCH_TOKENS
        assert (labels[ids == pad] == -100).all()
        found += [[i for i in line if i != pad] for line in ids.tolist()]
    assert sorted(found) == sorted(rows)


def test_low_difficulties_are_frequent_and_none_is_left_out() -> None:
    rng, n = Rng("difficulty"), 20_000
    counts = Counter(training_data.difficulty(rng, 8) for _ in range(n))
    whole = sum(1 / d for d in range(1, 9))
    for d in range(1, 9):
        assert counts[d] / n == pytest.approx(1 / d / whole, rel=0.15), d


def test_shown_examples_are_no_test_questions_either() -> None:
    rng = Rng("shots")
    for _ in range(3_000):
        messages, _ = training_data.example(rng)
        for message in messages:
            if message.role == "user":
                assert not is_test(message.content.rsplit("\n\n", 1)[0])


def test_the_learning_rate_warms_up_and_falls() -> None:
    rates = [train.rate(step, step / 1_000) for step in range(1_001)]
    top = rates.index(max(rates))
    assert rates[0] < 0.02 < 0.95 < max(rates) <= 1
    assert train.WARMUP - 2 <= top <= train.WARMUP
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(train.FLOOR)


@pytest.mark.parametrize("shape", [(16, 16), (24, 8), (8, 24)])
def test_muon_steps_are_nearly_orthogonal(shape: tuple[int, int]) -> None:
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    singular = torch.linalg.svdvals(muon.orthogonal(gradient))
    assert singular.min() > 0.3
    assert singular.max() < 1.3


def test_resume_without_a_checkpoint_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--resume", "--checkpoints", str(tmp_path)])
    with pytest.raises(SystemExit):
        train.main()
    assert "no state.pt" in capsys.readouterr().err


def test_main_writes_a_model_and_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    monkeypatch.setattr(sys, "argv", ["train.py", "--size", "tiny", "--tokens", "4000", "--out", str(tmp_path)])
    train.main()
    torch.set_num_threads(threads)
    record = json.loads((tmp_path / "training.json").read_text())
    assert 4000 <= record["tokens"] < 4000 + training_data.BATCH_TOKENS
    assert record["mix"] == training_data.MIX
    assert sum(record["mix"].values()) == 100
    assert (tmp_path / "model.safetensors").stat().st_size < 3 * record["parameters"]


def test_the_model_card_says_what_was_measured() -> None:
    """Each cell comes from the point of its own task, method and k."""
    import evaluate

    from ttc_bench.core import CurvePoint

    def point(task: str, method: str, k: int, accuracy: float, tokens: float) -> CurvePoint:
        low, high = accuracy - 0.05, accuracy + 0.05
        return CurvePoint(task, "m", method, "cot", k, accuracy, low, high, tokens, tokens, problems=7, samples=4)

    points = [
        point(task, method, k, base + 0.01 * k + 0.1 * i, 10.0 * i)
        for task, base in (("countdown", 0.1), ("word-problems", 0.3))
        for i, (method, k) in enumerate(
            (("direct", 1), ("cot", 1), ("self-consistency", 1), ("self-consistency", 4), ("pass@k", 1), ("pass@k", 4))
        )
    ]
    assert evaluate.table(points, 4).splitlines()[2:] == [
        "| countdown | 12 % | 0.11 [0.06, 0.16] | 0.21 [0.16, 0.26] | 0.44 [0.39, 0.49] | 0.64 [0.59, 0.69] | 0, 10 |",
        "| word-problems | no | 0.31 [0.26, 0.36] | 0.41 [0.36, 0.46] | 0.64 [0.59, 0.69] | 0.84 [0.79, 0.89] | 0, 10 |",
    ]
    training = train.Training("tiny")
    training.run(3_000)
    config = evaluate.settings("medium", Path("results"), 7, 4, ("countdown", "word-problems"))
    text = evaluate.card(config, training.model.config.to_dict(), training.record("tiny"), points)
    assert "10,800 parameters" in text
    assert "7 test problems a task over all difficulties, 4 samples each" in text
    assert "chain-arithmetic 40 %" in text
    assert "shuffled-objects" in text.split("**Unseen**")[1].split("**Recipe**")[0]
    assert "--task countdown,word-problems" in text
    assert "--limit 7 --samples 4" in text


SHIPPED = [ROOT / "ttc_bench" / "models" / size for size in train.SIZES]


def test_shipped_sizes_share_data_tokens_and_tokenizer() -> None:
    """A model that was left over from another recipe would make the comparison of sizes meaningless."""
    records = {path.name: json.loads((path / "training.json").read_text()) for path in SHIPPED}
    for key in ("tokens", "answer_tokens", "steps", "seed", "rates", "mix", "torch"):
        assert len({json.dumps(record[key]) for record in records.values()}) == 1, key
    assert records["small"]["mix"] == training_data.MIX
    tokenizers = {(path / "tokenizer.json").read_text() for path in SHIPPED}
    assert tokenizers == {train.make_tokenizer().backend_tokenizer.to_str(pretty=True)}
    everything = sum(path.stat().st_size for path in SHIPPED[0].parent.rglob("*") if path.is_file())
    assert everything < 20e6, "with the verifier: the wheel carries it"
    sizes = [records[name]["parameters"] for name in ("small", "medium", "large")]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_model_is_described_by_its_card(folder: Path) -> None:
    record, text = json.loads((folder / "training.json").read_text()), (folder / "README.md").read_text()
    for fact in (
        f"{record['parameters']:,} parameters",
        f"{record['tokens']:,} tokens",
        f"{record['flops']:.2e} FLOPs",
    ):
        assert fact in text
    assert all(f"\n| {task} |" in text for task in record["mix"])
