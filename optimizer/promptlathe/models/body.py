"""A response's body as JSON, or why it is no answer: the same for every API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from promptlathe.models.failures import failure_inside, short
from promptlathe.records import Failure

_SAID = 2000
"""Characters of what is no answer that are looked at."""


def body_of(content: bytes, *, hide: Callable[[str], str]) -> Any | Failure:
    """The JSON; a `Failure` for what is none, and for an error that came with status 200."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        said = content.decode("utf-8", "replace").lstrip()
        return Failure("malformed", short(f"{_kind(said)}: {hide(said)[:_SAID]}"), 1)
    match data:
        case {"error": error} if error:
            return failure_inside(error, hide=hide)
        case _:
            return data


def served(data: Mapping[str, Any]) -> str:
    """How a service names what answered: the model's version, and the fingerprint of what it ran
    on; empty where it says neither."""
    named = [data.get("model"), data.get("system_fingerprint")]
    words = [one for one in named if isinstance(one, str) and one]
    return short("".join(c for c in " ".join(words) if c.isprintable()))


def _kind(said: str) -> str:
    """What came in place of JSON."""
    if said[:20].lower().startswith(("<!doctype", "<html")):
        return "a web page came in place of an answer (is `base_url` the API's, with /v1?)"
    if said.startswith(("data:", "event:")):
        return "a stream came in place of one answer (leave `stream` out of `extra_body`)"
    return "the answer is no JSON" if said else "the answer is empty"
