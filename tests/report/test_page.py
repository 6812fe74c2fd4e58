"""report.html in a real browser: it works alone, asks nobody, and shows a stranger's text as text."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Browser
from curves import story
from judged import MIXED, analysis, pools
from pyarrow import parquet

from ttc_bench.analysis.difficulty import by_difficulty
from ttc_bench.analysis.quality import Quality
from ttc_bench.analysis.selection import diagnose
from ttc_bench.analysis.views import ProblemView, SampleView
from ttc_bench.core import Problem
from ttc_bench.errors import TtcError
from ttc_bench.report import browser as report_browser
from ttc_bench.report.page import reading, write_report

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a Chromium on PATH to open the report; every other property is tested without it"
)
HOSTILE = (
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 2</script>",
    '"><img src=x onerror="window.pwned = 3">',
    "<!-- <script> ]]> ${pwned} $title {{7*7}}",
    "a lone surrogate \ud800, NUL \0, line separators \u2028\u2029, right-to-left \u202e, a tab\tand\r\nlines",
)
QUALITY = [Quality("cot", "gsm8k", "m", "cot", 0.083, 0.042, 0.0, 0.0, 0.0, 1600, 100)]
RUN = {"model": {"name": "Qwen/Qwen2.5-Coder-0.5B"}, "seeds": [0]}


def sample(index: int, answer: str | None, gold: str | None, **changes: Any) -> SampleView:
    text = f"Half of {index + 7} is what we need, so the answer is {answer}."
    reason = "length" if answer is None else "stop"
    view = SampleView("cot", index, text, "", answer, answer == gold, 131, reason, "the answer is", {"logprob": -0.25})
    return replace(view, **changes)


def problems(count: int, samples: int = 4) -> Iterator[ProblemView]:
    """In turn: never solved, sometimes solved, always solved, and never solved with one unreadable (truncated)."""
    for i in range(count):
        right = {0: 0, 1: samples // 2, 2: samples, 3: 0}[i % 4]
        answers = [str(i) if j < right else "none of it" for j in range(samples)]
        views = [sample(j, a, str(i)) for j, a in enumerate(answers)]
        if i % 4 == 3:
            views[-1] = sample(samples - 1, None, str(i))
        yield ProblemView("gsm8k", f"gsm8k/{i}", f"What is the number {i}?", str(i), float(i % 8), tuple(views))


def written(path: Path, points: Any, run: Any, quality: Any, views: Any, **sections: Any) -> None:
    write_report(path, analysis(points, views, quality=quality, **sections), run)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as page:
        yield page


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Any:
    """Writes a report and opens it at 1280 pixels; afterwards nothing may have gone wrong in the page."""

    def open_report(*args: Any, **sections: Any) -> Browser:
        path = tmp_path / "report.html"
        written(path, *args, **sections)
        browser.resize(1280, 900)
        browser.trouble.clear()
        browser.requests.clear()
        browser.open(path)
        browser.wait("document.documentElement.dataset.browser === 'ready' && document.documentElement.dataset.chart")
        return browser

    yield open_report
    assert browser.trouble == []
    assert browser.requests == [(tmp_path / "report.html").as_uri()]


def count(browser: Browser) -> str:
    return str(browser.js("document.getElementById('count').textContent"))


def choose(browser: Browser, label: str) -> None:
    """Clicks the radio button whose label starts so."""
    labels = "[...document.querySelectorAll('fieldset label')]"
    browser.js(
        f"{labels}.find(l => l.textContent.trim().startsWith({json.dumps(label)})).querySelector('input').click()"
    )


def search(browser: Browser, words: str, deep: bool = False) -> None:
    browser.js(f"document.getElementById('in-samples').checked = {json.dumps(deep)}")
    browser.js(f"document.getElementById('search').value = {json.dumps(words)}")
    browser.js("document.getElementById('search').dispatchEvent(new Event('input'))")
    time.sleep(0.2)  # longer than the page waits for more letters
    browser.wait("/problems$/.test(document.getElementById('count').textContent)")


@needs_chromium
def test_chart_draws_and_its_axis_switches(opened: Any) -> None:
    page = opened(story(), RUN, QUALITY, problems(8))
    chart = "document.getElementById('chart').textContent"
    for words in ("mean tokens generated per problem", "self-consistency", "pass@k", "95% intervals"):
        assert words in page.js(chart)
    choose(page, "tokens read and generated")
    page.wait("document.documentElement.dataset.chart === 'total'")
    assert "mean tokens read and generated per problem" in page.js(chart)
    choose(page, "tokens generated")
    page.wait("document.documentElement.dataset.chart === 'generated'")


@needs_chromium
def test_pointing_at_a_mark_shows_its_numbers(opened: Any) -> None:
    page = opened(story(), RUN, QUALITY, [])
    marks = "[...document.querySelectorAll('#chart svg path[aria-label*=\"method: self-consistency\"]')]"
    place = f"(r => [r.x + r.width / 2, r.y + r.height / 2])({marks}.pop().getBoundingClientRect())"
    x, y = page.js(place)
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    page.wait("!document.getElementById('tip').hidden")
    tip = page.js("document.getElementById('tip').textContent")
    for words in ("self-consistency", "k16", "0.640", "0.560 to 0.720", "2,096.0", "2,192.0"):
        assert words in tip, tip


@needs_chromium
def test_filters_and_search_find_problems(opened: Any) -> None:
    page = opened(story(), RUN, QUALITY, problems(60))
    assert count(page) == "60 of 60 problems"
    assert page.js("document.querySelectorAll('.problem').length") == 25
    for label, many in (("solved by some", 15), ("never", 30), ("always", 15), ("truncated", 15), ("unreadable", 15)):
        choose(page, label)
        assert count(page) == f"{many} of 60 problems", label
    choose(page, "all (")
    search(page, "number 17?")
    assert count(page) == "1 of 60 problems"
    search(page, "half of 8 is")  # stands in the samples only
    assert count(page) == "0 of 60 problems"
    search(page, "half of 8 is", deep=True)
    assert count(page) == "60 of 60 problems"
    search(page, "")
    page.js("document.getElementById('next').click()")
    assert page.js("document.querySelector('.problem .id').textContent") == "gsm8k/25"


@needs_chromium
def test_task_and_prompt_narrow_what_is_counted(opened: Any) -> None:
    """A problem that only the direct prompt missed was listed as unsolved for chain-of-thought as well."""
    right, wrong = sample(0, "1", "1"), sample(0, "2", "1", prompt="direct")
    views = [ProblemView(task, f"{task}/0", "?", "1", None, (right, wrong)) for task in ("a", "b")]
    page = opened(story(), RUN, QUALITY, views)
    choose(page, "solved by some")
    assert count(page) == "2 of 2 problems"
    page.js("(s => { s.value = 'cot'; s.dispatchEvent(new Event('change')) })(document.getElementById('prompt'))")
    assert count(page) == "0 of 2 problems"
    choose(page, "always")
    page.js("(s => { s.value = 'b'; s.dispatchEvent(new Event('change')) })(document.getElementById('task'))")
    assert count(page) == "1 of 2 problems"


@needs_chromium
def test_a_problem_opens_by_keyboard_and_shows_its_samples(opened: Any) -> None:
    odd = sample(0, "42", "42", reasoning="thinking aloud", scores={"logprob": float("-inf")}, rung="boxed")
    page = opened(
        story(), RUN, QUALITY, [ProblemView("t", "t/0", "Why?\nWhy not?", None, 3.0, (odd, sample(1, None, "")))]
    )
    page.js("document.querySelector('.problem').focus()")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    page.wait("document.querySelectorAll('.sample').length === 2")
    assert page.js("document.querySelector('.problem').getAttribute('aria-expanded')") == "true"
    shown = page.js("document.querySelector('.opened').textContent")
    for words in ("Why?\nWhy not?", "none, judged by a check", "difficulty 3", "✓ right", "42", "131 tokens", "boxed"):
        assert words in shown, words
    for words in ("thinking aloud", "logprob -inf", "no answer found", "cut at the limit", "1 of 2 right, 1 truncated"):
        assert words in shown, words
    page.js("document.querySelector('.problem').click()")
    page.wait("document.querySelectorAll('.sample').length === 0")


@needs_chromium
def test_a_strangers_text_is_shown_and_never_run(opened: Any) -> None:
    """Every string of a report may come from a model or a downloaded file."""
    for hostile in ("\n".join(HOSTILE), "\n".join(reversed(HOSTILE))):
        points = [replace(p, task=hostile, model=hostile, method=p.label() + hostile, prompt=hostile) for p in story()]
        view = SampleView(hostile, 0, hostile, hostile, hostile, False, 1, "stop", hostile, {hostile: 1.0})
        problem = ProblemView(hostile, hostile, hostile, hostile, None, (view,))
        page = opened(points, {hostile: [hostile]}, [replace(QUALITY[0], name=hostile, samples_of=hostile)], [problem])
        choose(page, "tokens read and generated")
        page.wait("document.documentElement.dataset.chart === 'total'")
        search(page, "surrogate", deep=True)
        page.js("document.querySelector('.problem').click()")
        page.wait("document.querySelector('.sample')")
        page.js("document.querySelectorAll('details').forEach(d => d.open = true)")
        codes = page.js(
            "[...document.querySelector('.sample > pre:last-child').textContent].map(c => c.codePointAt(0))"
        )
        assert codes == [ord(c) for c in hostile]
        assert page.js("typeof window.pwned") == "undefined"
        assert page.js("document.querySelectorAll('img').length") == 0
        assert page.trouble == []


@needs_chromium
def test_the_policy_stops_what_would_slip_through(opened: Any) -> None:
    """Were text ever to become HTML, the policy is the second wall. It is tested by attacking the open page."""
    page = opened(story(), RUN, QUALITY, [])
    image = '<img src="http://127.0.0.1:9/a.png" onerror="window.pwned = 1">'
    page.js(f"document.body.insertAdjacentHTML('beforeend', {json.dumps(image)})")
    page.js("document.body.append(Object.assign(document.createElement('script'), { textContent: 'pwned = 2' }))")
    page.js("fetch('http://127.0.0.1:9/b').catch(() => 0)")
    page.js("new Promise(done => setTimeout(done, 200))")  # the browser reports what it refused a moment later
    assert page.js("typeof window.pwned") == "undefined"
    refused = [t for t in page.trouble if "Content Security Policy" in t]
    for what in ("a.png", "inline", "/b"):
        assert any(what in t for t in refused), (what, page.trouble)
    page.trouble.clear()
    page.requests[1:] = []  # what the browser itself stopped


@needs_chromium
def test_a_thousand_problems_stay_quick(opened: Any) -> None:
    """16,000 samples in the page made it take a minute to open: rows come by the page, samples when asked for."""
    start = time.monotonic()
    page = opened(story(), RUN, QUALITY, problems(1000, 16))
    assert count(page) == "1,000 of 1,000 problems"
    assert page.js("document.querySelectorAll('*').length") < 3000
    assert page.js("document.querySelectorAll('.sample').length") == 0
    search(page, "half of 22 is", deep=True)
    assert count(page) == "1,000 of 1,000 problems"
    assert time.monotonic() - start < 40


@needs_chromium
def test_many_samples_are_shown_some_at_a_time(opened: Any) -> None:
    """A prompt with hundreds of samples: a bar in the list; marks, and a hundred samples, once the problem is open."""
    views = [sample(i, "1" if i % 3 else "2", "1") for i in range(256)]
    page = opened(story(), RUN, QUALITY, [ProblemView("t", "t/0", "Why?", "1", None, tuple(views))])
    assert page.js("document.querySelector('.strip').textContent") == "cot170/256"
    widths = "[...document.querySelectorAll('.bar .cell')].map(c => c.getBoundingClientRect().width)"
    right, wrong, unreadable = page.js(widths)
    assert 1.8 < right / wrong < 2.2
    assert unreadable == 0
    page.js("document.querySelector('.problem').click()")
    page.wait("document.querySelectorAll('.grid .cell').length === 256")
    assert page.js("document.querySelectorAll('.sample').length") == 100
    page.js("document.querySelector('.more').click()")
    assert page.js("document.querySelectorAll('.sample').length") == 200
    page.js("document.querySelectorAll('.grid .cell')[255].click()")
    assert page.js("document.querySelectorAll('.sample').length") == 256
    assert "Half of 262 is" in page.js("document.querySelector('.sample[open]').textContent")
    assert page.js("document.querySelector('.more').hidden")


@needs_chromium
def test_a_sample_that_is_not_in_the_page_says_where_it_lies(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_browser, "SAMPLES", 1_500)
    page = opened(story(), RUN, QUALITY, problems(8, 60))
    note = page.js("document.querySelector('#browser .note').textContent")
    embedded = re.match(r"(\d+) of 480 samples are in this page", note)
    assert embedded, note
    assert 8 <= int(embedded[1]) < 300
    assert "samples.parquet" in note
    page.js("document.querySelectorAll('.problem')[1].click()")
    page.wait("document.querySelectorAll('.grid .cell').length === 60")
    held = page.js("document.querySelectorAll('.grid .held').length")
    assert page.js("document.querySelectorAll('.sample').length") == held
    assert f"{held} of these samples are in this page" in page.js("document.querySelector('.opened').textContent")
    page.js("document.querySelector('.grid .cell').focus()")
    missing = page.js("[...document.querySelectorAll('.grid .cell')].findIndex(c => !c.classList.contains('held'))")
    for _ in range(missing):
        page.call(
            "Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39
        )
    page.js("document.activeElement.click()")
    told = page.js("document.querySelector('.grid + p').textContent")
    row = int(re.search(r"row (\d+)", told)[1])  # type: ignore[index]
    table = parquet.read_table(tmp_path / "samples.parquet").to_pylist()
    assert (table[row]["problem"], table[row]["index"]) == ("gsm8k/1", missing)
    search(page, "half of 7 is", deep=True)
    assert re.fullmatch(r"[1-8] of 8 problems", count(page))


@needs_chromium
def test_a_long_text_shows_its_beginning_and_its_end(opened: Any) -> None:
    long = sample(0, "1", "1", text="begins here " + "x" * 200_000 + " ends here", reasoning="r" * 100_000)
    page = opened(story(), RUN, QUALITY, [ProblemView("t", "t/0", "Why?", "1", None, (sample(1, "1", "1"), long))])
    page.js("document.querySelector('.problem').click()")
    page.wait("document.querySelectorAll('.sample').length === 2")
    shown = page.js("document.querySelectorAll('.sample')[1].textContent")
    assert len(shown) < 140_000
    for words in ("begins here", "ends here", "134,486 characters are left out", "samples.parquet, row 1"):
        assert words in shown, words


@needs_chromium
def test_fits_a_telephone(opened: Any) -> None:
    page = opened(story(), RUN, QUALITY, problems(8))
    page.resize(400, 800)
    page.wait("document.querySelector('#chart svg').getBoundingClientRect().width <= 400")
    page.js("document.querySelector('.problem').click()")
    page.wait("document.querySelector('.sample')")
    assert page.js("document.documentElement.scrollWidth") <= 400
    assert page.js("document.querySelector('#chart svg').viewBox.baseVal.width") < 400  # redrawn, not shrunk


@needs_chromium
def test_the_heat_map_draws_and_tells_its_numbers(opened: Any) -> None:
    """It is drawn by the same script as the chart, under the same policy, and redrawn for a narrow page."""
    problems = [Problem(str(i), "?", "1", difficulty=float(1 + i % 2)) for i in range(8)]
    levels = [row for p in story() for row in by_difficulty(p, problems, [p.accuracy] * 8, [p.tokens] * 8)]
    page = opened(story(), RUN, QUALITY, [], difficulty=levels)
    figure = "document.getElementById('figure-difficulty')"
    page.wait(f"{figure}.dataset.drawn === 'wide'")
    for words in ("difficulty", "2 (n = 4)", "self-consistency", "2.1k"):
        assert words in page.js(f"{figure}.textContent"), words
    cell = f"""[...{figure}.querySelectorAll('path[aria-label*="method: direct"]')].pop()"""
    page.js(f"{cell}.scrollIntoView({{block: 'center'}})")
    x, y = page.js(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({cell}.getBoundingClientRect())")
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    page.wait("!document.getElementById('tip').hidden")
    assert "95% interval" in page.js("document.getElementById('tip').textContent")
    page.resize(400, 800)
    page.wait(f"{figure}.dataset.drawn === 'narrow'")
    assert page.js("document.documentElement.scrollWidth") <= 400


@needs_chromium
def test_prints_without_its_controls(opened: Any) -> None:
    page = opened(story(), RUN, QUALITY, problems(8))
    page.call("Emulation.setEmulatedMedia", media="print")
    hidden = "e => getComputedStyle(document.getElementById(e)).display === 'none'"
    assert page.js(f"['axes', 'browser'].every({hidden})")
    assert not page.js(f"['chart', 'table-title', 'quality-title'].some({hidden})")
    page.call("Emulation.setEmulatedMedia", media="")


@needs_chromium
def test_verifiers_have_a_section_with_charts(opened: Any) -> None:
    page = opened(story(), RUN, QUALITY, [], diagnoses=diagnose(pools(*MIXED)))
    for name in ("losses", "reliability"):
        page.wait(f"document.getElementById('figure-{name}').dataset.drawn === 'wide'")
    assert "selection loss" in page.js("document.getElementById('figure-losses').textContent")
    page.resize(400, 800)
    page.wait("document.getElementById('figure-losses').dataset.drawn === 'narrow'")
    assert page.js("document.documentElement.scrollWidth") <= 400


def test_the_file_is_one_and_names_no_other(tmp_path: Path) -> None:
    path = tmp_path / "results" / "report.html"
    written(path, story(), RUN, QUALITY, problems(3))
    first = path.read_bytes()
    page = re.sub(r"<script.*?</script>", "", first.decode(), flags=re.DOTALL)
    assert not re.findall(r"\b(?:src|href|action|srcset|data)\s*=|url\(|@import", page)
    assert "default-src 'none'" in page
    assert "unsafe" not in page
    written(path, story(), RUN, QUALITY, problems(3))
    assert path.read_bytes() == first  # nothing in it depends on when or where it was written


def test_tables_hold_the_points_and_the_quality(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    points = [replace(p, mc_error=0.004) if p.label() == "self-consistency" else p for p in story()]
    written(path, points, {**RUN, "note": "a & b"}, QUALITY, [])
    page = path.read_text(encoding="utf-8")
    row = re.search(r'<tr><th scope="row">self-consistency</th><td>16</td>(.*?)</tr>', page)
    assert row is not None
    cells = re.findall("<td>(.*?)</td>", row[1])
    assert cells == ["0.640 ± 0.004", "0.560 to 0.720", "2,096.0", "2,192.0", "2.17e+12", "Pareto front"]
    assert len(re.findall(r"<tr[^>]*><th scope=\"row\">", page)) == len(points) + 1
    assert "figure-difficulty" not in page.split("<script", 1)[0]  # there is none without difficulties
    assert '<td class="warn">8.3%</td><td>4.2%</td><td>0.0%</td><td>0.0%</td><td>0.0%</td><td>1,600</td>' in page
    assert "a &amp; b" in page


def test_tables_say_what_random_guessing_reaches(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    written(path, [replace(p, guess=0.25 if p.task == "a" else None) for p in story("a") + story("b")], RUN, {}, [])
    captions = re.findall("<caption>(.*?)</caption>", path.read_text(encoding="utf-8"))
    assert captions[0].endswith("100 problems · random guess 0.250")
    assert captions[1].endswith("100 problems")


def test_reading_says_what_was_gained_and_for_how_much() -> None:
    (sentence,) = reading(story())
    assert sentence == (
        "On gsm8k, Qwen/Qwen2.5-Coder-0.5B goes from 0.10 [0.02, 0.18] with direct (5 tokens per problem) to 0.64 "
        "[0.56, 0.72] with self-consistency of 16 samples (2,096 tokens per problem), 403 times the tokens. "
        "With a perfect verifier 16 samples would reach 0.82."
    )


def test_reading_claims_no_gain_where_there_is_none() -> None:
    flat = [replace(p, accuracy=0.5, low=0.4, high=0.6) for p in story() if not p.bound]
    (sentence,) = reading(flat)
    assert "reaches 0.50 [0.40, 0.60] with direct" in sentence
    assert sentence.endswith("nothing that spent more did better.")


def test_no_points_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(TtcError, match="at least one curve point"):
        written(tmp_path / "report.html", [], RUN, QUALITY, [])
    assert not (tmp_path / "report.html").exists()


def test_several_models_have_a_section_of_their_own(tmp_path: Path) -> None:
    points = [
        replace(p, values=tuple(float(i < round(100 * p.accuracy)) for i in range(100)))
        for i, m in enumerate(("hf:a/small", "hf:a/<large>"))
        for p in story(model=m, base=0.2 + 0.1 * i, parameters=10 ** (6 + i))
    ]
    written(tmp_path / "r.html", points, RUN, QUALITY, problems(2))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    section = page.split("Size against thinking</h2>")[1].split("</section>")[0]
    assert section.count("<svg") == 2
    assert "small with self-consistency" in section
    assert "&lt;large&gt; with cot" in section
    assert "<large>" not in page.split("<body>")[1].split("<script")[0]
    assert not re.search(r"<style|style=|<script|<image|href", section)  # the policy of the page would refuse them
    written(tmp_path / "one.html", story(), RUN, QUALITY, problems(2))
    assert "Size against thinking" not in (tmp_path / "one.html").read_text(encoding="utf-8")


def test_what_a_reader_must_know_stands_under_the_quality(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    written(path, story(), RUN, QUALITY, [], notes=["the <b>tokens</b> are not known"])
    page = path.read_text(encoding="utf-8")
    assert "<li>the &lt;b&gt;tokens&lt;/b&gt; are not known</li>" in page
    written(path, story(), RUN, QUALITY, [], notes=[])
    assert "reservations" not in path.read_text(encoding="utf-8").split("</style>")[1].split("<script")[0]


def test_a_page_without_tokens_is_about_samples(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    points = [replace(p, tokens=None, total_tokens=None, flops=None, pareto=False) for p in story()]
    written(path, points, RUN, [replace(QUALITY[0], truncated=None)], [])
    page = path.read_text(encoding="utf-8")
    assert "Accuracy against samples" in page
    assert page.count("<td>not known</td>") == 2 * len(points)
    assert '<td class="warn">not known</td>' in page
