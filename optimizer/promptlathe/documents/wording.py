"""Values and mistakes in plain words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from promptlathe.documents.secrets import hiding

_EXPECTED = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "keys with values",
    "mapping": "keys with values",
    "model": "keys with values",
    "dataclass": "keys with values",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "none": "nothing (null)",
    "path": "a path",
    "finite_number": "a finite number",
}
"""By the first words of pydantic's error types, such as `int_parsing` and `int_type`."""
OTHER = "write another value"
_WRONG_KIND = ("_type", "_parsing", "_attributes_type", "_from_float", "_required")
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that `name` was probably meant to be, or None."""
    folded = {known.casefold(): known for known in names}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def describe(value: Any) -> str:
    """A value as a message names it: `the text 'abc'`, `a list of 3`."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            shown = hiding()(value)
            return f"the text {shown if len(shown) <= 60 else shown[:57] + '…'!r}"
        case Mapping():
            keys = ", ".join(str(key) for key in list(value)[:4])
            return f"keys with values ({keys})" if keys else "an empty mapping"
        case Sequence():
            return f"a list of {len(value)}" if value else "an empty list"
        case _:
            return f"a {type(value).__name__}"


def choices(names: Sequence[str], joint: str = "or") -> str:
    """`a, b or c`."""
    *first, last = names
    return f"{', '.join(first)} {joint} {last}" if first else last


def expected(error: Mapping[str, Any]) -> str | None:
    """What kind of value pydantic's error asks for; None when it is not about the kind."""
    kind: str = error["type"]
    if kind in ("literal_error", "enum"):
        return str(error["ctx"]["expected"]).replace("False", "false").replace("True", "true")
    for ending in _WRONG_KIND:
        kind = kind.removesuffix(ending)
    return _EXPECTED.get(kind)


def problem(error: Mapping[str, Any]) -> str:
    """What is wrong with the value, with the value found."""
    kind, found = error["type"], describe(error["input"])
    if kind == "literal_error" and isinstance(error["input"], str):
        near = nearest(error["input"], re.findall("'([^']*)'", error["ctx"]["expected"]))
        found += f"; did you mean {near!r}?" if near else ""
    if wish := expected(error):
        return f"expected {wish}, found {found}"
    if kind in ("value_error", "assertion_error"):
        what, *_ = error["ctx"]["error"].args or ("is wrong",)
        return str(what)
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"must be {words} {error['ctx'][name]:.15g}, found {found}"
    if kind == "too_short" and error["ctx"]["min_length"] == 1:
        return "must not be empty"
    if kind in ("too_short", "too_long"):
        limit = error["ctx"].get("min_length") or error["ctx"].get("max_length")
        words = "at least" if kind == "too_short" else "at most"
        return f"must have {words} {limit} items, found {found}"
    if kind == "string_pattern_mismatch":
        return f"{found} has a character that is not allowed here"
    if kind == "int_parsing_size":
        return f"{found} is too large"
    message = str(error["msg"])
    return f"{message[:1].lower()}{message[1:]}, found {found}"


def remedy(errors: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> str:
    """What to do about a value: the kinds that fit, the limit, or a validator's own advice.

    keys: those that it may hold, if it holds any.
    """
    wishes = [wish for error in errors if (wish := expected(error))]
    if wishes:
        listed = f" (keys: {', '.join(keys)})" if keys else ""
        return f"write {choices(list(dict.fromkeys(wishes)))}{listed}"
    kind, context = errors[0]["type"], errors[0].get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        _, *advice = context["error"].args or ("",)
        return str(advice[0]) if advice and advice[0] else OTHER
    if kind in ("too_short", "too_long"):
        limit = context.get("min_length") or context.get("max_length")
        return f"write {'at least' if kind == 'too_short' else 'at most'} {limit}"
    if kind == "string_pattern_mismatch":
        return f"it has to match {context['pattern']}"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"write a number that is {words} {context[name]:.15g}"
    if kind == "component":
        return "write one of these keys under it: `NAME: {choice: [first text, second text]}`, say"
    return OTHER
