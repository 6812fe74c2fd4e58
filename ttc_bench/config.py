"""The configuration of a run. Its fields are the flags of `ttc-bench run`, and the keys in YAML files and run.json."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ttc_bench.core import Message, Request
from ttc_bench.errors import TtcError, nearest
from ttc_bench.model_names import joined
from ttc_bench.prices import Price, price
from ttc_bench.prompts import PROMPTS, WAIT
from ttc_bench.strategies.methods import METHODS, Method
from ttc_bench.strategies.rules import RULES

LONGEST_FOLDER = 200  # bytes; file systems take 255, and files beside it have longer names
BUDGET_MODES = ("forced-exit", "rerun")
# Fields that must stay the same in a results folder. The others (samples, methods, limit, ...) may change from run to
# run: they add samples or change the analysis.
IDENTITY = ("model", "task", "max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "data", "difficulty")


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run. Raises TtcError at construction for values that cannot work."""

    model: tuple[str, ...]  # several models are compared in one report
    task: tuple[str, ...]
    method: tuple[str, ...] = ("direct", "cot", "self-consistency", "best-of-n")
    verifier: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()  # stopping rules that are replayed over the pools of voting methods
    prompt: str | None = None  # the prompt of voting methods, in place of their own
    samples: int = 8
    limit: int | None = None
    difficulty: tuple[int, int] | None = None
    skip_bad_problems: bool = False  # whose gold answer cannot be read
    max_tokens: int = 512
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int = 0
    data: str | None = None
    reasoning_effort: tuple[str, ...] = ()  # one curve each
    thinking_budget: tuple[str, ...] = ()  # tokens: 8,16,32 or 128..4096, doubling
    budget_mode: str = "forced-exit"  # or "rerun"
    wait: int = 0  # number of times that the end of a trace is replaced by wait_text
    wait_text: str = WAIT
    rounds: int = 2  # of refine
    base_url: str | None = None  # of several servers of one model: URL,URL,...
    concurrency: int = 64  # of each server, like the limits per minute
    timeout: float = 1200.0  # seconds for the whole of one call; reasoning models think for minutes
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    prices: str | None = None
    max_cost: float | None = None
    name: str | None = None
    out: str = "results"
    store: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    rows: int | None = None
    cluster: str | None = None  # auto, local, or HOST:PORT of a Ray cluster
    cpus_per_worker: int | None = None  # of a cluster; None: all of a node, or one beside each GPU

    def __post_init__(self) -> None:
        for name in ("model", "task", "method", "verifier", "policy", "reasoning_effort"):
            if isinstance(getattr(self, name), str):  # a string would count as a sequence of letters
                raise TtcError(f"{name} = {getattr(self, name)!r}: expected a tuple of names, such as ('a', 'b')")
        checks = (
            (bool(self.model), "model: name at least one"),
            (bool(self.task), "task: name at least one"),
            (bool(self.method), "method: name at least one"),
            (self.samples >= 1, f"samples = {self.samples}: expected at least 1"),
            (self.limit is None or self.limit >= 1, f"limit = {self.limit}: expected at least 1"),
            (self.max_tokens >= 1, f"max_tokens = {self.max_tokens}: expected at least 1"),
            (0 <= self.temperature < math.inf, f"temperature = {self.temperature}: expected 0 or more"),
            (0 < self.top_p <= 1, f"top_p = {self.top_p}: expected above 0 and at most 1"),
            (0 <= self.min_p < 1, f"min_p = {self.min_p}: expected at least 0 and below 1"),
            (self.top_k >= 0, f"top_k = {self.top_k}: expected 0 (all) or more"),
            (self.rows is None or self.rows >= 1, f"rows = {self.rows}: expected at least 1"),
            (
                self.cpus_per_worker is None or self.cpus_per_worker >= 1,
                f"cpus_per_worker = {self.cpus_per_worker}: expected at least 1",
            ),
            (
                self.cpus_per_worker is None or self.cluster is not None,
                "cpus_per_worker is for the workers of a cluster: give --cluster auto, local or HOST:PORT too",
            ),
            (0 < self.timeout < math.inf, f"timeout = {self.timeout}: expected seconds, more than 0"),
            (self.concurrency >= 1, f"concurrency = {self.concurrency}: expected at least 1"),
            *(
                (value is None or value >= 1, f"{name} = {value}: expected at least 1")
                for name in ("requests_per_minute", "tokens_per_minute")
                for value in (getattr(self, name),)
            ),
            (self.wait >= 0, f"wait = {self.wait}: expected 0 or more"),
            (bool(self.wait_text.strip()), "wait_text: expected a word to go on with"),
            (self.rounds >= 1, f"rounds = {self.rounds}: expected at least 1"),
            (
                self.budget_mode in BUDGET_MODES,
                f"budget_mode = {self.budget_mode!r}: expected {' or '.join(BUDGET_MODES)}",
            ),
            (self.max_cost is None or self.max_cost > 0, f"max_cost = {self.max_cost}: expected more than 0 dollars"),
            (
                self.temperature > 0 or self.samples == 1,
                "temperature 0 gives the same text every time: use --samples 1, or a temperature above 0",
            ),
        )
        if self.base_url is not None and ({"@", "?", "#"} & set(self.base_url) or _KEY.search(self.base_url)):
            # run.json keeps the address, so nothing secret may be in it; and the message does not repeat it
            raise TtcError(
                "base_url holds a user, a password, a key or a query: leave that out, and set OPENAI_API_KEY instead"
            )
        for name, text in _texts(self):
            if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
                raise TtcError(f"{name} = {text!r}: expected a text without control characters")
        if self.name is not None and len(self.name.encode()) > LONGEST_FOLDER:
            raise TtcError(f"name: {len(self.name)} characters; expected at most {LONGEST_FOLDER} bytes")
        for fine, message in checks:
            if not fine:
                raise TtcError(message)
        _budgets(self.thinking_budget)
        for name in self.method:
            if name not in METHODS:
                raise TtcError(nearest(name, list(METHODS), "method"))
        for name in self.policy:
            if name not in RULES:
                raise TtcError(nearest(name, list(RULES), "policy"))
        if self.prompt is not None and self.prompt not in PROMPTS:
            raise TtcError(nearest(self.prompt, list(PROMPTS), "prompt"))

    @property
    def folder(self) -> Path:
        """Where the run's results go: out/name, the name made from models and tasks unless given."""
        tasks = [Path(task).stem for task in self.task]
        name = self.name or "-".join([joined(self.model), *tasks])
        if not self.name and len(name.encode()) > LONGEST_FOLDER:
            name = f"{joined(self.model)}-{tasks[0]}-and-{len(tasks) - 1}-others"[:LONGEST_FOLDER]
        return Path(self.out) / re.sub(r"[^A-Za-z0-9._+-]+", "-", name)

    @property
    def store_path(self) -> Path:
        return Path(self.store) if self.store else Path(self.out) / "samples.sqlite"

    def prompt_of(self, method: Method) -> str:
        return self.prompt if self.prompt and method.votes else method.prompt

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts that the methods need, each once, in the order of the methods."""
        return tuple(dict.fromkeys(self.prompt_of(METHODS[name]) for name in self.method))

    @property
    def verifiers(self) -> tuple[str, ...]:
        """The requested verifiers; "auto" if a verified method is requested without any."""
        if self.verifier or not any(METHODS[name].verified for name in self.method):
            return self.verifier
        return ("auto",)

    @property
    def verified_prompts(self) -> frozenset[str]:
        """The prompts whose samples a verifier chooses from."""
        return frozenset(self.prompt_of(METHODS[name]) for name in self.method if METHODS[name].verified)

    @property
    def efforts(self) -> tuple[str | None, ...]:
        """The reasoning efforts of requests; (None,) if none was named."""
        return self.reasoning_effort or (None,)

    @property
    def budgets(self) -> tuple[int, ...]:
        """The thinking budgets in tokens, in increasing order."""
        return _budgets(self.thinking_budget)

    @property
    def longest(self) -> int:
        """Most tokens of a sample: max_tokens, and never less than the largest thinking budget."""
        return max(self.max_tokens, *self.budgets, 1)

    def tariff(self, model: str) -> Price | None:
        """The price of a model (its identity), or None where neither --prices nor the shipped file names it."""
        return price(model, Path(self.prices) if self.prices else None)

    def request(self, model: str, messages: tuple[Message, ...], effort: str | None = None) -> Request:
        """The request that samples these messages; `model` is the backend's own identity of the weights."""
        return Request(
            model=model,
            messages=messages,
            max_tokens=self.longest,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            reasoning_effort=effort,
            seed=self.seed,
        )


