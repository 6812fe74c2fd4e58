"""The engine and its sampler: every row's tokens against the model's own forward pass."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models

torch = pytest.importorskip("torch")

from ttc_bench.backends.local import drawing, engine, shared_prompt, simple, weights  # noqa: E402
from ttc_bench.backends.local import rows as sampling  # noqa: E402
from ttc_bench.backends.local.rows import Finished, Row  # noqa: E402
from ttc_bench.core import Message, Request  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build(tmp_path_factory.mktemp("engine") / "llama")


@pytest.fixture
def model(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return weights.load(weights.resolve(str(folder)), "float32", "cpu")[0]


def make(prompt: list[int], index: int = 0, limit: int = 20, **options: Any) -> Row:
    request = Request("m", (Message("user", str(prompt)),), limit, **options)
    return Row(request, request.address, index, tuple(prompt), limit)


def no_end(model: Any, *ends: int) -> Any:
    table = torch.zeros(model.config.vocab_size, dtype=torch.bool)
    table[list(ends)] = True
    return table


def never(row: Row, tokens: list[int]) -> bool:
    return False


def run(loop: Any, rows: list[Row], room: int) -> dict[tuple[tuple[int, ...], int], list[int]]:
    """Tokens by (prompt, index)."""
    with torch.inference_mode():
        return {(f.row.prompt, f.row.index): f.tokens for batch in loop(rows, room) for f in batch}


def reference(model: Any, row: Row, ends: Any) -> list[int]:
    """Sample a row alone, without any cache, from float64 probabilities: the text that the engine must give."""
    ids, made = list(row.prompt), []
    for u in row.uniforms():
        with torch.inference_mode():
            logits = model(torch.tensor([ids])).logits[0, -1].double()
        if row.request.temperature == 0:
            token = int(logits.argmax())
        else:
            p = (logits / row.request.temperature).softmax(0).cumsum(0)
            token = int(torch.searchsorted(p, float(u), right=True))
        ids.append(token)
        made.append(token)
        if ends[token]:
            break
    return made


PROMPTS = [[5], [7, 3, 9, 1, 4, 4, 2], [8, 8], list(range(30)), [1, 2, 3, 4], [60, 50, 40, 30, 20]]


def mixture(limit: int = 14) -> list[Row]:
    """Prompts of 1 to 30 tokens, 1 to 6 rows each, several limits and temperatures, one greedy."""
    return [
        make(prompt, index, limit - place, temperature=(0.0 if place == 1 else 0.6 + 0.2 * place))
        for place, prompt in enumerate(PROMPTS)
        for index in range(place + 1)
    ]


@pytest.mark.parametrize("room", [1, 4, 9, 64])
def test_every_row_is_what_it_would_be_alone(model: Any, room: int) -> None:
    """Prompts share slots and columns, rows are moved into gaps and slots into freed ones; none of this may show in a
    single token. The reference knows no cache, no batch and no engine."""
    ends = no_end(model, 17, 42)
    rows = mixture()
    expected = {(row.prompt, row.index): reference(model, row, ends) for row in rows}
    fast = engine.Engine(model, ends)
    found = run(lambda r, n: fast.generate(r, n, never), rows, room)
    assert found == expected
    assert len({len(tokens) for tokens in expected.values()}) > 3, "rows must finish at different times"


def test_the_simple_loop_gives_the_same_texts(model: Any) -> None:
    """A model that falls back to the simple loop keeps its pools."""
    ends = no_end(model, 17, 42)
    fast, plain = engine.Engine(model, ends), mixture()
    found = run(lambda r, n: fast.generate(r, n, never), plain, 8)
    model.set_attn_implementation("sdpa")
    assert run(lambda r, n: simple.generate(model, r, n, ends, never), plain, 8) == found


def test_the_buffer_moves_when_it_is_full(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more steps than columns, what the oldest row still sees moves to the front, again and again."""
    moves = []
    real = shared_prompt.SharedPromptCache.advance
    monkeypatch.setattr(shared_prompt.SharedPromptCache, "advance", lambda self: moves.append(real(self)) or moves[-1])
    ends = no_end(model, *range(0, 99, 9))  # rows end early, so the queue keeps the columns going
    rows = [make(prompt, index, 25) for prompt in PROMPTS for index in range(12)]
    expected = {(row.prompt, row.index): reference(model, row, ends) for row in rows[::7]}
    found = run(lambda r, n: engine.Engine(model, ends).generate(r, n, never), rows, 3)
    assert sum(moves) >= 2
    assert {key: found[key] for key in expected} == expected


