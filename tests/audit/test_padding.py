"""Counts that are padding, by problem and by batch; every figure worked out by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from examined import cut, material, text

from ttc_bench.audit.padding import padding
from ttc_bench.core import Completion


def test_equal_counts_for_texts_of_different_length_are_padding(tmp_path: Path) -> None:
    """Texts of 400, 200 and 200 bytes, all of 100 tokens: the true ones are 100, 50, 50, so the counts are 1.5 times
    too large. maj@3 of two right and a wrong is 1, maj@2 1/3 + 2/3 / 2 = 2/3."""
    sizes = ((400, "1"), (200, "1"), (200, "2"))
    m = material(tmp_path, *([text(answer, size, 100) for size, answer in sizes] for _ in range(3)))
    (found,) = padding(m)
    assert (found.severity, found.total, found.numbers["factor"]) == ("serious", 3, pytest.approx(1.5))
    assert found.points == pytest.approx(100 / 3)
    assert dict(found.evidence[0].facts) == {"samples": 3, "tokens of each": 100, "bytes": "200 to 400"}
    assert found.evidence[0].index is None  # the whole problem


def test_equal_counts_for_texts_of_equal_length_are_no_padding(tmp_path: Path) -> None:
    m = material(tmp_path, *([text("1", 400, 100), text("2", 390, 100)] for _ in range(5)))
    assert list(padding(m)) == []  # nothing to compare


def test_counts_that_follow_the_lengths_are_fine(tmp_path: Path) -> None:
    m = material(tmp_path, *([text("1", 400, 100), text("2", 200, 50)] for _ in range(5)))
    (found,) = padding(m)
    assert (found.severity, found.points) == ("fine", 0.0)


def test_equal_counts_at_a_limit_are_no_padding(tmp_path: Path) -> None:
    """Two of four samples were cut at 100 tokens, the others have as many as their texts."""
    row = [cut(text("1", 400, 100)), cut(text("2", 200, 100)), text("1", 320, 80), text("1", 200, 50)]
    (found,) = padding(material(tmp_path / "a", *[row] * 5))
    assert found.severity == "fine"
    assert list(padding(material(tmp_path / "b", *[row[:2]] * 5))) == []
    unsaid = [replace(c, stop_reason="unknown") for c in row]
    (found,) = padding(material(tmp_path / "c", *[unsaid] * 5))  # 100 is the largest count: the limit, or so it looks
    assert found.severity == "fine"
    assert list(padding(material(tmp_path / "d", *[unsaid[:2]] * 5))) == []


def _batched(batch: int, samples: int) -> list[Completion]:
    """Samples whose texts are of random lengths, each counted as the longest of its batch."""
    rng = random.Random(1)
    sizes = [rng.randrange(100, 1200) for _ in range(samples)]
    longest = [max(sizes[i - i % batch : i - i % batch + batch]) for i in range(samples)]
    return [text("1", size, most // 4) for size, most in zip(sizes, longest, strict=True)]


def _split(row: Sequence[Completion], size: int) -> list[Sequence[Completion]]:
    return [row[i : i + size] for i in range(0, len(row), size)]


@pytest.mark.parametrize(("batch", "samples"), [(4, 8), (8, 1), (3, 8), (2, 4)])
def test_padding_to_batches_that_are_no_problems_is_found_by_the_order(
    tmp_path: Path, batch: int, samples: int
) -> None:
    row = _batched(batch, 96)
    (found,) = padding(material(tmp_path, *_split(row, samples)))
    assert found.severity == "serious"
    assert "pairs of neighbours in the order of the file" in found.sentence
    assert found.numbers["equal"] > 0.4 * found.numbers["neighbours"] > 4 * found.numbers["shuffled"] / 3
    paid = sum(c.usage.completion for c in row)
    assert found.numbers["factor"] == pytest.approx(4 * paid / sum(len(c.text) for c in row), rel=0.2)
    assert (found.evidence[0].problem, found.evidence[0].index) == ("p0", 0)


def test_batches_of_one_sample_of_each_problem_are_found(tmp_path: Path) -> None:
    """Sample 0 of problems 0 to 7 is a batch, then of 8 to 15, and the file has all samples of a problem together."""
    row = _batched(8, 96)
    (found,) = padding(material(tmp_path, *([row[p], row[24 + p], row[48 + p], row[72 + p]] for p in range(24))))
    assert found.severity == "serious"
    assert "pairs of neighbours sample by sample" in found.sentence


def test_the_order_is_that_of_the_file_and_not_of_the_problems(tmp_path: Path) -> None:
    """Batches of 4 rows of a file that goes through problems 0, 12, 1, 13, ...: it is the rows that are neighbours."""
    row = _batched(4, 24)
    places = [p // 2 + 12 * (p % 2) for p in range(24)]
    by_problem = sorted(range(24), key=lambda i: places[i])
    m = material(tmp_path, *([row[i]] for i in by_problem))
    (found,) = padding(m)
    assert found.severity == "fine"
    rows = [replace(v, row=v.row * 0 + i) for v, i in zip(m.verdicts, by_problem, strict=True)]
    (found,) = padding(replace(m, verdicts=tuple(rows)))
    assert found.severity == "serious"


def test_coarse_counts_are_equal_in_any_order_and_no_batches(tmp_path: Path) -> None:
    """Counts rounded up to a multiple of 100: neighbours are as often equal as any two samples."""
    rng = random.Random(2)
    sizes = [rng.randrange(100, 800) for _ in range(96)]
    (found,) = padding(material(tmp_path, *([text("1", size, -(-size // 400) * 100)] for size in sizes)))
    assert found.severity == "fine"


def test_one_count_for_all_texts_is_padding(tmp_path: Path) -> None:
    """Texts of 200 and 400 bytes, all of 100 tokens: 4 / 3 times too large."""
    (found,) = padding(material(tmp_path, *([text("1", 200 * (1 + i % 2), 100)] for i in range(6))))
    assert (found.severity, found.numbers["factor"], found.points) == ("serious", pytest.approx(4 / 3), None)
