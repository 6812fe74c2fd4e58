"""The local backend against tiny random models written to disk; nothing is downloaded."""

from __future__ import annotations

import json
import os
import weakref
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_models

from ttc_bench.backends.local import simple, weights
from ttc_bench.backends.local.hf import HFBackend
from ttc_bench.backends.local.hf_model import Loaded
from ttc_bench.core import Backend, Completion, Job, Message, Request
from ttc_bench.errors import BackendError, PromptTooLong

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model: no chat template."""
    return tiny_models.build(tmp_path_factory.mktemp("models") / "plain", chat_template=None)


def ask(backend: Backend, text: str, tokens: int = 24, **options: Any) -> Request:
    return Request(backend.model, (Message("user", text),), tokens, **options)


async def collect(backend: HFBackend, jobs: list[Job]) -> dict[tuple[str, int], Completion]:
    """Completions by (last message, index)."""
    found = {}
    async for sample in backend.sample(jobs):
        assert sample.completion is not None
        found[sample.request.messages[-1].content, sample.index] = sample.completion
    return found


def texts(found: dict[tuple[str, int], Completion]) -> dict[tuple[str, int], str]:
    return {key: completion.text for key, completion in found.items()}


QUESTIONS = ["one", "a longer question", "two", "what is 3 + 4?", "z"]


async def test_a_text_depends_on_request_and_index_only(llama: Path) -> None:
    """Law 8: neither the rows of a batch, nor the order of jobs, nor what else runs may move a single character."""
    reference = None
    for rows in (1, 7, 64):
        backend = HFBackend(str(llama), max_rows=rows)
        jobs = [Job(ask(backend, q, 16), tuple(range(4))) for q in QUESTIONS]
        found = texts(await collect(backend, jobs))
        assert len(found) == 20
        reference = reference or found
        assert found == reference
        backwards = [Job(ask(backend, q, 16), (1, 3)) for q in reversed(QUESTIONS)]
        assert texts(await collect(backend, backwards)) == {
            key: reference[key] for key in reference if key[1] in (1, 3)
        }
    assert len(set(reference.values())) == 20, "samples of a pool must not repeat each other"


async def test_growing_a_pool_keeps_what_is_there(llama: Path) -> None:
    backend = HFBackend(str(llama))
    request = ask(backend, "grow")
    all_at_once = await collect(backend, [Job(request, tuple(range(8)))])
    first = await collect(backend, [Job(request, tuple(range(3)))])
    rest = await collect(backend, [Job(request, tuple(range(3, 8)))])
    assert texts(first | rest) == texts(all_at_once)
    assert [rest["grow", i].usage.prompt > 0 for i in range(3, 8)] == [True] + 4 * [False]


async def test_seed_and_wording_are_other_samples(llama: Path) -> None:
    backend = HFBackend(str(llama))
    (a,) = (await collect(backend, [Job(ask(backend, "q"), (0,))])).values()
    (b,) = (await collect(backend, [Job(ask(backend, "q", seed=1), (0,))])).values()
    assert a.text != b.text


@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral", "gpt2", "gemma3", "mamba", "t5", "bart"])
async def test_greedy_equals_generate(kind: str, tmp_path: Path) -> None:
    """At temperature 0 the text is that of transformers' own loop, with prompts of several lengths in one batch, for
    full attention (with and without rotary positions), a sliding window, a recurrent state, and an encoder."""
    extra: dict[str, Any] = {"mistral": {"sliding_window": 16}, "gemma3": {"sliding_window": 16}}.get(kind, {})
    if kind in {"t5", "bart"}:
        extra = {"head": "Seq2SeqLM"}
    backend = HFBackend(str(tiny_models.build(tmp_path / kind, kind, **extra)))
    found = await collect(backend, [Job(ask(backend, q, 40, temperature=0.0), (0, 1)) for q in QUESTIONS])
    model, tokenizer = weights.load(weights.resolve(str(tmp_path / kind)), "float32", "cpu")
    for question in QUESTIONS:
        ids = tokenizer(f"[user]{question}\n[assistant]", return_tensors="pt")
        with torch.inference_mode():
            begin = 1 if model.config.is_encoder_decoder else ids["input_ids"].shape[1]
            out = model.generate(**ids, max_new_tokens=40, do_sample=False, pad_token_id=0)[0, begin:]
        expected = tokenizer.decode(out, skip_special_tokens=True)
        for index in (0, 1):
            completion = found[question, index]
            assert (completion.reasoning, completion.text, completion.usage.completion) == ("", expected, len(out))
            assert completion.stop_reason == ("stop" if out[-1] == tokenizer.eos_token_id else "length")


@pytest.mark.parametrize("kind", ["t5", "bart"])
async def test_an_encoder_reads_the_question_and_the_decoder_begins_the_answer(kind: str, tmp_path: Path) -> None:
    folder = tiny_models.build(tmp_path / kind, kind, head="Seq2SeqLM")
    asked = ["one", "two", "six", "a longer question"]  # three share a batch
    reference = None
    for rows in (2, 64):
        backend = HFBackend(str(folder), max_rows=rows)
        found = texts(await collect(backend, [Job(ask(backend, q, 30), tuple(range(3))) for q in asked]))
        reference = reference or found
        assert found == reference
        assert len({tuple(found[q, i] for i in range(3)) for q in asked}) == 4, "each question has answers of its own"
    assert backend.identity()["engine"] == "simple (encoder-decoder model)"
    assert "parameters" not in backend.identity(), "a token passes through the encoder or the decoder"
    begun = ask(backend, "one", 30, temperature=0.0, prefix="ab")
    (completion,) = (await collect(backend, [Job(begun, (0,))])).values()
    assert completion.usage.prompt == len("[user]one\n[assistant]") + 1 + len("ab")  # with the decoder's start token
    model, tokenizer = weights.load(weights.resolve(str(folder)), "float32", "cpu")
    start = [model.config.decoder_start_token_id, *tokenizer("ab")["input_ids"]]
    with torch.inference_mode():
        out = model.generate(
            **tokenizer("[user]one\n[assistant]", return_tensors="pt"),
            decoder_input_ids=torch.tensor([start]),
            max_new_tokens=30,
            do_sample=False,
        )
    assert completion.text == tokenizer.decode(out[0, len(start) :], skip_special_tokens=True)
    if kind == "bart":
        with pytest.raises(PromptTooLong):
            await collect(backend, [Job(ask(backend, "x" * 300), (0,))])


async def test_the_limits_of_an_encoder_and_a_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The context is the shorter of the two, the cache is the decoder's, and a template that opens the thinking does so
    in what the encoder reads."""
    folder = tiny_models.build(tmp_path / "bart", "bart", head="Seq2SeqLM", chat_template=tiny_models.CHAT + "<think>")
    backend = HFBackend(str(folder))
    job = Job(ask(backend, "q", 8), (0,))
    (completion,) = (await collect(backend, [job])).values()
    assert completion.usage.reasoning == completion.usage.completion > 0
    model, tokenizer = weights.load(weights.resolve(str(folder)), "float32", "cpu")
    monkeypatch.setattr(weights, "free_memory", lambda device: 10_000_000)
    loaded = Loaded(model, tokenizer)
    few = loaded.plan(loaded.rows(job))
    model.config.decoder_layers, model.config.max_decoder_position_embeddings = 40, 64
    deeper = Loaded(model, tokenizer)
    assert (loaded.context, deeper.context) == (256, 64)
    assert deeper.plan(deeper.rows(job)) < few / 2


