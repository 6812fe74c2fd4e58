"""Short names of models: for folders, lines of a chart, sentences."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 100  # most characters for the models in a folder's name


def short(model: str) -> str:
    """The last part of a model's name, as given with --model: "small" of builtin:small, "Name-1B" of hf:Org/Name-1B."""
    kind, _, name = model.partition(":")
    return name.rstrip("/").rpartition("/")[2].removesuffix(".gguf") or kind


def labels(models: Sequence[str]) -> dict[str, str]:
    """The short name of each model, or its full name where short names coincide."""
    names = {model: short(model) for model in models}
    return {m: name if list(names.values()).count(name) == 1 else m for m, name in names.items()}


def joined(models: Sequence[str]) -> str:
    """One name for a run of these models, with their common prefix written once: builtin-small+medium+large."""
    names = [f"builtin-{short(m)}" if m.removeprefix("builtin:") not in ("", m) else short(m) for m in models]
    words = [name.split("-") for name in names]
    shared = 0
    while len(names) > 1 and len({tuple(w[: shared + 1]) for w in words}) == 1 and shared < min(map(len, words)):
        shared += 1
    name = "+".join([names[0], *("-".join(w[shared:]) or n for w, n in zip(words[1:], names[1:], strict=True))])
    return name if len(name) <= LONGEST or len(names) == 1 else f"{names[0]}+{len(names) - 1}-others"
