"""Reward models against transformers itself, on tiny random models written to disk; nothing is downloaded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from fakes import config, model

from ttc_bench.backends.local import reward
from ttc_bench.backends.local.reward import RewardModel, step_ends
from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.core import Completion, Problem, Score, Usage
from ttc_bench.errors import BackendError, TaskError, TtcError
from ttc_bench.experiment import report, run
from ttc_bench.verifiers import menu as verifiers

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

PAIRS = [
    ("2 + 2?", "4"),
    ("2 + 2?", "It is four. I am sure."),
    ("What is 3 times 5?", "First 3 + 3 = 6.\nThen 6 + 9 = 15.\nThe answer is 15."),
    ("2 + 2?", ""),
    ("What is 3 times 5?", "3.5, or so: 15<eos>"),  # the text holds the end-of-sequence token
]
STEPS = PAIRS[2]
# like most: nothing stands before the answer is asked for, and the turn is closed
CLOSED = "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}<eos>{% endfor %}"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def items(pairs: list[tuple[str, str]]) -> list[tuple[Problem, Completion]]:
    return [(Problem(str(i), q, None), Completion(a, "stop", Usage())) for i, (q, a) in enumerate(pairs)]


def test_packed_is_meant_for_the_model_that_is_sampled(tmp_path: Path) -> None:
    """--dtype packed holds for a GGUF file; a reward model beside it, which cannot be one, takes its usual dtype."""
    folder = str(tiny_models.build(tmp_path / "judge", head="SequenceClassification", num_labels=1))
    assert RewardModel(folder, dtype="packed").id == RewardModel(folder, dtype="auto").id


async def scores(name: str, pairs: list[tuple[str, str]] = PAIRS) -> list[Score]:
    scorer = RewardModel(name, device="cpu", dtype="float32")
    found = {i: score async for i, score in scorer.verdicts(items(pairs))}
    await scorer.close()
    return [found[i] for i in range(len(pairs))]


def values(found: list[Score]) -> list[float]:
    assert all(s.value is not None for s in found)
    return [s.value for s in found if s.value is not None]


def reference(folder: Path, head: str, text: str, second: str | None = None) -> Any:
    """Logits of transformers for one text, or pair of texts, alone."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    net = getattr(transformers, f"AutoModelFor{head}").from_pretrained(folder).eval()
    given = tokenizer(text, second, return_tensors="pt") if second is not None else tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        return net(**given).logits[0]


def rendered(question: str, answer: str) -> str:
    return f"[user]{question}<eos>[assistant]{answer.strip()}<eos>"


@pytest.mark.parametrize(
    ("kind", "pad"), [("llama", None), ("llama", 96), ("qwen2", None), ("gpt2", None)]
)  # 96: <eos>
async def test_an_outcome_model_gives_its_logit_whatever_the_batch(kind: str, pad: int | None, tmp_path: Path) -> None:
    """Decoders look for the last token that is not padding: with the end-of-sequence token as padding, a row that ends
    in it was scored one token too early, and only where it was not alone in its batch."""
    sequence = {"head": "SequenceClassification", "num_labels": 1, "pad_token_id": pad}
    folder = tiny_models.build(tmp_path / "rm", kind, chat_template=CLOSED, **sequence)
    found = await scores(str(folder))
    expected = [float(reference(folder, "SequenceClassification", rendered(q, a))[0]) for q, a in PAIRS]
    assert values(found) == pytest.approx(expected, abs=1e-4)
    assert len({round(v, 3) for v in expected}) == len(PAIRS)  # a model that says the same of all proves nothing
    alone = [values(await scores(str(folder), [pair]))[0] for pair in PAIRS]
    assert values(found) == pytest.approx(alone, abs=1e-4)


async def test_what_it_reads_is_counted_without_padding(tmp_path: Path) -> None:
    folder = tiny_models.build(
        tmp_path / "rm", chat_template=CLOSED, head="SequenceClassification", num_labels=1, pad_token_id=None
    )
    found = await scores(str(folder))
    specials = 2  # <eos> is one token each, and one character of the others is one token
    lengths = [len(rendered(q, a).replace("<eos>", "")) + specials + a.count("<eos>") for q, a in PAIRS]
    assert [s.usage.prompt for s in found] == lengths
    assert {s.parameters for s in found} == {sum(t.numel() for t in _state(folder).values())}


def _state(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


async def test_two_labels_are_a_probability(tmp_path: Path) -> None:
    folder = tiny_models.build(tmp_path / "rm", chat_template=CLOSED, head="SequenceClassification", num_labels=2)
    expected = [reference(folder, "SequenceClassification", rendered(q, a)).softmax(-1)[1] for q, a in PAIRS]
    assert values(await scores(str(folder))) == pytest.approx([float(p) for p in expected], abs=1e-4)


async def test_without_a_template_bert_reads_a_pair_and_a_decoder_plain_text(tmp_path: Path) -> None:
    shape = {"chat_template": None, "head": "SequenceClassification", "num_labels": 1}
    bert = tiny_models.build(tmp_path / "bert", "bert", **shape)
    expected = [float(reference(bert, "SequenceClassification", q, a)[0]) for q, a in PAIRS]
    assert values(await scores(str(bert))) == pytest.approx(expected, abs=1e-4)
    plain = tiny_models.build(tmp_path / "plain", "llama", **shape)
    texts = [f"Question: {q}\nAnswer: {a}" for q, a in PAIRS]
    expected = [float(reference(plain, "SequenceClassification", text)[0]) for text in texts]
    assert values(await scores(str(plain))) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("labels", "how"), [(1, "sigmoid"), (2, "softmax")])
