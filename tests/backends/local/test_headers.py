"""Parameters from the headers of files: the same number as counting the loaded model's."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import tiny_models

from ttc_bench.backends.local import headers, weights

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True}),
        ("gpt2", {}),
        ("gemma3", {}),
        ("mamba", {}),
    ],
)
def test_headers_count_what_is_loaded(tmp_path: Path, kind: str, options: dict[str, object]) -> None:
    folder = tiny_models.build(tmp_path / "m", kind, **options)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert headers.parameters(weights.resolve(str(folder))) == sum(p.numel() for p in loaded.parameters())


def test_a_copy_of_tied_embeddings_is_counted_once() -> None:
    """Some tools save both of them: the built-in model's file holds lm_head.weight too."""
    folder = Path(weights.__file__).parents[2] / "models" / "medium"
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert headers.parameters(weights.resolve(str(folder))) == sum(p.numel() for p in loaded.parameters())


def test_what_a_header_does_not_tell_is_not_guessed(tmp_path: Path) -> None:
    folder = tiny_models.build(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    unknown = (
        {"num_local_experts": 8},
        {"quantization_config": {"quant_method": "gptq"}},
        {"is_encoder_decoder": True},
    )
    for extra in unknown:
        (folder / "config.json").write_text(json.dumps({**config, **extra}))
        assert headers.parameters(weights.resolve(str(folder))) is None
    (folder / "config.json").write_text(json.dumps(config))
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:40])  # half a download
    assert headers.parameters(weights.resolve(str(folder))) is None


def gguf(path: Path, experts: int) -> Path:
    """A file of that format: values of every kind, then two tensors and RoPE factors."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    values = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("llama.expert_count") + struct.pack("<II", 4, experts),
        text("llama.rope.freq_base") + struct.pack("<If", 6, 1e4),
        text("general.fine") + struct.pack("<IB", 7, 1),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc"),
        text("tokenizer.ggml.scores") + struct.pack("<IIQff", 9, 6, 2, 0.5, 1.5),
    ]
    tensors = [("token_embd.weight", (32, 99)), ("blk.0.attn_q.weight", (32, 32)), ("rope_freqs.weight", (4,))]
    shapes = b"".join(
        text(name) + struct.pack(f"<I{len(s)}Q", len(s), *s) + struct.pack("<IQ", 0, 0) for name, s in tensors
    )
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(values)) + b"".join(values) + shapes)
    return path


def test_the_header_of_a_gguf_file(tmp_path: Path) -> None:
    assert headers.parameters(weights.resolve(str(gguf(tmp_path / "dense.gguf", 0)))) == 32 * 99 + 32 * 32
    assert headers.parameters(weights.resolve(str(gguf(tmp_path / "mixed.gguf", 8)))) is None
    (tmp_path / "cut.gguf").write_bytes((tmp_path / "dense.gguf").read_bytes()[:60])
    assert headers.parameters(weights.resolve(str(tmp_path / "cut.gguf"))) is None
