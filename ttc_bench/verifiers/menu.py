"""Verifiers: how good does a sample look, without the gold? Their tokens are counted and charged to the strategy.

To add one that costs nothing: a class with `score` here and a line in VERIFIERS. To add one that runs a model (a reward
model, or a language model that is asked through a Backend): a scoring.Scorer and a line in SCORERS."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_bench.config import Config
from ttc_bench.core import Completion, Problem, Score, Task, Verifier
from ttc_bench.errors import BackendError, TaskError, nearest
from ttc_bench.sampling.plan import plan
from ttc_bench.sampling.pool import Filled
from ttc_bench.sampling.store import Store
from ttc_bench.verifiers import asked as judges
from ttc_bench.verifiers.stored import Recorded, Scorer, Setting, Stored

BUILTIN = Path(__file__).parents[1] / "models" / "verifier"


@dataclass(frozen=True)
class Signal:
    """A number that the backend recorded while it sampled, so it costs nothing."""

    name: str
    signal: str

    async def score(self, items: Sequence[tuple[Problem, Completion]]) -> list[Score]:
        return [Score(completion.signals.get(self.signal)) for _, completion in items]


@dataclass(frozen=True)
class Checker:
    """The task's own exact check: 1.0 for an answer that satisfies the problem's statement, 0.0 otherwise."""

    name: str
    task: Task

    async def score(self, items: Sequence[tuple[Problem, Completion]]) -> list[Score]:
        grader = self.task.grader
        return [Score(float(grader.correct(grader.extract(c.text).answer, problem))) for problem, c in items]


def _checker(name: str, task: Task, signals: frozenset[str]) -> Verifier | str:
    if not task.grader.checks:
        return f"task {task.name} has no check that works without the gold answer"
    return Checker(name, task)


def _signal(signal: str) -> Callable[[str, Task, frozenset[str]], Verifier | str]:
    def make(name: str, task: Task, signals: frozenset[str]) -> Verifier | str:
        if signal not in signals:
            return f"this model's backend records no {name}"
        return Signal(name, signal)

    return make


def _reward(name: str, setting: Setting) -> Scorer:
    from ttc_bench.backends.local.reward import RewardModel

    name, asked, options = name.partition("?")
    if not name:
        raise BackendError("names no model; give reward:builtin, reward:HUB-ID or reward:FOLDER", fatal=True)
    if name == "builtin":
        if not (BUILTIN / "config.json").exists():
            raise BackendError("is not part of this copy; python training/train_verifier.py makes it", fatal=True)
        name = str(BUILTIN)
    return RewardModel(name + asked + options, device=setting.config.device, dtype=setting.config.dtype)


# name -> what makes it for a task and a backend's signals: a verifier, or why there can be none
VERIFIERS: dict[str, Callable[[str, Task, frozenset[str]], Verifier | str]] = {
    "logprob": _signal("logprob"),  # mean token log-probability
    "self-certainty": _signal("self_certainty"),  # Kang et al. 2025, arXiv:2502.18581
    "tail-confidence": _signal("tail_confidence"),  # of the last tokens: Fu et al. 2025, arXiv:2508.15260
    "lowest-group-confidence": _signal("lowest_group_confidence"),  # of the least confident stretch: the same
    "checker": _checker,
}
DEFAULTS = ("self-certainty", "logprob")  # "auto": the first of these that the backend records


# Verifiers that run a model, by the word before the colon. The function is given what stands after it, and loads nothing.
SCORERS: dict[str, Callable[[str, Setting], Scorer]] = {
    "judge": judges.judge,  # an LLM judge
    "p-true": judges.p_true,  # Kadavath et al. 2022, arXiv:2207.05221
    "reward": _reward,  # a reward model; of steps where it is a process reward model
}


def make(
    names: Sequence[str], tasks: Sequence[Task], setting: Setting, taken: Collection[str] = ()
) -> dict[str, list[Verifier]]:
    """The verifiers of each task by the task's name. One that serves some of the tasks is used there; one that serves
    none of them, or is unknown, raises TaskError with the reason and those that would do. What follows the first colon
    of a name is the verifier's own argument; `taken`: names of curves that it must not have."""
    signals = setting.backend.signals
    if tuple(names) == ("auto",):
        able = [n for n in DEFAULTS if not isinstance(VERIFIERS[n](n, tasks[0], signals), str)]
        names = able[:1] or DEFAULTS[:1]
    out: dict[str, list[Verifier]] = {task.name: [] for task in tasks}
    for name in names:
        kind, colon, argument = name.partition(":")
        if kind in SCORERS:
            used = {verifier.name for made_already in out.values() for verifier in made_already}
            stored = _stored(name, argument, used | set(taken), setting)
            for task in tasks:
                out[task.name].append(stored)
            continue
        if name not in VERIFIERS:
            known = [*VERIFIERS, *(f"{scorer}:" for scorer in SCORERS)]
            raise TaskError(nearest(kind + colon, known, "verifier"))
        made = {task.name: VERIFIERS[name](name, task, signals) for task in tasks}
        reasons = [reason for reason in made.values() if isinstance(reason, str)]
        if len(reasons) == len(made):
            able = [n for n, other in VERIFIERS.items() if not isinstance(other(n, tasks[0], signals), str)]
            instead = f"use --verifier {' or '.join(able)}" if able else "leave best-of-n out"
            raise TaskError(f"verifier {name}: {reasons[0]}; {instead}")
        for one, verifier in made.items():
            if not isinstance(verifier, str):
                out[one].append(verifier)
    return out


