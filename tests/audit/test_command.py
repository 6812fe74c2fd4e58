"""`ttc-bench audit` of a run, and of a file that nobody imported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., tuple[int, str, str]]
RUN = ("run", "--model", "scripted:", "--task", "chain-arithmetic", "--limit", "6", "--samples", "4", "--name", "a")


def test_a_run_is_audited_in_its_folder(ttc: Run) -> None:
    assert ttc(*RUN)[0] == 0
    code, out, err = ttc("audit", "results/a")
    assert (code, err) == (0, "")
    assert out.startswith("Audit: ")
    assert out.endswith("Written to results/a/: audit.md, audit.json\n")
    assert all(len(line) <= 80 for line in out.splitlines())
    assert json.loads(Path("results/a/audit.json").read_text(encoding="utf-8"))["findings"]


def test_a_file_is_audited_and_leaves_nothing(ttc: Run, tmp_path: Path) -> None:
    """Three right answers that their tool held wrong."""
    rows = [
        {"question": f"{i} + {i}?", "answer": str(2 * i), "text": [f"{j}. The answer is {2 * i}." for j in range(2)]}
        | {"held": [i >= 3, True]}
        for i in range(10)
    ]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = ("audit", "s.jsonl", "--map", "question=question,answer=answer,text=text,recorded=held")
    code, out, _ = ttc(*command)
    assert code == 0
    words = " ".join(out.split())
    assert "20 samples imported: 10 problems, 2 samples each." in words
    assert "Audit: 1 serious finding, worth up to 15.0 points of accuracy." in words
    assert (
        "3 of 20 (15.0%) recorded verdicts differ from ours: 0 held right there and wrong here, 3 the other way"
        in words
    )
    assert "s-0, sample 0 (line 1, sample 1): gold 0, recorded wrong" in words
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"]
    assert ttc(*command, "--out", "kept")[0] == 0
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["audit.json", "audit.md"]


def test_what_cannot_be_audited_is_one_line(ttc: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    flag = (("empty", "--grader", "number"), "--grader says how to read files, and empty is a run")
    for words, message in (
        flag,
        (("empty",), "empty: no run.json in it"),
        (("nothing.eval",), "nothing.eval: no such file"),
    ):
        code, _, err = ttc("audit", *words)
        assert (code, err.count("\n")) == (2, 1)
        assert message in err
