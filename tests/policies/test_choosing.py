"""Which cascade is chosen, on which problems it is judged, and what it is compared with."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judged import Row, pools

from ttc_bench.analysis.costs import Rates
from ttc_bench.analysis.graded import GradedPool
from ttc_bench.config import Config
from ttc_bench.errors import TtcError
from ttc_bench.policies import cascade_words, choosing
from ttc_bench.policies.cascades import VOTES
from ttc_bench.policies.choosing import Pair, pairs
from ttc_bench.policies.sources import Contender, Source, contenders
from ttc_bench.report.spending import section, write_cascades
from ttc_bench.sampling.plan import Plan

CONFIG = Config(model=("s", "l"), task=("chain-arithmetic",))


def pool(accuracies: np.ndarray, seed: int, n: int = 8, wrong: int = 6) -> GradedPool:
    """A right answer with this chance, [problem], and else one of several wrong ones; the score knows a little."""
    rng = np.random.default_rng(seed)
    rows: list[list[Row]] = []
    for chance in accuracies:
        right = rng.random(n) < chance
        rows.append([("1" if r else str(2 + rng.integers(wrong)), float(r + rng.normal())) for r in right])
    return pools(*rows)


def source(name: str, samples: GradedPool, parameters: int | None) -> Source:
    config = replace(CONFIG, model=(name,))
    return Source("run", Plan(config, (samples.task,), name, name, ()), Rates(None, parameters), (samples,))


def pair(small: GradedPool, large: GradedPool) -> Pair:
    models = contenders([source("l", large, 100), source("s", small, 1)])["chain-arithmetic"]
    (found,) = pairs("chain-arithmetic", models)
    return found


EASY = np.tile([0.95, 0.1], 20)  # half of the problems are easy, and the small model's votes tell which


@pytest.fixture(scope="module")
def telling() -> Pair:
    return pair(pool(EASY, 1), pool(np.full(40, 0.9), 2))


def test_the_cheaper_model_comes_first(telling: Pair) -> None:
    assert (telling.small, telling.large, telling.unit, telling.problems) == ("s", "l", "flops", 40)
    assert [c.cascade.sureness.rule for c in telling.choices] == [VOTES, "v"]


def test_votes_that_tell_make_a_cascade_worth_it(telling: Pair) -> None:
    """Hard problems alone are passed on: as accurate as the large model alone at about half of its cost."""
    votes = telling.choices[0]
    assert votes.crossed.accuracy[0] > 0.85
    assert 0.35 < votes.crossed.escalated < 0.65
    assert votes.crossed.over["mixture"][1] > 0.02
    assert votes.crossed.costs["flops"] < 0.7 * telling.choices[0].cascade.large.costs["flops"].mean()
    (told, _) = cascade_words.sentences([telling])
    assert told.startswith("chain-arithmetic: s first, and its answer stays where at least ")
    assert told.endswith("against the best mixture of the two alone at equal cost: a gain.")


def test_a_choice_is_judged_on_the_other_half_and_swapped(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    judged, parts = choosing._judged, []

    def watching(chosen: list, steps: object, ways: choosing._Ways, mix: object) -> choosing.Judged:  # type: ignore[type-arg]
        seen.extend((on, off) for _, on, off in chosen)
        parts[:] = [places.tolist() for places in ways.parts]
        return judged(chosen, steps, ways, mix)  # type: ignore[arg-type]

    monkeypatch.setattr(choosing, "_judged", watching)
    pair(pool(EASY, 1), pool(np.full(40, 0.9), 2))
    assert seen[:3] == [(0, 0), (1, 2), (2, 1)]
    assert parts[0] == list(range(40)) == sorted(parts[1] + parts[2])
    assert len(parts[1]) == len(parts[2]) == 20


def test_luck_alone_is_no_gain() -> None:
    """A small model whose votes tell nothing: chosen and judged on the same problems, the best of many thresholds looks
    better than a mixture; on other problems it does not."""
    plain, crossed = [], []
    for seed in range(12):
        found = pair(pool(np.full(24, 0.5), seed, n=4, wrong=1), pool(np.full(24, 0.6), 100 + seed, n=4))
        plain += [c.plain.over["mixture"][0] for c in found.choices if c.cascade.sureness.rule == VOTES]
        crossed += [c.crossed.over["mixture"][0] for c in found.choices if c.cascade.sureness.rule == VOTES]
    assert np.mean(plain) > np.mean(crossed)
    assert np.mean(crossed) < 3 * np.std(crossed) / len(crossed) ** 0.5


def test_no_threshold_above_the_mixture_is_said() -> None:
    """A small model that is never right."""
    found = pair(pool(np.zeros(20), 1), pool(np.full(20, 0.9), 2))
    (told, _) = cascade_words.sentences([found])
    assert told.startswith("chain-arithmetic: s first by votes, then l: no threshold lies above the best mixture")


def test_the_frontier_is_never_below_the_two_alone_where_it_was_chosen(telling: Pair) -> None:
    for with_cascades, without in zip(telling.frontier, telling.without, strict=True):
        assert with_cascades.plain[1] >= without.plain[1] - 1e-12
        assert with_cascades.plain[0] == pytest.approx(without.plain[0]) or without.plain[0] < with_cascades.plain[0]


def test_every_number_is_in_the_table(telling: Pair, tmp_path: Path) -> None:
    assert write_cascades(tmp_path, [telling]) == ["cascades.csv", "cascades.png", "cascades.svg"]
    with (tmp_path / "cascades.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({tuple(row) for row in rows}) == 1
    thresholds = [r for r in rows if r["row"] == "threshold"]
    assert len(thresholds) == sum(len(c.sureness.thresholds) for c in telling.cascades)
    assert {r["threshold"] for r in thresholds} >= {"all stay", "0.25", "1.0", "none stays"}
    (crossed,) = [r for r in rows if r["row"] == "chosen, cross-fitted" and r["rule"] == VOTES]
    assert float(crossed["accuracy"]) == pytest.approx(telling.choices[0].crossed.accuracy[0])
    assert float(crossed["over_mixture_low"]) == pytest.approx(telling.choices[0].crossed.over["mixture"][1])
    assert len([r for r in rows if r["row"] == "frontier, cross-fitted"]) == len(telling.frontier)


def test_the_section_says_shows_and_lists(telling: Pair) -> None:
    text = section([telling], "<svg></svg>")
    assert text.index("<li>") < text.index("<svg>") < text.index("<table>")
    assert text.count("<tr>") == 1 + len(telling.choices)
    assert section([], "") == ""


def test_where_nobody_counted_the_less_accurate_model_comes_first() -> None:
    def blind(samples: GradedPool) -> GradedPool:
        unknown = [replace(g.samples, tokens_known=np.zeros(len(g), dtype=bool)) for g in samples.problems]
        known = zip(samples.problems, unknown, strict=True)
        return replace(samples, problems=tuple(replace(g, samples=columns) for g, columns in known))

    found = pair(blind(pool(np.full(12, 0.9), 1)), blind(pool(np.full(12, 0.2), 2)))
    assert (found.small, found.unit) == ("l", "samples")


def test_problems_are_joined_by_id_and_question() -> None:
    small, large = pool(EASY, 1), pool(np.full(40, 0.9), 2)
    turned = replace(large, problems=large.problems[::-1][:30])
    models = contenders([source("s", small, 1), source("l", turned, 100)])["chain-arithmetic"]
    assert [[p.id for p in m.problems] for m in models] == [[f"p{i}" for i in range(10, 40)]] * 2
    other = replace(large.problems[0], problem=replace(large.problems[0].problem, question="another"))
    models = contenders(
        [source("s", small, 1), source("l", replace(large, problems=(other, *large.problems[1:])), 100)]
    )["chain-arithmetic"]
    assert [p.id for p in models[0].problems] == [f"p{i}" for i in range(1, 40)]
    with pytest.raises(TtcError, match="no problem with the same id and question has samples everywhere in run"):
        contenders([source("s", small, 1), source("l", replace(large, problems=(other,)), 100)])


def test_models_of_one_name_are_told_apart_by_their_folder() -> None:
    small = source("s", pool(EASY, 1), 1)
    again = replace(small, folder="other")
    names: list[str] = [m.name for m in contenders([small, again])["chain-arithmetic"]]
    assert names == ["s (run)", "s (other)"]


def test_too_few_problems_are_said() -> None:
    models: list[Contender] = contenders([source("s", pool(EASY[:3], 1), 1), source("l", pool(EASY[:3], 2), 9)])[
        "chain-arithmetic"
    ]
    with pytest.raises(TtcError, match="at least 4; s and l have 3 in common"):
        pairs("chain-arithmetic", models)
