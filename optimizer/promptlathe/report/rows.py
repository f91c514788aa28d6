"""The held-out rows as the page shows them: whole where there is room for it.

A page of 5,000 rows with long outputs would have hundreds of megabytes. Texts of all rows together
get ROOM bytes of the page: as many for each text as let all fit, and rows that changed get WEIGHT
times as much as others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from promptlathe.records import PROMPT, FinalistName
from promptlathe.report.mistakes import Kind, kind_of
from promptlathe.results.rows import NEAR, DecidedRow, RowAnswer

Change = Literal["broken", "fixed", "wrong", "unknown", "right"]
"""From seed to best. `wrong`: both alike and not fully right; `right`: both in full, or alike where
nothing is known of the best there is; `unknown`: one has no value."""
ORDER: tuple[Change, ...] = ("fixed", "broken", "wrong", "unknown", "right")
ROOM = 1_600_000
"""Bytes of the page for the texts of rows."""
MOST = 12_000
"""Bytes of one text at most."""
FEWEST = 24
"""Bytes of one text at least."""
WEIGHT = 6
"""Texts of a row that changed count so many times."""
HEAD = 70
"""Characters of a text in the line of its row."""


@dataclass(frozen=True)
class Text:
    """A text, and whether it goes on where it was cut."""

    said: str
    cut: bool = False


@dataclass(frozen=True)
class Side:
    """What one prompt made of a row."""

    output: Text | None
    value: float | None
    kind: Kind
    """What the answer was."""
    read: str
    """What a scorer read in it, where that is not the output itself."""
    failure: str | None
    steps: Mapping[str, Text]
    rationales: Mapping[str, Text]


@dataclass(frozen=True)
class ShownRow:
    """A row of the page."""

    example: str
    change: Change
    label: str
    """The right answer, where answers are few."""
    head: str
    """How the row begins."""
    expected: Text | None
    fields: Mapping[str, Text]
    sides: Mapping[FinalistName, Side]
    gain: float


@dataclass(frozen=True)
class Rows:
    """All of them, those that changed first."""

    shown: Sequence[ShownRow]
    counts: Mapping[Change, int]
    labels: Sequence[str]
    """For the filter: the right answers, where they are few."""
    whole: bool
    """No text was cut."""
    pass_fail: bool
    """Each answer is right or wrong, nothing in between."""


def shown_rows(
    rows: Sequence[DecidedRow], best_possible: float | None, labels: Sequence[str]
) -> Rows:
    """Within the room that the page has. labels: the right answers, where they are few."""
    changes: list[Change] = [change_of(row, best_possible) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (ORDER.index(changes[i]), -abs(rows[i].gain)))
    most = _most(rows, changes)
    known = set(labels)

    def made() -> Iterator[ShownRow]:
        for i in order:
            bytes_each = min(MOST, most * (WEIGHT if changes[i] in ("fixed", "broken") else 1))
            yield _row(rows[i], changes[i], known, best_possible, max(FEWEST, bytes_each))

    shown = tuple(made())
    counts: dict[Change, int] = {one: changes.count(one) for one in ORDER if one in changes}
    values = {one.value for row in rows for one in row.answers.values() if one.value is not None}
    top = best_possible if best_possible is not None else 1.0
    return Rows(
        shown=shown,
        counts=counts,
        labels=tuple(labels) if any(row.label for row in shown) else (),
        whole=not any(text.cut for row in shown for text in _shown_texts(row)),
        pass_fail=all(min(abs(value), abs(value - top)) <= NEAR for value in values),
    )


def change_of(row: DecidedRow, best_possible: float | None) -> Change:
    """From seed to best."""
    seed, best = (one and one.value for one in map(row.answers.get, ("seed", "best")))
    if seed is None or best is None:
        return "unknown"
    if row.change:
        return row.change
    return "wrong" if best_possible is not None and best < best_possible - NEAR else "right"


def _most(rows: Sequence[DecidedRow], changes: Sequence[Change]) -> int:
    """Bytes for a text of a row that did not change, so that all fit; by halves from MOST down."""
    sizes = [
        (size, WEIGHT if change in ("fixed", "broken") else 1)
        for row, change in zip(rows, changes, strict=True)
        for size in map(len, _texts(row))
    ]
    most = MOST
    while most > FEWEST and sum(min(s, MOST, most * w) for s, w in sizes) > ROOM:
        most = int(most * 0.8)
    return most


def _texts(row: DecidedRow) -> Iterator[str]:
    yield from row.fields.values()
    yield row.expected or ""
    for one in row.answers.values():
        yield one.output or ""
        yield from one.steps.values()
        yield from one.rationales.values()


def _shown_texts(row: ShownRow) -> Iterator[Text]:
    yield from row.fields.values()
    for one in row.sides.values():
        yield from ([one.output] if one.output else [])
        yield from one.steps.values()
        yield from one.rationales.values()


def _row(
    row: DecidedRow, change: Change, labels: set[str], best_possible: float | None, most: int
) -> ShownRow:
    first = next(iter(row.fields.values()), "")
    return ShownRow(
        example=row.example,
        change=change,
        label=row.expected if row.expected in labels else "",
        head=_begin(first, HEAD),
        expected=None if row.expected is None else clip(row.expected, most),
        fields={name: clip(text, most) for name, text in row.fields.items()},
        sides={side: _side(one, best_possible, most) for side, one in row.answers.items()},
        gain=row.gain,
    )


def _side(one: RowAnswer, best_possible: float | None, most: int) -> Side:
    read = one.parsed or ""
    steps = {} if set(one.steps) <= {PROMPT} else one.steps
    return Side(
        output=None if one.output is None else clip(one.output, most),
        value=one.value,
        kind=kind_of(one, best_possible),
        read="" if one.output is not None and read == one.output.strip() else _begin(read, HEAD),
        failure=one.failure,
        steps={step: clip(said, most) for step, said in steps.items()},
        rationales={name: clip(said, most) for name, said in one.rationales.items()},
    )


def clip(text: str, most: int) -> Text:
    """No more than so many bytes of a page, escaped."""
    if len(text) * 6 <= most or _bytes(text) <= most:
        return Text(text)
    low, high = 0, min(len(text), most)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _bytes(text[:middle]) <= most else (low, middle - 1)
    return Text(text[:low], cut=True)


def _bytes(text: str) -> int:
    return len(escape(text).encode("utf-8", "surrogatepass"))


def _begin(text: str, most: int) -> str:
    flat = " ".join(text[: 4 * most].split())
    return flat if len(flat) <= most and len(text) <= 4 * most else f"{flat[: most - 1]}…"


def fixed_and_broken(rows: Iterable[DecidedRow]) -> tuple[int, int]:
    """How many rows the best prompt fixed, and broke."""
    changes = [row.change for row in rows]
    return changes.count("fixed"), changes.count("broken")
