"""What a model is called where there is little room: in the names of folders, beside lines of a chart, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 100  # characters of a folder's name that may go to models


def short(model: str) -> str:
    """The last part of a model's name, as given with --model: "small" of builtin:small, "Name-1B" of hf:Org/Name-1B."""
    kind, _, name = model.partition(":")
    return name.rstrip("/").rpartition("/")[2].removesuffix(".gguf") or kind


def labels(models: Sequence[str]) -> dict[str, str]:
    """The short name of each model, or its whole name where two would be called the same."""
    found = {model: short(model) for model in models}
    return {m: name if list(found.values()).count(name) == 1 else m for m, name in found.items()}


def joined(models: Sequence[str]) -> str:
    """One name for a run of these models: what all of them begin with stands once (builtin-small+medium+large)."""
    names = [f"builtin-{short(m)}" if m.removeprefix("builtin:") not in ("", m) else short(m) for m in models]
    words = [name.split("-") for name in names]
    shared = 0
    while len(names) > 1 and len({tuple(w[: shared + 1]) for w in words}) == 1 and shared < min(map(len, words)):
        shared += 1
    name = "+".join([names[0], *("-".join(w[shared:]) or n for w, n in zip(words[1:], names[1:], strict=True))])
    return name if len(name) <= LONGEST or len(names) == 1 else f"{names[0]}+{len(names) - 1}-others"
