"""The values of rows and answers: JSON-like data, compared the way a reader would."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

_MARKS = re.compile(r"[\u0300-\u036f]")
_GAPS = re.compile(r"[\s_\-\u2010-\u2015]+")


def plain(value: Any) -> Any:
    """`value` as JSON-like data: dates as ISO texts, decimals as floats, NaN as None (missing).

    Raises TypeError, naming the type, for what has no such form (bytes, images …).
    """
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            return None if math.isnan(value) else value
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case Decimal():
            return float(value)
        case date() | time():
            return value.isoformat()
        case _ if hasattr(value, "tolist"):  # numpy's scalars and arrays
            return plain(value.tolist())
        case _:
            raise TypeError(type(value).__name__)


def missing(value: Any) -> bool:
    """None, a blank text or an empty list: nothing to compare an answer with."""
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def as_text(value: Any) -> str:
    """A JSON-like value as a person writes it: texts bare, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def squeeze(text: str) -> str:
    """Case and runs of whitespace taken away."""
    return " ".join(text.split()).casefold()


def unaccent(text: str) -> str:
    """Accents taken away; `_`, `-` and whitespace as one space; case kept."""
    if not text.isascii():
        text = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return _GAPS.sub(" ", text).strip()


def fold(text: str) -> str:
    """What two spellings of a label have in common: `Carte-Perdue` and `carte perdue`."""
    return unaccent(text).casefold()


def kind(value: Any) -> str:
    """The kind of a target, in words."""
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"
