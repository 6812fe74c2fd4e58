r"""One plain spelling for the characters that models write: digits, minus signs, spaces and brackets of all scripts,
markdown's bold, HTML's tags, LaTeX's thin spaces."""

from __future__ import annotations

import re
import unicodedata

MAX_ANSWER = 1000  # characters; nothing longer is an answer


class _Plain(dict[int, str | None]):
    """For str.translate: what a character is written as; looked up once for each character that occurs."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        digit = unicodedata.decimal(char, None)
        if digit is not None:
            self[code] = str(digit)
        elif unicodedata.decomposition(char).startswith("<fraction>"):
            self[code] = " " + unicodedata.normalize("NFKC", char).replace("\u2044", "/")
        elif 0xFF01 <= code <= 0xFF5E:  # full width
            self[code] = chr(code - 0xFEE0)
        else:
            self[code] = char
        return self[code]


_PLAIN = _Plain({
    **{ord(c): "-" for c in "\u2212\u2010\u2011\u2013\ufe63"},
    **{ord(c): " " for c in "\u00a0\u2007\u2009\u202f\u3000"},
    **{ord(c): None for c in "\u200b\u2060\ufeff\u200e\u200f"},
    ord("\u2044"): "/", ord("\u066a"): "%", ord("\u066b"): ".", ord("\u066c"): ",", ord("\u061f"): "?",
    ord("\u3002"): ". ", ord("\u3001"): ", ", ord("\u0964"): ". ", ord("\u060c"): ",",
})  # fmt: skip
_SUPERSCRIPTS = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207b\u207f]{1,20}")
# An expression that begins with a character, and looks behind it afterwards, is tried at that character only.
_NARROW = re.compile("[\u00a0\u2007\u2009\u202f](?<=[0-9].)(?=[0-9]{3}(?![0-9]))")
_EAST = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # scripts that put no space between a word and a number
_WIDE_SEAM = re.compile("(?<=[A-Za-z])(?=[\uff10-\uff19])")
_SEAM = re.compile(rf"(?<=[{_EAST}])(?=[0-9A-Za-z])|(?<=[0-9A-Za-z])(?=[{_EAST}])")
_EASTERN = re.compile(f"[\uff10-\uff19{_EAST}]")
_SPECIAL = re.compile(r"[^\x00-\x7f]+")
_BOLD = re.compile(r"\*\*(?:(?<!\w\*\*)|(?!\w))")  # not the power in 9**9
_UNDERLINED = re.compile(r"(?<![\w_])__(?=[^\s_])|(?<=[^\s_])__(?![\w_])")
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
_TAG = re.compile(r"</?(?:b|i|u|em|strong|span|div|p|code|mark|center|big|small)(?:\s[^<>]{0,80})?/?>", re.IGNORECASE)
_BREAK = re.compile(r"<br\s?/?>", re.IGNORECASE)
_THIN = re.compile(r"\\(?<!\\\\)(?:[,;: ]|!\s{0,9})")
_THOUSANDS = re.compile(r"\{,\}(?=[0-9]{3}(?![0-9]))")


def clean(text: str) -> str:
    r"""The text in plain characters. `{,}` is a comma between thousands and else a decimal point."""
    if not text.isascii():
        text = _NARROW.sub("", unicodedata.normalize("NFC", text))
        eastern = _EASTERN.search(text) is not None
        text = _WIDE_SEAM.sub(" ", text) if eastern else text
        text = _SUPERSCRIPTS.sub(lambda run: "^{" + unicodedata.normalize("NFKC", run[0]) + "}", text)
        text = _SPECIAL.sub(lambda run: run[0].translate(_PLAIN), text)
        text = _SEAM.sub(" ", text) if eastern else text
    if "{,}" in text:
        text = _THOUSANDS.sub(",", text).replace("{,}", ".")
    if "**" in text:
        text = _BOLD.sub("", text)
    if "~~" in text:
        text = _STRUCK.sub("", text)
    if "__" in text:
        text = _UNDERLINED.sub("", text)
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub("\n", text))
    return _THIN.sub("", text) if "\\" in text else text
