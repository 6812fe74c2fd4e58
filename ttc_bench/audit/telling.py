"""An audit as a page for a terminal, as audit.md and as audit.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap
from typing import Any

from ttc_bench.audit.findings import CHECKS, ORDER, Audit, Evidence, Finding, Severity
from ttc_bench.errors import printable
from ttc_bench.report.manifest import writing

WIDTH = 80
PAGE = 60  # lines
CASES = 2  # of a finding, in the page
FILES = ("audit.json", "audit.md")
_HEADS: dict[Severity, str] = {
    "serious": "Serious",
    "notable": "To know of",
    "cannot be told": "Cannot be told from this file",
    "fine": "Asked, and fine",
}


def lines(audit: Audit) -> list[str]:
    """At most PAGE lines of WIDTH columns: the verdict, every finding that is not fine as far as there is room, the
    dearest first, and with the room that is left their first cases."""
    head = wrap(f"Audit: {audit.verdict}.", WIDTH)
    fine = _fine(audit)
    room = PAGE - len(head) - len(fine)
    told = [f for f in audit.findings if f.severity != "fine"]
    blocks: list[tuple[Finding, list[str]]] = []
    left_out = 0
    for finding in told:
        block = _block(finding, first=not blocks or finding.severity != blocks[-1][0].severity)
        if len(block) <= room - 2:
            blocks.append((finding, block))
            room -= len(block)
        else:
            left_out += 1
    more = [f"  {left_out:,} more are in {FILES[1]}."] if left_out else []
    room -= len(more)
    for finding, block in blocks:
        cases = _cases(finding)
        if cases and len(cases) <= room:
            block += cases
            room -= len(cases)
    return [printable(line) for line in (*head, *(line for _, block in blocks for line in block), *more, *fine)]


def _block(finding: Finding, first: bool) -> list[str]:
    head = ["", f"{_HEADS[finding.severity]}:"] if first else []
    text = f"{finding.about}: {finding.sentence}"
    return head + wrap(" ".join(text.split()), WIDTH, initial_indent="* ", subsequent_indent="  ")


def _cases(finding: Finding) -> list[str]:
    out: list[str] = []
    for e in finding.evidence[:CASES]:
        text = f"{_named(e)}: {_facts(e)}" if e.facts else _named(e)
        out += wrap(text, WIDTH, initial_indent="    ", subsequent_indent="      ")[:3]
        if e.text:
            out += wrap(f'"{" ".join(e.text.split())}"', WIDTH, initial_indent="      ", subsequent_indent="      ")[:3]
    return out


def _fine(audit: Audit) -> list[str]:
    """The questions whose answer is fine wherever they were asked, in a paragraph."""
    bad = {f.check for f in audit.findings if f.severity != "fine"}
    asked = [check for check in CHECKS if check not in bad and any(f.check == check for f in audit.findings)]
    if not asked:
        return []
    text = f"{_HEADS['fine']}: {' '.join(CHECKS[check] for check in asked)}"
    return ["", *wrap(text, WIDTH)]


def _named(e: Evidence) -> str:
    sample = "" if e.index is None else f", sample {e.index}"
    return f"{e.problem}{sample}{f' ({e.place})' if e.place else ''}"


def _facts(e: Evidence) -> str:
    told = {name: value for name, value in e.facts.items() if not isinstance(value, bool)}  # flags are for audit.json
    return ", ".join(f"{name} {_value(value)}" for name, value in told.items())


def _value(value: Any) -> str:
    return "none" if value is None else str(value)


def write(audit: Audit, folder: Path) -> None:
    """Writes audit.json, with everything, and audit.md into a results folder. Raises CannotWrite."""
    everything = {
        "verdict": audit.verdict,
        "findings": [{"question": CHECKS[f.check], **asdict(f)} for f in audit.findings],
    }
    texts = {FILES[0]: f"{json.dumps(everything, indent=1, ensure_ascii=False)}\n", FILES[1]: markdown(audit)}
    with writing(folder):
        for name, text in texts.items():
            new = folder / f".new-{name}"
            new.write_text(text, encoding="utf-8", errors="replace", newline="\n")
            new.replace(folder / name)


def markdown(audit: Audit) -> str:
    """Every finding, with up to 20 cases of each as a table."""
    parts = [f"# Audit\n\n{audit.verdict.capitalize()}.\n"]
    for severity in ORDER:
        found = [f for f in audit.findings if f.severity == severity]
        if found:
            parts.append(f"\n## {_HEADS[severity]}\n")
            parts += [part for f in found for part in _section(f)]
    return "".join(parts)


def _section(f: Finding) -> Iterator[str]:
    worth = "" if f.points is None or f.severity == "fine" else f" **{f.points:+.1f} points"
    if worth and f.low is not None and f.high is not None:
        worth += f" [{f.low:+.1f}, {f.high:+.1f}]"
    worth += ".**" if worth else ""
    yield f"\n### {_cell(f.about)}: {CHECKS[f.check]}\n\n{_cell(f.sentence)}.{worth}\n"
    shown = f.evidence[:20]
    if not shown or f.severity == "fine":
        return
    names = list(dict.fromkeys(name for e in shown for name in e.facts))
    head = ["case", *names, *(["words"] if any(e.text for e in shown) else [])]
    yield f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}\n"
    for e in shown:
        cells = [_named(e), *(_value(e.facts.get(name, "")) for name in names), e.text][: len(head)]
        yield f"| {' | '.join(map(_cell, cells))} |\n"
    if f.total > len(shown):
        yield f"\n{f.total:,} in all; audit.json has {len(f.evidence):,} of them.\n"


def _cell(text: str) -> str:
    """A stranger's words in Markdown: one line, in which nothing is a mark of Markdown or HTML."""
    line = printable(" ".join(text.split()))
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>|#$~" else c for c in line)
