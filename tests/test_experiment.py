"""The one pass, with a scripted model: what is sampled, what is replayed, and that numbers do not depend on the way."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from fakes import arithmetic, config, model, signalled

from ttc_bench.core import Completion, Request, Usage
from ttc_bench.errors import BackendError, TaskError, TtcError
from ttc_bench.experiment import report, run


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


async def test_a_run_writes_everything_and_a_rerun_samples_nothing(tmp_path: Path) -> None:
    asked = config(tmp_path)
    backend = model()
    result = await run(asked, backend)
    assert result.filled.made == 6 * 4 * 2  # problems x samples x prompts (direct and cot)
    assert backend.closed
    for name in ("run.json", "curve.csv", "accuracy_vs_tokens.png", "accuracy_vs_tokens.svg", "report.html"):
        assert (result.folder / name).stat().st_size > 100
    first = rows(result.folder)
    again = model()
    second = await run(asked, again)
    assert second.filled.made == 0
    assert again.asked == []
    assert rows(second.folder) == first
    assert second.manifest["this_run"]["spent"]["completion"] == 0
    assert {row["guess"] for row in first} == {"0.01"}  # one of a hundred residues
    assert float(first[1]["tokens"]) == 7  # what a method costs is the same from the store


async def test_accuracy_by_difficulty_adds_up_to_the_curve(tmp_path: Path) -> None:
    """The rows of all difficulties, weighted by their problems, are the points of the curve, and vanish without it."""
    result = await run(config(tmp_path, limit=20), model())
    with (result.folder / "difficulty.csv").open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["difficulty"] for row in found[:8]] == [str(d) for d in range(1, 9)]
    assert [row["problems"] for row in found[:8]] == ["3"] * 4 + ["2"] * 4
    for point in rows(result.folder):
        key = ("task", "model", "method", "prompt", "k")
        mine = [row for row in found if all(row[name] == point[name] for name in key)]
        for column in ("accuracy", "tokens"):
            mean = sum(float(row[column]) * int(row["problems"]) for row in mine) / 20
            assert mean == pytest.approx(float(point[column]))
    assert (result.folder / "accuracy_by_difficulty.svg").exists()
    one = await run(config(tmp_path, limit=1), model())  # one problem, so one difficulty
    assert one.folder == result.folder
    assert not list(one.folder.glob("*difficulty*"))


async def test_the_curve_is_the_exact_one(tmp_path: Path) -> None:
    """Two problems, four samples each, right ones known: every number can be worked out by hand."""
    rights = {0: [0, 1, 2], 1: [3]}  # by problem: the indices that are right; the wrong ones agree with each other
    order: list[str] = []

    def script(request: Request, index: int) -> Completion:
        if request.address not in order:
            order.append(request.address)
        right = index in rights[order.index(request.address)]
        text = arithmetic_answer(request) if right else "The answer is 1000."
        signals = {"self_certainty": 1.0 if right else 0.0}
        return Completion(text, "stop", Usage(prompt=10, completion=5 + index), signals=signals)

    asked = config(tmp_path, limit=2, method=("self-consistency", "best-of-n"))
    result = await run(asked, model(script))
    found = {(p.label(), p.k): p.accuracy for p in result.analysis.points}
    assert found["self-consistency", 1] == pytest.approx((3 / 4 + 1 / 4) / 2)
    # k = 2: of 6 pairs, problem 0 has 3 both right, 3 tied; problem 1 has 3 tied, 3 both wrong
    assert found["self-consistency", 2] == pytest.approx(((3 + 1.5) / 6 + 1.5 / 6) / 2)
    assert found["self-consistency", 4] == pytest.approx((1 + 0) / 2)
    assert found["best-of-n (self-certainty)", 4] == found["pass@k", 4] == 1
    assert found["pass@k", 2] == pytest.approx((1 + 3 / 6) / 2)
    tokens = {p.k: (p.tokens, p.total_tokens) for p in result.analysis.points if p.label() == "pass@k"}
    assert tokens[4] == (26, 26 + 40)  # four separate prompts of ten tokens
    assert tokens[1] == (6.5, 16.5)


def arithmetic_answer(request: Request) -> str:
    from ttc_bench.core import Problem
    from ttc_bench.problems.generators.chain_arithmetic import solve

    return f"The answer is {solve(Problem('', request.messages[-1].content, None))}."


async def test_a_shared_prompt_is_charged_once(tmp_path: Path) -> None:
    def script(request: Request, index: int) -> Completion:
        usage = Usage(prompt=30 if index == 0 else 0, completion=5)
        return Completion("The answer is 1.", "stop", usage, shares_prompt=True)

    result = await run(config(tmp_path, method=("self-consistency",)), model(script))
    assert [p.total_tokens for p in result.analysis.points if p.label() == "pass@k"] == [35, 40, 50]


async def test_more_samples_make_only_the_new_ones(tmp_path: Path) -> None:
    await run(config(tmp_path, samples=4), model())
    backend = model()
    result = await run(config(tmp_path, samples=16), backend)
    assert result.filled.made == 6 * 12 * 2
    assert {index for _, index in backend.asked} == set(range(4, 16))
    fresh = await run(config(tmp_path / "fresh", samples=16), model())
    assert rows(result.folder) == rows(fresh.folder)


async def test_another_vote_runs_no_model(tmp_path: Path) -> None:
    await run(config(tmp_path, method=("cot",)), model())
    backend = model()
    result = await run(config(tmp_path, method=("cot", "self-consistency", "best-of-n")), backend)
    assert backend.asked == []
    assert {p.label() for p in result.analysis.points} >= {"self-consistency", "best-of-n (self-certainty)"}


async def test_a_report_needs_no_model_and_gives_the_same(tmp_path: Path) -> None:
    result = await run(config(tmp_path), model())
    first = rows(result.folder)
    (result.folder / "curve.csv").unlink()
    await report(result.folder)
    assert rows(result.folder) == first
    fewer = await report(result.folder, {"samples": 2, "method": "self-consistency"})
    assert {p.k for p in fewer.analysis.points} == {1, 2}


async def test_a_folder_of_another_run_is_left_alone(tmp_path: Path) -> None:
    result = await run(config(tmp_path, name="mine"), model())
    before = (result.folder / "curve.csv").read_bytes()
    with pytest.raises(TtcError, match=r"belongs to another run \(temperature is 1.0 there, 0.5 here\).*--name"):
        await run(config(tmp_path, name="mine", temperature=0.5), model())
    with pytest.raises(TtcError, match=r"model is scripted there, other here"):
        await run(config(tmp_path, name="mine"), model(name="other"))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.tex").write_text("precious")
    with pytest.raises(TtcError, match="holds other files"):
        await run(config(tmp_path, name="notes"), model())
    assert (result.folder / "curve.csv").read_bytes() == before


async def test_holes_are_said_and_filled_by_the_next_run(tmp_path: Path) -> None:
    """Law 6: a run with holes says how many; its curve goes as far as every problem has samples."""
    hit: set[str] = set()

    def script(request: Request, index: int) -> Completion | BackendError:
        if index == 2 and (not hit or request.address in hit):
            hit.add(request.address)
            return BackendError("503")
        return signalled(request, index)

    result = await run(config(tmp_path, method=("self-consistency",)), model(script))
    assert len(result.filled.holes) == 1
    assert {p.k for p in result.analysis.points} == {1, 2, 3}
    assert result.analysis.points[0].failed == pytest.approx(1 / 24)
    assert "1 of 24 samples are missing (failed, or not asked for), so curves end at k = 3" in result.analysis.notes[0]
    backend = model()
    healed = await run(config(tmp_path, method=("self-consistency",)), backend)
    assert len(backend.asked) == 1
    assert healed.analysis.notes == []
    fresh = await run(config(tmp_path / "fresh", method=("self-consistency",)), model())
    assert rows(healed.folder) == rows(fresh.folder)


async def test_a_problem_without_any_sample_stops_the_curve(tmp_path: Path) -> None:
    """Leaving it out of the denominator would flatter the model."""
    first: list[str] = []

    def script(request: Request, index: int) -> Completion | BackendError:
        first.append(request.address)
        return BackendError("500") if request.address == first[0] else signalled(request, index)

    result = await run(config(tmp_path, method=("cot",)), model(script))
    assert result.analysis.points == []
    assert "4 of 24 samples are missing" in result.analysis.notes[0]
    assert not (result.folder / "curve.csv").exists()
    assert json.loads((tmp_path / "scripted-chain-arithmetic" / "run.json").read_text())["this_run"]["holes"] == 4


async def test_a_fatal_error_names_the_model_and_keeps_the_samples(tmp_path: Path) -> None:
    def script(request: Request, index: int) -> str | BackendError:
        return BackendError("401: wrong key", fatal=True) if index == 3 else arithmetic(request, index)

    with pytest.raises(TtcError, match="scripted: 401: wrong key"):
        await run(config(tmp_path, method=("cot",)), model(script))
    backend = model()
    await run(config(tmp_path, method=("cot",)), backend)
    assert len(backend.asked) == 6 * 4 - 3


async def test_identical_samples_are_reported(tmp_path: Path) -> None:
    """A server that ignores temperature or seed gives k copies of one text, and a curve that looks fine."""

    def script(request: Request, index: int) -> Completion:
        return Completion("The answer is 4.", "stop", Usage(completion=5))

    result = await run(config(tmp_path, method=("self-consistency",)), model(script))
    assert result.analysis.points[0].duplicated == 0.75
    assert "all samples of every problem are the same text" in result.analysis.notes[0]


async def test_quality_counts(tmp_path: Path) -> None:
    def script(request: Request, index: int) -> Completion:
        texts = ["The answer is 4.", "no idea", "The answer is 5.", "cut off"]
        return Completion(texts[index], "length" if index == 3 else "stop", Usage(completion=5))

    result = await run(config(tmp_path, method=("self-consistency",)), model(script))
    (quality,) = result.analysis.quality
    assert quality.shares() == {
        "truncated": 0.25, "unextracted": 0.5, "duplicated": 0, "failed": 0, "estimated": 0, "samples": 24, "problems": 6,
    }  # fmt: skip


async def test_a_verifier_that_cannot_be_served_is_refused_before_sampling(tmp_path: Path) -> None:
    backend = model()
    with pytest.raises(TaskError, match=r"verifier checker: task chain-arithmetic has no check"):
        await run(config(tmp_path, verifier=("checker",)), backend)
    with pytest.raises(
        TaskError, match=r"verifier logprob: this model's backend records no logprob; use --verifier self"
    ):
        await run(config(tmp_path, verifier=("logprob",)), backend)
    with pytest.raises(TaskError, match="unknown verifier 'checkr': did you mean checker"):
        await run(config(tmp_path, verifier=("checkr",)), backend)
    assert backend.asked == []


async def test_the_checker_verifier_reaches_the_bound(tmp_path: Path) -> None:
    """countdown's check needs no gold, so best-of-n under it is pass@k."""

    def script(request: Request, index: int) -> Completion:
        from ttc_bench.core import Problem
        from ttc_bench.problems.generators.countdown import solve

        numbers, target = request.messages[-1].content.split(" with ")[0], request.messages[-1].content
        values = tuple(int(n) for n in numbers.removeprefix("Combine the numbers ").split(", "))
        facts = {"numbers": values, "target": int(target.split(" to make ")[1].split(".")[0])}
        text = solve(Problem("", "", None, facts=facts)) if index == 3 else "1 + 1"
        return Completion(f"The answer is {text}.", "stop", Usage(completion=5))

    asked = config(tmp_path, task=("countdown",), method=("self-consistency", "best-of-n"), verifier=("checker",))
    result = await run(asked, model(script))
    found = {(p.label(), p.k): p.accuracy for p in result.analysis.points}
    assert found["best-of-n (checker)", 4] == found["pass@k", 4] == 1
    assert found["best-of-n (checker)", 2] == pytest.approx(found["pass@k", 2]) == pytest.approx(0.5)
    assert found["self-consistency", 4] == 0


