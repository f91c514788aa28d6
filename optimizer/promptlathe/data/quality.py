"""What is probably wrong with the data, in words: labels that are nearly the same, empty cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from rapidfuzz.distance import OSA

from promptlathe.data.files import Row
from promptlathe.data.spelling import written
from promptlathe.data.values import as_text, missing

SHOWN = 6
"""Rows or labels that a note lists."""
TYPOS = ((10, 2), (5, 1), (0, 0))
"""(characters, letters that two labels of that length may differ in to count as nearly equal)."""


def label_counts(rows: Sequence[Row], field: str) -> dict[str, int]:
    """How many rows have each value of a field, the commonest first; those of a list count one by
    one."""
    found = Counter(label for row in rows for label in _labels(row, field))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def label_notes(rows: Sequence[Row], field: str, counts: Mapping[str, int]) -> list[str]:
    """Labels that nearly equal another, and labels that one row has."""

    def place(label: str) -> str:
        return places(row for row in rows if label in _labels(row, field))

    notes: list[str] = []
    named: set[str] = set()
    for common, rare in combinations(counts, 2):  # the commonest first
        if nearly_equal(common, rare):
            notes.append(
                f"the {field} {rare!r} ({place(rare)}) is nearly {common!r} "
                f"({_rows(counts[common])}): is it the same?"
            )
            named.add(rare)
    once = [label for label, count in counts.items() if count == 1 and label not in named]
    if once:
        shown = ", ".join(f"{label!r} ({place(label)})" for label in once[:SHOWN])
        more = f" and {len(once) - SHOWN} more" if len(once) > SHOWN else ""
        notes.append(f"seen in one row only, as {field}: {shown}{more}")
    return notes


def nearly_equal(a: str, b: str) -> bool:
    """Two spellings of one label: case, accents, spaces and hyphens aside the same, or a slip of
    the pen. Numbers, single letters (`plan_a`, `plan_b`) and prefixes (`relevant`, `irrelevant`)
    tell labels apart.
    """
    a, b = (" ".join(written(label).plain.split()) for label in (a, b))
    if a == b:
        return True
    short, long = sorted((a, b), key=len)
    most = next(letters for length, letters in TYPOS if len(short) >= length)
    if not most or OSA.distance(a, b, score_cutoff=most) > most:
        return False
    if re.findall(r"\d+", a) != re.findall(r"\d+", b):
        return False
    if len(long) - len(short) > 1 and long.endswith(short):
        return False
    words = list(zip(a.split(), b.split(), strict=False))
    return all(one == other or max(len(one), len(other)) > 2 for one, other in words)


def empty_notes(rows: Sequence[Row], fields: Iterable[str]) -> list[str]:
    """A note for each of these fields that is empty in some rows, and not in most of them."""
    notes: list[str] = []
    for field in sorted(fields):
        empty = [row for row in rows if missing(row.values.get(field))]
        if 0 < len(empty) < max(2, len(rows) / 2):
            notes.append(f"{field!r} is empty in {places(empty)}")
    return notes


def places(rows: Iterable[Row]) -> str:
    """`tickets.csv:17`, or `3 rows: tickets.csv:5, 9, 12`."""
    found = [row.where for row in rows]
    shown: list[str] = []
    before = ""
    for where in found[:SHOWN]:
        file, colon, line = where.rpartition(":")
        shown.append(line.strip() if colon and file == before else where)
        before = file
    listed = ", ".join(shown) + (", …" if len(found) > SHOWN else "")
    return listed if len(found) == 1 else f"{_rows(len(found))}: {listed}"


def _labels(row: Row, field: str) -> set[str]:
    value: Any = row.values.get(field)
    return {as_text(one) for one in (value if isinstance(value, list) else [value])}


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"
