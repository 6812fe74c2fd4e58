"""The menu of methods that users can name, each a prompt and a strategy. To add one: a line here.

A strategy of your own is a subclass of core.Strategy with `outcome`; the law tests cover everything in METHODS."""

from __future__ import annotations

from dataclasses import dataclass

from ttc_bench.core import Strategy
from ttc_bench.strategies.exact import BestOfN, MajorityVote, Single
from ttc_bench.strategies.subsets import ConfidenceVote, FilteredVote, WeightedVote


@dataclass(frozen=True)
class Method:
    """A prompt and a strategy. `verified`: one curve per verifier; `votes`: its curve has points for k > 1."""

    name: str
    prompt: str  # a name in prompts.PROMPTS
    strategy: Strategy
    about: str
    votes: bool = False
    verified: bool = False
    revises: bool = False  # a point per round of revision


METHODS = {
    m.name: m
    for m in (
        Method("direct", "direct", Single(), "the answer alone, no working"),
        Method("cot", "cot", Single(), "zero-shot chain-of-thought"),
        Method("cot-few-shot", "cot-few-shot", Single(), "chain-of-thought after the task's worked examples"),
        Method("self-consistency", "cot", MajorityVote(), "majority over k chains of thought", votes=True),
        Method("best-of-n", "cot", BestOfN(), "the highest verifier score of k", votes=True, verified=True),
        Method("refine", "cot", Single(), "the model checks and revises its answer, round after round", revises=True),
        Method("weighted-vote", "cot", WeightedVote(), "votes weigh their verifier score", votes=True, verified=True),
        Method("cisc", "cot", ConfidenceVote(), "votes weigh the softmax of the scores", votes=True, verified=True),
        Method("filtered-vote", "cot", FilteredVote(), "majority of the better-scored half", votes=True, verified=True),
    )
}
