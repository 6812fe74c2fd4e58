"""Forecasts the calls, tokens and dollars of a run, from stored samples or as an upper bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttc_bench.core import Backend, Completion, Job, Request, Usage
from ttc_bench.prices import Price
from ttc_bench.sampling.store import Store

CHARACTERS_PER_TOKEN = 4  # of English text, roughly; for prompts without a token count


@dataclass(frozen=True)
class Forecast:
    """What is still to be sampled. `measured`: share of the samples whose length is estimated from stored samples of
    the same kind; the others count with max_tokens, so that the total is an upper bound. `continuations` and `scores`
    are upper bounds of the numbers that follow the samples; their tokens and dollars are not in the other figures."""

    calls: int
    samples: int
    usage: Usage
    measured: float
    dollars: float | None
    continuations: int = 0  # of traces: budgets, waits, revisions
    scores: int = 0  # of answers, by verifiers that run a model


def forecast(
    backend: Backend, store: Store, groups: Sequence[Sequence[Request]], samples: int, price: Price | None
) -> Forecast:
    """The forecast of `samples` samples per request. Each group holds the requests of one kind (one task, prompt and
    effort): the missing samples of a group are taken to be as long as its stored ones."""
    calls = samples_missing = measured = 0
    usage = Usage(source="estimate")
    for requests in groups:
        jobs = [Job(request, lacking) for request, lacking in store.missing([(r, samples) for r in requests])]
        missing = sum(len(job.indices) for job in jobs)
        called = backend.calls(jobs)
        stored = [c for r in requests for c in store.pool(r).values()]
        usage += _from_stored(stored, called, missing) if stored else _at_most(backend, jobs)
        calls, samples_missing = calls + called, samples_missing + missing
        measured += missing if stored else 0
    dollars = price.cost(usage) if price else None
    return Forecast(calls, samples_missing, usage, measured / samples_missing if samples_missing else 1.0, dollars)


def total(forecasts: Sequence[Forecast]) -> Forecast:
    """The forecasts of several models as one. Dollars: sum over the models with a known price, None if there is
    none."""
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


def _from_stored(stored: Sequence[Completion], calls: int, samples: int) -> Usage:
    prompts = [c.usage.prompt for c in stored if c.usage.prompt] or [0]
    return Usage(
        prompt=round(calls * sum(prompts) / len(prompts)),
        completion=round(samples * sum(c.usage.completion for c in stored) / len(stored)),
        source="estimate",
    )


def _at_most(backend: Backend, jobs: Sequence[Job]) -> Usage:
    characters = {job.request.address: sum(len(m.content) for m in job.request.messages) for job in jobs}
    single = [backend.calls([job]) for job in jobs]
    share = backend.calls(jobs) / max(1, sum(single))  # several copies of a model may share one job
    tokens = [
        calls * characters[job.request.address] / CHARACTERS_PER_TOKEN for calls, job in zip(single, jobs, strict=True)
    ]
    return Usage(
        prompt=round(share * sum(tokens)),
        completion=sum(len(job.indices) * job.request.max_tokens for job in jobs),
        source="estimate",
    )
