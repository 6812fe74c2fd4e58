"""What a run will take before it is paid for: calls, tokens and dollars, from stored samples or as an upper bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttc_bench.core import Backend, Completion, Job, Request, Usage
from ttc_bench.prices import Price
from ttc_bench.sampling.store import Store

CHARACTERS_PER_TOKEN = 4  # of English text, roughly; used for prompts that no server has counted yet


@dataclass(frozen=True)
class Forecast:
    """What is still to be asked for. `measured`: share of the samples whose length was taken from stored samples of
    the same kind; for the others each completion is counted as long as it may be, so the total is an upper bound.
    `continuations` and `scores` are upper bounds of what comes after the samples, by number alone: neither their tokens
    nor their dollars are in the other figures."""

    calls: int
    samples: int
    usage: Usage
    measured: float
    dollars: float | None
    continuations: int = 0  # of traces: budgets, waiting, revision
    scores: int = 0  # of answers, by verifiers that run a model


def forecast(
    backend: Backend, store: Store, groups: Sequence[Sequence[Request]], samples: int, price: Price | None
) -> Forecast:
    """Each group holds the requests of one kind (one task, prompt and effort): its stored samples, if there are any,
    tell how long the missing ones will be."""
    calls = made = measured = 0
    usage = Usage(source="estimate")
    for requests in groups:
        jobs = [Job(request, lacking) for request, lacking in store.missing([(r, samples) for r in requests])]
        missing = sum(len(job.indices) for job in jobs)
        called = backend.calls(jobs)
        seen = [c for r in requests for c in store.pool(r).values()]
        usage += _of_seen(seen, called, missing) if seen else _at_most(backend, jobs)
        calls, made = calls + called, made + missing
        measured += missing if seen else 0
    dollars = price.cost(usage) if price else None
    return Forecast(calls, made, usage, measured / made if made else 1.0, dollars)


def total(forecasts: Sequence[Forecast]) -> Forecast:
    """Several models' forecasts as one. Dollars are those of the models whose price is known, None where none is."""
    samples = sum(f.samples for f in forecasts)
    dollars = [f.dollars for f in forecasts if f.dollars is not None]
    return Forecast(
        calls=sum(f.calls for f in forecasts),
        samples=samples,
        usage=sum((f.usage for f in forecasts), Usage(source="estimate")),
        measured=sum(f.measured * f.samples for f in forecasts) / samples if samples else 1.0,
        dollars=sum(dollars) if dollars else None,
        continuations=sum(f.continuations for f in forecasts),
        scores=sum(f.scores for f in forecasts),
    )


def _of_seen(seen: Sequence[Completion], calls: int, samples: int) -> Usage:
    prompts = [c.usage.prompt for c in seen if c.usage.prompt] or [0]
    return Usage(
        prompt=round(calls * sum(prompts) / len(prompts)),
        completion=round(samples * sum(c.usage.completion for c in seen) / len(seen)),
        source="estimate",
    )


def _at_most(backend: Backend, jobs: Sequence[Job]) -> Usage:
    characters = {job.request.address: sum(len(m.content) for m in job.request.messages) for job in jobs}
    single = [backend.calls([job]) for job in jobs]
    share = backend.calls(jobs) / max(1, sum(single))  # of several copies of a model, few jobs are shared by all
    tokens = [
        calls * characters[job.request.address] / CHARACTERS_PER_TOKEN for calls, job in zip(single, jobs, strict=True)
    ]
    return Usage(
        prompt=round(share * sum(tokens)),
        completion=sum(len(job.indices) * job.request.max_tokens for job in jobs),
        source="estimate",
    )
