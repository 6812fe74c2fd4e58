"""Files that were edited to nonsense, and strangers' words: one line and exit code 2, never a traceback."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import arithmetic, model, signalled

from ttc_bench.backends import by_name
from ttc_bench.backends.scripted import ScriptedBackend
from ttc_bench.core import Completion, Request, Usage
from ttc_bench.errors import BackendError

Run = Callable[..., tuple[int, str, str]]
BASE = ("run", "--model", "scripted:", "--task", "chain-arithmetic", "--limit", "4", "--samples", "2", "--name", "r")


def refused(result: tuple[int, str, str], words: str) -> None:
    code, _, err = result
    assert code == 2
    assert err.startswith("ttc-bench: ")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 50_000, "YAML"),
        ("name: t\nvariants: [a, b]\n", "variants: expected names"),
        ("name: t\nvariants: {a: [1]}\n", "variants: expected names"),
        (
            "name: t\ngrader: number\nanswer_format: x\nsource: {generator: countdown, count: " + "9" * 5000 + "}\n",
            "YAML",
        ),
        ("name: [", "YAML"),
        ("- a\n- b\n", "name: this field is missing"),
    ],
    ids=["deep", "variants", "variant", "digits", "cut", "list"],
)
def test_task_files(ttc: Run, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    refused(ttc("run", "--model", "scripted:", "--task", "t.yaml"), words)
    refused(ttc("tasks", "t.yaml"), words)


@pytest.mark.parametrize(
    ("line", "words"),
    [('{"question": "a", "answer": ' + "9" * 5000 + "}", "line 1"), ("[" * 100_000, "line 1"), ("{}", "no field")],
    ids=["digits", "deep", "empty"],
)
def test_data_files(ttc: Run, tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "d.jsonl").write_text(line + "\n")
    (tmp_path / "t.yaml").write_text("name: t\nsource: {file: d.jsonl}\ngrader: number\nanswer_format: x\n")
    refused(ttc("run", "--model", "scripted:", "--task", "t.yaml"), words)


def test_a_lone_surrogate_in_a_question_is_asked_as_a_question_mark(ttc: Run, tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"question": "what is \\ud800?", "answer": "4"}\n')
    (tmp_path / "t.yaml").write_text("name: t\nsource: {file: d.jsonl}\ngrader: number\nanswer_format: x\n")
    assert ttc("run", "--model", "scripted:", "--task", "t.yaml", "--samples", "1", "--method", "direct")[0] == 0
    assert "what is ??" in ttc("tasks", "t.yaml")[1]


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "{}", "[" * 100_000, '{"config": [], "models": []}', '{"config": {}, "models": [1]}',
     '{"config": {}, "models": [{"id": 1}]}', '{"config": {"model": "a", "task": 3}, "models": [{"id": "x"}, {"id": "y"}]}',
     '{"config": {"samples": "many"}, "models": [{"id": "x"}]}', '{"config": {}, "models": [{"id": "x"}], "quality": 3}'],
)  # fmt: skip
def test_run_json_edited_to_nonsense(ttc: Run, tmp_path: Path, text: str) -> None:
    assert ttc(*BASE, "--method", "direct")[0] == 0
    (tmp_path / "results" / "r" / "run.json").write_text(text)
    refused(ttc("report", "results/r"), "run.json")
    refused(ttc("export", "results/r", "--to", "x.jsonl"), "run.json")
    code, _, err = ttc(*BASE)  # a run of the same name does not adopt it
    assert code == 2
    assert "Traceback" not in err


def test_run_json_that_is_a_folder(ttc: Run, tmp_path: Path) -> None:
    (tmp_path / "results" / "r" / "run.json").mkdir(parents=True)
    refused(ttc("report", "results/r"), "run.json")
    refused(ttc("run", "--config", "results/r/run.json"), "cannot be read")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--name", "x" * 300), "expected at most 200"),
        (("--name", "a\x1b]0;owned\x07"), "control characters"),
        (("--wait-text", "\x1b[2J"), "control characters"),
        (("--base-url", "http://127.0.0.1:1/v1#sk-abcdefghijk"), "OPENAI_API_KEY"),
        (("--base-url", "http://127.0.0.1:1/sk-abcdefghijk/v1"), "OPENAI_API_KEY"),
        (("--samples", "9" * 5000), ""),
        (("--model", "openai:org/\x1b[2Jm"), "control characters"),
    ],
    ids=["long", "escape", "wait", "fragment", "path", "digits", "model"],
)
def test_flags(ttc: Run, flags: tuple[str, ...], words: str) -> None:
    result = ttc("run", "--model", "scripted:", "--task", "chain-arithmetic", *flags)
    refused(result, words)
    assert "\x1b" not in result[2]
    assert "abcdefghijk" not in result[2]


def gguf(*values: bytes, count: int | None = None, tensors: int = 0) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", 3, tensors, len(values) if count is None else count) + b"".join(values)


def key(name: bytes, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


@pytest.mark.parametrize(
    "content",
    [
        gguf(struct.pack("<Q", 2**62) + b"x"),
        gguf(key(b"a", 8, struct.pack("<Q", 2**62))),
        gguf(key(b"a", 9, struct.pack("<IQ", 8, 2**62))),
        gguf(key(b"a", 9, struct.pack("<IQ", 9, 1) * 50_000)),
        gguf(key(b"a", 9, struct.pack("<IQ", 4, 2**61))),
        gguf(key(b"a", 77, b"")),
        gguf(count=2**62),
        gguf(tensors=2**62),
        gguf(tensors=1) + struct.pack("<Q", 1) + b"t" + struct.pack("<I", 2**31),
        b"GGUF",
        b"",
    ],
    ids=["key", "string", "strings", "nested", "numbers", "kind", "values", "tensors", "shape", "cut", "empty"],
)
def test_gguf_headers(ttc: Run, tmp_path: Path, content: bytes) -> None:
    """A string of 2**62 bytes was read, and 50,000 arrays within each other ended in a RecursionError."""
    (tmp_path / "m.gguf").write_bytes(content)
    code, _, err = ttc("run", "--model", "hf:m.gguf", "--task", "chain-arithmetic", "--limit", "1", "--samples", "1")
    assert code == 2
    assert err.splitlines()[-1].startswith("ttc-bench: ")
    assert "Traceback" not in err


def test_strangers_words_are_shown_as_words(ttc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "[/INST]" in a refusal was markup to rich and ended in a traceback; escapes reached the terminal."""

    def script(request: Request, index: int) -> Completion | BackendError:
        if index == 1:
            return BackendError("503: [/INST] [bold]oops\x1b[2J\x1b]0;owned\x07 ‮")
        return Completion(arithmetic(request, index), "stop", Usage(10, 0, 5), signals={"self_certainty": 1.0})

    monkeypatch.setitem(by_name.BACKENDS, "scripted", lambda name, config: model(script, "org/[/b]m"))
    code, out, err = ttc("run", "--model", "scripted:org/[/b]m", *BASE[3:])
    assert code == 3
    for text in (out, err):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "[/INST] [bold]oops" in out
    assert "scripted:org/[/b]m" in out
    assert "8 samples failed: 503" in " ".join(out.split())