_KEY = re.compile(r"\b(?:sk|gsk|xai|hf|key)[-_][\w.-]{8,}", re.IGNORECASE)  # as providers write their keys


def _texts(config: Config) -> Iterator[tuple[str, str]]:
    """The names and words of a config that are shown to people, written to files or sent to models."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str):
                yield field.name, text.replace("\n", "") if field.name == "wait_text" else text


def _budgets(parts: Sequence[str]) -> tuple[int, ...]:
    """8, 16, 32 from "8", "16", "32"; 128, 256, ... 4096 from "128..4096". Raises TtcError."""
    out: set[int] = set()
    for part in parts:
        ends = part.split("..")
        if len(ends) > 2 or not all(end.isdecimal() for end in ends) or not 1 <= int(ends[0]) <= int(ends[-1]):
            raise TtcError(f"thinking_budget = {part!r}: expected tokens such as 8,16,32, or a range such as 128..4096")
        low, high = int(ends[0]), int(ends[-1])
        out |= {low * 2**i for i in range((high // low).bit_length())} | {high}
    return tuple(sorted(out))


def from_fields(fields: Mapping[str, Any], where: str = "") -> Config:
    """A Config from named values: lists may be written as one comma-separated text; None means the default. Raises
    TtcError for unknown, missing or mistyped fields, prefixed by `where`."""
    types = {f.name: str(f.type) for f in dataclasses.fields(Config)}
    values = {}
    at = f"{where}: " if where else ""
    for key, value in fields.items():
        if key not in types:
            raise TtcError(at + nearest(key, list(types), "field"))
        if value is not None:
            values[key] = _value(key, types[key], value, at)
    for key in ("model", "task"):
        if key not in values:
            raise TtcError(f"{at}{key}: missing; give it with --{key}")
    return Config(**values)


def from_file(path: Path) -> dict[str, Any]:
    """The fields in a YAML file of flags, or in the run.json of an earlier run. Raises TtcError."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise TtcError(f"{path}: cannot be read as a configuration ({' '.join(str(error).split())[:200]})") from None
    if not isinstance(raw, dict):
        raise TtcError(f"{path}: expected fields such as 'model: builtin', found {type(raw).__name__}")
    fields = raw["config"] if "ttc_bench" in raw and "config" in raw else raw
    names = [f.name for f in dataclasses.fields(Config)]
    if not isinstance(fields, dict):
        raise TtcError(f"{path}: config: expected fields such as 'model: builtin', found {type(fields).__name__}")
    fields = {str(key): value for key, value in fields.items()}
    for key in fields:
        if key.replace("-", "_") not in names:
            raise TtcError(f"{path}: " + nearest(str(key), names, "field"))
    return {key.replace("-", "_"): value for key, value in fields.items()}


def to_fields(config: Config) -> dict[str, Any]:
    """The fields of a config as JSON can hold them."""
    fields: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return fields


def _value(key: str, kind: str, value: Any, at: str) -> Any:
    try:
        if kind.startswith("tuple[str"):
            parts: Sequence[Any] = value.split(",") if isinstance(value, str) else value
            return tuple(dict.fromkeys(str(part).strip() for part in parts if str(part).strip()))
        if key == "difficulty":
            parts = str(value).replace("..", "-").split("-") if isinstance(value, str | int) else value
            low, high = int(parts[0]), int(parts[-1])
            return (low, high)
        if isinstance(value, bool) != (kind == "bool"):
            raise ValueError
        if kind == "bool":
            return value
        if key == "base_url" and isinstance(value, list | tuple):
            return ",".join(map(str, value))
        if kind.startswith("int"):
            if float(value) != int(value):
                raise ValueError
            return int(value)
        if kind.startswith("float"):
            return float(value)
        return str(value)
    except (TypeError, ValueError, IndexError):
        raise TtcError(f"{at}{key} = {value!r}: expected {kind.replace(' | None', '')}") from None
