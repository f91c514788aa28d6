"""The JSON objects in an answer, mended where a model wrote them nearly right.

Comments, trailing commas, single or typographic quotes, Python's literals, keys without quotes and
missing brackets are mended by json-repair. Of an object that was cut off, only the members that are
complete count. Prose in braces is no object.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, cast

import json_repair

from promptlathe.scoring.reading.numerals import MOST_DIGITS

LONGEST = 4_000
"""Characters of an object that is mended: the time for it can grow with their square."""
MOST = 3 * LONGEST
"""Characters that are mended in one text."""
DEEPEST = 100
"""Objects and lists within each other."""
_MOST_ODD = 30
"""Parentheses and stray quotation marks in an object that is mended."""

_BEGINS = re.compile(
    r"""\{ (?: \s | //[^\n]{0,500}\n | \#[^\n]{0,500}\n | /\*[^*]{0,500}\*/ )*+
    (?: \} | (?: "[^"\n{}]{0,200}" | '[^'\n{}]{0,200}' | “[^”\n{}]{0,200}” ) \s* (?: : | = )
      | [^\W\d][\w-]{0,100} \s* : \s* (?: ["'“\[{] | -?[0-9] | (?: true|false|null|none )\b ) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LITERAL_CUT = re.compile(r"[:,\[]\s*(?!(?:true|false|null|none)$)[-+\w.]+$", re.IGNORECASE)


def _parts(texts: str) -> re.Pattern[str]:
    return re.compile(
        rf"//[^\n]*|/\*.{{0,500}}?\*/|(?P<text>{texts})"
        r"|(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)|(?P<odd>[(\"'“”])",
        re.DOTALL,
    )


_DOUBLE = r'"(?:[^"\\]|\\.)*+(?P<end>")?'
_PARTS = {
    '"': _parts(_DOUBLE),
    "'": _parts(r"'(?:[^'\\]|\\.|(?<=\w)'(?=\w))*+(?P<end>')?|\"(?:[^\"\\]|\\.)*+\""),
    "“": _parts(r"“[^”]*+(?P<end>”)?"),
}
"""What an object consists of, by its first quotation mark."""
_STRAY = re.compile("[\ud800-\udfff\x00]")
_QUOTE = re.compile("[\"'“]")


def objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost objects in a text, in order.

    What begins like an object and cannot be read is passed over, with all that stands in it; where
    it does not end, the search does.
    """
    escaped, mended = "\\u" in text, 0
    start = text.find("{")
    while start >= 0:
        end = start + 1
        if _BEGINS.match(text, start):
            try:
                found, end = _decoded(text, start, clean=escaped)
            except RecursionError:
                return
            except ValueError:
                source, end = _source(text, start)
                mended += len(source)
                if mended > MOST:
                    return
                found = _mended(source)
            if found is not None:
                yield found
        start = text.find("{", end)


def _decoded(text: str, start: int, *, clean: bool) -> tuple[dict[str, Any], int]:
    """The object that begins there, as it stands, and where it ends.

    Raises ValueError when it is not JSON, RecursionError when it is too deep.
    """
    found, end = _DECODER.raw_decode(text, start)
    several = text.count("{", start, end) + text.count("[", start, end)
    if several > DEEPEST and _depth(found) > DEEPEST:
        raise RecursionError
    return (_clean(found) if clean else found), end


def _mended(source: str) -> dict[str, Any] | None:
    if not source:
        return None
    try:
        found: Any = json_repair.loads(source, skip_json_loads=True)
    except Exception:  # noqa: BLE001  # whatever it is, it is no object
        return None
    return cast("dict[str, Any]", _clean(found)) if found and isinstance(found, dict) else None


def _source(text: str, start: int) -> tuple[str, int]:
    """The text of the object that begins there, as far as it is complete, and where it ends.

    An empty text when it is too long, too deep, too odd, or when no member is complete.
    """
    quote = _QUOTE.search(text, start, start + 600)
    depth, comma, inside, odd = 0, 0, False, 0
    for part in _PARTS[quote[0] if quote else '"'].finditer(text, start, start + LONGEST):
        depth += bool(part["open"]) - bool(part["close"])
        odd += bool(part["odd"])
        if not depth:
            return text[start : part.end()], part.end()
        if depth > DEEPEST or odd > _MOST_ODD:
            return "", len(text)
        if part["comma"] and depth == 1:
            comma = part.start()
        if part["text"]:
            inside = part["end"] is None and part[0][-1] != part[0][0]
    rest = text[start:].rstrip().removesuffix("```").rstrip()
    if len(rest) > LONGEST:
        return "", len(text)
    if depth == 1 and not inside and not _LITERAL_CUT.search(rest[-200:]):
        return rest, len(text)
    return (f"{text[start:comma]}}}" if comma else ""), len(text)


def _depth(value: Any) -> int:
    """How many objects and lists stand within each other."""
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for several in inner for one in several]
    return depth


def _clean(value: Any) -> Any:
    """Without what no JSON file or database keeps: infinite numbers, halves of characters, NUL."""
    match value:
        case dict():
            return {_clean(str(k)): _clean(v) for k, v in cast("dict[Any, Any]", value).items()}
        case list():
            return [_clean(one) for one in cast("list[Any]", value)]
        case str():
            return _STRAY.sub("\ufffd", value)
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def _whole(digits: str) -> int | str:
    """Python reads no longer ones."""
    return int(digits) if len(digits) <= MOST_DIGITS else digits


def _float(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits


def _no_number(name: str) -> None:
    """NaN and Infinity: nothing is known."""
    del name


_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_float, parse_constant=_no_number)
