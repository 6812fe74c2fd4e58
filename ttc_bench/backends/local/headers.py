"""Counts the parameters of a model from the headers of its files, in milliseconds: no weights, no torch."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ttc_bench.backends.local.weights import Weights

_SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # GGUF type: bytes
_STRING, _ARRAY = 8, 9
LONGEST_NAME, DEEPEST = 65_535, 8  # bytes of a name, arrays within arrays: GGUF files have far less
_BUFFERS = (".inv_freq", ".masked_bias", ".attn.bias")  # constants that old checkpoints keep beside the weights
_OUTPUT = "lm_head.weight"


def parameters(weights: Weights) -> int | None:
    """Parameters that every token passes through, embeddings included and tied ones once. None where the headers do
    not tell: pickled files, files still on the hub, quantised safetensors, and models of which a token uses only a part
    (mixtures of experts, encoder-decoder models)."""
    folder = Path(weights.source)
    try:
        if weights.gguf:
            return _gguf_parameters(folder / weights.gguf)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tied = bool(_language_config(config).get("tie_word_embeddings"))
        return None if partly(config) else _safetensors_parameters(folder, tied)
    except (OSError, ValueError, KeyError, struct.error):
        return None


def partly(config: Mapping[str, Any]) -> bool:
    """Whether a model with this config.json has tensors that a token does not pass through, or quantised ones: a token
    uses some of the experts, and either the encoder or the decoder."""
    text = _language_config(config)
    experts = max(int(text.get(k) or 0) for k in ("num_experts", "num_local_experts", "n_routed_experts"))
    return experts > 1 or bool(config.get("quantization_config") or config.get("is_encoder_decoder"))


def _language_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The language model's part of a config.json."""
    part = config.get("text_config")
    return {**config, **part} if isinstance(part, dict) else config


def _safetensors_parameters(folder: Path, tied: bool) -> int | None:
    """The header of a file is its length, then JSON: name -> dtype, shape and place."""
    index = folder / "model.safetensors.index.json"
    names = {"model.safetensors"}
    if index.exists():
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    shapes: dict[str, list[int]] = {}
    for name in names:
        with (folder / name).open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > (folder / name).stat().st_size:
                raise ValueError("the file ends within its header")
            header = json.loads(file.read(length))
        shapes |= {key: entry["shape"] for key, entry in header.items() if key != "__metadata__"}
    if tied and any(key.endswith(("embed_tokens.weight", "wte.weight")) for key in shapes):
        shapes.pop(_OUTPUT, None)  # a copy, where the tool that saved it kept both
    return sum(math.prod(shape) for key, shape in shapes.items() if not key.endswith(_BUFFERS)) or None


def _gguf_parameters(path: Path) -> int | None:
    """The header is a list of typed values, then one of tensors with their shapes."""
    with path.open("rb") as file:
        magic, _, tensors, values = struct.unpack("<4sIQQ", file.read(24))
        if magic != b"GGUF":
            return None
        for _ in range(values):
            key, kind = _string(file), _integer(file, 4)
            if key.endswith(".expert_count"):
                if _integer(file, _SCALAR_BYTES[kind]) > 1:
                    return None
            else:
                _skip(file, kind)
        total = 0
        for _ in range(tensors):
            name = _string(file)
            dimensions = _integer(file, 4)
            if dimensions > DEEPEST:
                raise ValueError(f"a tensor of {dimensions} dimensions")
            shape = [_integer(file, 8) for _ in range(dimensions)]
            _past(file, 12)  # type and place
            total += 0 if name.startswith("rope_") else math.prod(shape)
        return total or None


def _integer(file: BinaryIO, size: int) -> int:
    data = file.read(size)
    if len(data) < size:
        raise ValueError("the file ends within its header")
    return int.from_bytes(data, "little")


def _string(file: BinaryIO) -> str:
    length = _integer(file, 8)
    if length > LONGEST_NAME:
        raise ValueError(f"a name of {length} bytes")
    return file.read(length).decode("utf-8", "replace")


def _past(file: BinaryIO, size: int) -> None:
    """Moves on by so many bytes. Raises ValueError where the file ends before."""
    if size > os.fstat(file.fileno()).st_size - file.tell():
        raise ValueError("the file ends within its header")
    file.seek(size, 1)


def _skip(file: BinaryIO, kind: int, depth: int = 0) -> None:
    if kind == _STRING:
        _past(file, _integer(file, 8))
    elif kind == _ARRAY:
        if depth == DEEPEST:
            raise ValueError("arrays within arrays without end")
        inner, count = _integer(file, 4), _integer(file, 8)
        if inner in _SCALAR_BYTES:
            _past(file, count * _SCALAR_BYTES[inner])
        else:
            for _ in range(count):  # each takes bytes, so the end of the file ends it
                _skip(file, inner, depth + 1)
    else:
        _past(file, _SCALAR_BYTES[kind])
