"""Rows that an application has gathered since: labels of people, and corrections.

One that has the `id` of a row, or the same in all fields but the right answers, corrects that row.
Any other is a new row. Of several on one row the last counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass
class Corrections:
    """Feedback that is met with the rows that are there."""

    targets: frozenset[str]
    rows: dict[str, Row] = field(default_factory=dict[str, Row])
    """Feedback by what it says of which row, the last of each."""
    by_id: dict[str, Row] = field(default_factory=dict[str, Row])
    shapes: set[frozenset[str]] = field(default_factory=set[frozenset[str]])
    """The fields that rows of feedback have, right answers aside."""
    used: set[str] = field(default_factory=set[str])
    corrected: dict[str, str] = field(default_factory=dict[str, str])
    """Content hash of a row as it is now, and as it was."""

    @classmethod
    def of(cls, feedback: Iterable[Row], targets: Iterable[str]) -> "Corrections":
        made = cls(frozenset(targets))
        for row in feedback:
            key, shape = made._key(row.values)
            made.rows[key] = row
            made.shapes.add(shape)
            if (given := row.values.get("id")) is not None:
                made.by_id[str(given)] = row
        return made

    def correct(self, rows: Rows) -> Rows:
        """The rows with what feedback says of them."""
        return tuple(self._corrected(row) for row in rows)

    @property
    def left(self) -> tuple[Rows, int]:
        """The feedback that is new rows; and how much names a row that is not there."""
        new = [row for key, row in self.rows.items() if key not in self.used]
        bare = [row for row in new if self._key(row.values)[1] == frozenset()]
        return tuple(row for row in new if row not in bare), len(bare)

    def _corrected(self, row: Row) -> Row:
        found = self.by_id.get(str(row.values["id"])) if row.values.get("id") is not None else None
        if found is None:
            keys = (_key(row.values, shape) for shape in self.shapes if shape)
            found = next((self.rows[key] for key in keys if key in self.rows), None)
        if found is None:
            return row
        self.used.add(self._key(found.values)[0])
        values = {**row.values, **found.values}
        if "id" in row.values:
            values["id"] = row.values["id"]
        if values == row.values:
            return row
        self.corrected[content_hash(values)] = content_hash(row.values)
        return Row(values, found.where)

    def _key(self, values: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
        """What tells of which row it speaks, and the fields in it."""
        shape = frozenset(values) - self.targets - {"id"}
        return (_key(values, shape) if shape else f"id {values.get('id')}"), shape


def _key(values: Mapping[str, Any], fields: frozenset[str]) -> str:
    """The same for rows that are equal in these fields, whitespace aside."""
    given = {name: values.get(name) for name in sorted(fields)}
    return content_hash(
        {n: " ".join(v.split()) if isinstance(v, str) else v for n, v in given.items()}
    )
