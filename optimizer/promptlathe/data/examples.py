"""From an objective's declaration to its examples, split by split, all checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from promptlathe.data.dataset import (
    Rows,
    Source,
    Targeted,
    check_field,
    check_target,
    identify,
    load_rows,
)
from promptlathe.data.feedback import Corrections, Feedback, load_feedback
from promptlathe.data.files import Row
from promptlathe.data.mlflow_rows import Traces, answered
from promptlathe.data.placements import NOWHERE, Placement, Placements, earlier_notes
from promptlathe.data.quality import empty_notes, places
from promptlathe.data.repeats import SPARED, Distinct, Inputs, contradiction_notes, distinct
from promptlathe.data.shift import shift_note
from promptlathe.data.splits import COMPARED, SPLITS, Splits, divide
from promptlathe.data.values import as_text
from promptlathe.documents import Document
from promptlathe.errors import InputError
from promptlathe.records import Example, Split

SHOWN_PAIRS = 5
"""Inputs in two splits that a note lists."""


@dataclass(frozen=True)
class Sources:
    """The rows as they were read and checked: of the dataset, and of splits with their own."""

    shared: Rows
    parts: Mapping[Split, Rows]
    feedback: Rows = ()
    """New rows that an application has gathered."""
    corrected: Mapping[str, str] = field(default_factory=dict[str, str])
    """Ids of rows as feedback has made them, and those that they had before."""
    notes: tuple[str, ...] = ()
    """What was left out of them."""

    @cached_property
    def rows(self) -> Rows:
        """All of them."""
        of_parts = (row for rows in self.parts.values() for row in rows)
        return (*self.shared, *of_parts, *self.feedback)


@dataclass(frozen=True)
class Examples:
    """All rows of an objective, and the examples of each split, each with another input."""

    rows: Rows
    by_split: Mapping[Split, tuple[Example, ...]]
    repeated: Mapping[Split, int]
    """Rows of a split, those with equal inputs included."""
    placements: tuple[Placement, ...] = ()
    """Where each row is, of equal inputs one."""
    unopened: frozenset[str] = frozenset()
    """Ids of the `test` rows that no decision has seen."""
    batches: Mapping[str, int] = field(default_factory=dict[str, int])
    """With which job each `test` row came, by its id."""
    shift: str | None = None
    """Whether new rows read otherwise than those before, in words."""
    notes: tuple[str, ...] = ()
    """What a reader should know of the data, in words."""

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields that every row has a value in."""
        return frozenset.intersection(
            *(
                frozenset(name for name, value in row.values.items() if value is not None)
                for row in self.rows
            )
        )

    @cached_property
    def partly(self) -> Mapping[str, str]:
        """The fields that some rows lack, with these rows' places."""
        known = {name for row in self.rows for name in row.values} - self.fields
        return {
            name: places(row for row in self.rows if row.values.get(name) is None) for name in known
        }

    def labels(self, field: str) -> Sequence[str]:
        """The distinct values of a field as texts, sorted; those of a list count one by one."""
        found: set[str] = set()
        for row in self.rows:
            value = row.values.get(field)
            found.update(as_text(v) for v in (value if isinstance(value, list) else [value]))
        return sorted(found)

    def check(self, field: str, check: Callable[[Any], object]) -> None:
        """`check` is given each row's value of a field, and raises ValueError(what, fix) for a
        wrong one. Raises `InputError` then, with the row's place."""
        for row in self.rows:
            try:
                check(row.values.get(field))
            except ValueError as error:
                what, fix = error.args
                raise InputError(f"{field!r} {what}", row.where, fix) from None

    def place(self, field: str, label: str) -> str | None:
        """Where the first row stands that has `label` among its `labels` of a field."""
        for row in self.rows:
            value = row.values.get(field)
            if label in map(as_text, value if isinstance(value, list) else [value]):
                return row.where
        return None


def first_target(scorers: Sequence[Targeted]) -> str | None:
    """The target field of the first scorer that has one; a step's only where no other has."""
    ordered = sorted(scorers, key=lambda scorer: scorer.step is not None)
    return next((s.target_field for s in ordered if s.target_field is not None), None)


