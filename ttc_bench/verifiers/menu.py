"""The menu of verifiers, which score samples without the gold. Their tokens are charged to the strategy.

To add one that costs nothing: a class with `score` here and a line in VERIFIERS. To add one that runs a model (a reward
model, or a language model that is asked through a Backend): a stored.Scorer and a line in SCORERS."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_bench.core import Completion, Problem, Score, Task, Usage, Verifier
from ttc_bench.errors import BackendError, TaskError, nearest
from ttc_bench.sampling.plan import Plan
from ttc_bench.sampling.store import Store
from ttc_bench.verifiers.asked import judge_scorer, p_true_scorer
from ttc_bench.verifiers.stored import Scorer, Setting, StoredVerifier

BUILTIN_VERIFIER = Path(__file__).parents[1] / "models" / "verifier"
ByTask = Mapping[str, Sequence[Verifier]]  # the verifiers of each task, by its name


@dataclass(frozen=True)
class Signal(Verifier):
    """A number that the backend recorded while it sampled, so it costs nothing."""

    name: str
    signal: str = ""
    elsewhere: bool = False

    async def score(self, items: Sequence[tuple[Problem, Completion]]) -> list[Score]:
        return [Score(completion.signals.get(self.signal)) for _, completion in items]


@dataclass(frozen=True)
class Checker(Verifier):
    """The task's own exact check: 1.0 for an answer that satisfies the problem's statement, 0.0 otherwise."""

    name: str
    task: Task
    grades = True

    async def score(self, items: Sequence[tuple[Problem, Completion]]) -> list[Score]:
        grader = self.task.grader
        return [Score(float(grader.correct(grader.extract(c.text).answer, problem))) for problem, c in items]


def _checker(name: str, task: Task, signals: frozenset[str]) -> Verifier:
    if not task.grader.checks:
        raise TaskError(f"task {task.name} has no check that works without the gold answer")
    return Checker(name, task)


def _signal(signal: str) -> Callable[[str, Task, frozenset[str]], Verifier]:
    def make_signal(name: str, task: Task, signals: frozenset[str]) -> Verifier:
        if signal not in signals:
            raise TaskError(f"this model's backend records no {name}")
        return Signal(name, signal, signal not in RECORDED)

    return make_signal


def _reward(name: str, setting: Setting) -> Scorer:
    from ttc_bench.backends.local.reward import RewardModel

    name, mark, options = name.partition("?")
    if not name:
        raise BackendError("names no model; give reward:builtin, reward:HUB-ID or reward:FOLDER", fatal=True)
    if name == "builtin":
        if not (BUILTIN_VERIFIER / "config.json").exists():
            raise BackendError("is not part of this copy; python training/train_verifier.py makes it", fatal=True)
        name = str(BUILTIN_VERIFIER)
    return RewardModel(name + mark + options, device=setting.config.device, dtype=setting.config.dtype)


# name -> factory from (name, task, signals of the backend); raises TaskError with the reason if it does not apply
VERIFIERS: dict[str, Callable[[str, Task, frozenset[str]], Verifier]] = {
    "logprob": _signal("logprob"),  # mean token log-probability
    "self-certainty": _signal("self_certainty"),  # Kang et al. 2025, arXiv:2502.18581
    "tail-confidence": _signal("tail_confidence"),  # of the last tokens: Fu et al. 2025, arXiv:2508.15260
    "lowest-group-confidence": _signal("lowest_group_confidence"),  # of the least confident window: the same paper
    "checker": _checker,
}
RECORDED = frozenset({"logprob", "self_certainty", "tail_confidence", "lowest_group_confidence"})  # on the menu by name
AUTO = ("self-certainty", "logprob")  # "auto": the first of these that the backend records


# Verifiers that run a model, by the word before the colon. The factory gets the text after it, and loads nothing.
SCORERS: dict[str, Callable[[str, Setting], Scorer]] = {
    "judge": judge_scorer,  # an LLM judge
    "p-true": p_true_scorer,  # Kadavath et al. 2022, arXiv:2207.05221
    "reward": _reward,  # an outcome or process reward model
}


def make(
    names: Sequence[str], tasks: Sequence[Task], setting: Setting, reserved: Collection[str] = ()
) -> dict[str, list[Verifier]]:
    """The verifiers of each task by the task's name. A verifier that applies to some of the tasks is used for these;
    one that applies to none, or is unknown, raises TaskError with the reason and the alternatives. The text after the
    first colon of a name is the verifier's own argument. `reserved`: labels that are already in use."""
    if tuple(names) == ("auto",):
        scores = sorted(name for name in setting.signals - RECORDED if not name.startswith("p:"))  # of imported samples
        names = [name for name in (*AUTO, *scores) if _serves(name, tasks[0], setting.signals)][:1] or AUTO[:1]
    verifiers: dict[str, list[Verifier]] = {task.name: [] for task in tasks}
    for name in names:
        kind, colon, argument = name.partition(":")
        if kind in SCORERS and name not in setting.signals:
            used = {verifier.name for chosen in verifiers.values() for verifier in chosen}
            stored = _stored(name, argument, used | set(reserved), setting)
            for task in tasks:
                verifiers[task.name].append(stored)
        elif name in VERIFIERS or name in setting.signals:
            for task_name, verifier in _of_tasks(name, tasks, setting.signals).items():
                verifiers[task_name].append(verifier)
        else:
            menu = [*VERIFIERS, *(f"{scorer}:" for scorer in SCORERS), *sorted(setting.signals - RECORDED)]
            raise TaskError(nearest(kind + colon, menu, "verifier"))
    return verifiers


