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
from typing import Any, NamedTuple, cast

import json_repair

from promptlathe.scoring.reading.numerals import MOST_DIGITS

LONGEST = 8_000
"""Characters of an object that is mended: the time for it can grow with their square."""
DEEPEST = 50
"""Objects and lists within each other, in an object that is mended."""
_EFFORT = 4
"""Characters that are looked at for each one in a text, before the search is given up."""
_DEEP = 20_000
"""Characters that too deep a nesting counts for."""

_BEGINS = re.compile(
    r"""\{ (?: \s | //[^\n]{0,500}\n | \#[^\n]{0,500}\n | /\*[^*]{0,500}\*/ )*+
    (?: \} | (?: "[^"\n{}]{0,200}" | '[^'\n{}]{0,200}' | “[^”\n{}]{0,200}” ) \s* (?: : | = )
      | [^\W\d][\w-]{0,100} \s* : \s* (?: ["'“\[{] | -?[0-9] | (?: true | false | null | none )\b ) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LITERAL_CUT = re.compile(r"[:,\[]\s*(?!(?:true|false|null|none)$)[-+\w.]+$", re.IGNORECASE)


def _parts(texts: str) -> re.Pattern[str]:
    return re.compile(
        rf"//[^\n]*|/\*.{{0,500}}?\*/|(?P<text>{texts})"
        r"|(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)",
        re.DOTALL,
    )


_DOUBLE = r'"(?:[^"\\]|\\.)*+(?P<end>")?'
_PARTS = {
    '"': _parts(_DOUBLE),
    "'": _parts(r"'(?:[^'\\]|\\.|(?<=\w)'(?=\w))*+(?P<end>')?|\"(?:[^\"\\]|\\.)*+\""),
    "“": _parts(r"“[^”]*+(?P<end>”)?"),
}
"""What an object consists of, by its first quotation mark."""
_QUOTE = re.compile("[\"'“]")


def objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost objects in a text, in order."""
    effort = _EFFORT * len(text) + _DEEP
    start = text.find("{")
    while start >= 0 and effort > 0:
        end = start + 1
        if _BEGINS.match(text, start):
            found, reached = _object(text, start)
            effort -= reached - start
            if found is not None:
                yield found
                end = reached
        start = text.find("{", end)


def _object(text: str, start: int) -> tuple[dict[str, Any] | None, int]:
    """The object that begins there, or None; and how far the text was looked at."""
    try:
        return cast("tuple[dict[str, Any], int]", _DECODER.raw_decode(text, start))
    except RecursionError:
        return None, start + _DEEP
    except ValueError:
        pass
    span = _span(text, start)
    if span.source is None:
        return None, span.end
    try:
        mended: Any = json_repair.loads(span.source, skip_json_loads=True)
    except Exception:  # noqa: BLE001  # whatever it is, it is no object
        return None, span.end
    found = cast("dict[str, Any]", _finite(mended)) if isinstance(mended, dict) else None
    return found or None, span.end


class _Span(NamedTuple):
    source: str | None
    """The object's text, as far as it is complete."""
    end: int
    """How far the text was looked at."""


def _span(text: str, start: int) -> _Span:
    """From an opening brace to the one that closes it, or to the end of what is complete."""
    quote = _QUOTE.search(text, start, start + 600)
    depth, last_comma, inside = 0, 0, False
    for part in _PARTS[quote[0] if quote else '"'].finditer(text, start, start + LONGEST):
        if part["open"]:
            depth += 1
            if depth > DEEPEST:
                return _Span(None, part.end())
        elif part["close"]:
            depth -= 1
            if not depth:
                return _Span(text[start : part.end()], part.end())
        elif part["comma"] and depth == 1:
            last_comma = part.start()
        elif part["text"]:
            inside = part["end"] is None and part[0][-1] != part[0][0]
    if len(text) > start + LONGEST:
        return _Span(None, start + LONGEST)
    rest = text[start:].rstrip().removesuffix("```").rstrip()
    if depth == 1 and not inside and not _LITERAL_CUT.search(rest[-200:]):
        return _Span(rest, len(text))
    return _Span(f"{text[start:last_comma]}}}" if last_comma else None, len(text))


def _finite(value: Any) -> Any:
    """Without infinite numbers, which JSON does not have."""
    match value:
        case dict():
            return {str(k): _finite(v) for k, v in cast("dict[Any, Any]", value).items()}
        case list():
            return [_finite(one) for one in cast("list[Any]", value)]
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
