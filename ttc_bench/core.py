"""Every noun and every protocol of ttc-bench, on one page. Read this first; it needs the standard library only.

    costs money, awaits                       free, pure, re-runnable
    Task + Prompt -> Request -> STORE  ==>  grade -> Candidates -> Strategy(k) -> statistics -> CurvePoints -> chart
                                ^ Pool -> Backend

Sampling happens once and is kept; everything to the right of the arrow can be run again for nothing.
Arrays are `[problem, sample]` throughout. Tokens are counts, times are seconds, shares lie in 0..1.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from ttc_bench.errors import BackendError


@dataclass(frozen=True)
class Problem:
    """One question. `answer` is the gold in the grader's canonical form, None where only a check can judge."""

    id: str
    question: str
    answer: str | None
    difficulty: float | None = None
    tags: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)  # what an exact check needs; no model sees it
    solution: str | None = None  # worked steps: shown by `ttc-bench tasks` and by few-shot examples


@dataclass(frozen=True)
class Task:
    """Problems of one kind. `answer_format` is the sentence that tells a model how to state its answer."""

    name: str
    problems: tuple[Problem, ...]
    answer_format: str
    grader: Grader
    examples: tuple[Problem, ...] = ()  # worked, for few-shot prompts; never among `problems`
    description: str = ""
    guess: float | None = None  # accuracy of random guessing; None where the possible answers cannot be counted
    skipped: int = 0  # problems left out because their gold answer cannot be read


