"""Budgets as users give them, and plans in words and as rows of a table. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

from ttc_bench.errors import TtcError
from ttc_bench.policies.hull import Mixture
from ttc_bench.policies.planner import Judged, Plans
from ttc_bench.policies.sources import Contender
from ttc_bench.policies.spending import UNITS, Configuration, amount

Asked = Literal["dollars", "tokens", "flops"]
ROUNDED = 0.0005  # a difference that three digits show as 0
COLUMNS: dict[str, Any] = dict.fromkeys(
    (
        *("task", "plan", "difficulty", "share", "configuration", "model", "method", "verifier", "prompt", "k"),
        *("accuracy", "cost", "unit", "budget", "problems"),
        *("plan_accuracy", "plan_low", "plan_high", "plan_cost", "oracle", "regret"),
        *("over_single", "over_single_low", "over_single_high"),
    )
)


def asked(given: dict[Asked, float | None]) -> tuple[Asked, float]:
    """The one budget among these. Raises TtcError unless just one is given, above 0."""
    budgets = [(unit, value) for unit, value in given.items() if value is not None]
    flags = [f"--{unit}" for unit in get_args(Asked)]
    if len(budgets) != 1:
        raise TtcError(f"a plan needs one budget: give one of {', '.join(flags)}")
    if not 0 < budgets[0][1] < float("inf"):
        raise TtcError(f"--{budgets[0][0]} {budgets[0][1]:g}: expected a number above 0")
    return budgets[0]


def unit_of(given: Asked, ways: Sequence[Configuration], models: Sequence[Contender]) -> tuple[str, list[str]]:
    """The unit that a budget is planned in, and notes for the reader: which models are left out, as their cost is not
    known in it. Raises TtcError where that leaves none."""
    unit = str(given)
    notes = []
    if given == "tokens" and all("total_tokens" in w.costs for w in ways):
        unit = "total_tokens"
    elif given == "tokens":
        notes.append("the tokens of some prompts are not known, so that the budget is one of generated tokens")
    known = {w.fields.get("model") for w in ways if unit in w.costs}
    lacking = [m for m in models if m.name not in known]
    if len(lacking) == len(models):
        raise TtcError(_unknown(given, lacking))
    if lacking:
        notes.append(f"left out: {_unknown(given, lacking)}")
    return unit, notes


def _unknown(given: Asked, models: Sequence[Contender]) -> str:
    """Why a cost is not known, and how to get it."""
    names = ", ".join(m.name for m in models)
    if given == "tokens":
        return f"nobody counted the tokens of {names}; import with --tokenizer, or plan with --flops or --dollars"
    if given == "flops":
        return f"the parameters of {names} are not known, or nobody counted all tokens; plan with --tokens"
    if any(m.plan.model.startswith("openai:") for m in models):
        return (
            f"no price is known for {names}; give one with --prices FILE (a YAML as prices.yaml in the package), or "
            "plan with --tokens"
        )
    return (
        f"no price is known for {names}, as --prices names models of an API alone; plan with --flops or --tokens what "
        "runs elsewhere"
    )


def sentences(plans: Plans, problems: int) -> list[str]:
    """The mixture, the plan by difficulty and the best single configuration, for so many problems."""
    budget = f"with {amount(plans.budget * problems)} {UNITS[plans.unit]} for {problems:,} problems"
    m, single = plans.mixture, plans.single
    told = [f"{plans.task}: {budget}: {_mixture(plans, m.chosen[0])}: {_worth(m)}."]
    used = _cost(plans, m.chosen[0])
    if used < plans.budget * (1 - 1e-9):
        told[0] += f" More than {amount(used * problems)} is of no use to these configurations."
    if plans.by_level:
        levels = zip(plans.by_level.levels, plans.by_level.chosen, strict=True)
        parts = "; ".join(f"difficulty {level}: {_mixture(plans, mixture)}" for level, mixture in levels)
        told.append(f"{plans.task}: by difficulty, known beforehand: {parts}: {_worth(plans.by_level)}.")
    ((best, _),) = single.chosen[0].items()
    told.append(
        f"{plans.task}: the best single configuration, {plans.ways[best].name}: {single.crossed[0]:.2f} "
        f"[{single.crossed[1]:.2f}, {single.crossed[2]:.2f}]; compared with it, the mixture {_over(m)}"
        + (f", the plan by difficulty {_over(plans.by_level)}." if plans.by_level else ".")
    )
    return told


def _mixture(plans: Plans, mixture: Mixture) -> str:
    if len(mixture) == 1:
        ((way, _),) = mixture.items()
        return plans.ways[way].name
    return " and ".join(f"{share:.0%} {plans.ways[way].name}" for way, share in sorted(mixture.items()))


def _worth(judged: Judged) -> str:
    accuracy, low, high = judged.crossed
    return (
        f"{accuracy:.2f} [{low:.2f}, {high:.2f}] on problems that it was not chosen on, {abs(judged.regret):.3f} "
        f"{'above' if judged.regret < -ROUNDED else 'below'} the best plan with hindsight"
    )


def _over(judged: Judged) -> str:
    difference, low, high = judged.over_single
    return f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]"


def _cost(plans: Plans, mixture: Mixture) -> float:
    return sum(share * float(plans.ways[way].costs[plans.unit].mean()) for way, share in mixture.items())


def named(plans: Plans) -> list[tuple[str, Judged]]:
    """The plans by what people call them."""
    by_level = [("by difficulty", plans.by_level)] if plans.by_level else []
    return [("single configuration", plans.single), ("mixture", plans.mixture), *by_level]


def rows(every: Sequence[Plans]) -> list[dict[str, Any]]:
    """Of plan.csv: one per plan, level and configuration in use. `accuracy` and `cost` are means of the configuration
    over the problems of the level; `plan_...` are of the whole plan on problems that it was not chosen on; costs and
    `budget` are per problem."""
    return [COLUMNS | row for plans in every for row in _rows(plans)]


def _rows(plans: Plans) -> Iterator[dict[str, Any]]:
    for name, judged in named(plans):
        of_plan = dict(zip(("plan_accuracy", "plan_low", "plan_high"), judged.crossed, strict=True))
        of_plan |= {"plan_cost": judged.spent, "oracle": judged.oracle, "regret": judged.regret}
        over = ("over_single", "over_single_low", "over_single_high")
        of_plan |= dict(zip(over, judged.over_single, strict=True)) if judged is not plans.single else {}
        about = {"task": plans.task, "plan": name, "unit": plans.unit, "budget": plans.budget}
        for level, mixture in zip(judged.levels, judged.chosen, strict=True):
            places = plans.places[level] if level else slice(None)
            for way, share in sorted(mixture.items()):
                c = plans.ways[way]
                values, costs = c.values[places], c.costs[plans.unit][places]
                here = {"accuracy": float(values.mean()), "cost": float(costs.mean()), "problems": len(values)}
                yield (
                    about | {"difficulty": level, "share": share, "configuration": c.name, **c.fields} | here | of_plan
                )
