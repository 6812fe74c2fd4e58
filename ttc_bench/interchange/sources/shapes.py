"""Values of a stranger's JSON in the shape that they should have, or none. Nothing here raises."""

from __future__ import annotations

import math
from typing import Any

from ttc_bench.errors import printable

WORDS = 200  # characters of a reason


def mapping(value: Any) -> dict[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """A list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def string(value: Any) -> str | None:
    """A text, in which halves of surrogate pairs, which no encoding can write, are question marks."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def real(value: Any) -> float | None:
    """A finite number that is no truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole(value: Any) -> int | None:
    """A whole number of 0 or more, which may be written as 7.0."""
    number = real(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def one_line(value: Any) -> str:
    """Anything as a short line for people."""
    return printable(" ".join(str(value).split())[:WORDS])