@dataclass(frozen=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Prompt:
    """How a problem becomes messages. All wording lives in prompts.py."""

    name: str
    render: Callable[[Task, Problem], tuple[Message, ...]]


@dataclass(frozen=True)
class Request:
    """Everything that can change the sampled text, and nothing that cannot. Sample i draws its randomness from
    (address, i). Fields at their default stay out of the canonical form, so a new field moves no old address."""

    model: str  # the backend's own identity of the weights (name and revision or digest, dtype), not a display name
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0  # 0: the whole vocabulary
    min_p: float = 0.0
    stop: tuple[str, ...] = ()
    reasoning_effort: str | None = None
    prefix: str = ""  # the assistant's turn begins with this text and the model goes on from there
    choices: tuple[str, ...] = ()  # answers whose probability is recorded: signal "p:TEXT" of their first token
    seed: int = 0  # of the run; an independent repetition of a pool is another seed

    @property
    def canonical(self) -> str:
        """Canonical JSON: sorted keys, defaults left out."""
        kept = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if f.default is dataclasses.MISSING or value != f.default:
                kept[f.name] = [dataclasses.asdict(m) for m in value] if f.name == "messages" else value
        return json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @property
    def address(self) -> str:
        """sha256 (64 hex digits) of the canonical form: the name of this request's pool in the store."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()


@dataclass(frozen=True)
class Usage:
    """Tokens as billed. Adds with `+`. Reasoning tokens are part of completion, cached ones part of prompt.

    Where one prompt served many samples (one prefill, or n > 1 in one call) the sample with the lowest index of that
    call carries the prompt tokens and the others carry 0, so that the sum over samples is always what was paid."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0
    source: Literal["api", "tokenizer", "estimate"] = "tokenizer"  # where the count comes from; a sum keeps the weaker

    def __add__(self, other: Usage) -> Usage:
        trust = ("estimate", "api", "tokenizer")
        known = [u.source for u in (self, other) if u.prompt or u.completion] or [self.source]
        return Usage(
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.completion + other.completion,
            self.reasoning + other.reasoning,
            min(known, key=trust.index),
        )


@dataclass(frozen=True)
class Completion:
    """What a model wrote. Truncation ("length") is a fact about a sample, not an error."""

    text: str  # the answer part: what is graded
    stop_reason: Literal["stop", "length"]
    usage: Usage
    reasoning: str = ""  # thinking kept apart by the server; counted, never graded
    shares_prompt: bool = False  # one prompt serves all samples of the request: k samples are charged one prompt
    signals: Mapping[str, float] = field(default_factory=dict, hash=False)  # "logprob", "self_certainty", ...


@dataclass(frozen=True)
class Job:
    """The samples of one request that are missing. Indices are sorted and distinct."""

    request: Request
    indices: tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """Sample `index` of a request: a completion, or a hole with the error that left it."""

    request: Request
    index: int
    completion: Completion | None = None
    error: BackendError | None = None
    wasted: Usage = Usage()  # billed for failed attempts: run spending, never a strategy's cost


@dataclass(frozen=True)
class Extraction:
    """An answer read from a text, and the rung of the ladder that found it. `answer` None: there was none."""

    answer: str | None
    rung: str


@dataclass(frozen=True)
class Candidate:
    """What a strategy may see of a sample. No gold, so no strategy can peek. Equal answers are equal strings."""

    answer: str | None
    tokens: int  # generated for this sample, its verifier's included
    score: float | None = None  # None: the verifier gave no verdict


@dataclass(frozen=True)
class Outcome:
    """The chance, for each of the n candidates, to be *the* answer when k of n are drawn without replacement
    (weights sum to 1), and the expected tokens generated for those k draws."""

    weights: Sequence[float]
    tokens: float
    draws: int | None = None  # random subsets that the weights are the mean over; None: exact


@dataclass(frozen=True)
class Score:
    """A verifier's verdict on one sample; None where it gave none."""

    value: float | None
    usage: Usage = Usage()
    parameters: int | None = None  # of a verifier with weights of its own, for FLOPs; None: the sampling model's


@dataclass(frozen=True)
class CurvePoint:
    """One row of curve.csv. Charts draw these and compute nothing."""

    task: str
    model: str
    method: str
    prompt: str
    k: int
    accuracy: float
    low: float  # 95 % interval over problems
    high: float
    tokens: float  # mean generated tokens per problem
    total_tokens: float  # the same with the prompts that had to be read
    problems: int
    samples: int  # in the pool of each problem
    dollars: float | None = None  # mean per problem; None where no price is known
    flops: float | None = None  # mean per problem, 2 x parameters x tokens; None where the parameters are not known
    parameters: int | None = None  # of the model
    guess: float | None = None  # accuracy of random guessing at this task; None where it is not known
    effort: str = ""  # reasoning effort asked for, "" where none was
    variant: str = ""  # what was done to the thinking: "budget 64", "wait 1", "refine 2"; "" where nothing was
    bound: bool = False  # pass@k: what a perfect verifier would reach, not a method
    pareto: bool = False  # no other method of this task and model is at least as accurate for fewer tokens
    mc_error: float = 0.0  # standard error of the estimator itself, where no closed form exists
    truncated: float = 0.0  # shares of the samples behind this row
    unextracted: float = 0.0
    duplicated: float = 0.0
    failed: float = 0.0
    # accuracy of each problem, in the task's order: what a paired comparison needs; curve.csv leaves it out
    values: tuple[float, ...] = field(default=(), repr=False, compare=False)


@runtime_checkable
class Backend(Protocol):
    """Who answers. Construction is cheap: weights load, and connections open, at the first sample."""

    @property
    def model(self) -> str:
        """Goes into Request.model."""
        ...

    @property
    def signals(self) -> frozenset[str]:
        """The names of the Completion.signals it records."""
        ...

    def identity(self) -> dict[str, Any]:
        """What run.json says about the model: name, revision, dtype, device, ... Never a secret."""
        ...

    def calls(self, jobs: Sequence[Job]) -> int:
        """How many calls (or prefills) the jobs take if nothing fails: each pays for its prompt."""
        ...

    def sample(self, jobs: Sequence[Job]) -> AsyncIterator[Sample]:
        """All missing samples at once, each yielded as it finishes, in any order. A passing failure is yielded as a
        hole; a fatal BackendError is raised."""
        ...

    async def close(self) -> None: ...


class Grader(Protocol):
    """What counts as right."""

    @property
    def checks(self) -> bool:
        """Whether `correct` needs no gold, so that it can also serve as the "checker" verifier."""
        ...

    def extract(self, text: str) -> Extraction:
        """The answer of a completion, and how it was found. Never raises, whatever the text."""
        ...

    def read(self, fragment: str) -> str | None:
        """The canonical form of an answer that stands by itself, such as a gold answer."""
        ...

    def same(self, a: str, b: str) -> bool:
        """THE equality: votes and grading use this one. Symmetric."""
        ...

    def correct(self, answer: str | None, problem: Problem) -> bool: ...


class Verifier(Protocol):
    """How good a sample looks, without the gold. Higher is better."""

    @property
    def name(self) -> str: ...

    async def score(self, items: Sequence[tuple[Problem, Completion]]) -> list[Score]: ...


class Strategy(Protocol):
    """How a draw of k samples becomes one answer."""

    def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome: ...