def test_holes_have_reasons_everywhere_and_no_table_is_promised(
    ttc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        by_name.BACKENDS,
        "scripted",
        lambda name, config: model(lambda r, i: BackendError(f"status {500 + i}: oops"), "s"),
    )
    code, out, _ = ttc(*BASE)
    assert code == 3
    words = " ".join(out.split())
    assert "8 samples failed: status 500: oops" in words
    assert "8 samples failed: status 501: oops" in words
    assert "The table shows" not in out
    described = json.loads((tmp_path / "results" / "r" / "run.json").read_text())
    assert described["this_run"]["reasons"] == {"status 500: oops": 8, "status 501: oops": 8}
    monkeypatch.setitem(
        by_name.BACKENDS, "scripted",
        lambda name, config: model(lambda r, i: BackendError("status 500: oops") if i else signalled(r, i), "s"),
    )  # fmt: skip
    ttc(*BASE)
    page = (tmp_path / "results" / "r" / "report.html").read_text(encoding="utf-8")
    assert "8 samples failed: status 500: oops" in page
    assert "8 samples failed: status 500: oops" in " ".join(ttc("report", "results/r")[1].split())


def test_formulas_stay_texts_in_tables(ttc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d.jsonl").write_text('{"question": "2 + 2?", "answer": "4"}\n')
    (tmp_path / "t.yaml").write_text("name: '=cmd|calc'\nsource: {file: d.jsonl}\ngrader: number\nanswer_format: x\n")
    monkeypatch.setitem(by_name.BACKENDS, "scripted", lambda name, config: ScriptedBackend(lambda r, i: "4"))
    assert (
        ttc("run", "--model", "scripted:", "--task", "t.yaml", "--samples", "1", "--method", "cot", "--name", "f")[0]
        == 0
    )
    table = (tmp_path / "results" / "f" / "curve.csv").read_text()
    assert "\n'=cmd|calc," in table
