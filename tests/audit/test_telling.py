"""The page keeps to its size and escapes strangers' words; a sound run raises no alarm."""

from __future__ import annotations

import json
from pathlib import Path

import fakes
import pytest
from examined import material, says

from ttc_bench import experiment
from ttc_bench.analysis.analyse import measure
from ttc_bench.analysis.grading import grade, score
from ttc_bench.audit.examine import examine
from ttc_bench.audit.findings import Audit, Evidence, Finding, Severity
from ttc_bench.audit.telling import lines, markdown, write
from ttc_bench.errors import CannotWrite
from ttc_bench.sampling.pool import SILENT


def test_a_sound_run_of_our_own_raises_no_alarm(tmp_path: Path) -> None:
    audit = run(tmp_path)
    assert audit.count("serious") == 0
    assert {f.check for f in audit.findings if f.severity == "notable"} <= {"power", "headline", "dependence"}
    assert audit.count("cannot be told") == 0
    assert lines(audit)[0].startswith("Audit: nothing")


def run(folder: Path) -> Audit:
    import asyncio

    async def go() -> Audit:
        config = fakes.config(
            folder, samples=8, limit=30, method=("cot", "self-consistency", "best-of-n"), verifier=("self-certainty",)
        )
        await experiment.run(config, fakes.model())
        async with experiment.opened(config, fakes.model()) as session:
            (plan,) = session.plans.values()
            verifiers = session.verifiers(SILENT)["scripted"]
            pools = await score(plan, session.store, grade(plan, session.store), verifiers)
            points = measure(plan, pools, None, session.store.path).points
            return examine(pools, points, session.store)

    return asyncio.run(go())


def test_a_problem_without_samples_is_said_and_not_examined(tmp_path: Path) -> None:
    m = material(tmp_path, [says("1")], [])
    audit = examine([m.pool], [], m.store)
    (found,) = audit.findings
    assert found.severity == "cannot be told"
    assert found.sentence.startswith("1 of 2 problems have no sample")


def finding(i: int, severity: Severity, points: float | None = None, check: str = "ballots") -> Finding:
    cases = [Evidence(f"p{i}", j, f"line {j}", "the words \x1b[31m | <b> " * 9, {"gold": None}) for j in range(30)]
    return Finding(check, f"task {i}", severity, "many words " * 12, points, -1.0, 2.0, cases, 30, {"n": 1})


def test_the_page_is_short_and_begins_with_the_verdict() -> None:
    audit = Audit.of(
        [
            finding(0, "fine", 0.0, "guessing"),
            *(finding(i, "notable", 0.5) for i in range(1, 40)),
            finding(40, "serious", -4.24),
            finding(41, "serious"),
            finding(42, "cannot be told"),
        ]
    )
    page = lines(audit)
    assert page[0] == "Audit: 2 serious findings, worth up to 4.2 points of accuracy."
    assert page[2] == "Serious:"
    assert page[3].startswith("* task 40: many words")
    assert 50 < len(page) <= 60
    assert max(map(len, page)) <= 80
    assert any(line.endswith("more are in audit.md.") for line in page)
    assert page[-1] == "Asked, and fine: is it better than guessing?"
    assert not any("\x1b" in line for line in page)


def test_evidence_is_shown_where_there_is_room() -> None:
    page = "\n".join(lines(Audit.of([finding(1, "notable", 0.5)])))
    assert "p1, sample 0 (line 0): gold none" in page
    assert "nothing serious; 1 finding to know of" in page


def test_nothing_found() -> None:
    assert lines(Audit(())) == ["Audit: nothing found."]


def test_both_files_hold_everything_and_nothing_of_a_text_is_markdown(tmp_path: Path) -> None:
    audit = Audit.of([finding(1, "serious", 3.0), finding(2, "fine")])
    write(audit, tmp_path)
    kept = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert kept["verdict"] == "1 serious finding, worth up to 3.0 points of accuracy"
    assert (kept["findings"][0]["points"], len(kept["findings"][0]["evidence"])) == (3.0, 30)
    assert kept["findings"][0]["question"] == "who votes without an answer?"
    text = (tmp_path / "audit.md").read_text(encoding="utf-8")
    assert text == markdown(audit)
    assert "**+3.0 points [-1.0, +2.0].**" in text
    assert "\\| \\<b\\>" in text
    assert "\x1b" not in text
    assert "30 in all; audit.json has 30 of them." in text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["audit.json", "audit.md"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="cannot be written to"):
        write(Audit(()), tmp_path / "missing")