def read_sources(
    dataset: Source | None,
    splits: Splits,
    scorers: Sequence[Targeted],
    document: Document,
    store: str | None = None,
    feedback: Source | None = None,
    shown: frozenset[str] | None = None,
) -> Sources:
    """Load, correct by `feedback`, and check; `store`: MLflow's tracking URI, `shown`: as of
    `divided`. Raises `InputError`, with file and line where there is one."""
    notes: list[str] = []
    targets = [one.target_field for one in scorers if one.target_field and not one.whole_target]

    def load(source: Source, *at: str) -> Rows:
        rows = load_rows(source, document.folder, document.where(at), document.within, store)
        if not isinstance(source, Traces):
            return rows
        kept = answered(rows, targets, source)
        if left := len(rows) - len(kept):
            notes.append(
                f"{left} of {len(rows)} traces of {source.traces} were left out: they lack an "
                f"expectation ({', '.join(targets)})"
            )
        return tuple(kept)

    parts: dict[Split, Rows] = {
        name: load(source, "splits", name) for name, source in splits.sources.items()
    }
    shared: Rows = ()
    if dataset is not None:
        shared = load(dataset, "dataset")
    gathered = Feedback()
    if feedback is not None:
        gathered = load_feedback(feedback, targets, document, store)
        notes += gathered.notes
    columns = {name for rows in (shared, *parts.values()) for row in rows for name in row.values}
    answers = {one.target_field for one in scorers}
    inputs = columns if shown is None else columns & shown
    corrections = Corrections(gathered.rows, frozenset(inputs - answers - {"id"}))
    shared = corrections.correct(shared)
    parts = {name: corrections.correct(rows) for name, rows in parts.items()}
    new, unknown = corrections.left
    if corrections.corrected:
        many = "rows" if len(corrections.corrected) > 1 else "row"
        notes.append(f"feedback corrects {len(corrections.corrected)} {many}")
    if unknown:
        have = "rows of feedback have" if unknown > 1 else "row of feedback has"
        notes.append(f"{unknown} {have} an id only, and no row has it: left out")
    for rows in filter(None, (shared, *parts.values())):
        _check((*rows, *new), splits, scorers, document)
    return Sources(shared, parts, new, corrections.corrected, tuple(notes))


def divided(
    sources: Sources,
    splits: Splits,
    scorers: Sequence[Targeted],
    document: Document,
    shown: frozenset[str] | None = None,
    earlier: Placements = NOWHERE,
) -> Examples:
    """The examples of each split: of equal inputs one, in one split.

    shown: the fields that prompts show; None: all but `id` and the targets. earlier: where jobs had
    the rows. Raises `InputError` for a split that comes out empty.
    """
    rows = sources.rows
    ids = dict(zip(map(id, rows), identify(rows), strict=True))
    targets = [scorer.target_field for scorer in scorers if scorer.target_field is not None]
    inputs = Inputs(shown, targets)
    found: dict[Split, list[Example]] = {name: [] for name in SPLITS}
    repeated: dict[Split, int] = dict.fromkeys(SPLITS, 0)
    notes = [*sources.notes]
    places_of: dict[str, str] = {}
    placements: list[Placement] = []
    for given, shares, known in _apart(sources, splits, earlier):
        read = distinct(given, ids, inputs)
        notes += contradiction_notes(read.contradictions, targets[0] if targets else "")
        cut = _cut(read, ids, shares, splits, known, sources.corrected)
        for name, part in cut.items():
            found[name] += [Example(ids[id(row)], row.values, name) for _, row in part]
            repeated[name] += sum(read.copies[key] for key in {key for key, _ in part})
            places_of |= {ids[id(row)]: row.where for _, row in part}
            placements += [Placement(ids[id(row)], key, name) for key, row in part]
        used = {id(row) for part in cut.values() for _, row in part}
        rest = [(key, row) for key, some in read.kept.items() for row in some]
        placements += [
            Placement(ids[id(row)], key, None) for key, row in rest if id(row) not in used
        ]
    whole: dict[Split, int] = {name: len(part) for name, part in found.items()}
    if sources.parts:
        notes += _take_apart(found, inputs, places_of)
    by_split: dict[Split, tuple[Example, ...]] = {name: tuple(found[name]) for name in SPLITS}
    _check_sizes(by_split, whole, len(rows), document)
    notes += [
        f"{repeated[name]} {name} rows, {whole[name]} distinct inputs: equal inputs count once"
        for name in SPLITS
        if repeated[name] > whole[name]
    ]
    if shown is not None:
        notes += empty_notes(rows, shown & {name for row in rows for name in row.values})
    left = {example.id for part in by_split.values() for example in part}
    kept = tuple(one for one in placements if one.row in left or one.place is None)
    held = {one.row: one for one in kept if one.place == "test"}
    notes += earlier_notes(kept, earlier)
    unopened = frozenset(row for row, one in held.items() if not earlier.opened(one.names))
    batches = {row: earlier.since(one.names)[0] for row, one in held.items()}
    shift = _shift(rows, ids, inputs, kept, earlier)
    notes += [shift] if shift else []
    return Examples(rows, by_split, repeated, kept, unopened, batches, shift, tuple(notes))


