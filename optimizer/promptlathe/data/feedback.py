"""Rows that an application has gathered since: labels of people, and corrections.

One that has the `id` of a row, or its input, corrects that row. Any other is a new row. Of several
on one row the last counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptlathe.data.dataset import Rows, Source, load_some, named_file
from promptlathe.data.files import Row
from promptlathe.data.values import missing
from promptlathe.documents import Document
from promptlathe.records import content_hash

KEY = "feedback"


@dataclass(frozen=True)
class Feedback:
    """What was gathered, with a right answer."""

    rows: Rows = ()
    notes: tuple[str, ...] = ()


def load_feedback(
    source: Source, targets: Sequence[str], document: Document, store: str | None
) -> Feedback:
    """The rows that have the right answers `targets`. A file that is not there yet, or empty, has
    none. Raises `InputError` for rows that cannot be read."""
    where = document.where((KEY,))
    file = named_file(source, document.folder, document.within, where)
    if file is not None and (not file.exists() or file.stat().st_size == 0):
        return Feedback(notes=(f"there is no feedback yet in {file}",))
    rows = load_some(source, document.folder, where, document.within, store)
    kept = tuple(row for row in rows if not any(missing(row.values.get(t)) for t in targets))
    if left := len(rows) - len(kept):
        lacking = ", ".join(map(repr, targets))
        wait = "wait" if left > 1 else "waits"
        note = f"{left} of {len(rows)} rows of feedback {wait} for a right answer ({lacking})"
        return Feedback(kept, (note,))
    return Feedback(kept)


class Corrections:
    """Feedback that is met with the rows that are there.

    fields: what tells inputs apart, as far as the data have it.
    """

    def __init__(self, feedback: Iterable[Row], fields: frozenset[str]) -> None:
        self._fields = fields
        self._rows: dict[str, Row] = {}
        """By what tells of which row it speaks, the last of each."""
        self._by_id: dict[str, Row] = {}
        self._used: set[str] = set()
        self.corrected: dict[str, str] = {}
        """Content hash of a row as it is now, and as it was."""
        for row in feedback:
            self._rows[self._name(row.values)] = row
            if (given := row.values.get("id")) is not None:
                self._by_id[str(given)] = row

    def correct(self, rows: Rows) -> Rows:
        """The rows with what feedback says of them."""
        return tuple(self._corrected(row) for row in rows) if self._rows else rows

    @property
    def left(self) -> tuple[Rows, int]:
        """The feedback that is new rows; and how much names a row that is not there."""
        new = [row for name, row in self._rows.items() if name not in self._used]
        whole = tuple(row for row in new if not self._bare(row.values))
        return whole, len(new) - len(whole)

    def _corrected(self, row: Row) -> Row:
        given = row.values.get("id")
        found = None if given is None else self._by_id.get(str(given))
        found = found or self._rows.get(self._key(row.values))
        if found is None:
            return row
        self._used.add(self._name(found.values))
        values = {**row.values, **found.values}
        if "id" in row.values:
            values["id"] = given
        if values == row.values:
            return row
        self.corrected[content_hash(values)] = content_hash(row.values)
        return Row(values, found.where)

    def _bare(self, values: Mapping[str, Any]) -> bool:
        return self._fields.isdisjoint(values)

    def _name(self, values: Mapping[str, Any]) -> str:
        return f"id {values.get('id')}" if self._bare(values) else self._key(values)

    def _key(self, values: Mapping[str, Any]) -> str:
        """The same for rows that are equal in the fields, whitespace aside."""
        given = {name: values.get(name) for name in self._fields}
        return content_hash(
            {n: " ".join(v.split()) if isinstance(v, str) else v for n, v in given.items()}
        )
