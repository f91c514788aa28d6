"""What a judge sees of a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from promptlathe.data.dataset import Rows, check_field
from promptlathe.data.values import as_text, kind, missing
from promptlathe.errors import InputError
from promptlathe.records import Json


@dataclass(frozen=True)
class Shown:
    """The fields of a row that a judge sees, and under which heading."""

    question: tuple[str, ...] = ()
    """Empty: the whole row, without what is `hidden` and what is shown elsewhere."""
    context: str | None = None
    reference: str | None = None
    hidden: frozenset[str] = frozenset()
    """Right answers: a judge that sees one compares with it, whatever its rubric says."""

    def of(self, row: Mapping[str, Json]) -> dict[str, str]:
        """The texts by heading: `row`, `context`, `reference`, those that there are."""
        found = {"row": self._row(row)}
        if self.context is not None:
            found["context"] = _passages(row.get(self.context))
        if self.reference is not None:
            found["reference"] = _alternatives(row.get(self.reference))
        return {name: text for name, text in found.items() if text}

    def fields(self, row: Mapping[str, Json]) -> dict[str, Json]:
        """What stands under `row`."""
        elsewhere = {"id", self.context, self.reference} | self.hidden
        names = self.question or tuple(name for name in row if name not in elsewhere)
        return {name: row.get(name) for name in names}

    def _row(self, row: Mapping[str, Json]) -> str:
        shown = self.fields(row)
        return json.dumps(shown, ensure_ascii=False, indent=2) if shown else ""

    def check(self, rows: Rows, where: Callable[[str], str | None]) -> None:
        """Raises `InputError` unless every row has what is named. where: the place of a key."""
        for name in self.question:
            check_field(rows, name, where("question"))
        if self.reference is not None:
            check_field(rows, self.reference, where("reference"))
        if self.context is not None:
            _check_context(rows, self.context, where("context"))


def _check_context(rows: Rows, field: str, where: str | None) -> None:
    """A list may be empty: then nothing supports an answer."""
    if not any(row.values.get(field) == [] for row in rows):
        check_field(rows, field, where)
    for row in rows:
        value = row.values.get(field)
        if value == []:
            continue
        if missing(value):
            raise InputError(f"the row has no {field!r}", row.where, "fill it in, or write []")
        parts: Sequence[Json] = value if isinstance(value, list) else [value]
        wrong = [one for one in parts if not isinstance(one, str | Mapping)]
        if wrong or isinstance(value, Mapping):
            raise InputError(
                f"{field!r} is {kind(value)} here: a context is a list of passages, or a text",
                row.where,
                "write texts, or objects with a `text`",
            )


def _passages(value: Json) -> str:
    """Each with its id, else with its number."""
    if isinstance(value, str):
        return value
    found: list[str] = []
    for number, one in enumerate(value or [], start=1):
        if isinstance(one, Mapping):
            more = {name: inner for name, inner in one.items() if name != "id"}
            text = more["text"] if more.keys() == {"text"} else None
            body = text if isinstance(text, str) else json.dumps(more, ensure_ascii=False)
            found.append(f"[{one.get('id', number)}] {body}")
        else:
            found.append(f"[{number}] {one}")
    return "\n".join(found)


def _alternatives(value: Json) -> str:
    """A list holds several, each of which is right."""
    if isinstance(value, list):
        return "\n".join(f"- {as_text(one)}" for one in value)
    return as_text(value)