def _factory(name: str) -> Callable[[str, Task, frozenset[str]], Verifier]:
    """That of a verifier without a model; a name that is not on the menu is one of the samples' own scores."""
    return VERIFIERS.get(name) or _signal(name)


def _of_tasks(name: str, tasks: Sequence[Task], signals: frozenset[str]) -> dict[str, Verifier]:
    """Task name -> verifier without a model, for the tasks that it applies to. Raises TaskError if there are none."""
    verifiers, reasons = {}, []
    for task in tasks:
        try:
            verifiers[task.name] = _factory(name)(name, task, signals)
        except TaskError as reason:
            reasons.append(reason)
    if not verifiers:
        alternatives = [alternative for alternative in VERIFIERS if _serves(alternative, tasks[0], signals)]
        instead = f"use --verifier {' or '.join(alternatives)}" if alternatives else "leave best-of-n out"
        raise TaskError(f"verifier {name}: {reasons[0]}; {instead}")
    return verifiers


def _serves(name: str, task: Task, signals: frozenset[str]) -> bool:
    try:
        _factory(name)(name, task, signals)
    except TaskError:
        return False
    return True


def _stored(name: str, argument: str, reserved: set[str], setting: Setting) -> StoredVerifier:
    """A verifier that runs a model. Its label has only the last part of a path, unless that label is reserved."""
    kind = name.partition(":")[0]
    short = argument.rstrip("/").rpartition("/")[2]
    label = f"{kind}:{short}" if short else kind
    try:
        scorer = setting.recorded.get(name) or SCORERS[kind](argument, setting)
    except BackendError as error:
        raise TaskError(f"verifier {name}: {error}") from error
    return StoredVerifier(name if label in reserved else label, name, scorer, setting)


def asks(names: Sequence[str]) -> bool:
    """Whether one of these runs a model."""
    return any(name.partition(":")[0] in SCORERS for name in names)


def for_models(
    names: Sequence[str], tasks: Sequence[Task], settings: Mapping[str, Setting]
) -> dict[str, dict[str, list[Verifier]]]:
    """The verifiers by model and task. One that applies to some of the models is used for these; one that applies to
    none raises TaskError."""
    chosen: dict[str, dict[str, list[Verifier]]] = {model: {task.name: [] for task in tasks} for model in settings}
    for name in names:
        refusals = []
        for model, setting in settings.items():
            reserved = {verifier.name for verifier in _distinct(chosen[model])}
            try:
                verifiers = make((name,), tasks, setting, reserved)
            except TaskError as error:
                refusals.append(error)
            else:
                for task, of_task in verifiers.items():
                    chosen[model][task] += of_task
        if len(refusals) == len(settings):
            raise refusals[0]
    return chosen


def _distinct(verifiers: ByTask) -> Iterable[Verifier]:
    """Each verifier object once; one that runs a model is shared by several tasks."""
    return {id(verifier): verifier for of_task in verifiers.values() for verifier in of_task}.values()


def identities(verifiers: ByTask) -> dict[str, Any]:
    """The fields for run.json of each verifier, by the name that the user gave; empty for those without a model."""
    return {verifier.asked: verifier.identity() for verifier in _distinct(verifiers)}


def work(verifiers: ByTask) -> tuple[int, Usage]:
    """The scores that models made in this run, and their tokens."""
    parts = [verifier.work() for verifier in _distinct(verifiers)]
    return sum(count for count, _ in parts), sum((usage for _, usage in parts), Usage())


def to_score(plan: Plan, store: Store, verifiers: ByTask) -> int:
    """An upper bound of the missing scores of verifiers that run a model: a sample that does not exist yet may equal
    one that is scored."""
    config = plan.config
    traces = [p for p in plan.requests if p.prompt in config.verified_prompts and not p.change]
    total = 0
    for verifier in _distinct(verifiers):
        if not verifier.identity():
            continue
        of_verifier = [p for p in traces if verifier in verifiers[p.task.name]]
        stored = [(p.problem, c) for p in of_verifier for c in store.pool(p.request, config.samples).values()]
        total += verifier.pending(stored) + len(of_verifier) * config.samples - len(stored)
    return total


def remarks(described: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the verifiers in run.json: a judge of its own samples tends to favour them (Zheng et
    al. 2023, arXiv:2306.05685)."""
    judges = {name: entry for name, entry in described.items() if name.partition(":")[0] == "judge"}
    biased = [name for name, entry in judges.items() if entry.get("judges_itself")]
    return [f"verifier {name}: the model judges its own samples" for name in biased]
