"""Frozen records as JSON, and back: what one process or one day hands to the next."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def dump(record: object) -> str:
    """A record, or JSON-like data that holds records, in one line of ASCII.

    Left out are fields that say so (`records.UNKEPT`).
    """
    return json.dumps(record, default=_plain)


def load(kind: type[T], content: Any, **names: Any) -> T:
    """The record of what `dump` wrote, as JSON gives it. Raises ValueError for anything else.

    names: types in the record's annotations that its module imports for the type checker only.
    """
    return _reader(kind, tuple(names.items())).validate_python(content)


@cache
def _reader(kind: type[Any], names: tuple[tuple[str, Any], ...]) -> Any:
    from pydantic import TypeAdapter

    adapter = TypeAdapter(kind)
    adapter.rebuild(_types_namespace=dict(names) or None)
    return adapter


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        kept = (one.name for one in fields(value) if one.metadata.get("kept", True))
        return {name: getattr(value, name) for name in kept}
    if isinstance(value, Mapping):
        return dict(value)
    return sorted(value) if isinstance(value, frozenset) else str(value)
