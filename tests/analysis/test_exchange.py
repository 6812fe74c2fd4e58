"""Size against thinking in words: read off between computed points, withheld where the samples cannot carry it."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from curves import story

from ttc_bench.analysis.exchange import MARGIN, exchanges, sentences
from ttc_bench.core import CurvePoint


def with_values(points: list[CurvePoint], problems: int = 200) -> list[CurvePoint]:
    """Problems from easy to hard, so that whoever solves more solves the same and more: the pairing is tight."""
    return [
        replace(p, problems=problems, values=tuple(float(i < round(p.accuracy * problems)) for i in range(problems)))
        for p in points
    ]


def pair(base: float = 0.42, problems: int = 200) -> list[CurvePoint]:
    """Small: self-consistency 0.31, 0.365, 0.42, 0.475, 0.53 at k = 1, 2, 4, 8, 16. Large: cot at `base`."""
    small = story("sums", "builtin:small", base=0.31, tokens=100, parameters=1_000_000)
    large = story("sums", "builtin:large", base=base, tokens=100, parameters=4_000_000)
    return with_values(small + large, problems)


def test_a_computed_point_is_taken_as_it_is() -> None:
    points = pair(base=0.42)
    (found,) = [e for e in exchanges(points) if e.target.method == "cot"]
    assert (found.point.method, found.point.k) == ("self-consistency", 4)
    assert found.flops == pytest.approx(found.point.flops)
    (said,) = [s for s in sentences(points) if "large with cot" in s]
    assert said == (
        "sums: small with self-consistency at k = 4 (9.9e8 FLOPs, 400 tokens) matches "
        "large with cot at k = 1 (0.42; 1.6e9 FLOPs), for 0.63 times the FLOPs."
    )


def test_between_two_points_the_line_is_read_off_in_log_flops() -> None:
    points = pair(base=(0.42 + 0.475) / 2)
    (found,) = [e for e in exchanges(points) if e.target.method == "cot"]
    assert found.before is not None
    assert (found.before.k, found.point.k) == (4, 8)
    assert found.flops == pytest.approx(sqrt(found.before.flops * found.point.flops))  # type: ignore[operator]
    assert found.tokens == pytest.approx(sqrt(400 * 800))
    assert "between k = 4 and k = 8" in next(s for s in sentences(points) if "large with cot" in s)


def test_a_single_sample_can_be_enough() -> None:
    (said,) = [s for s in sentences(pair()) if "large with direct" in s]
    assert said.startswith("sums: small with cot at k = 1 (3.9e8 FLOPs, 100 tokens) already exceeds large with direct")


def test_nothing_is_extrapolated() -> None:
    points = pair(base=0.6)
    (found,) = [e for e in exchanges(points) if e.target.method == "cot"]
    assert (found.flops, found.withheld) == (None, "not reached within 16 samples")
    (said,) = [s for s in sentences(points) if "large with cot" in s]
    assert said.endswith("not reached within 16 samples (best: 0.53 with self-consistency at k = 16); withheld.")


def test_what_is_no_better_than_guessing_is_no_target() -> None:
    """Two models that know nothing match each other perfectly."""
    lost = [replace(p, low=0.0) if p.label() == "direct" else p for p in pair()]
    assert {e.target.method for e in exchanges(lost)} == {"cot"}
    coin = [replace(p, guess=0.5) for p in pair()]
    assert exchanges(coin) == []


def test_the_bound_is_no_method() -> None:
    """pass@k reaches 0.71 here; nobody can have it without the gold."""
    assert max(p.accuracy for p in pair(0.6) if p.bound and p.model == "builtin:small") > 0.6
    assert all(not e.point.bound for e in exchanges(pair(0.6)))


def test_too_few_problems_are_not_spoken_of() -> None:
    """Ten problems on which the two do exactly alike are no proof that they are alike: the spread of nothing is 0."""
    assert all(e.withheld == "" for e in exchanges(pair(problems=200)))
    few = [e for e in exchanges(pair(base=0.4, problems=10)) if e.target.method == "cot"]
    assert "over 10 problems it may still be 0.41 worse" in few[0].withheld
    alike = [replace(p, values=(1.0,) * 10, problems=10) for p in pair()]
    (found,) = [e for e in exchanges(alike) if e.target.method == "cot"]
    assert found.lead == pytest.approx(-(1 - (0.025 / 5) ** (1 / 10)))  # five curves share the 2.5 %
    assert found.withheld == "over 10 problems it may still be 0.41 worse, and a match is less than 0.05"
    one = [replace(p, values=p.values[:1], problems=1) for p in pair()]
    assert any("over 1 problem their paired difference is not known" in s for s in sentences(one))


def test_pairing_decides_what_is_known() -> None:
    """The same two accuracies: solved by the same problems they can be compared, by others not."""
    points = pair()
    (tight,) = [e for e in exchanges(points) if e.target.method == "cot"]
    crossed = [replace(p, values=p.values[::-1]) if p.model == "builtin:small" else p for p in points]
    (loose,) = [e for e in exchanges(crossed) if e.target.method == "cot"]
    assert tight.withheld == ""
    assert (tight.lead or 0) > -MARGIN > (loose.lead or 0)
    assert (loose.flops, loose.tokens) == (None, None)


def test_a_later_point_can_be_known_where_the_first_is_not() -> None:
    """At k = 4 the small model has 0.42 of other problems than the large one, at k = 8 it solves all of those too."""
    points = [
        replace(p, accuracy=0.9, values=tuple(float(i < 180) for i in range(200)))
        if (p.method, p.k, p.model) == ("self-consistency", 8, "builtin:small")
        else replace(p, values=p.values[::-1])
        if p.model == "builtin:small"
        else p
        for p in pair()
    ]
    (found,) = [e for e in exchanges(points) if e.target.method == "cot"]
    assert (found.point.k, found.before, found.withheld) == (8, None, "")
    assert found.flops == found.point.flops  # nothing is read off between two points that both reach it
    assert "at k = 8 (1.8e9 FLOPs, 800 tokens) exceeds large with cot" in next(
        s for s in sentences(points) if "large with cot" in s
    )


def test_the_more_curves_are_tried_the_more_is_asked_of_each() -> None:
    points = pair()
    more = points + [replace(p, prompt=f"cot {i}") for i in range(4) for p in points if "small" in p.model and p.k > 1]
    (few, many) = ([e for e in exchanges(ps) if e.target.method == "cot"][0] for ps in (points, more))  # noqa: RUF015
    assert (many.lead or 0) < (few.lead or 0)


def test_what_is_truly_worse_is_seldom_called_a_match() -> None:
    """60 problems, 16 samples each: two curves are 0.05 below the large model throughout. A tenth of an interval's width
    was enough for a match once."""
    rng, matches = np.random.default_rng(5), 0
    points = [p for p in pair(problems=60) if p.method in ("cot", "self-consistency") and not p.bound]
    for _ in range(200):
        chance = rng.beta(2, 2, 60) * 0.9
        drawn = []
        for p in points:
            values = rng.binomial(16, chance + 0.05 * ("large" in p.model)) / 16
            drawn.append(replace(p, accuracy=float(values.mean()), low=0.2, values=tuple(values)))
        matches += any(not e.withheld for e in exchanges(drawn))
    assert matches / 200 <= 0.05


def test_models_of_unknown_or_equal_size_are_not_compared() -> None:
    assert sentences(with_values(story(model="a") + story(model="b"))) == []
    assert sentences(with_values(story(model="a", parameters=None) + story(model="b", parameters=5))) == []
