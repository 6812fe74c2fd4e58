"""Every noun and every protocol of ttc-bench, on one page. Read this first; it needs the standard library only.

    costs money, awaits                       free, pure, re-runnable
    Task + Prompt -> Request -> STORE  ==>  grade -> Candidates -> Strategy(k) -> statistics -> CurvePoints -> chart
                                ^ Pool -> Backend

Sampling happens once and is kept; everything to the right of the arrow can be run again at no cost.
Arrays are `[problem, sample]` throughout. Tokens are counts, times are seconds, shares lie in 0..1.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

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
    (address, i). Fields at their default are left out of the canonical form, so a new field keeps old addresses."""

    model: str  # the backend's own identity of the weights (name and revision or digest, dtype), not a display name
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0  # 0: the whole vocabulary
    min_p: float = 0.0
    stop: tuple[str, ...] = ()
    reasoning_effort: str | None = None
    prefix: str = ""  # the assistant's turn begins with this text, which the model continues
    choices: tuple[str, ...] = ()  # answers whose first-token probability is recorded as signal "p:TEXT"
    seed: int = 0  # of the run; an independent repetition of a pool is another seed

    @property
    def canonical(self) -> str:
        """Canonical JSON: sorted keys, defaults left out."""
        fields_set = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if f.default is dataclasses.MISSING or value != f.default:
                fields_set[f.name] = [dataclasses.asdict(m) for m in value] if f.name == "messages" else value
        return json.dumps(fields_set, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def address(self) -> str:
        """sha256 (64 hex digits) of the canonical form: the name of this request's pool in the store."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()


# Of imported samples: "completion": only generated tokens are known ("guess": estimated), "unknown": none.
TokenSource = Literal["api", "tokenizer", "estimate", "completion", "guess", "unknown"]
PROMPT_UNKNOWN = ("completion", "guess", "unknown")
StopReason = Literal["stop", "length", "unknown"]


@dataclass(frozen=True)
class Usage:
    """Tokens as billed. Adds with `+`. Reasoning tokens are part of completion, cached ones part of prompt.

    Where one prompt served many samples (one prefill, or n > 1 in one call) the sample with the lowest index of that
    call carries the prompt tokens and the others carry 0, so that the sum over samples is always what was paid."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0
    source: TokenSource = "tokenizer"  # of the counts; a sum keeps the least reliable one

    def __add__(self, other: Usage) -> Usage:
        trust = ("unknown", "guess", "completion", "estimate", "api", "tokenizer")
        known = [u.source for u in (self, other) if u.prompt or u.completion or u.source == "unknown"]
        both = {n: getattr(self, n) + getattr(other, n) for n in ("prompt", "cached", "completion", "reasoning")}
        return Usage(**both, source=min(known or [self.source], key=trust.index))


@dataclass(frozen=True)
class Completion:
    """The text of a model. Truncation ("length") is a property of a sample, not an error."""

    text: str  # the answer part: what is graded
    stop_reason: StopReason
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
    wasted: Usage = Usage()  # billed for failed attempts: counts as spent by the run, not as cost of a strategy


@dataclass(frozen=True)
class Extraction:
    """An answer read from a text, and the rung of the ladder that found it. `answer` None: there was none."""

    answer: str | None
    rung: str


@dataclass(frozen=True)
class Candidate:
    """The part of a sample that a strategy sees, which excludes the gold. Equal answers are equal strings."""

    answer: str | None
    tokens: int  # generated for this sample, its verifier's included
    score: float | None = None  # None: the verifier gave no verdict


@dataclass(frozen=True)
class Outcome:
    """The chance, for each of the n candidates, to be *the* answer when k of n are drawn without replacement
    (weights sum to 1), and the expected tokens generated for those k draws."""

    weights: Sequence[float] | Any  # or a numpy array
    tokens: float
    draws: int | None = None  # random subsets that the weights are the mean over; None: exact


@dataclass(frozen=True)
class Score:
    """A verifier's verdict on one sample; `value` None: it gave none."""

    value: float | None
    usage: Usage = Usage()
    parameters: int | None = None  # of a verifier with weights on this machine, for FLOPs
    own: bool = False  # given by the sampling model itself, so its tokens have that model's price


Kind = Literal["", "budget", "wait", "refine"]


@dataclass(frozen=True)
class Change:
    """A change to a sampled trace: none (kind ""), cut at a budget of `amount` tokens, continued after `amount` waits,
    or revised in `amount` rounds. Amount 0 is the unchanged trace as the first point of such a line."""

    kind: Kind = ""
    amount: int = 0
    announced: bool = False  # the budget was named in the prompt and the trace sampled anew, not cut

    def __bool__(self) -> bool:
        return self.kind != ""

    def label(self) -> str:
        """For people: "budget 64", "budget 64 announced", "wait 1"; "" for an unchanged trace."""
        announced = " announced" if self.announced else ""
        return f"{self.kind} {self.amount}{announced}" if self.amount else ""


UNCHANGED = Change()
Line = tuple[str, str, str, str, str, bool, int]  # CurvePoint.line


@dataclass(frozen=True)
class CurvePoint:
    """One row of curve.csv. Charts draw these and compute nothing; no code reads `label()`."""

    task: str
    model: str
    method: str  # a name in METHODS, or "pass@k"
    prompt: str
    k: int
    accuracy: float
    low: float  # 95 % interval over problems
    high: float
    tokens: float | None  # mean generated tokens per problem; None where nobody counted them
    total_tokens: float | None  # the same and prompt tokens
    problems: int
    samples: int  # in the pool of each problem
    verifier: str = ""  # that the method chooses by; "" where it needs none
    effort: str = ""  # reasoning effort of the requests, "" if none
    change: Change = UNCHANGED
    threshold: float | None = None  # of a stopping rule, whose k is the most samples that it draws; None: k are drawn
    dollars: float | None = None  # mean per problem; None where no price is known
    flops: float | None = None  # mean per problem, 2 x parameters x tokens; None where the parameters are not known
    parameters: int | None = None  # of the model
    guess: float | None = None  # accuracy of random guessing at this task; None where it is not known
    bound: bool = False  # pass@k: what a perfect verifier would reach, not a method
    pareto: bool = False  # no other method of this task and model is at least as accurate for fewer tokens
    mc_error: float = 0.0  # standard error of the estimator itself, where no closed form exists
    truncated: float | None = 0.0  # shares of the samples behind this row; None: not known of any sample
    unextracted: float = 0.0
    duplicated: float = 0.0
    failed: float = 0.0
    estimated: float = 0.0  # share whose tokens nobody counted
    # accuracy of each problem, in the task's order: what a paired comparison needs; curve.csv leaves it out
    values: tuple[float, ...] = field(default=(), repr=False, compare=False)

    @property
    def line(self) -> Line:
        """The key of the curve that this point lies on: along it k grows, or the amount of a change at one k."""
        changed = (self.change.kind, self.change.announced, self.k if self.change else 0)
        return self.method, self.verifier, self.prompt, self.effort, *changed

    @property
    def spent(self) -> float:
        """What it costs, for comparing points of one chart: generated tokens, or k where they are not known."""
        return self.k if self.tokens is None else self.tokens

    def label(self) -> str:
        """The name of its line for people, without the prompt: "best-of-n (logprob)", "cot by budget"."""
        name = f"{self.method} ({self.verifier})" if self.verifier else self.method
        name += f", effort {self.effort}" if self.effort else ""
        if self.change.kind in ("budget", "wait"):
            name += f" (k = {self.k})" if self.k > 1 else ""
            name += " by budget" if self.change.kind == "budget" else " + wait"
        return f"{name} (announced)" if self.change.announced else name


class SpendingLimit(Protocol):
    """Dollars that a run may spend. The highest possible cost of a call is reserved before it is sent."""

    def hold(self, request: Request, samples: int) -> float | None:
        """Reserves the highest possible cost of a call and returns it; None if that could exceed the limit: do not
        send."""

    def settle(self, held: float, usage: Usage | None) -> None:
        """Replaces the reserved cost of a call by its billed cost. None: the call was lost and its bill is not known,
        so the most that it can cost counts as spent."""


class Backend(ABC):
    """Samples from a model. One of your own is a subclass with `model` and `sample`; everything else has a default.

    Construction is cheap: weights load, and connections open, at the first sample."""

    model: str  # the identity of the weights that goes into Request.model
    signals: frozenset[str] = frozenset()  # the names of the Completion.signals it records
    prefills: bool = True  # whether it can continue a given beginning of an answer (Request.prefix)
    shard: int | None = 256  # most samples it is handed at once where several share a run; None: its even share of all

    @abstractmethod
    def sample(self, jobs: Sequence[Job], limit: SpendingLimit | None = None) -> AsyncIterator[Sample]:
        """Samples all jobs and yields each sample as it finishes, in any order. A temporary failure is yielded as a
        hole; a fatal BackendError is raised. `limit`: in dollars; only a backend that costs money has to respect it."""

    def identity(self) -> dict[str, Any]:
        """Fields for run.json: name, revision, dtype, device, ... Never a secret."""
        return {"name": self.model}

    def calls(self, jobs: Sequence[Job]) -> int:
        """The number of calls (or prefills) for the jobs if nothing fails; each is charged its prompt."""
        return sum(len(job.indices) for job in jobs)

    def cut(self, text: str, tokens: int, total: int) -> str:
        """The first `tokens` tokens of a text of `total`; without a tokenizer, as many characters in proportion."""
        return text[: round(len(text) * tokens / max(total, 1))]

    @property
    def at_once(self) -> float | None:
        """Calls that keep it busy: where several share a run, it is handed its next shard as soon as it owes fewer.
        None: one shard after the other."""
        return None

    @property
    def notes(self) -> Sequence[str]:
        """Sentences for the reader about how it served this run."""
        return ()

    def likely_reason(self) -> str:
        """Why samples of one request at temperature > 0 may all be the same text; "" if unknown."""
        return ""

    def stop(self) -> bool:
        """Starts nothing further. Whether `sample` will still yield what is under way, as it is paid for, and end then;
        False where it has to be broken off."""
        return False

    async def close(self) -> None:
        """Frees memory and connections. The backend can be used again."""
        return


class Grader(Protocol):
    """Decides which answers are right."""

    @property
    def checks(self) -> bool:
        """Whether `correct` needs no gold, so that it can also serve as the "checker" verifier."""

    def extract(self, text: str) -> Extraction:
        """The answer of a completion, and how it was found. Never raises, whatever the text."""

    def read(self, fragment: str) -> str | None:
        """The canonical form of a bare answer, such as a gold answer; None if it cannot be read."""

    def same(self, a: str, b: str) -> bool:
        """Whether two answers are equal, for votes and grading alike. Symmetric."""

    def correct(self, answer: str | None, problem: Problem) -> bool: ...


class Verifier(ABC):
    """How good a sample looks, without the gold. Higher is better. One of your own is a subclass with `name` and
    `score`; the rest is for those that run a model (verifiers/stored.py)."""

    name: str  # as curves are labelled
    signal: str = ""  # of Completion.signals that is its score; then `score` is not called
    grades: bool = False  # its score is the grade itself, which needs no gold; then `score` is not called
    elsewhere: bool = False  # its model ran where imported samples were made: nobody knows what it read

    def known(self, contents: Sequence[str]) -> list[Score | None]:
        """The scores it has already, by grading.columns.content_address in hex; `score` is asked for the others."""
        return [None] * len(contents)

    @abstractmethod
    async def score(self, items: Sequence[tuple[Problem, Completion]]) -> list[Score]: ...

    @property
    def asked(self) -> str:
        """Its name as the user gave it."""
        return self.name

    def identity(self) -> dict[str, Any]:
        """Fields of its model for run.json; empty if it runs none."""
        return {}

    def pending(self, items: Sequence[tuple[Problem, Completion]]) -> int:
        """How many of these a model would have to score, equal ones counted once."""
        return 0

    def work(self) -> tuple[int, Usage]:
        """The scores that a model made in this run, and their tokens."""
        return 0, Usage()


class Strategy(ABC):
    """How a draw of k samples becomes one answer. One of your own is a subclass with `outcome`."""

    @abstractmethod
    def outcome(self, candidates: Sequence[Candidate], k: int) -> Outcome: ...

    def outcomes(self, candidates: Sequence[Candidate], ks: Sequence[int]) -> list[Outcome]:
        return [self.outcome(candidates, k) for k in ks]