def _shift(
    rows: Rows,
    ids: Mapping[int, str],
    inputs: Inputs,
    placements: Sequence[Placement],
    earlier: Placements,
) -> str | None:
    """Of rows that no job had, against the others."""
    known: dict[bool, list[str]] = {True: [], False: []}
    for one in placements:
        known[earlier.knows(one.names)].append(one.row)
    if not known[True] or not known[False]:
        return None
    text_of = {ids[id(row)]: inputs.text(row.values) for row in rows}
    before, new = ([text_of[row] for row in known[there]] for there in (True, False))
    return shift_note(before, new)


def _apart(
    sources: Sources, splits: Splits, earlier: Placements
) -> Iterator[tuple[Rows, Mapping[Split, float], Placements]]:
    """The rows that are divided together, and by which shares. What has a file stays in its split;
    feedback is divided with the dataset, or else as the splits are."""
    files = splits.sources
    shared = sources.shared if files else (*sources.shared, *sources.feedback)
    yield shared, splits.shares, earlier
    for name, part in sources.parts.items():
        yield part, {name: 1.0}, NOWHERE
    if files and sources.feedback:
        rows = {name: len(part) for name, part in sources.parts.items()}
        rows |= {name: share * len(sources.shared) for name, share in splits.shares.items()}
        total = sum(rows.values())
        yield sources.feedback, {name: rows[name] / total for name in SPLITS}, earlier


def _cut(
    read: Distinct,
    ids: Mapping[int, str],
    shares: Mapping[Split, float],
    splits: Splits,
    earlier: Placements,
    corrected: Mapping[str, str],
) -> dict[Split, list[tuple[str, Row]]]:
    """The rows of one source with their inputs' keys by split, in their seeded order."""
    keyed = [(key, row) for key, rows in read.kept.items() for row in rows]
    cut = divide(
        [row.values for _, row in keyed],
        [ids[id(row)] for _, row in keyed],
        [key for key, _ in keyed],
        shares,
        seed=splits.seed,
        stratify=splits.stratify,
        names=[(key, ids[id(row)], corrected.get(ids[id(row)], key)) for key, row in keyed],
        earlier=earlier,
    )
    return {name: [keyed[i] for i in indices] for name, indices in cut.items()}


def _take_apart(
    found: dict[Split, list[Example]], inputs: Inputs, places_of: Mapping[str, str]
) -> list[str]:
    """Leave an input that files of several splits have in one of them; a note for each pair."""
    notes: list[str] = []
    taken: dict[str, Example] = {}
    for name in SPARED:
        keys = [inputs.key(example.row) for example in found[name]]
        twice = [(e, taken[key]) for e, key in zip(found[name], keys, strict=True) if key in taken]
        for other in SPARED:
            if pairs := [(a, b) for a, b in twice if b.split == other]:
                shown = "; ".join(
                    f"{places_of[a.id]} (also {places_of[b.id]})" for a, b in pairs[:SHOWN_PAIRS]
                )
                more = "; …" if len(pairs) > SHOWN_PAIRS else ""
                many = "inputs" if len(pairs) > 1 else "input"
                notes.append(
                    f"{len(pairs)} {many} of {name} also in {other}, and left out of {name}: "
                    f"{shown}{more}"
                )
        found[name] = [e for e, key in zip(found[name], keys, strict=True) if key not in taken]
        for example in found[name]:
            taken.setdefault(inputs.key(example.row), example)
    return notes


def _check(rows: Rows, splits: Splits, scorers: Sequence[Targeted], document: Document) -> None:
    for index, scorer in enumerate(scorers):
        check_target(rows, scorer, document.where(("scorers", index)))
    if splits.stratify:
        check_field(rows, splits.stratify, document.where(("splits", "stratify")))


def _check_sizes(
    by_split: Mapping[Split, Sequence[Example]],
    whole: Mapping[Split, int],
    total: int,
    document: Document,
) -> None:
    for name in COMPARED:
        if by_split[name]:
            continue
        if whole[name]:
            raise InputError(
                f"the split {name} is empty: all its inputs are also in another split",
                document.where(("splits", name)),
                "give each split inputs of its own",
            )
        raise InputError(
            f"the split {name} is empty: the dataset has {total} rows",
            document.where(("splits", name)),
            "add rows with other inputs, or give the split a larger fraction",
        )
