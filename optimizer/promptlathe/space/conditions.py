"""Conditions on levels: when a component is active, and which combinations are forbidden.

when: {format: json}                 # the level's name
when: {format: [json, tagged]}       # any of these
when: {demos.count: "> 0"}           # a comparison, for numbers
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, PlainSerializer

from promptlathe.records import Value

_COMPARISON = re.compile(r"^(<=|>=|!=|<|>)\s*(-?\d+(?:\.\d+)?)$")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "!=": operator.ne,
}

Wanted = Value | tuple[Value | None, ...] | None


def _pairs(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    items = cast("Mapping[str, Any]", given).items()
    return tuple((k, tuple(v) if isinstance(v, list | tuple) else v) for k, v in items)


def _mapping(pairs: Iterable[tuple[str, Wanted]]) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in pairs}


Condition = Annotated[
    tuple[tuple[str, Wanted], ...],
    BeforeValidator(_pairs, json_schema_input_type=dict[str, Value | list[Value | None] | None]),
    PlainSerializer(_mapping),
]
"""Pairs (parameter, wanted value), all of which must hold; a mapping in YAML and Python."""


def holds(condition: tuple[tuple[str, Wanted], ...], levels: Mapping[str, Value]) -> bool:
    """True when every pair holds; a parameter that is not active never does."""
    for name, wanted in condition:  # a plain loop: a search asks this many thousand times
        if name not in levels or not matches(wanted, levels[name]):
            return False
    return True


def matches(wanted: Wanted, level: Value) -> bool:
    """True when `level` is the wanted value, one of the wanted, or compares as asked."""
    if isinstance(wanted, tuple):
        return any(matches(one, level) for one in wanted)
    comparison = comparison_of(wanted)
    if comparison and not isinstance(level, str):
        symbol, bound = comparison
        return _OPERATORS[symbol](level, bound)
    return ("none" if wanted is None else wanted) == level


@lru_cache(maxsize=1024)
def comparison_of(wanted: Wanted) -> tuple[str, float] | None:
    """(operator, number) when `wanted` is written as a comparison."""
    found = _COMPARISON.match(wanted) if isinstance(wanted, str) else None
    return (found[1], float(found[2])) if found else None
