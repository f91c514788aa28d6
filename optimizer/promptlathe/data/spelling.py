"""Spelling: what two texts have in common that differ in typography only.

`normal` is the one function for it. All that compares or reads an answer begins there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

_SAME_AS = {
    "'": "‘’‚‛ʼ′´ʻ",
    '"': "“”„‟″〝〞「」『』‹›",
    "-": "‐‑‒–—―−⸺",
    "/": "⁄∕",
    ".": "٫",
    ",": "٬،、",
    ";": "؛",
    "?": "؟",
    "%": "٪",
    "...": "…",
    "oe": "œ",
    "OE": "Œ",
    "ae": "æ",
    "AE": "Æ",
    "\n": "\u2028\u2029\x85",
    "": "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060"
    "\u2066\u2067\u2068\u2069\ufeff",
}
_SAFE = re.compile(r"<(wide|narrow|noBreak|font|small|vertical|initial|medial|final|isolated)>")
"""Kinds of compatibility characters that are the same character in another dress. NFKC as a whole
would make `10²` into `102` and `№` into `No`."""
_GUILLEMETS = re.compile(r"«\s*|\s*»")
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Letters of scripts that put no spaces between words (Thai, Lao, Burmese, Khmer, Japanese,
Chinese), for a class of a regular expression."""


class _Dress(dict[int, str]):
    """Each character's plain form, found when it is first met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        plain = char
        if unicodedata.category(char) == "Zs":
            plain = " "
        elif unicodedata.category(char) == "Nd":
            plain = str(unicodedata.digit(char))
        elif 0xFB00 <= code <= 0xFB17 or _SAFE.match(unicodedata.decomposition(char)):
            plain = unicodedata.normalize("NFKC", char).translate(self)
        self[code] = plain
        return plain


class _Base(dict[int, str]):
    """Each character without its accent."""

    def __missing__(self, code: int) -> str:
        apart = unicodedata.normalize("NFD", chr(code))
        kept = "".join(c for c in apart if not "\u0300" <= c <= "\u036f")
        self[code] = unicodedata.normalize("NFC", kept)
        return self[code]


_DRESS = _Dress({code: chr(code) for code in range(128)})
_DRESS.update({ord(char): plain for plain, chars in _SAME_AS.items() for char in chars})
_BASE = _Base({code: chr(code) for code in range(128)})


def normal(text: str) -> str:
    """A text in plain dress: straight quotes, `-` for every dash, Western digits, composed accents.

    Full-width and half-width forms, ligatures and letters of mathematics become plain ones, spaces
    of any kind a space; what has no width goes. Case, accents, and the number of spaces stay.
    """
    if text.isascii():
        return text
    if "«" in text or "»" in text:
        text = _GUILLEMETS.sub('"', text)
    return unicodedata.normalize("NFC", text.translate(_DRESS))


def compared(text: str) -> str:
    """A text as it is compared: `normal`, case and runs of whitespace aside."""
    return " ".join(normal(text).split()).casefold()


def bare(text: str) -> str:
    """A text without accents."""
    return text if text.isascii() else text.translate(_BASE)


def words(text: str) -> list[str]:
    """The words of a text as they are compared; where a script has no spaces, its characters."""
    text = normal(text).casefold()
    return (_WORD if text.isascii() else _any_word()).findall(text)


class Written(NamedTuple):
    """A text to be read, three times, character by character alike."""

    kept: str
    """In normal dress."""
    folded: str
    """Also without case; `_`, and `-` between letters, as a space."""
    plain: str
    """Also without accents."""


_WORD = re.compile(r"\w+")
_JOINT = re.compile(r"_|(?<=[^\W\d_])-(?=[^\W_])")
_ESCAPED = re.compile(r"\\([_*#+-])")


def written(text: str) -> Written:
    """The forms of a text. Where letters change their number without case, it is lost in all."""
    if "—" in text:
        text = text.replace("—", " — ")  # it parts clauses; other dashes join words
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", text)
    kept = normal(text)
    folded = _JOINT.sub(" ", kept.casefold())
    plain = bare(folded)
    if len(kept) == len(folded) == len(plain):
        return Written(kept, folded, plain)
    return Written(plain, plain, plain)


def boundary(texts: Iterable[str]) -> str:
    """What goes on with a word, for a class of a regular expression: where there is more than
    ASCII, marks that combine as well."""
    return r"\w" if all(text.isascii() for text in texts) else rf"\w{_marks()}"


def starts_word(text: str) -> bool:
    """Its first character must begin a word, to be found in a text."""
    return _bounded(text[:1])


def ends_word(text: str) -> bool:
    """Its last character must end a word, to be found in a text."""
    return _bounded(text[-1:])


def _bounded(char: str) -> bool:
    kind = unicodedata.category(char)[0] if char else ""
    return (kind in ("L", "N", "M") or char == "_") and not _spaceless().match(char)


@cache
def _spaceless() -> re.Pattern[str]:
    return re.compile(f"[{SPACELESS}\uac00-\ud7af]")  # to Korean words, endings are attached


@cache
def _any_word() -> re.Pattern[str]:
    marks = _marks()
    return re.compile(rf"[{SPACELESS}][{marks}]*|(?:(?![{SPACELESS}])[\w{marks}])+")


@cache
def _marks() -> str:
    """All characters that combine with the one before, as ranges of a class."""
    found: list[list[int]] = []
    for code in range(0x300, 0xFFFF):
        if unicodedata.category(chr(code)).startswith("M"):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)
