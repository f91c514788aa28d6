"""Equal inputs: rows that make the same call are one piece of evidence.

A model answers equal calls alike, so a row that stands ten times says no more than once, whatever
its `id` and its other columns are. Of each input one row is kept, and an input is in one split only
(docs/decisions/0015-equal-inputs.md).
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptlathe.data.files import Row
from promptlathe.data.values import as_text, squeeze
from promptlathe.records import Split, content_hash

SHOWN = 5
"""Rows, inputs or labels that a note lists."""
SPARED: tuple[Split, ...] = ("test", "select", "train")
"""Of splits that have an input in common, the first keeps it."""


@dataclass(frozen=True)
class Inputs:
    """What of a row is its input, and what its right answers."""

    shown: frozenset[str] | None
    """The fields that prompts show; None: all but `id` and the targets."""
    targets: Sequence[str]

    def key(self, row: Mapping[str, Any]) -> str:
        """The same for rows whose inputs differ in case and whitespace at most."""
        return self._hash(row, squeeze)

    def exact(self, row: Mapping[str, Any]) -> str:
        """The same for rows whose inputs differ in whitespace at most."""
        return self._hash(row, lambda text: " ".join(text.split()))

    def text(self, row: Mapping[str, Any]) -> str:
        """What a prompt shows of it, in a line for each field."""
        return "\n".join(as_text(value) for name, value in row.items() if self._has(name))

    def answer(self, row: Mapping[str, Any]) -> str:
        """The same for rows with the same right answers."""
        return content_hash([row.get(name) for name in self.targets])

    def _hash(self, row: Mapping[str, Any], bare: Callable[[str], str]) -> str:
        given = {name: value for name, value in row.items() if self._has(name)}
        return content_hash(
            {
                name: bare(unicodedata.normalize("NFC", value)) if isinstance(value, str) else value
                for name, value in (given or row).items()
            }
        )

    def _has(self, name: str) -> bool:
        return name not in ("id", *self.targets) and (self.shown is None or name in self.shown)


@dataclass(frozen=True)
class Distinct:
    """The rows of one source of which each counts."""

    kept: Mapping[str, Sequence[Row]]
    """By their input's key: one, or several where case tells their answers apart."""
    copies: Mapping[str, int]
    """How many rows have the input."""
    contradictions: tuple[tuple[Row, ...], ...]
    """Rows with the same input and different right answers."""


def distinct(rows: Sequence[Row], ids: Mapping[int, str], inputs: Inputs) -> Distinct:
    """One row of each input: of those with the commonest answer the one with the smallest id.

    Inputs that differ in case only are one, unless their answers differ: then case matters.
    `ids` by the rows' identity.
    """
    by_key: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: ids[id(row)]):
        by_key[inputs.key(row.values)].append(row)
    kept: dict[str, Sequence[Row]] = {}
    contradictions: list[tuple[Row, ...]] = []
    for key, same in by_key.items():
        kept[key] = same
        if len(same) > 1:
            kept[key], contradicting = _chosen(same, inputs)
            contradictions += contradicting
    copies = {key: len(same) for key, same in by_key.items()}
    return Distinct(kept, copies, tuple(contradictions))


def _chosen(same: Sequence[Row], inputs: Inputs) -> tuple[Sequence[Row], Sequence[tuple[Row, ...]]]:
    """Of rows with one key those that count, and those that contradict each other."""
    by_exact: dict[str, list[Row]] = defaultdict(list)
    for row in same:
        by_exact[inputs.exact(row.values)].append(row)
    chosen: dict[str, Row] = {}
    contradictions: list[tuple[Row, ...]] = []
    for equal in by_exact.values():
        answers = [inputs.answer(row.values) for row in equal]
        (commonest, _), *others = Counter(answers).most_common()
        chosen.setdefault(commonest, equal[answers.index(commonest)])
        if others:
            contradictions.append(tuple(dict(zip(answers, equal, strict=True)).values()))
    return tuple(chosen.values()), contradictions


def contradiction_notes(found: Iterable[tuple[Row, ...]], target: str) -> list[str]:
    """One note for all inputs with different right answers."""
    listed = sorted(found, key=lambda rows: rows[0].where)
    if not listed:
        return []
    shown = "; ".join(
        " and ".join(f"{row.where} ({_short(row.values.get(target))})" for row in rows[:SHOWN])
        for rows in listed[:SHOWN]
    )
    more = f"; and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    many = "inputs stand" if len(listed) > 1 else "input stands"
    return [
        f"{len(listed)} {many} with different {target!r}, and the commonest counts: {shown}{more}"
    ]


def _short(value: Any) -> str:
    text = as_text(value)
    return text if len(text) <= 30 else f"{text[:29]}…"
