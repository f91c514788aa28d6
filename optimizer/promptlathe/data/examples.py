"""From an objective's declaration to its examples, split by split, all checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from promptlathe.data.dataset import (
    Rows,
    Source,
    Targeted,
    check_field,
    check_target,
    identify,
    load_rows,
)
from promptlathe.data.splits import COMPARED, SPLITS, Splits, divide
from promptlathe.data.values import as_text
from promptlathe.documents import Document
from promptlathe.errors import InputError
from promptlathe.records import Example, Split, content_hash


@dataclass(frozen=True)
class Examples:
    """All rows of an objective, and the examples of each split."""

    rows: Rows
    by_split: Mapping[Split, tuple[Example, ...]]

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields that every row has a value in."""
        return frozenset.intersection(
            *(
                frozenset(name for name, value in row.values.items() if value is not None)
                for row in self.rows
            )
        )

    def labels(self, field: str) -> Sequence[str]:
        """The distinct values of a field as texts, sorted; those of a list count one by one."""
        found: set[str] = set()
        for row in self.rows:
            value = row.values.get(field)
            found.update(as_text(v) for v in (value if isinstance(value, list) else [value]))
        return sorted(found)


def first_target(scorers: Sequence[Targeted]) -> str | None:
    """The target field of the first scorer that has one."""
    return next((s.target_field for s in scorers if s.target_field is not None), None)


def read_examples(
    dataset: Source | None, splits: Splits, scorers: Sequence[Targeted], document: Document
) -> Examples:
    """Load, check and divide. Raises `InputError`, with file and line where there is one."""
    folder = document.folder
    parts: dict[Split, Rows] = {
        name: load_rows(source, folder, document.where(("splits", name)), document.within)
        for name, source in splits.sources.items()
    }
    shared: Rows = ()
    if dataset is not None:
        shared = load_rows(dataset, folder, document.where(("dataset",)), document.within)
    for rows in filter(None, (shared, *parts.values())):
        _check(rows, splits, scorers, document)
    if parts:
        _check_apart(parts, shared)
    everything = (*shared, *(row for rows in parts.values() for row in rows))
    ids = dict(zip(map(id, everything), identify(everything), strict=True))
    target = first_target(scorers)

    def ordered(rows: Rows, shares: Mapping[Split, float]) -> dict[Split, tuple[Example, ...]]:
        values = [row.values for row in rows]
        given = [ids[id(row)] for row in rows]
        cut = divide(
            values, given, shares, seed=splits.seed, stratify=splits.stratify, target=target
        )
        return {
            name: tuple(Example(given[i], values[i], name) for i in indices)
            for name, indices in cut.items()
        }

    found = ordered(shared, splits.shares)
    for name, rows in parts.items():
        found |= ordered(rows, {name: 1.0})
    by_split: dict[Split, tuple[Example, ...]] = {name: found.get(name, ()) for name in SPLITS}
    _check_sizes(by_split, len(everything), document)
    return Examples(everything, by_split)


def _check(rows: Rows, splits: Splits, scorers: Sequence[Targeted], document: Document) -> None:
    for index, scorer in enumerate(scorers):
        check_target(rows, scorer, document.where(("scorers", index)))
    if splits.stratify:
        check_field(rows, splits.stratify, document.where(("splits", "stratify")))


def _check_apart(parts: Mapping[Split, Rows], shared: Rows) -> None:
    """Rows of different sources must differ: what is searched on cannot be judged on."""
    seen: dict[str, tuple[str, str]] = {}
    for name, rows in {"dataset": shared, **parts}.items():
        for row in rows:
            digest = content_hash(row.values)
            first, where = seen.setdefault(digest, (name, row.where))
            if first != name:
                raise InputError(
                    f"this row of {name} is also in {first} ({where})",
                    row.where,
                    "keep each row in one split only",
                )


def _check_sizes(
    by_split: Mapping[Split, Sequence[Example]], total: int, document: Document
) -> None:
    for name in COMPARED:
        if not by_split[name]:
            raise InputError(
                f"the split {name} is empty: the dataset has {total} rows",
                document.where(("splits", name)),
                "add rows, or give the split a larger fraction",
            )
