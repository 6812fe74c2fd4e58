"""What an import left out, in words."""

from __future__ import annotations

from ttc_bench.interchange.outcome import Places


def test_places_are_counted_and_the_first_are_named() -> None:
    places = Places()
    for i in range(7):
        places.add("no gold", f"line {i}")
    places.add("torn", "line 9")
    assert places.total == 8
    assert places.sentences("row", "left out") == [
        "7 rows left out: no gold (line 0, line 1, line 2, line 3, line 4, ...)",
        "1 row left out: torn (line 9)",
    ]
