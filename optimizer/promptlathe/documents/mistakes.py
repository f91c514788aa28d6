"""From pydantic's list of errors to the mistakes that a person made.

A value that may have several shapes (a union) gives errors for each shape; the shape that the
value is nearest to is the one that was meant, and only its errors are kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptlathe.documents.document import Loc
from promptlathe.documents.wording import nearest

Errors = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Mistake:
    """One thing to mend: its place in the data, pydantic's error type, the keys valid there
    (beside an unknown key, within anything else)."""

    loc: Loc
    kind: str
    errors: tuple[Mapping[str, Any], ...]
    """One error; several when no shape of a union fits and none is nearer."""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Placed:
    """An error with its place in the data, and the branches of unions that it is about."""

    error: Mapping[str, Any]
    loc: Loc
    forks: tuple[tuple[Loc, str | int], ...] = ()
    """The unions on the way, outermost first: where each stands, and which branch was tried."""


def find_mistakes(errors: Errors, data: Any, schema: Mapping[str, Any]) -> list[Mistake]:
    """The mistakes behind pydantic's `errors` on `data`; `schema` tells the valid keys."""
    found = _resolve([_place(error, data) for error in errors], schema, 0)
    return [m for m in found if m.kind != "too_short" or not _others_within(m, found)]


def _others_within(mistake: Mistake, mistakes: Sequence[Mistake]) -> bool:
    """A list that lost its mistaken items is not too short: it is the items that are wrong."""
    loc = mistake.loc
    return any(m.kind != "too_short" and m.loc[: len(loc)] == loc for m in mistakes)


def _resolve(items: Sequence[_Placed], schema: Mapping[str, Any], depth: int) -> list[Mistake]:
    """The mistakes of items whose first `depth` unions are decided already."""
    kept: list[Mistake] = []
    forks: dict[Loc, list[_Placed]] = defaultdict(list)
    for item in items:
        if len(item.forks) == depth:
            kept.append(_mistake([item], schema))
        else:
            forks[item.forks[depth][0]].append(item)
    for fork, tried in forks.items():
        kept += _nearest_branch(fork, tried, schema, depth)
    return _without_misspelt(kept)


def _place(error: Mapping[str, Any], data: Any) -> _Placed:
    """Split pydantic's loc into the way through the data and the names of union branches."""
    loc: Loc = ()
    forks: list[tuple[Loc, str | int]] = []
    here = data
    parts = error["loc"]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if _holds(here, part):
            here, loc = here[part], (*loc, part)
        elif last and error["type"] == "missing":
            loc = (*loc, part)
        elif part != "[key]":
            forks.append((loc, part))
    return _Placed(error, loc, tuple(forks))


def _holds(here: Any, part: str | int) -> bool:
    match here:
        case Mapping():
            return part in here
        case list() | tuple():
            return isinstance(part, int) and part < len(here)
        case _:
            return False


def _nearest_branch(
    fork: Loc, items: list[_Placed], schema: Mapping[str, Any], depth: int
) -> list[Mistake]:
    branches: dict[str | int, list[_Placed]] = defaultdict(list)
    for item in items:
        branches[item.forks[depth][1]].append(item)
    inside = [
        _resolve(group, schema, depth + 1)
        for group in branches.values()
        if any(len(item.loc) > len(fork) for item in group)
    ]
    if not inside:
        return [_mistake(items, schema)]
    return min(inside, key=lambda ms: (sum(m.kind == "extra_forbidden" for m in ms), len(ms)))


def _mistake(group: list[_Placed], schema: Mapping[str, Any]) -> Mistake:
    # A validator of ours speaks of a value that has the right shape: that one was meant.
    group = [item for item in group if item.error["type"] == "value_error"][:1] or group
    first = group[0]
    kind = first.error["type"] if len(group) == 1 else "union"
    keys = tuple(_keys(schema, first.loc[:-1] if kind == "extra_forbidden" else first.loc))
    return Mistake(first.loc, kind, tuple(item.error for item in group), keys)


def _without_misspelt(mistakes: list[Mistake]) -> list[Mistake]:
    """Drop `missing` where an unknown key beside it is its misspelling."""
    meant = {
        (*m.loc[:-1], nearest(str(m.loc[-1]), m.keys))
        for m in mistakes
        if m.kind == "extra_forbidden"
    }
    return [m for m in mistakes if m.kind != "missing" or m.loc not in meant]


def _keys(schema: Mapping[str, Any], loc: Loc) -> list[str]:
    """The keys that the JSON schema allows at `loc`."""
    nodes = list(_shapes(schema, schema))
    for part in loc:
        nodes = [
            shape
            for node in nodes
            for inner in _step(node, part)
            for shape in _shapes(inner, schema)
        ]
    return list(dict.fromkeys(key for node in nodes for key in node.get("properties", ())))


def _step(node: Mapping[str, Any], part: str | int) -> Iterator[Mapping[str, Any]]:
    names = ("items",) if isinstance(part, int) else ("additionalProperties",)
    if part in node.get("properties", {}):
        yield node["properties"][part]
        return
    yield from (node[name] for name in names if isinstance(node.get(name), dict))
    if isinstance(part, str):
        yield from node.get("patternProperties", {}).values()
    prefix = node.get("prefixItems", ())
    if isinstance(part, int) and part < len(prefix):
        yield prefix[part]


def _shapes(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """`node` without references and unions: every plain schema that it may stand for."""
    if "$ref" in node:
        *_, name = node["$ref"].split("/")
        yield from _shapes(schema["$defs"][name], schema)
        return
    branches = [b for word in ("anyOf", "oneOf", "allOf") for b in node.get(word, ())]
    for branch in branches:
        yield from _shapes(branch, schema)
    if not branches:
        yield node