async def test_several_verifiers_have_a_curve_each_over_the_same_samples(tmp_path: Path) -> None:
    def script(request: Request, index: int) -> Completion:
        signals = {"tail_confidence": 2.0 + (index == 3), "lowest_group_confidence": 2.0 + (index == 0)}
        text = arithmetic_answer(request) if index == 3 else f"The answer is {2000 + index}."
        return Completion(text, "stop", Usage(prompt=10, completion=5), signals=signals)

    backend = model(script)
    backend.signals = frozenset({"tail_confidence", "lowest_group_confidence"})
    names = ("tail-confidence", "lowest-group-confidence")
    methods = ("best-of-n", "weighted-vote", "cisc", "filtered-vote")
    result = await run(config(tmp_path, method=methods, verifier=names), backend)
    assert len(backend.asked) == 6 * 4
    found = {p.label(): p.accuracy for p in result.analysis.points if p.k == 4}
    assert set(found) == {"pass@k", *(f"{m} ({v})" for m in methods for v in names)}
    for method in methods[:3]:  # a filter leaves two of four, and no majority
        assert (found[f"{method} (tail-confidence)"], found[f"{method} (lowest-group-confidence)"]) == (1, 0)


async def test_verifiers_are_judged_in_files_of_their_own(tmp_path: Path) -> None:
    """And the file goes where a later run has nothing to judge."""
    asked = config(tmp_path, name="mine", method=("self-consistency", "best-of-n"))
    result = await run(asked, model())
    with (result.folder / "verifiers.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    found = {(r["label"], r["k"]): r["accuracy"] for r in rows(result.folder)}
    assert {(r["selector"], r["k"]): r["accuracy"] for r in table} == {
        ("majority", "2"): found["self-consistency", "2"],
        ("majority", "4"): found["self-consistency", "4"],
        ("self-certainty", "2"): found["best-of-n (self-certainty)", "2"],
        ("self-certainty", "4"): found["best-of-n (self-certainty)", "4"],
    }
    assert "Verifiers judged against the gold" in (result.folder / "report.html").read_text(encoding="utf-8")
    await report(result.folder, {"samples": 1})
    assert not (result.folder / "verifiers.csv").exists()


async def test_the_error_of_random_subsets_reaches_the_curve(tmp_path: Path) -> None:
    """16 samples have 12,870 eighths, of which 32 are drawn; every other point is exact."""
    asked = config(tmp_path, samples=16, limit=4, method=("self-consistency", "weighted-vote"))
    result = await run(asked, model())
    noisy = {(p.label(), p.k): p for p in result.analysis.points if p.mc_error}
    ((_, k),) = noisy
    assert k == 8
    (point,) = noisy.values()
    assert 0 < point.mc_error <= 0.5 / 31**0.5 / 4**0.5
    assert [float(r["mc_error"]) for r in rows(result.folder) if r["k"] == "8"].count(point.mc_error) == 1


async def test_the_manifest_says_what_ran(tmp_path: Path) -> None:
    result = await run(config(tmp_path), model())
    manifest = json.loads((result.folder / "run.json").read_text(encoding="utf-8"))
    assert manifest["models"] == [
        {
            "kind": "scripted",
            "name": "scripted",
            "id": "scripted",
            "signals": ["self_certainty"],
            "verifiers": {"self-certainty": {}},
        }
    ]
    assert manifest["tasks"][0]["problems"] == 6
    assert manifest["packages"]["transformers"]
    assert manifest["started"] <= manifest["ended"]
    assert manifest["config"]["samples"] == 4
