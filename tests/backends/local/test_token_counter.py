"""Tokens of a text by a model's tokenizer, without its weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ttc_bench.backends.by_name import BUILTIN_MODELS, token_counter
from ttc_bench.errors import TtcError

SMALL = BUILTIN_MODELS / "small"


def test_a_folder_and_its_file_count_the_same() -> None:
    import tokenizers

    text = "Start with 57. The answer is 52."
    own = len(tokenizers.Tokenizer.from_file(str(SMALL / "tokenizer.json")).encode(text, add_special_tokens=False))
    assert own > 5
    for name in (SMALL, SMALL / "tokenizer.json"):
        count = token_counter(str(name))
        assert (count(text), count("")) == (own, 0)


def test_a_tokenizer_that_cuts_and_pads_does_neither_here(tmp_path: Path) -> None:
    fields = json.loads((SMALL / "tokenizer.json").read_text(encoding="utf-8"))
    fields["truncation"] = {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    fields["padding"] = {
        "strategy": {"Fixed": 64}, "direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "0",
        "pad_to_multiple_of": None,
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(fields), encoding="utf-8")
    text = "Start with 57. The answer is 52."
    assert token_counter(str(tmp_path))(text) == token_counter(str(SMALL))(text)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/tokenizer.json", "nowhere.gguf"])
def test_none_is_one_line(name: str) -> None:
    with pytest.raises(TtcError, match="nowhere") as error:
        token_counter(name)
    assert "\n" not in str(error.value)


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(TtcError, match="cannot be loaded"):
        token_counter(str(tmp_path))