def test_the_buffer_grows_with_its_longest_row(model: Any) -> None:
    """It begins with few columns, whatever the token limit, and no token may be lost when it is exchanged."""
    ends = no_end(model, 17)
    rows = [make(prompt, index, 150) for prompt in PROMPTS[:2] for index in range(3)]
    expected = {(row.prompt, row.index): reference(model, row, ends) for row in rows}
    assert max(map(len, expected.values())) > 2 * shared_prompt.FIRST_COLUMNS
    assert run(lambda r, n: engine.Engine(model, ends).generate(r, n, never), rows, 4) == expected


def test_a_prompt_is_read_once(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peers prefill the same prompt once per sample."""
    read = Counter()
    real = engine.Engine._prefill

    def counted(self: Any, cache: Any, slots: Any, queue: Any, room: int) -> None:
        before = list(queue)
        real(self, cache, slots, queue, room)
        read.update(prompt for prompt, _ in before[: len(before) - len(queue)])

    monkeypatch.setattr(engine.Engine, "_prefill", counted)
    rows = [make(prompt, index, 6) for prompt in PROMPTS for index in range(10)]
    run(lambda r, n: engine.Engine(model, no_end(model)).generate(r, n, never), rows, 4)
    assert read == {tuple(prompt): 1 for prompt in PROMPTS}


TRACE = [(7 * i + 3) % 90 for i in range(60)]
CLOSING = [11, 12, 13]


@pytest.mark.parametrize("room", [2, 5, 64])
def test_a_trace_cut_at_several_places_is_read_once(model: Any, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """A budget curve reads every trace once; each cut is fed the words that close it, and draws what it would alone."""
    read = []
    real = engine.Engine._prefill

    def counted(self: Any, cache: Any, slots: Any, queue: Any, room: int) -> None:
        before = len(slots)
        real(self, cache, slots, queue, room)
        read.extend(slot.prompt for slot in slots[before:])

    monkeypatch.setattr(engine.Engine, "_prefill", counted)
    ends = no_end(model, 17, 42)
    others = [[9, 9, *TRACE[2:]], PROMPTS[1], TRACE[:18]]
    cuts = [TRACE[:k] + CLOSING for k in (20, 25, 40, 57)] + [TRACE + CLOSING, TRACE]
    rows = [make(prompt, 3, 9 + i % 3, temperature=i % 2 * 0.9) for i, prompt in enumerate([*others, *cuts])]
    expected = {(row.prompt, row.index): reference(model, row, ends) for row in rows}
    assert run(lambda r, n: engine.Engine(model, ends).generate(r, n, never), rows, room) == expected
    assert sorted(map(len, read)) == [7, 18, 60, 63]


def test_a_prompt_with_many_rows_is_not_fed_token_by_token(model: Any) -> None:
    """Feeding sixteen rows forty tokens each costs more than reading their prompt once."""
    rows = [make([*TRACE[:30], last], index) for last in (1, 2) for index in range(16)]
    assert len(engine.share(rows)) == 2
    assert len(engine.share(rows[:1] + rows[16:17])) == 1


def test_the_batch_stays_full_until_the_queue_is_empty(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    real = sampling.RowTable.step
    monkeypatch.setattr(sampling.RowTable, "step", lambda self, logits: sizes.append(len(self)) or real(self, logits))
    rows = [make(prompt, index, 20) for prompt in PROMPTS for index in range(8)]
    ends = no_end(model, *range(0, 99, 12))
    found = run(lambda r, n: engine.Engine(model, ends).generate(r, n, never), rows, 8)
    full = sizes.index(next(size for size in sizes if size < 8)) if min(sizes) < 8 else len(sizes)
    assert all(size == 8 for size in sizes[:full])
    assert full > len(sizes) / 2
    assert sum(sizes) == sum(len(tokens) for tokens in found.values()), "no step is spent on a row that has ended"


def test_second_tokens_follow_the_exact_softmax(model: Any) -> None:
    """10,000 first and second tokens against the products of exact probabilities (chi-square, top 40 tokens)."""
    prompt, heat, count = [3, 1, 4, 1, 5], 0.5, 10_000
    rows = [make(prompt, index, 2, temperature=heat) for index in range(count)]
    drawn = run(lambda r, n: engine.Engine(model, no_end(model)).generate(r, n, never), rows, 2000)
    model.set_attn_implementation("sdpa")
    with torch.inference_mode():
        first = (model(torch.tensor([prompt])).logits[0, -1].double() / heat).softmax(0)
        pairs = torch.tensor([[*prompt, token] for token in range(len(first))])
        second = (model(pairs).logits[:, -1].double() / heat).softmax(1)
    for place, p in ((0, first), (1, first @ second)):
        found = Counter(tokens[place] for tokens in drawn.values())
        likely = [token for token in range(len(p)) if p[token] * count >= 5]
        chi = sum((found[token] - count * float(p[token])) ** 2 / (count * float(p[token])) for token in likely)
        assert len(likely) > 30
        assert chi < len(likely) + 4 * np.sqrt(2 * len(likely))


def draw(logits: Any, u: Any, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0) -> Any:
    count = len(logits)
    full = [torch.full((count,), value) for value in (temperature, top_k, top_p, min_p)]
    return drawing.draw(logits, u, *full)


@pytest.mark.parametrize(
    ("options", "vocabulary"),
    [
        ({}, 1000),
        ({"temperature": 0.6}, 256),
        ({"top_k": 5}, 1000),
        ({"top_p": 0.7}, 1000),
        ({"top_p": 0.999}, 3000),  # wider than the first look at the nucleus
        ({"min_p": 0.2}, 300),
        ({"temperature": 1.3, "top_k": 50, "top_p": 0.8, "min_p": 0.05}, 700),
    ],
)
def test_truncation_keeps_the_tokens_that_transformers_keeps(options: dict[str, float], vocabulary: int) -> None:
    """The support and the probabilities are those of transformers' own warpers, over a fine grid of uniforms."""
    from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    torch.manual_seed(1)
    spread = 0.3 if options.get("top_p") == 0.999 else 2.0
    logits = torch.randn(1, vocabulary) * spread
    warped = TemperatureLogitsWarper(options.get("temperature", 1.0))(None, logits)
    if "top_k" in options:
        warped = TopKLogitsWarper(options["top_k"])(None, warped)
    if "top_p" in options:
        warped = TopPLogitsWarper(options["top_p"])(None, warped)
    if "min_p" in options:
        warped = MinPLogitsWarper(options["min_p"])(None, warped)
    p = warped.double().softmax(1)[0]
    grid = 5_000
    u = (torch.arange(grid, dtype=torch.float64) + 0.5) / grid
    found = torch.bincount(draw(logits.expand(grid, -1), u, **options).tokens, minlength=vocabulary) / grid
    assert float((found - p).abs().max()) < 2 / grid
    assert not bool(found[p == 0].any())


def test_extreme_draws_and_logits_stay_inside_the_vocabulary() -> None:
    """u at both ends, tokens with no mass at both ends of the vocabulary, and one token with all of it."""
    logits = torch.full((4, 513), -torch.inf)
    logits[:, 100:400] = 0.0
    logits[3, 300] = 200.0
    u = torch.tensor([0.0, 1 - 2**-53, 0.501, 0.999], dtype=torch.float64)
    drawn = draw(logits, u)
    assert drawn.tokens.tolist() == [100, 399, 250, 300]
    assert drawn.logprob.tolist() == pytest.approx([-np.log(300)] * 3 + [0.0], abs=1e-5)
    assert draw(torch.zeros(1, 7), torch.tensor([0.999999]), temperature=0.0).tokens.tolist() == [0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logits_of_any_dtype_give_float32_signals(dtype: Any) -> None:
    torch.manual_seed(0)
    logits = (3 * torch.randn(5, 777)).to(dtype)
    drawn = draw(logits, torch.rand(5, dtype=torch.float64), temperature=0.3)
    logp = logits.double().log_softmax(1)
    torch.testing.assert_close(drawn.logprob.double(), logp.gather(1, drawn.tokens[:, None])[:, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn.certainty.double(), -np.log(777) - logp.mean(1), atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn.confidence.double(), -logp.topk(20).values.mean(1), atol=1e-4, rtol=0)


def test_gaps_are_closed_within_blocks_so_that_old_rows_stay_together() -> None:
    """Filling every gap with the youngest row mixes ages until each block sees the columns of the oldest row."""
    rng = np.random.default_rng(0)
    table = sampling.RowTable(64, 1, torch.zeros(9, dtype=torch.bool), torch.device("cpu"))
    copied: list[int] = []  # what a cache that follows the moves holds
    entered = 0
    for _ in range(300):
        room = 64 - len(table)
        new = [make([entered + i], entered + i, 1) for i in range(room)]
        entered += room
        table.add(new)
        copied += [row.index for row in new]
        gone = sorted(rng.choice(len(table), size=int(rng.integers(0, 6)), replace=False).tolist())
        left = {row.index for i, row in enumerate(table.rows) if i not in gone}
        into, out = table.drop(gone)
        moving = [copied[source] for source in out]
        for target, index in zip(into, moving, strict=True):
            copied[target] = index
        del copied[len(table) :]
        assert copied == [row.index for row in table.rows] == table.last[: len(table)].tolist()
        assert set(copied) == left
    ages = [np.mean(copied[low : low + 16]) for low in range(0, len(copied), 16)]
    assert ages == sorted(ages), "older blocks first"


def test_windows_of_deepconf() -> None:
    """Tail: the last 2048 tokens; lowest group: the worst of all windows of that length."""
    values = np.ones(5000, dtype=np.float32)
    values[1000:1100] = 0.0
    values[-1] = 3.0
    found = drawing.confidences(values)
    assert found["tail_confidence"] == pytest.approx((2047 + 3) / 2048)
    assert found["lowest_group_confidence"] == pytest.approx((2048 - 100) / 2048)


def test_uniforms_are_a_stream_of_address_and_index() -> None:
    a, b = make([1, 2], 0, 8), make([1, 2], 1, 8)
    longer = Row(a.request, a.address, 0, a.prompt, 50)
    assert np.array_equal(longer.uniforms()[:8], a.uniforms()), "a larger limit must not change what comes first"
    assert not np.array_equal(a.uniforms(), b.uniforms())


def test_both_ways_to_attend_agree() -> None:
    """The fused kernel of the CPU, and the plain products for few queries and other devices."""
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 9, 8), torch.randn(3, 2, 20, 8), torch.randn(3, 2, 20, 8)
    mask = torch.zeros(3, 1, 1, 20)
    mask[1, ..., 5:] = -1e9
    for hidden in (mask, None):
        fused = shared_prompt.attend(q, k, v, hidden, 0.3)
        plain = [shared_prompt.attend(q[:, :, i : i + 1], k, v, hidden, 0.3) for i in range(9)]
        torch.testing.assert_close(fused[0], torch.cat([out for out, _ in plain], 2), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(fused[1], torch.cat([total for _, total in plain], 2), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("llama", {}, None),
        ("qwen2", {}, None),
        ("gpt2", {}, None),
        ("mistral", {"sliding_window": None}, None),
        ("mistral", {"sliding_window": 8}, "sliding attention"),
        ("gemma3", {}, "sliding attention"),
        ("mamba", {}, "linear attention"),
    ],
)
def test_models_that_the_engine_cannot_serve_are_refused_by_reason(
    kind: str, options: dict[str, Any], reason: str | None, tmp_path: Path
) -> None:
    model = weights.load(weights.resolve(str(tiny_models.build(tmp_path / kind, kind, **options))), "float32", "cpu")[0]
    usual = model.config._attn_implementation
    assert engine.refuse(model) == reason
    assert model.config._attn_implementation == usual


def test_a_model_that_computes_otherwise_is_refused_by_its_logits(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration cannot tell everything: an attention that is not ours to replace shows in the numbers."""
    real = shared_prompt.attend

    def wrong(*args: Any) -> Any:
        out, total = real(*args)
        return 1.2 * out, total

    monkeypatch.setattr(shared_prompt, "attend", wrong)
    assert "differ by" in str(engine.refuse(model))

    def broken(*args: Any) -> Any:
        raise NotImplementedError

    monkeypatch.setattr(shared_prompt, "attend", broken)
    assert engine.refuse(model) == "NotImplementedError with the engine's cache"


def test_logits_that_are_no_numbers_end_the_run(model: Any) -> None:
    """A half-precision overflow must not become a pool of noise."""
    from ttc_bench.errors import BackendError

    model.lm_head.weight.data[:] = torch.nan
    with pytest.raises(BackendError, match=r"not numbers.*float32"):
        run(lambda r, n: engine.Engine(model, no_end(model)).generate(r, n, never), [make([1, 2, 3])], 1)


def test_finished_rows_say_how_they_ended(model: Any) -> None:
    ends = no_end(model, *range(0, 99, 4))
    rows = [make([1, 2, 3], index, 5) for index in range(40)]
    with torch.inference_mode():
        done: list[Finished] = [f for b in engine.Engine(model, ends).generate(rows, 40, never) for f in b]
    assert {f.ended for f in done} == {True, False}
    assert all(f.ended == bool(ends[f.tokens[-1]]) and not any(ends[f.tokens[:-1]]) for f in done)
    assert all(len(f.tokens) == 5 for f in done if not f.ended)
