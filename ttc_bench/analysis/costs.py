"""The cost of k samples of a problem: tokens read and generated, dollars, FLOPs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ttc_bench.analysis.graded import Graded, GradedPool
from ttc_bench.analysis.stats import mean
from ttc_bench.core import Score
from ttc_bench.prices import Price


def prompt_tokens(g: Graded, k: int, verifier: str) -> float:
    """Mean prompt tokens of k samples of a problem: one prompt if samples share it, else one each; plus those that the
    verifier ("": none) reads for each sample."""
    usages = [c.usage for c in g.completions]
    if all(c.shares_prompt for c in g.completions):
        sampling = float(max(u.prompt for u in usages))
    else:
        sampling = k * sum(u.prompt for u in usages) / len(usages)
    verifying = sum(s.usage.prompt for s in g.scores[verifier]) / len(usages) if verifier else 0.0
    return sampling + k * verifying


@dataclass(frozen=True)
class Rates:
    """The price and the number of parameters of a model, None where unknown."""

    price: Price | None = None
    parameters: int | None = None

    def flops(self, pool: GradedPool, k: int, verifier: str, totals: Sequence[float]) -> float | None:
        """Mean inference FLOPs per problem: 2 x parameters x tokens read and generated (Kaplan et al. 2020,
        arXiv:2001.08361, without attention over the context). `totals`: these tokens, one value per problem. The
        tokens of a verifier with weights of its own count with its own parameters. None where the model's are not
        known."""
        if self.parameters is None:
            return None
        correction = 0.0  # for verifier tokens, which `totals` counts as tokens of the model
        for g in pool.problems if verifier else ():
            scores = [s for s in g.scores[verifier] if s.parameters is not None]
            extra = sum(((s.parameters or 0) - self.parameters) * (s.usage.prompt + s.usage.completion) for s in scores)
            correction += k * extra / len(g.completions)
        return 2 * (self.parameters * mean(totals) + correction / len(pool.problems))

    def dollars(self, pool: GradedPool, k: int, verifier: str, read: float, generated: float) -> float | None:
        """Mean dollars per problem for tokens at the model's price. Tokens of a verifier on this machine (one whose
        parameters are known) cost nothing; another model behind an API has a price that is not known here: None."""
        if self.price is None:
            return None
        for g, score in _scores(pool, verifier):
            share = k / len(g.completions) / len(pool.problems)
            if score.parameters is not None:
                read, generated = read - share * score.usage.prompt, generated - share * score.usage.completion
            elif (score.usage.prompt or score.usage.completion) and not score.own:
                return None
        return self.price.of(read, generated, pool.cached)


def _scores(pool: GradedPool, verifier: str) -> Iterator[tuple[Graded, Score]]:
    for g in pool.problems if verifier else ():
        for score in g.scores[verifier]:
            yield g, score
