"""The names of roles, splits and values, and what identifies content."""

import hashlib
import json
from typing import Any, Literal

Split = Literal["train", "select", "test"]
FinalistName = Literal["seed", "champion", "best"]
"""Who meets in the decision."""
Role = Literal["task", "rewrite", "judge"]
"""Who pays for a call: the target under test, an operator, or a model that scores."""
Api = Literal["chat", "decisions", "images", "text_to_image"]
"""Which of a service's APIs takes a call."""
DRAWING: tuple[Api, ...] = ("images", "text_to_image")
"""Those whose answer is a picture."""
Key = tuple[str, str, int]
"""Identifies a unit within a run."""
Scalar = str | int | float | bool
Json = Any
"""JSON-like: None, bool, int, float, str, a list or a mapping of such."""
Value = str | int | float
"""A level as a policy sees it: the level's name, or a number."""


def content_hash(content: Any) -> str:
    """16 hexadecimal digits that identify any JSON-like content, key order aside."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


SHORT = 120
"""Characters of a part of a record that its repr shows."""


def in_short(content: Any) -> str:
    """The repr of anything in a line that a notebook can show."""
    text = repr(content)
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


UNKEPT = {"kept": False}
"""Marks a field that is no part of a record's JSON form: it is made again where it is needed."""


def total(known: "list[Any]") -> Any:
    """The sum; None as soon as one is unknown."""
    return None if any(one is None for one in known) else sum(known)
