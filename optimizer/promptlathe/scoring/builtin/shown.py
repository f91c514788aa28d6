"""The contexts that an answer may rest on: those that its prompt showed, else those of the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptlathe.data.dataset import Rows, check_field
from promptlathe.errors import InputError
from promptlathe.records import Passage, Trace
from promptlathe.scoring.measures import contains
from promptlathe.scoring.scorer import Unscored
from promptlathe.space.written import passages_of

CONTEXTS = "contexts"
"""The usual name of the row's field."""
Where = Callable[[str], str | None]


def shown_to(
    trace: Trace, row: Mapping[str, Any], field: str, step: str | None = None
) -> list[Passage]:
    """Those of the last call (of a step) that showed any; where none did, all that the row has,
    each cited by its id. Raises Unscored when there are neither."""
    for sent in reversed(trace.calls):
        if sent.call.role == "task" and sent.call.shown and step in (None, sent.call.step):
            return list(sent.call.shown)
    if row.get(field) is None:
        raise Unscored(f"the prompt showed no contexts, and the row has none in {field!r}")
    passages, _ = passages_of(row[field])
    return [replace(passage, mark=passage.id) for passage in passages]


def check_contexts(rows: Rows, field: str, where: Where) -> None:
    """The rows' lists must be such, where rows have them: a corpus may take their place. A field of
    another name than the usual must be there. Raises InputError."""
    if field != CONTEXTS and not any(row.values.get(field) == [] for row in rows):
        check_field(rows, field, where("contexts"))
    for row in rows:
        if row.values.get(field) is not None:
            try:
                passages_of(row.values[field])
            except ValueError as error:
                said, fix = error.args
                raise InputError(f"{field!r} {said}", row.where, fix) from None


def abstains(text: str, phrases: Sequence[str]) -> bool:
    """One of the phrases stands in the text, capitals and typography aside."""
    return any(contains(text, phrase) for phrase in phrases)


def listed_phrases(given: Any) -> Any:
    """One phrase, or several. Raises ValueError(what, fix)."""
    some = (given,) if isinstance(given, str) else given
    if not isinstance(some, list | tuple) or not all(
        isinstance(one, str) and one.strip() for one in some
    ):
        raise ValueError(f"expected phrases, found {given!r}", 'write such as ["not found"]')
    return tuple(some)