async def test_steps_of_an_outcome_model_are_its_prefixes(labels: int, how: str, tmp_path: Path) -> None:
    folder = tiny_models.build(tmp_path / "rm", chat_template=CLOSED, head="SequenceClassification", num_labels=labels)
    lines = STEPS[1].split("\n")
    each = []
    for i in range(3):
        logits = reference(folder, "SequenceClassification", rendered(STEPS[0], "\n".join(lines[: i + 1])))
        each.append(float(logits.softmax(-1)[1] if how == "softmax" else logits[0].sigmoid()))
    wanted = {"last": each[-1], "min": min(each), "mean": sum(each) / 3, "prod": math.prod(each)}
    found = {name: (await scores(f"{folder}?steps={name}", [PAIRS[0], STEPS]))[1] for name in wanted}
    assert {name: s.value for name, s in found.items()} == pytest.approx(wanted, abs=1e-4)
    whole = (await scores(str(folder), [STEPS]))[0].usage.prompt
    assert whole * 1.5 < found["min"].usage.prompt < whole * 3  # it reads every prefix, and is charged for it


@pytest.mark.parametrize("mark", ["<extra_0>", "\n\n"])
@pytest.mark.parametrize("labels", [1, 2])
async def test_a_token_classifier_scores_every_step_in_one_pass(mark: str, labels: int, tmp_path: Path) -> None:
    import transformers

    folder = tiny_models.build(
        tmp_path / "prm", "qwen2", chat_template=CLOSED, head="TokenClassification", num_labels=labels, vocab_size=110
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    if mark == "<extra_0>":
        tokenizer.add_special_tokens({"additional_special_tokens": [mark]})
        tokenizer.save_pretrained(folder)
    marked = "".join(line + mark for line in STEPS[1].split("\n"))
    text = rendered(STEPS[0], marked)  # the template trims, so the last mark of line ends is gone
    logits = reference(folder, "TokenClassification", text)
    places = []
    for i in range(1, 4):
        upto = rendered(STEPS[0], "").removesuffix("<eos>") + "".join(x + mark for x in STEPS[1].split("\n")[:i])
        upto = upto.rstrip() if i == 3 else upto
        places.append(len(tokenizer(upto)["input_ids"]) - 1)
    chosen = logits[places]
    each = [float(p) for p in (chosen.softmax(-1)[:, 1] if labels == 2 else chosen[:, 0].sigmoid())]
    assert len({round(p, 4) for p in each}) == 3
    found = {name: await scores(f"{folder}?steps={name}", [*PAIRS, STEPS]) for name in ("last", "min", "prod")}
    assert {n: s[-1].value for n, s in found.items()} == pytest.approx(
        {"last": each[-1], "min": min(each), "prod": math.prod(each)}, abs=1e-4
    )
    assert found["min"][-1].usage.prompt == len(logits)
    assert (await scores(str(folder), [STEPS]))[0].value == pytest.approx(each[-1], abs=1e-4)


@pytest.mark.parametrize("architecture", list(reward.QWEN_HEADS))
async def test_the_two_layer_heads_of_qwen(architecture: str, tmp_path: Path) -> None:
    """Their class is code on the hub; loaded as an ordinary classifier they would get a random head."""
    import transformers

    labels = reward.QWEN_HEADS[architecture]
    tiny_models.build(tmp_path, "qwen2", chat_template=CLOSED, pad_token_id=0)
    shape = transformers.AutoConfig.from_pretrained(tmp_path)
    shape.num_labels = labels
    torch.manual_seed(1)
    net = reward._two_layers(architecture)(shape).eval()
    net.save_pretrained(tmp_path)
    assert {"score.0.weight", "score.2.weight"} < _state(tmp_path).keys()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = rendered("2 + 2?", "4") if labels == 1 else rendered("2 + 2?", "4\n\n")
    with torch.inference_mode():
        given = tokenizer(text, return_tensors="pt")
        hidden = net.model(**given).last_hidden_state[0]
        at = hidden[-1] if labels == 1 else hidden[-2]  # the answer's last token, before the turn is closed
        first, second = net.score[0], net.score[2]
        logits = second(torch.relu(first(at)))
    expected = logits[0] if labels == 1 else logits.softmax(-1)[1]
    assert values(await scores(str(tmp_path), [PAIRS[0]])) == pytest.approx([float(expected)], abs=1e-4)


async def test_a_language_model_is_no_reward_model(tmp_path: Path) -> None:
    """transformers would give it a random head, and best-of-n a random curve."""
    folder = tiny_models.build(tmp_path / "lm")
    with pytest.raises(BackendError, match=r"lm cannot be loaded: it is LlamaForCausalLM, not a reward model: score"):
        await scores(str(folder))


async def test_a_classifier_of_many_labels_is_refused(tmp_path: Path) -> None:
    folder = tiny_models.build(tmp_path / "many", head="SequenceClassification", num_labels=5)
    with pytest.raises(BackendError, match="many has 5 labels, expected 1 or 2"):
        await scores(str(folder))


async def test_an_answer_that_does_not_fit_has_no_score(tmp_path: Path) -> None:
    """Cutting it would score another answer; it is stored as no verdict and ranks last."""
    folder = tiny_models.build(tmp_path / "rm", chat_template=CLOSED, head="SequenceClassification", num_labels=1)
    found = await scores(str(folder), [("q", "x" * 300), ("q", "fits")])
    assert found[0].value is None
    assert found[0].usage.prompt == 0
    assert found[1].value is not None


async def test_out_of_memory_halves_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_models.build(tmp_path / "rm", chat_template=CLOSED, head="SequenceClassification", num_labels=1)
    expected, sizes, forward = await scores(str(folder)), [], reward._LoadedReward._forward

    def small(self: Any, batch: Any) -> Any:
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("too much")
        return forward(self, batch)

    monkeypatch.setattr(reward._LoadedReward, "_forward", small)
    assert values(await scores(str(folder))) == pytest.approx(values(expected), abs=1e-4)
    assert sizes[:3] == [5, 2, 1]
    assert sizes.count(1) == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("reward:", "reward:: names no model; give reward:builtin"),
        ("reward:./nowhere", "no model at ./nowhere: expected a model directory"),
        ("reward:FOLDER?steps=max", r"unknown way to join steps 'max'.*min"),
        ("reward:FOLDER?layers=3", r"unknown option 'layers=3'; expected \?steps=min"),
        ("reward:x.gguf", "no model at x.gguf"),
    ],
)
async def test_a_bad_name_is_one_line_before_anything_is_sampled(name: str, message: str, tmp_path: Path) -> None:
    folder = tiny_models.build(tmp_path / "rm", head="SequenceClassification", num_labels=1)
    backend = model()
    asked = config(tmp_path, method=("best-of-n",), verifier=(name.replace("FOLDER", str(folder)),))
    with pytest.raises(TtcError, match=message) as raised:
        await run(asked, backend)
    assert "\n" not in str(raised.value)
    assert backend.asked == []


