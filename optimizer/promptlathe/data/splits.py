"""Splits: which rows are for demos (train), for searching (select) and for the verdict (test).

Rows are put in an order that depends on the seed and on their content alone, and that order is
cut by the fractions: the order of the file does not matter, and a new row moves at most a few
others. Rows with the same input (case and whitespace aside; data/repeats.py) stay on one side, so
that a prompt is never judged on what it was fitted to. With `stratify`, each value of
that field is spread evenly over the order, so that every split has its share of it (systematic
sampling within strata). Once a job has used rows, they stay where they are, and new ones are held
out first (data/placements.py).
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Annotated, Any, Self

from pydantic import Field, Strict, model_validator

from promptlathe.data.dataset import Source
from promptlathe.data.placements import NOWHERE, Placements, settle
from promptlathe.data.values import as_text
from promptlathe.documents import Model
from promptlathe.documents.wording import choices
from promptlathe.records import Split

SPLITS: tuple[Split, ...] = ("train", "select", "test")
COMPARED: tuple[Split, ...] = ("select", "test")
"""The splits that prompts are compared on; they are never empty."""
_EPSILON = 1e-9
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
Part = Share | Source
"""A fraction of the dataset, or a dataset of its own."""


class Splits(Model):
    """How the dataset is divided: fractions of it, or a file for each part.

    Fractions sum to at most 1; what is left over is not used. `select` and `test` are never
    empty. `stratify` names a field whose values each part gets in equal proportion.
    """

    train: Part = 0.3
    select: Part = 0.4
    test: Part = 0.3
    seed: int = 0
    stratify: str | None = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        for name in COMPARED:
            if self.shares.get(name) == 0:
                raise ValueError(
                    f"{name} is 0, and it is what prompts are compared on", "write more than 0"
                )
        unsaid = [name for name in SPLITS if name not in self.model_fields_set]
        if self.sources and unsaid:
            raise ValueError(
                f"one part has a file, and nothing is said of {choices(unsaid, 'and')}",
                "name a file, or a fraction of the dataset, for each part",
            )
        if sum(self.shares.values()) > 1 + _EPSILON:
            total = " + ".join(f"{share:g}" for share in self.shares.values())
            raise ValueError(f"the fractions sum to more than 1: {total}", "lower one of them")
        return self

    @property
    def parts(self) -> Mapping[Split, float | Source]:
        """Train, select and test."""
        return {name: getattr(self, name) for name in SPLITS}

    @property
    def shares(self) -> Mapping[Split, float]:
        """The parts that are fractions of the dataset."""
        return {name: part for name, part in self.parts.items() if isinstance(part, int | float)}

    @property
    def sources(self) -> Mapping[Split, Source]:
        """The parts that are datasets of their own."""
        return {
            name: part for name, part in self.parts.items() if not isinstance(part, int | float)
        }


def divide(
    rows: Sequence[Mapping[str, Any]],
    ids: Sequence[str],
    inputs: Sequence[str],
    shares: Mapping[Split, float],
    *,
    seed: int,
    stratify: str | None = None,
    names: Sequence[Collection[str]] | None = None,
    earlier: Placements = NOWHERE,
) -> dict[Split, list[int]]:
    """Indices of `rows` by split, each in the seeded order, whose prefixes are stratified too.

    `ids` identify the rows by content, `inputs` their inputs: rows with the same stay together.
    `names`: by which `earlier` jobs may know each row; by default its id and its input.
    """
    names = names or [*zip(ids, inputs, strict=True)]
    groups = _same(inputs, ids)
    strata: dict[str, list[list[int]]] = defaultdict(list)
    for group in groups:
        value = rows[group[0]].get(stratify) if stratify else None
        strata[as_text(value)].append(group)
    ordered = [group for _, group in sorted(_placed(strata, ids, seed), key=lambda item: item[0])]
    known_by = [{name for index in group for name in names[index]} for group in ordered]
    if not any(map(earlier.knows, known_by)):
        return _cut(ordered, len(rows), shares)
    places = settle(known_by, [*map(len, ordered)], shares, earlier)
    return {
        split: [i for group, at in zip(ordered, places, strict=True) if at == split for i in group]
        for split in shares
    }


def _same(inputs: Sequence[str], ids: Sequence[str]) -> Iterable[list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(inputs):
        groups[key].append(index)
    return [sorted(group, key=lambda index: ids[index]) for group in groups.values()]


def _placed(
    strata: Mapping[str, list[list[int]]], ids: Sequence[str], seed: int
) -> Iterable[tuple[tuple[float, str], list[int]]]:
    """Each group with its place: those of one stratum stand evenly between 0 and 1."""
    for value, groups in strata.items():
        shuffled = sorted((_unit(f"{seed} {ids[group[0]]}"), group) for group in groups)
        start = _unit(f"{seed} stratum {value}")
        for rank, (_, group) in enumerate(shuffled):
            yield ((rank + start) / len(shuffled), ids[group[0]]), group


def _unit(text: str) -> float:
    """A number from 0 to 1 that looks random and depends on `text` alone."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _cut(
    groups: Iterable[list[int]], total: int, shares: Mapping[Split, float]
) -> dict[Split, list[int]]:
    """A group belongs to the split in which its middle falls."""
    names: list[Split] = list(shares)
    bounds = [bound * total + _EPSILON for bound in accumulate(shares.values())]
    parts: dict[Split, list[int]] = {name: [] for name in names}
    passed = 0
    for group in groups:
        place = bisect_left(bounds, passed + len(group) / 2)
        passed += len(group)
        if place < len(names):
            parts[names[place]] += group
    return parts