@pytest.mark.parametrize(
    ("known", "begins"),
    [
        ({"decoder_start_token_id": 5}, (5,)),
        ({"decoder_start_token_id": 5, "forced_bos_token_id": 7}, (5, 7)),
        ({"decoder_start_token_id": None, "bos_token_id": 9}, (9,)),
        ({"decoder_start_token_id": None, "bos_token_id": None}, None),
    ],
)
def test_the_decoder_begins_as_in_generate(known: dict[str, int], begins: tuple[int, ...] | None) -> None:
    config = SimpleNamespace(is_encoder_decoder=True, **known)
    model = SimpleNamespace(config=config, generation_config=SimpleNamespace())
    if begins is None:
        with pytest.raises(BackendError, match="names no decoder_start_token_id"):
            simple.decoder_start(model)
    else:
        assert simple.decoder_start(model) == begins


async def test_a_gguf_file_is_its_model(tmp_path: Path) -> None:
    """Stored in float32 the same texts; in blocks of 8 bits nearly the same first token's log-probability."""
    folder = tiny_models.build(tmp_path / "qwen2", "qwen2", tie_word_embeddings=False)
    kinds = [tiny_models.as_gguf(folder, tmp_path / f"{kind}.gguf", kind) for kind in ("F32", "Q8_0")]
    found = []
    for name in (folder, *kinds):
        backend = HFBackend(str(name), dtype="float32")
        asked = (("the same words", 12), ("q", 1))  # greedily: what is sampled depends on the model's name
        jobs = [Job(ask(backend, text, tokens, temperature=0.0), (0,)) for text, tokens in asked]
        made = await collect(backend, jobs)
        assert backend.identity()["engine"] == "shared-prefill engine"
        assert backend.identity()["parameters"] == sum(p.numel() for p in backend._loaded.model.parameters())
        found.append((made["the same words", 0].text, (made["q", 0].signals or {})["logprob"]))
    assert found[0][0] == found[1][0]
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-5)
    assert 0 < abs(found[0][1] - found[2][1]) < 0.1


