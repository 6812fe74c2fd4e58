"""Prices: exact, dated, overridable, and never guessed."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from ttc_bench.core import Usage
from ttc_bench.errors import TtcError
from ttc_bench.prices import SHIPPED_PRICES, price

OPENAI = "https://api.openai.com/v1"


@pytest.mark.parametrize("name", ["gpt-5-mini", "gpt-5-mini-2025-08-07"])
def test_a_known_model_costs_what_its_bill_says(name: str) -> None:
    found = price(f"openai:{name}@{OPENAI}")
    assert found
    usage = Usage(prompt=1_000_000, cached=400_000, completion=2_000_000, reasoning=1_500_000)
    assert found.cost(usage) == pytest.approx(0.6 * 0.25 + 0.4 * 0.025 + 2 * 2.00)
    assert found.as_of > datetime.date(2025, 1, 1)
    assert found.source


@pytest.mark.parametrize(
    "model",
    [
        f"openai:gpt-5-maxi@{OPENAI}",
        f"openai:gpt-5-mini-tuned@{OPENAI}",
        f"openai:ft:gpt-4o-mini:me@{OPENAI}",
        "openai:gpt-5-mini@http://127.0.0.1:8000/v1",  # the same name elsewhere
        "gpt-5-mini",
        "hf:gpt-5-mini",
    ],
)
def test_an_unknown_model_has_no_price(model: str) -> None:
    """The price of a model with a longer name, or of the same name at a gateway, would be a guess."""
    assert price(model) is None


def test_a_file_of_ones_own_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(
        "as_of: 2026-01-02\nsource: contract\nmodels:\n"
        "  - {name: gpt-5-mini, input: 1, output: 10}\n"
        "  - {name: mine, endpoint: 'http://127.0.0.1:8000/v1', input: 2, output: 4, cached: 1}\n"
    )
    own = price(f"openai:gpt-5-mini@{OPENAI}", file)
    assert own
    assert own.cost(Usage(prompt=1_000_000, cached=500_000)) == 1.0, "without a cached price there is no discount"
    assert (own.as_of, own.source) == (datetime.date(2026, 1, 2), "contract")
    mine = price("openai:mine@http://127.0.0.1:8000/v1", file)
    assert mine
    assert mine.cost(Usage(completion=500_000)) == 2.0
    assert price("openai:mine@http://127.0.0.1:9000/v1", file) is None
    assert price(f"openai:gpt-4o@{OPENAI}", file) == price(f"openai:gpt-4o@{OPENAI}")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("as_of: 2026-01-02\nsource: x\nmodels: [{name: a, input: cheap, output: 1}]", r"models\.0\.input: .*number"),
        ("as_of: 2026-01-02\nsource: x\nmodels: [{name: a, input: -1, output: 1}]", r"models\.0\.input: .*greater"),
        (
            "as_of: 2026-01-02\nsource: x\nmodels: [{name: a, inputs: 1, output: 1}]",
            r"models\.0\.input: Field required",
        ),
        ("source: x\nmodels: []", "as_of: Field required"),
        ("as_of: [", "is not YAML"),
        ("- a\n", "the file: "),
    ],
)
def test_a_wrong_file_names_its_field(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    with pytest.raises(TtcError, match=match) as caught:
        price("openai:a@x", file)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TtcError, match="cannot read"):
        price("openai:a@x", tmp_path / "none.yaml")


def test_the_shipped_file_is_whole() -> None:
    names = [
        line.split("name: ")[1].split(",")[0] for line in SHIPPED_PRICES.read_text().splitlines() if "{name" in line
    ]
    assert len(names) == len(set(names)) > 10
    for name in names:
        found = price(f"openai:{name}@{OPENAI}")
        assert found
        assert 0 < found.cached < found.input < found.output
