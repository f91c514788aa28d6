"""Which column is what: the right answers, the fields that the prompt shows, and the rest."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from promptlathe.data.values import as_text, missing
from promptlathe.documents import nearest
from promptlathe.drafting.tables import Table
from promptlathe.errors import InputError

TARGETS = (
    *("label", "target", "answer", "expected", "expected_output", "expected_answer", "ideal"),
    *("expected_response", "gold", "gold_label", "reference", "category", "class", "output", "y"),
    *("completion", "response", "intent", "sentiment", "etiquette", "categorie", "reponse"),
    *("classe", "cible", "attendu", "sortie"),
)
"""Names of columns that hold the right answer, folded."""
TEXTS = (
    *("text", "input", "question", "message", "ticket", "body", "content", "review", "sentence"),
    *("query", "document", "email", "comment", "texte", "entree", "phrase", "avis", "courriel"),
    "commentaire",
)
"""Names of columns that hold what is asked about, folded."""
LONGER = 3
"""Times that a column's texts are as long as any other's, to be plainly the text."""
SHOWN = 40


def field_names(columns: Iterable[str]) -> dict[str, str]:
    """A field's name (letters without accents, digits, `_`) for each column, each once."""
    found: dict[str, str] = {}
    for column in columns:
        bare = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
        name = re.sub(r"\W+", "_", bare).strip("_") or f"column_{len(found) + 1}"
        name = first = f"c_{name}" if name[0].isdigit() else name
        number = 1
        while name in found.values():
            number += 1
            name = f"{first}_{number}"
        found[column] = name
    return found


def find_target(table: Table, given: str | None, shown: Sequence[str]) -> str:
    """The column with the right answers; `shown` are those in the prompt.

    Raises InputError, which lists the columns and what they look like.
    """
    if given is not None:
        same = [one for one in table.columns if one == given or _folded(one) == _folded(given)]
        if same:
            return given if given in same else same[0]
        near = nearest(given, list(table.columns))
        raise InputError(
            f"there is no column {given!r}" + (f"; did you mean {near!r}?" if near else ""),
            "--target",
            _listed(table),
        )
    left = [one for one in table.columns if one not in shown]
    named = [one for one in left if _folded(one) in TARGETS]
    if len(named) == 1:
        return named[0]
    filled = [one for one in left if not is_id(table, one)]
    if shown and len(filled) == 1:
        return filled[0]
    raise InputError("which column holds the right answers?", "--target", _listed(table))


def find_text(table: Table, target: str, where: str) -> str:
    """The one column with the text that is asked about, of a prompt that names none.

    Raises InputError, which lists the columns.
    """
    sizes = {
        one: sum(len(as_text(v)) for v in table.values(one) if not missing(v))
        for one in table.columns
        if one != target and not is_id(table, one)
    }
    if len(sizes) == 1:
        return next(iter(sizes))
    named = [one for one in sizes if _folded(one) in TEXTS]
    if len(named) == 1:
        return named[0]
    ranked = sorted(sizes, key=lambda one: -sizes[one])
    if ranked and sizes[ranked[0]] > LONGER * sizes[ranked[1]]:
        return ranked[0]
    raise InputError(
        "the prompt has no placeholder, and no column is plainly the text that it is about",
        where,
        f"write {{{{ column }}}} where it belongs. {_listed(table)}",
    )


def is_id(table: Table, column: str) -> bool:
    """A number or name of the row: different in each, and called so."""
    if not re.search(r"(?:^|[_\W])(?:id|uuid|index|no|nr|column_1)$", _folded(column)):
        return False
    values = [as_text(value) for value in table.values(column)]
    return len(set(values)) == len(values)


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"\W+", "_", plain.strip().lower())


def _listed(table: Table) -> str:
    return "columns: " + "; ".join(f"{one} ({_looks(table.values(one))})" for one in table.columns)


def _looks(values: Sequence[Any]) -> str:
    """What a column holds, in words."""
    texts = [as_text(value).strip() for value in values if not missing(value)]
    if not texts:
        return "empty"
    kinds = len(set(texts))
    example = " ".join(texts[0].split())
    example = example if len(example) <= SHOWN else f"{example[: SHOWN - 1]}…"
    return f"{kinds:,} different of {len(texts):,}, such as {example!r}"


def renamed(names: Mapping[str, str]) -> list[str]:
    """What is said of columns that have another name as fields."""
    changed = [f"{column!r} is {name}" for column, name in names.items() if column != name]
    return [f"as fields, columns have plain names: {', '.join(changed)}"] if changed else []
