"""The values of rows and answers: JSON-like data, compared the way a reader would."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

DEEPEST = 100
"""Levels of lists and objects within each other."""
LARGEST = 1e300
HALF = re.compile("[\ud800-\udfff]")


def plain(value: Any, depth: int = 0) -> Any:
    """`value` as JSON-like data: dates as ISO texts, decimals as floats, NaN, NaT and NA as None
    (missing).

    Raises TypeError, saying what it is, for what has no such form (bytes, images …), and for what
    no service takes: a number beyond 1e300, half a character, data nested deeper than DEEPEST.
    """
    match value:
        case None | bool():
            return value
        case str():
            if not value.isascii() and HALF.search(value):
                raise TypeError("lone half of a character")
            return str.__str__(value)  # without what a class of its own adds
        case int() | float():
            if not -LARGEST < value < LARGEST and value == value:
                raise TypeError("number that is too large")
            return None if value != value else value
        case _ if depth == DEEPEST:
            raise TypeError(f"value that is nested deeper than {DEEPEST} levels")
        case Mapping():
            return {plain(str(key)): plain(inner, depth + 1) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner, depth + 1) for inner in value]
        case Decimal():
            return plain(float(value))
        case date() | time():
            return None if value != value else value.isoformat()  # pandas' NaT is a datetime
        case _ if type(value).__name__ == "NAType":  # pandas' NA
            return None
        case _ if getattr(getattr(value, "dtype", None), "kind", "") == "M":  # numpy's dates
            return plain(value.astype("datetime64[us]").tolist(), depth + 1)
        case _ if hasattr(value, "tolist"):  # numpy's scalars and arrays
            return plain(value.tolist(), depth + 1)
        case _:
            raise TypeError(type(value).__name__)


def missing(value: Any) -> bool:
    """None, a blank text or an empty list: nothing to compare an answer with."""
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def copied(value: Any) -> Any:
    """JSON-like data that a function of yours may change: no other one sees it."""
    match value:
        case Mapping():
            return {key: copied(inner) for key, inner in value.items()}
        case list():
            return [copied(inner) for inner in value]
        case _:
            return value


def as_text(value: Any) -> str:
    """A JSON-like value as a person writes it: texts bare, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def squeeze(text: str) -> str:
    """Case and runs of whitespace taken away."""
    return " ".join(text.split()).casefold()


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