async def test_packed_weights_need_a_kernel(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--dtype packed where nothing can stay packed ends in a line that says why; it does not go on unpacked."""
    from transformers.quantizers import quantizer_gguf

    with pytest.raises(BackendError, match=r"--dtype packed is for \.gguf files, which llama is not"):
        await collect(backend := HFBackend(str(llama), dtype="packed"), [Job(ask(backend, "q"), (0,))])
    monkeypatch.setattr(quantizer_gguf, "get_gguf_kernel", lambda: None)  # where one is installed too
    file = tiny_models.as_gguf(tiny_models.build(tmp_path / "qwen2", "qwen2"), tmp_path / "q8.gguf", "Q8_0")
    with pytest.raises(
        BackendError, match=r"q8\.gguf cannot be loaded: transformers packs .* leave --dtype packed out"
    ):
        await collect(backend := HFBackend(str(file), dtype="packed"), [Job(ask(backend, "q"), (0,))])
    assert backend.model.endswith(":packed"), "its samples are others than those of unpacked weights"


async def test_signals_are_those_of_a_second_pass(llama: Path) -> None:
    """Log-probability and self-certainty recorded while sampling, at temperature 0.5 and truncated, are those of the
    whole distribution at temperature 1, computed again from the finished text in one pass."""
    backend = HFBackend(str(llama))
    request = ask(backend, "signals", 20, temperature=0.5, top_k=200, top_p=0.99)
    found = await collect(backend, [Job(request, tuple(range(4)))])
    model, tokenizer = weights.load(weights.resolve(str(llama)), "float32", "cpu")
    checked = 0
    for completion in found.values():
        prompt = tokenizer("[user]signals\n[assistant]")["input_ids"]
        ids = tokenizer(completion.text)["input_ids"] + [tokenizer.eos_token_id] * (completion.stop_reason == "stop")
        if len(ids) != completion.usage.completion:
            continue  # bytes that are no UTF-8 cannot be told from the text
        with torch.inference_mode():
            logits = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1].double()
        logp = logits.log_softmax(-1)
        top = -logp.topk(20).values.mean(-1)
        assert completion.signals == pytest.approx(
            {
                "logprob": float(logp[range(len(ids)), ids].mean()),
                "self_certainty": float((-np.log(logp.shape[1]) - logp.mean(-1)).mean()),
                "tail_confidence": float(top.mean()),  # shorter than the window: one group
                "lowest_group_confidence": float(top.mean()),
            },
            abs=1e-4,
        )
        checked += 1
    assert checked


async def test_counts_end_at_the_end_of_sequence(llama: Path) -> None:
    """Peers count the width of the padded batch: every sample gets the longest one's length. Here a count is 1..limit,
    they differ, and only those that ended early say "stop"."""
    backend = HFBackend(str(llama), max_rows=32)
    found = await collect(backend, [Job(ask(backend, "count", 60), tuple(range(32)))])
    counts = [c.usage.completion for c in found.values()]
    assert len(set(counts)) > 3
    assert all((c.stop_reason == "length") == (c.usage.completion == 60) for c in found.values())
    assert [c.usage.prompt for c in found.values() if c.usage.prompt] == [len("[user]count\n[assistant]")]
    assert all(c.usage.source == "tokenizer" and c.shares_prompt for c in found.values())


async def test_stop_strings_cut_the_text_and_end_the_count(llama: Path) -> None:
    backend = HFBackend(str(llama))
    free = await collect(backend, [Job(ask(backend, "s", 60), tuple(range(24)))])
    # A stop string is part of the address, so texts differ: look for any stop and check the law, not a known text.
    stopped = await collect(backend, [Job(ask(backend, "s", 60, stop=("e", "xq")), tuple(range(24)))])
    assert any("e" in c.text for c in free.values())
    assert not any("e" in c.text for c in stopped.values())
    tokenizer = tiny_models.tokenizer()
    for completion in stopped.values():
        if not completion.reasoning:  # then the tokens of the text, and one more for the stop or the end
            extra = 1 if completion.stop_reason == "stop" else 0
            assert completion.usage.completion == len(tokenizer(completion.text)["input_ids"]) + extra
    assert sum(c.usage.completion for c in stopped.values()) < sum(c.usage.completion for c in free.values())


async def test_a_model_without_a_template_stops_before_the_next_question(plain: Path) -> None:
    """A base model goes on with a question of its own, which would be graded."""
    backend = HFBackend(str(plain))
    from ttc_bench.backends.local.hf_model import Loaded

    loaded = Loaded(*weights.load(weights.resolve(str(plain)), "float32", "cpu"))
    request = ask(backend, "2 + 2?")
    assert loaded.render(request) == "Question: 2 + 2?\nAnswer:"
    (row,) = loaded.rows(Job(request, (0,)))
    tokens = loaded.tokenizer(" 4\nQuestion:")["input_ids"]
    assert row.watch[tokens[-1]]
    assert [loaded._stopped(row, tokens[:n]) for n in (5, len(tokens))] == [False, True]
    found = await collect(backend, [Job(ask(backend, "q", 3, stop=(" ",)), (0,))])
    assert len(found) == 1


@pytest.mark.parametrize(
    ("opened", "written", "reasoning", "text", "count"),
    [
        (False, "<think>so 4</think>\n\n4", "so 4", "4", 6),
        (True, "so 4</think>4", "so 4", "4", 5),
        (True, "so on and on", "so on and on", "", 12),
        (False, "<think>so on", "so on", "", 6),
        (False, "4 <think>", "", "4 <think>", 0),
    ],
)
def test_thinking_is_kept_apart_and_counted(
    llama: Path, opened: bool, written: str, reasoning: str, text: str, count: int
) -> None:
    from ttc_bench.backends.local.hf_model import Loaded
    from ttc_bench.backends.local.rows import Finished, Row

    loaded = Loaded(*weights.load(weights.resolve(str(llama)), "float32", "cpu"))
    prompt = loaded.tokenizer("[assistant]" + ("<think>\n" if opened else ""))["input_ids"]
    tokens = loaded.tokenizer(written)["input_ids"]
    row = Row(Request("m", (Message("user", "q"),), 50), "address", 0, tuple(prompt), 50)
    made = loaded.completion(Finished(row, tokens, False, {}), pays_prompt=True)
    assert (made.reasoning, made.text, made.usage.reasoning) == (reasoning, text, count)
    assert made.usage.completion == len(tokens)


async def test_the_context_ends_a_sample(tmp_path: Path) -> None:
    backend = HFBackend(str(tiny_models.build(tmp_path / "m", max_position_embeddings=48)))
    found = await collect(backend, [Job(ask(backend, "x" * 20, 500), tuple(range(8)))])
    room = 48 - len("[user]" + 20 * "x" + "\n[assistant]")
    assert max(c.usage.completion for c in found.values()) == room
    assert all(
        c.stop_reason == "length" for c in found.values() if c.usage.completion == room and not c.text.endswith("\0")
    )


async def test_a_prompt_that_does_not_fit_is_named_before_anything_is_generated(tmp_path: Path) -> None:
    backend = HFBackend(str(tiny_models.build(tmp_path / "m", max_position_embeddings=48)))
    long = ask(backend, "x" * 60)
    stream = backend.sample([Job(ask(backend, "fits"), (0,)), Job(long, (0,))])
    with pytest.raises(PromptTooLong) as caught:
        await anext(stream)
    assert (caught.value.address, caught.value.tokens, caught.value.context) == (long.address, 78, 48)


async def test_first_tokens_follow_the_exact_softmax(llama: Path) -> None:
    """10,000 first tokens against softmax(logits / temperature): chi-square within four standard deviations."""
    backend = HFBackend(str(llama), max_rows=1000)
    request = ask(backend, "dice", 1, temperature=0.7)
    found = await collect(backend, [Job(request, tuple(range(10_000)))])
    model, tokenizer = weights.load(weights.resolve(str(llama)), "float32", "cpu")
    with torch.inference_mode():
        logits = model(tokenizer("[user]dice\n[assistant]", return_tensors="pt")["input_ids"]).logits[0, -1]
    p = (logits.double() / 0.7).softmax(-1).numpy()
    # Tokens that are no text of their own (parts of a character, the end) are counted together.
    names = [tokenizer.decode([i], skip_special_tokens=True) for i in range(len(p))]
    expected: dict[str, float] = Counter()
    for name, share in zip(names, p, strict=True):
        expected[name] += 10_000 * share
    drawn = Counter((c.reasoning or c.text) if c.usage.reasoning == 0 else "<think>" for c in found.values())
    stripped = {name: value for name, value in expected.items() if value >= 5}
    chi = sum((drawn[name] - value) ** 2 / value for name, value in stripped.items())
    freedom = len(stripped) - 1
    assert freedom > 30
    assert chi < freedom + 4 * np.sqrt(2 * freedom)


async def test_out_of_memory_halves_and_goes_on(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows in flight start again in smaller batches, and their texts are those of an undisturbed run."""
    from ttc_bench.backends.local import hf_model

    undisturbed = HFBackend(str(llama), max_rows=16)
    jobs = [Job(ask(undisturbed, q), tuple(range(4))) for q in QUESTIONS]
    expected = await collect(undisturbed, jobs)
    rooms = []
    real = hf_model.Loaded.generate

    def tight(self: Any, rows: Any, room: int) -> Any:
        rooms.append(room)
        for step, batch in enumerate(real(self, rows, room)):
            if room > 4 and step == 9:
                raise torch.OutOfMemoryError("no memory")
            yield batch

    monkeypatch.setattr(hf_model.Loaded, "generate", tight)
    assert texts(await collect(undisturbed, jobs)) == texts(expected)
    assert rooms == [16, 8, 4]

    def hopeless(self: Any, rows: Any, room: int) -> Any:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(hf_model.Loaded, "generate", hopeless)
    with pytest.raises(BackendError, match="out of memory with one sample") as caught:
        await collect(undisturbed, jobs)
    assert caught.value.fatal


async def test_a_closed_generator_stops_at_once(llama: Path) -> None:
    """Ctrl-C closes the generator; the thread must not run to the end of the queue, and the next call must work."""
    backend = HFBackend(str(llama), max_rows=2)
    jobs = [Job(ask(backend, q, 200), tuple(range(50))) for q in QUESTIONS]
    stream = backend.sample(jobs)
    first = await anext(stream)
    await stream.aclose()
    assert first.completion is not None
    assert len(await collect(backend, [Job(ask(backend, "next", 2), (0,))])) == 1


def test_identity_is_pinned_by_content(tmp_path: Path) -> None:
    """The store is addressed by `model`: other weights, templates or dtypes are other pools; another folder is not."""
    a = HFBackend(str(tiny_models.build(tmp_path / "a" / "m")))
    assert isinstance(a, Backend)
    assert HFBackend(str(tmp_path / "a" / "m")).model == a.model
    assert HFBackend(str(tiny_models.build(tmp_path / "b" / "m"))).model == a.model
    assert HFBackend(str(tiny_models.build(tmp_path / "c" / "m", seed=1))).model != a.model
    assert HFBackend(str(tmp_path / "a" / "m"), dtype="bfloat16").model != a.model
    (tmp_path / "b" / "m" / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert HFBackend(str(tmp_path / "b" / "m")).model != a.model
    assert json.dumps(a.identity())
    assert a.identity()["dtype"] == "float32"


async def test_a_closed_model_frees_its_memory_and_keeps_what_was_learned(llama: Path) -> None:
    """The next model of a run would not fit beside it; and run.json is written after it was closed."""
    backend = HFBackend(str(llama))
    known = backend.identity()["parameters"]  # before anything is loaded
    await collect(backend, [Job(ask(backend, "hello"), (0,))])
    loaded = weakref.ref(backend._loaded.model)  # type: ignore[union-attr]
    assert known == loaded().num_parameters()
    await backend.close()
    assert loaded() is None
    assert backend.identity() | {"engine": ""} == HFBackend(str(llama)).identity() | {"engine": ""}
    assert backend.identity()["engine"] == "shared-prefill engine"


def test_digests_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rerun must not read gigabytes again to learn that nothing has changed."""
    folder = tiny_models.build(tmp_path / "m")
    first = HFBackend(str(folder)).model
    with monkeypatch.context() as patch:
        patch.setattr(weights.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
        assert HFBackend(str(folder)).model == first
    os.utime(folder / "config.json", ns=(1, 1))
    (memory,) = Path(os.environ["XDG_CACHE_HOME"]).rglob("digests.json")
    assert HFBackend(str(folder)).model == first
    memory.write_text("{broken")
    assert HFBackend(str(folder)).model == first


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/no/such/folder", "no model at /no/such/folder"),
        ("missing.gguf", "no model at missing.gguf"),
        (".", "cannot be loaded as a model: neither config.json nor a .gguf file"),
    ],
)
def test_a_wrong_path_says_so(name: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackendError, match=expected) as caught:
        HFBackend(name)
    assert caught.value.fatal
    assert "\n" not in str(caught.value)


async def test_weights_that_cannot_be_read_say_so_in_one_line(tmp_path: Path) -> None:
    folder = tiny_models.build(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(b"not weights" * 100)
    backend = HFBackend(str(folder))
    with pytest.raises(BackendError, match="m cannot be loaded: ") as caught:
        await collect(backend, [Job(ask(backend, "q"), (0,))])
    assert caught.value.fatal
    assert "\n" not in str(caught.value)


def test_a_hub_out_of_reach_says_how_to_use_a_local_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    with pytest.raises(BackendError, match=r"cannot be reached for 'some/model'.*--model hf:/path/to/model") as caught:
        HFBackend("some/model")
    assert caught.value.fatal


def test_a_hub_model_is_pinned_by_commit_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the model in the local cache nothing is asked of the hub."""
    import huggingface_hub

    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tiny_models.build(tmp_path / "snapshots" / commit)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(snapshot / "config.json"))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: pytest.fail("asked the hub"))
    assert HFBackend("some/model").model == f"hf:some/model@{commit}:float32"
    assert weights.load(weights.resolve("some/model"), "float32", "cpu")[0].config.hidden_size == 32
    # An interrupted download is no cached model.
    (snapshot / "model.safetensors.index.json").write_text('{"weight_map": {"a": "missing.safetensors"}}')
    with pytest.raises(pytest.fail.Exception, match="asked the hub"):
        HFBackend("some/model")


