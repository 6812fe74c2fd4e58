"""Words that all output shares."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from ttc_bench.errors import printable
from ttc_bench.sampling.pool import Filled


def plain(text: str) -> Text:
    """A text that holds words of strangers: no markup in it counts, and no control character reaches the terminal."""
    return Text(printable(text))


def note(console: Console, notes: Iterable[str]) -> None:
    for note in notes:
        console.print(Text.assemble(("note: ", "bold yellow"), plain(note)))


def paid(filled: Filled) -> str:
    """The samples and scores that a run made, and their tokens, in words."""
    parts = []
    if filled.made:
        tokens = f"{filled.spent.completion:,} generated and {filled.spent.prompt:,} prompt tokens"
        parts.append(f"{filled.made:,} samples, {tokens}")
    if filled.scores:
        tokens = f"{filled.scoring.completion:,} generated and {filled.scoring.prompt:,} prompt tokens"
        parts.append(f"{filled.scores:,} scores by verifiers, {tokens}")
    return "; ".join(parts) or "nothing"
