"""Prices of tokens from a dated file, and a spending limit in dollars. A model that no file names has no price."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, ValidationError

from ttc_bench.core import Request, Usage
from ttc_bench.errors import TtcError

SHIPPED_PRICES = Path(__file__).with_name("prices.yaml")
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")  # a snapshot (gpt-5-mini-2025-08-07) has the price of its alias
_MILLION = 1_000_000
FEWEST_CHARACTERS = 2  # per prompt token: fewer than any tokenizer needs for prose, so no prompt is underestimated


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens, as published on `as_of` by `source`."""

    input: float
    cached: float
    output: float
    as_of: datetime.date
    source: str

    def cost(self, usage: Usage) -> float:
        """US dollars. Cached tokens are part of the prompt's, reasoning tokens part of the completion's."""
        fresh = usage.prompt - usage.cached
        return (fresh * self.input + usage.cached * self.cached + usage.completion * self.output) / _MILLION

    def of(self, prompt: float, completion: float, cached: float) -> float:
        """US dollars of mean token counts; `cached` is the share of the prompt that is billed as cached."""
        fresh = prompt * (1 - cached)
        return (fresh * self.input + prompt * cached * self.cached + completion * self.output) / _MILLION


@dataclass
class DollarLimit:
    """core.SpendingLimit of one run. `spent`: billed so far; `held`: reserved for calls in progress.

    `used_up` becomes True at the first call that could exceed the limit; that call is not sent."""

    limit: float
    price: Price
    spent: float = 0.0
    held: float = 0.0
    used_up: bool = False

    def hold(self, request: Request, samples: int) -> float | None:
        """Reserves the highest possible cost of a call for `samples` samples and returns it; None if that could exceed
        the limit."""
        characters = sum(len(m.content) for m in request.messages)
        upper_bound = Usage(prompt=characters // FEWEST_CHARACTERS + 16, completion=samples * request.max_tokens)
        dollars = self.price.cost(upper_bound)
        if self.spent + self.held + dollars > self.limit:
            self.used_up = True
            return None
        self.held += dollars
        return dollars

    def settle(self, held: float, usage: Usage | None) -> None:
        """Replaces the reserved cost of a call by its billed cost. None: the call was lost and its bill is not known,
        so the most that it can cost counts as spent."""
        self.held -= held
        self.spent += held if usage is None else self.price.cost(usage)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    input: NonNegativeFloat
    output: NonNegativeFloat
    cached: NonNegativeFloat | None = None  # None: no discount
    endpoint: str | None = None  # None: any endpoint


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    as_of: datetime.date
    source: str
    models: list[_Entry]


def price(model: str, path: Path | None = None) -> Price | None:
    """The price of a model by its identity ("openai:NAME@URL"), or None where no file names it.

    The name must match exactly, or without the date at the end of a snapshot's name. `path` is searched before the
    shipped file.

    Raises:
        TtcError: the file cannot be read, or is not a price file.
    """
    name, _, endpoint = model.removeprefix("openai:").partition("@")
    if not model.startswith("openai:"):
        return None  # a model on this machine is not billed by the token
    for file in [path, SHIPPED_PRICES] if path else [SHIPPED_PRICES]:
        prices = _load(file)
        for alias in dict.fromkeys([name, _DATED.sub("", name)]):
            for entry in prices.models:
                if entry.name == alias and entry.endpoint in (None, endpoint):
                    cached = entry.input if entry.cached is None else entry.cached
                    return Price(entry.input, cached, entry.output, prices.as_of, prices.source)
    return None


@lru_cache
def _load(path: Path) -> _File:
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _File.model_validate(content)
    except OSError as error:
        raise TtcError(f"cannot read the price file {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise TtcError(f"{path}: {field}: {first['msg']}; compare {SHIPPED_PRICES.name} in the package") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TtcError(f"{path} is not YAML: {' '.join(str(error).split())[:200]}") from None
