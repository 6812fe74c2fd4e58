"""What the source said of imported samples is kept, and found again for every sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from ttc_bench.errors import TtcError
from ttc_bench.interchange import recorded
from ttc_bench.interchange.recorded import UNKNOWN, Recorded, RecordedWriter
from ttc_bench.interchange.records import Record


def test_rows_come_back_by_problem_and_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "GROUP", 1)  # a row group for every row
    with RecordedWriter(tmp_path / recorded.FILE) as file:
        file.add("t", "p/1", "cot", 2, Record("line 9", "x", recorded=False, answer="lone \ud800", gold="7"))
        file.add("t", "p/0", "cot", 0, Record("line 1", "x", recorded=True, answer="3", gold="3", repeat=5))
        file.add("t", "p/1", "cot", 0, Record("line 2", "x", gold="7", completion=9, thought=12))
        file.add("t", "p/1", "direct", 0, Record("line 3", "x", recorded=True))
        file.add("u", "p/1", "cot", 0, Record("line 4", "x", recorded=True))
    found = Recorded.of(tmp_path)
    assert found is not None
    by_problem = found.verdicts("t", "cot")
    assert list(by_problem) == ["p/0", "p/1"]
    second = by_problem["p/1"].at(np.array([2, 1, 0]))  # index 1 was never imported
    assert second.recorded.tolist() == [0, UNKNOWN, UNKNOWN]
    assert second.answer == ["lone ?", None, None]
    assert second.gold == ["7", None, "7"]
    assert second.place == ["line 9", "", "line 2"]
    assert second.tokens.tolist() == [UNKNOWN, UNKNOWN, 9]
    assert second.thought.tolist() == [UNKNOWN, UNKNOWN, 12]
    assert second.row.tolist() == [0, UNKNOWN, 2]  # of the three under this prompt, as they were written
    assert by_problem["p/0"].recorded.tolist() == [1]
    assert by_problem["p/0"].repeat.tolist() == [5]
    assert found.verdicts("t", "direct")["p/1"].place == ["line 3"]
    assert found.verdicts("nothing", "cot") == {}


def test_a_file_of_an_earlier_version_lacks_what_came_later(tmp_path: Path) -> None:
    path = tmp_path / recorded.FILE
    with RecordedWriter(path) as file:
        file.add("t", "p", "cot", 0, Record("line 1", "x", recorded=True, repeat=3, completion=9))
    parquet.write_table(parquet.read_table(path).drop_columns(list(recorded.LATER)), path)
    found = Recorded(path).verdicts("t", "cot")["p"]
    assert [found.recorded.tolist(), found.repeat.tolist(), found.tokens.tolist()] == [[1], [UNKNOWN], [UNKNOWN]]


def test_a_run_of_our_own_has_no_such_file(tmp_path: Path) -> None:
    assert Recorded.of(tmp_path) is None


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / recorded.FILE).write_bytes(b"PAR1 no")
    with pytest.raises(TtcError, match=r"cannot be read .*; import the samples again"):
        Recorded(tmp_path / recorded.FILE).verdicts("t", "cot")