async def test_the_builtin_verifier_is_named_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifiers, "BUILTIN_VERIFIER", tmp_path / "verifier")
    asked = config(tmp_path, method=("best-of-n",), verifier=("reward:builtin",))
    with pytest.raises(TaskError, match=r"reward:builtin: is not part of this copy; python training/train_verifier"):
        await run(asked, model())
    tiny_models.build(tmp_path / "verifier", head="SequenceClassification", num_labels=1)
    result = await run(asked, model())
    assert "best-of-n (reward:builtin)" in {p.label() for p in result.analysis.points}


async def test_a_run_loads_it_once_and_a_report_never(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_models.build(tmp_path / "rm", head="SequenceClassification", num_labels=1)
    loads: list[str] = []
    load = reward.files.load

    def counted(weights: Any, *rest: Any) -> Any:
        loads.append(weights.name)
        return load(weights, *rest)

    monkeypatch.setattr(reward.files, "load", counted)
    asked = config(
        tmp_path, task=("chain-arithmetic", "ordering"), method=("best-of-n",), verifier=(f"reward:{folder}",)
    )
    backend = ScriptedBackend(lambda request, index: f"The answer is {index}.")
    result = await run(asked, backend)
    assert loads == ["rm"]
    again = await run(asked, backend)
    (folder / "model.safetensors").unlink()
    replayed = await report(result.folder)
    assert loads == ["rm"]
    assert again.analysis.points == replayed.analysis.points == result.analysis.points
    (told,) = again.manifest["models"][0]["verifiers"].values()
    assert told["id"] == f"reward:rm@{told['revision']}:float32"
    assert told["revision"].startswith("sha256:")
    assert told["parameters"] > 1000
    assert (
        replayed.manifest["models"][0]["verifiers"]
        == again.manifest["models"][0]["verifiers"]
        == result.manifest["models"][0]["verifiers"]
    )


@pytest.mark.parametrize(
    ("answer", "steps"),
    [
        ("one\nline\n\nand\nanother\n \nend\n", ["one\nline", "and\nanother", "end"]),
        ("\n\na\nb\n", ["a", "b"]),
        ("It is 3.5. So 7! Right?  Yes", ["It is 3.5.", "So 7!", "Right?", "Yes"]),
        ("one step", ["one step"]),
        ("", [""]),
        (" \n ", [""]),
    ],
)
def test_steps(answer: str, steps: list[str]) -> None:
    ends = step_ends(answer)
    assert [answer[a:b].strip() for a, b in zip([0, *ends], ends, strict=False)] == steps
