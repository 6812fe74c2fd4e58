"""The chart of a comparison: its own numbers, and every text readable."""

from __future__ import annotations

import itertools

import altair
import pytest
import vl_convert
from scenes import texts
from side_by_side import compare, line, point, some

from ttc_bench.charts.comparison import compared
from ttc_bench.core import Change
from ttc_bench.policies.comparison import Comparison

TWO = compare(
    [*line("cot", 10, {1: 40}), *line("self-consistency", 10, {1: 40, 2: 45, 4: 50, 8: 60})],
    [*line("cot", 40, {1: 45}), *line("self-consistency", 40, {1: 45, 2: 50, 4: 55, 8: 65})],
)
CASES = {
    "two": TWO,
    "three": compare(*(line("self-consistency", 10 + i, {1: 40 + i, 4: 50 + 9 * i, 16: 55 + 9 * i}) for i in range(3))),
    "uncounted": compare(line("self-consistency", None, {1: 40, 4: 50}), line("self-consistency", 5, {1: 45, 4: 60})),
}


@pytest.mark.parametrize("name", CASES)
def test_no_text_covers_another(name: str) -> None:
    spec = compared(CASES[name])
    assert spec is not None
    altair.Chart.from_dict(spec)
    found = list(texts(vl_convert.vegalite_to_scenegraph(spec)))
    for a, b in itertools.combinations(found, 2):
        assert a[2] <= b[1] or b[2] <= a[1] or a[4] <= b[3] or b[4] <= a[3], f"{a} covers {b}"


def rows(c: Comparison) -> list[dict[str, object]]:
    spec = compared(c)
    assert spec is not None
    return [row for table in spec["datasets"].values() for row in table]


def test_it_draws_the_curves_and_the_differences() -> None:
    drawn = rows(TWO)
    for pair in TWO.pairs:
        places = {(round(p.tokens or 0, 6), p.accuracy) for m in pair.matches for p in (*m.first, *m.second)}
        assert places <= {(round(float(str(r["x"])), 6), r["y"]) for r in drawn if "x" in r and "low" in r}
        for gap in (gap for gap in pair.gaps if (gap.axis, gap.what) == ("tokens", "self-consistency")):
            assert any(r.get("y") == gap.difference and r.get("x") == gap.budget for r in drawn)


def test_a_single_sample_that_a_vote_begins_with_is_not_drawn_twice() -> None:
    """A single sample of another prompt is."""
    words = {str(row.get("line")) for row in rows(TWO)}
    assert words >= {"self-consistency · a", "self-consistency · b"}
    assert not any(word.startswith("cot") for word in words)
    more = [[*line("direct", 3, {1: 20 + i}), *line("self-consistency", 10, {1: 40, 4: 50})] for i in range(2)]
    assert "direct · b" in {row.get("line") for row in rows(compare(*more))}


def test_where_tokens_are_not_known_it_is_drawn_over_samples() -> None:
    assert {r["x"] for r in rows(CASES["uncounted"]) if "low" in r} == {1.0, 4.0}


def test_there_is_none_where_nothing_has_a_place() -> None:
    assert compared(compare(line("direct", 5, {1: 40}), line("cot", 9, {1: 60}))) is None
    both = [[point("cot", 1, None, some(40 + n), change=Change("budget", n)) for n in (8, 16)], line("cot", 5, {1: 40})]
    with_cot = [[*both[0], *line("direct", 5, {1: 40})], [*both[0], *line("cot", 5, {1: 40})]]
    assert compared(compare(*with_cot)) is None
