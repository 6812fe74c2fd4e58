"""A limit in dollars that is kept: the most a call can cost is set aside before it is sent."""

from __future__ import annotations

from dataclasses import dataclass

from ttc_bench.core import Request, Usage
from ttc_bench.prices import Price

CHARACTERS_PER_TOKEN = 2  # fewer than any tokenizer needs for prose: the prompt's tokens are not underestimated


@dataclass
class Budget:
    """Dollars that one run may spend. `spent` is what was billed; `held` is set aside for calls under way.

    `used_up` becomes True at the first call that might pass the limit; it was not sent."""

    limit: float
    price: Price
    spent: float = 0.0
    held: float = 0.0
    used_up: bool = False

    def hold(self, request: Request, choices: int) -> float | None:
        """Sets aside the most that a call for `choices` samples can cost, and returns it; None where the limit could
        be passed."""
        characters = sum(len(m.content) for m in request.messages)
        most = Usage(prompt=characters // CHARACTERS_PER_TOKEN + 16, completion=choices * request.max_tokens)
        dollars = self.price.cost(most)
        if self.spent + self.held + dollars > self.limit:
            self.used_up = True
            return None
        self.held += dollars
        return dollars

    def settle(self, held: float, usage: Usage) -> None:
        """Replaces what was set aside for a call by what it was billed."""
        self.held -= held
        self.spent += self.price.cost(usage)