def test_wrong_options_are_named(llama: Path) -> None:
    with pytest.raises(BackendError, match="unknown dtype 'int3'; known: auto"):
        HFBackend(str(llama), dtype="int3")
    with pytest.raises(BackendError, match="max_rows is 0"):
        HFBackend(str(llama), max_rows=0)


def test_a_template_cannot_tell_the_date(tmp_path: Path) -> None:
    """Some templates print today's date into the prompt: tomorrow's samples of the same request would answer another
    prompt than today's."""
    from ttc_bench.backends.local.hf_model import Loaded

    folder = tiny_models.build(
        tmp_path / "m", chat_template="{{ strftime_now('%Y') }}{{ date_string }}{{ messages[0].content }}"
    )
    loaded = Loaded(*weights.load(weights.resolve(str(folder)), "float32", "cpu"))
    assert loaded.render(Request("m", (Message("user", "hi"),), 5)) == "26 Jul 2024" * 2 + "hi"


async def test_a_template_without_efforts_refuses_one(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every effort would be the same prompt with another seed: nothing may be generated, nor charged."""
    monkeypatch.setattr(Loaded, "generate", lambda *_: pytest.fail("generated"))
    backend = HFBackend(str(llama))
    jobs = [Job(ask(backend, "one"), (0,)), Job(ask(backend, "one", reasoning_effort="high"), (0,))]
    for attempt in (backend.check(jobs), collect(backend, jobs)):
        with pytest.raises(BackendError, match="knows no reasoning_effort") as error:
            await attempt
        assert error.value.fatal


async def test_a_template_with_efforts_renders_them(tmp_path: Path) -> None:
    template = tiny_models.CHAT + "{% if reasoning_effort %}({{ reasoning_effort }}){% endif %}"
    folder = tiny_models.build(tmp_path / "m", chat_template=template)
    loaded = Loaded(*weights.load(weights.resolve(str(folder)), "float32", "cpu"))
    rendered = [loaded.render(Request("m", (Message("user", "Hi"),), 4, reasoning_effort=e)) for e in (None, "low")]
    assert rendered == ["[user]Hi\n[assistant]", "[user]Hi\n[assistant](low)"]
    backend = HFBackend(str(folder))
    assert len(await collect(backend, [Job(ask(backend, "Hi", 4, reasoning_effort="high"), (0, 1))])) == 2


@pytest.mark.parametrize(
    "template", ["{% for i in range(10**9) %}x{% endfor %}", "{{ messages[7].content }}", "{{ 1 // 0 }}"]
)
def test_a_template_that_raises_whatever_it_likes_is_one_line(tmp_path: Path, template: str) -> None:
    """range(10**9) is an OverflowError of the sandbox, which was a traceback."""
    loaded = Loaded(
        *weights.load(weights.resolve(str(tiny_models.build(tmp_path / "m", chat_template=template))), "float32", "cpu")
    )
    with pytest.raises(BackendError, match="chat template refuses these messages") as error:
        loaded.render(Request("m", (Message("user", "hi"),), 5))
    assert error.value.fatal
