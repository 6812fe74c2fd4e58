"""The cost of k samples of a problem: tokens read and generated, dollars, FLOPs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ttc_bench.analysis.graded import Array, Graded, GradedPool
from ttc_bench.prices import Price


def prompt_tokens(pool: GradedPool, k: int | Array, verifier: str) -> Array:
    """[problem]: mean prompt tokens of k samples: one prompt if samples share it, else one each; plus those that the
    verifier ("": none) reads for each sample. Of a policy k is the expected number of samples, [problem]."""
    sampling: Array = np.where(pool.shared, pool.longest_prompt, k * pool.mean("prompt"))
    if verifier:
        sampling = sampling + k * np.array([g.scores[verifier].means[0] for g in pool.problems])
    return sampling


def _drawn(pool: GradedPool, k: int | Array) -> Iterator[tuple[Graded, float]]:
    """Each problem and how many samples are drawn of it."""
    return zip(pool.problems, np.broadcast_to(k, len(pool.problems)).tolist(), strict=True)


@dataclass(frozen=True)
class Rates:
    """The price and the number of parameters of a model, None where unknown."""

    price: Price | None = None
    parameters: int | None = None

    def flops(self, pool: GradedPool, k: int | Array, verifier: str, totals: Array) -> float | None:
        """Mean inference FLOPs per problem: 2 x parameters x tokens read and generated (Kaplan et al. 2020,
        arXiv:2001.08361, without attention over the context). `totals`: these tokens, [problem]. The tokens of a
        verifier with weights of its own count with its own parameters. None where the model's are not known."""
        if self.parameters is None:
            return None
        correction = 0.0  # for verifier tokens, which `totals` counts as tokens of the model
        for g, samples in _drawn(pool, k) if verifier else ():
            bill = g.scores[verifier].bill
            correction += samples * (bill.work - self.parameters * (bill.read + bill.generated)) / len(g)
        return 2 * (self.parameters * float(np.mean(totals)) + correction / len(pool.problems))

    def dollars(self, pool: GradedPool, k: int | Array, verifier: str, read: float, generated: float) -> float | None:
        """Mean dollars per problem for tokens at the model's price. Tokens of a verifier on this machine (one whose
        parameters are known) cost nothing; another model behind an API has a price that is not known here: None."""
        if self.price is None:
            return None
        for g, samples in _drawn(pool, k) if verifier else ():
            bill = g.scores[verifier].bill
            if bill.unknown:
                return None
            share = samples / len(g) / len(pool.problems)
            read, generated = read - share * bill.read, generated - share * bill.generated
        return self.price.of(read, generated, pool.cached)
