"""JSON as Python and JavaScript write it, with NaN and Infinity, as a stream of JSON proper, which knows neither."""

from __future__ import annotations

import re
from typing import BinaryIO

_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_MARK = re.compile(rb'\\.|"', re.DOTALL)
_CONSTANT = re.compile(rb"-?\b(?:NaN|Infinity)\b")
_LETTERS = b"\\-NaInfity"  # a chunk that ends with one of these may end within a constant, or an escape


class Plain:
    """A binary file whose constants are null. `read` gives about as many bytes as are asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._inside = file, False  # of a text

    def read(self, size: int = -1) -> bytes:
        """The next bytes, b"" at the end. Constants within texts stay."""
        chunk = bytearray(self._file.read(size))
        if not chunk or size == 0:
            return bytes(chunk)
        while chunk[-1] in _LETTERS and (byte := self._file.read(1)):
            chunk += byte
        inside, self._inside = self._inside, self._inside ^ (_ESCAPE.sub(b"", chunk).count(b'"') % 2 == 1)
        return _without_constants(bytes(chunk), inside) if b"NaN" in chunk or b"Infinity" in chunk else bytes(chunk)


def _without_constants(chunk: bytes, inside: bool) -> bytes:
    """The chunk, in which each quote that no backslash precedes begins or ends a text."""
    parts, start = [], 0
    quotes = [mark.end() for mark in _MARK.finditer(chunk) if mark.group() == b'"']
    for end in (*quotes, len(chunk)):
        part, start = chunk[start:end], end
        parts.append(part if inside else _CONSTANT.sub(b"null", part))
        inside = not inside
    return b"".join(parts)
