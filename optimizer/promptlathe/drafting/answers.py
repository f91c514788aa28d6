"""What the right answers look like: labels, numbers, JSON objects, lists, texts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from promptlathe.data.values import as_text
from promptlathe.errors import InputError

Kind = Literal["label", "yes_no", "number", "json", "list", "short", "text"]
PAIRS = ({"yes", "no"}, {"oui", "non"}, {"true", "false"}, {"y", "n"}, {"vrai", "faux"})
MOST_LABELS = 200
LONGEST_LABEL = 80
ROWS_OF_A_LABEL = 3
"""On average, for few texts to be labels."""
SHORT = 6
"""Words of a short answer, on average at most."""
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
"""In figures, perhaps with commas between thousands."""


@dataclass(frozen=True)
class Answers:
    """The form of the right answers, and each as it is scored."""

    kind: Kind
    values: tuple[Any, ...]
    """Of the rows that have one, in order."""
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """Rows by label, the commonest first; empty for other kinds."""
    keys: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of JSON objects, each with `text`, `number`, `boolean` or `mixed`."""
    decimals: bool = False
    """Numbers are not all whole."""

    @property
    def labelled(self) -> bool:
        """There is a fixed set of answers."""
        return self.kind in ("label", "yes_no")

    @property
    def about(self) -> str:
        """In words."""
        match self.kind:
            case "label" | "yes_no":
                said = "yes or no" if self.kind == "yes_no" else f"{len(self.counts)} labels"
                shown = ", ".join(f"{name!r} {n}" for name, n in list(self.counts.items())[:8])
                return f"{said}: {shown}" + (", …" if len(self.counts) > 8 else "")
            case "number":
                return "numbers" if self.decimals else "whole numbers"
            case "json":
                return f"JSON objects with the keys {', '.join(self.keys)}"
            case "list":
                return "lists"
            case "short":
                return "short texts"
            case "text":
                return "free texts"


def find_form(values: Sequence[Any], where: str) -> Answers:
    """The form of these right answers, none of which is missing.

    Raises InputError when all are the same.
    """
    told = [_read(value) for value in values]
    if len({as_text(one) for one in told}) == 1:
        raise InputError(
            f"all {len(told)} rows have the same right answer ({as_text(told[0])[:60]!r})",
            where,
            "there is nothing to find out: add rows with other answers, or choose another column",
        )
    if all(isinstance(one, dict) and one for one in told):
        return Answers("json", tuple(told), keys=_keys(told))
    if all(isinstance(one, list) for one in told):
        return Answers("list", tuple(", ".join(map(as_text, one)) for one in told))
    texts = [_text(one) for one in told]
    counts = dict(Counter(texts).most_common())
    if {one.casefold() for one in counts} in PAIRS:
        return Answers("yes_no", tuple(texts), counts)
    if all(_NUMBER.fullmatch(one) for one in texts):
        bare = [one.replace(",", "") for one in texts]
        numbers = [float(one) if "." in one else int(one) for one in bare]
        return Answers("number", tuple(numbers), decimals=any("." in one for one in texts))
    few = len(counts) <= min(MOST_LABELS, len(texts) / ROWS_OF_A_LABEL)
    if few and max(map(len, counts)) <= LONGEST_LABEL and "\n" not in "".join(counts):
        return Answers("label", tuple(texts), counts)
    words = sum(len(one.split()) for one in texts) / len(texts)
    return Answers("short" if words <= SHORT else "text", tuple(texts))


def _read(value: Any) -> Any:
    """A text that is a JSON object or list as what it is."""
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return found if isinstance(found, dict | list) else value
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else as_text(value).strip()


def _keys(objects: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """All keys, the commonest order; a key that is not in all objects, or not of one kind, is
    mixed."""
    found: dict[str, str] = {}
    for key in dict.fromkeys(name for one in objects for name in one):
        kinds = {_kind(one.get(key)) for one in objects}
        found[key] = kinds.pop() if len(kinds) == 1 else "mixed"
    return found


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case _:
            return "mixed"
