"""Counts tokens with a model's tokenizer alone, without its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ttc_bench.backends.local.weights import load_tokenizer, resolve
from ttc_bench.errors import TtcError

FILE = "tokenizer.json"


def counter(name: str) -> Callable[[str], int]:
    """The number of tokens of a text, without those that a chat template adds. `name`: tokenizer.json, a folder that
    has it, a GGUF file, or a hub id. Raises TtcError in one line."""
    import tokenizers

    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        packed = load_tokenizer(resolve(name, "--tokenizer "))
        return lambda text: len(packed(text, add_special_tokens=False)["input_ids"])
    path = path / FILE if path.is_dir() else path
    try:
        if path.is_file():
            tokenizer = tokenizers.Tokenizer.from_file(str(path))
        elif path.name == FILE or name.startswith(("/", ".", "~")):
            raise FileNotFoundError("no such file")
        else:
            tokenizer = tokenizers.Tokenizer.from_pretrained(name)
    except Exception as error:  # the library raises plain Exception
        raise TtcError(
            f"--tokenizer {name}: cannot be loaded ({' '.join(str(error).split())[:200]}); give a {FILE}, a folder that has "
            "one, or a hub id"
        ) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))