def _stored(name: str, argument: str, taken: set[str], setting: Setting) -> Stored:
    """A path is long, so a curve is labelled with its last part, unless another verifier is called so already."""
    kind = name.partition(":")[0]
    short = argument.rstrip("/").rpartition("/")[2]
    label = f"{kind}:{short}" if short else kind
    recorded = (setting.recorded or {}).get(name)
    try:
        scorer = Recorded(recorded["id"], recorded) if recorded else SCORERS[kind](argument, setting)
    except BackendError as error:
        raise TaskError(f"verifier {name}: {error}") from error
    return Stored(name if label in taken else label, name, scorer, setting)


def identities(verifiers: Mapping[str, Sequence[Verifier]]) -> dict[str, Any]:
    """What run.json says of each verifier, by the name it was asked for; nothing of those without a model."""
    every = {getattr(v, "asked", v.name): v for made in verifiers.values() for v in made}
    return {name: v.identity() if isinstance(v, Stored) else {} for name, v in every.items()}


def did(verifiers: Mapping[str, Sequence[Verifier]]) -> Filled:
    """What they scored in this run, and what that took."""
    every = {id(v): v for made in verifiers.values() for v in made if isinstance(v, Stored)}
    return sum((v.did for v in every.values()), Filled())


def remarks(described: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the verifiers in run.json: a judge of its own samples tends to favour them (Zheng et
    al. 2023, arXiv:2306.05685)."""
    own = [name for name, one in described.items() if name.startswith("judge") and one.get("judges_itself")]
    return [f"verifier {name}: the model judges its own samples" for name in own]


def to_score(
    config: Config, tasks: Sequence[Task], model: str, store: Store, verifiers: Mapping[str, Sequence[Verifier]]
) -> int:
    """How many scores the verifiers that run a model still have to give, at most: an answer that is not made yet may
    turn out to be one that is scored already."""
    planned = [one for one in plan(config, tasks, model) if one.prompt in config.verified_prompts and not one.variant]
    total = 0
    for verifier in {id(v): v for few in verifiers.values() for v in few if isinstance(v, Stored)}.values():
        mine = [one for one in planned if verifier in verifiers[one.task.name]]
        made = [(one.problem, c) for one in mine for c in store.pool(one.request, config.samples).values()]
        total += verifier.pending(made) + len(mine) * config.samples - len(made)
    return total
