"""Labels of people: a file with the rows' fields, `output`, and `label` where there is one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

from promptlathe.data.dataset import check_field
from promptlathe.data.files import Row, read_file
from promptlathe.data.values import as_text, missing, plain
from promptlathe.documents import nearest
from promptlathe.documents.wording import choices
from promptlathe.errors import InputError
from promptlathe.records import Json, content_hash
from promptlathe.scoring.judging.scale import Scale

OUTPUT, LABEL, LANGUAGE = "output", "label", "language"
FEWEST = 10
"""Labelled answers below which nothing is said of a judge."""


@dataclass(frozen=True)
class Labelled:
    """An answer to one row, and what people say of it."""

    id: str
    row: Mapping[str, Json]
    """As the judge sees it in a run."""
    output: str
    value: float | None
    """Of the label; None without one."""
    language: str | None


@dataclass(frozen=True)
class Labels:
    """All of a file."""

    answers: tuple[Labelled, ...]
    people: float | None
    """How often two people agree who labelled the same answer; None where nobody did."""


def read_labels(
    path: Path, scales: Sequence[Scale], columns: Sequence[str], needed: Sequence[str]
) -> Labels:
    """The answers of a file, equal ones once: several labels count by their median.

    scales: of the judge, in each of its languages. columns: the fields of the dataset, in order.
    needed: those that the judge sees. Raises `InputError` with file and line.
    """
    rows = [Row(_plain(row), row.where) for row in read_file(path, "LABELS")]
    if not rows:
        raise InputError("there is no row in it", str(path), "write a line for each answer")
    for name in (OUTPUT, *needed):
        _check_column(rows, name, path)
    if all(missing(row.values.get(LABEL)) for row in rows):
        check_field(tuple(rows), LABEL, str(path))
    lists = {name for name in columns if name not in (OUTPUT, LABEL)}
    found: dict[str, Labelled] = {}
    given: dict[str, list[float]] = {}
    for row in rows:
        shown = {
            one: _unpacked(row.values[one]) for one in columns if one in row.values.keys() & lists
        }
        output = as_text(row.values[OUTPUT])
        id = content_hash([shown, output])
        said = row.values.get(LABEL)
        if not missing(said):
            given.setdefault(id, []).append(_value(said, scales, row.where))
        language = row.values.get(LANGUAGE)
        found.setdefault(
            id, Labelled(id, shown, output, None, None if missing(language) else str(language))
        )
    if len(given) < FEWEST:
        raise InputError(
            f"{len(given)} answers have a label: too few to say anything of a judge",
            str(path),
            f"label at least {FEWEST}; 50 to 100 say something useful",
        )
    answers = [
        Labelled(one.id, one.row, one.output, median(given[one.id]), one.language)
        if one.id in given
        else one
        for one in found.values()
    ]
    return Labels(tuple(answers), _agreement(list(given.values())))


def _agreement(given: Sequence[Sequence[float]]) -> float | None:
    pairs = [a == b for values in given for a, b in combinations(values, 2)]
    return sum(pairs) / len(pairs) if pairs else None


def _value(said: Json, scales: Sequence[Scale], where: str) -> float:
    """What a label is worth: the name of a level, in any language, or its score."""
    text = as_text(said).strip()
    for scale in scales:
        for level in scale.levels:
            if level.label.casefold() == text.casefold():
                return level.value
    truth = {"true": 1.0, "false": 0.0}.get(text.casefold())
    try:
        value = float(text) if truth is None else truth
    except ValueError:
        value = None
    worth = {level.value for level in scales[0].levels}
    if value is not None and value in worth:
        return value
    labels = list(dict.fromkeys(one for scale in scales for one in scale.labels))
    near = nearest(text, labels)
    raise InputError(
        f"{text[:60]!r} is no level of the judge" + (f"; did you mean {near!r}?" if near else ""),
        where,
        f"write {choices([*labels[:12]])}, or the score",
    )


def _check_column(rows: Sequence[Row], name: str, path: Path) -> None:
    """It may be empty, but it is there."""
    lacking = [row for row in rows if row.values.get(name) is None]
    if len(lacking) == len(rows):
        known = list(rows[0].values)
        near = nearest(name, known)
        hint = f"; did you mean {near!r}?" if near else ""
        why = "the answer that is judged" if name == OUTPUT else "the judge sees it in a run"
        raise InputError(
            f"no row has the field {name!r} ({why}){hint}",
            str(path),
            f"the rows have: {', '.join(known)}",
        )
    if lacking:
        raise InputError(f"the row has no {name!r}", lacking[0].where, "fill it in")


def _plain(row: Row) -> dict[str, Json]:
    if not isinstance(row.values, Mapping):
        raise InputError("a row must be an object", row.where, 'write {"output": "…", …}')
    return {str(name): plain(value) for name, value in row.values.items()}


def _unpacked(value: Json) -> Json:
    """In a CSV file, a list of passages is a text that holds JSON."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
