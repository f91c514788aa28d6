"""The held-out rows as the page shows them: whole where there is room for it.

A page of 5,000 rows with long outputs would have hundreds of megabytes. All rows together get ROOM
bytes of the page, of which each row takes FRAME for itself: its texts get as many each as let all
fit, and those of rows that changed WEIGHT times as many as others.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from markupsafe import escape

from promptlathe.records import PROMPT, FinalistName
from promptlathe.report.frame import visible
from promptlathe.report.mistakes import Kind, kind_of
from promptlathe.results.rows import NEAR, DecidedRow, RowAnswer

Change = Literal["broken", "fixed", "wrong", "unknown", "right"]
"""From seed to best. `wrong`: both alike and not fully right; `right`: both in full, or alike where
nothing is known of the best there is; `unknown`: one has no value."""
ORDER: tuple[Change, ...] = ("fixed", "broken", "wrong", "unknown", "right")
ROOM, FRAME, LEAST = 2_300_000, 360, 300_000
"""Bytes of the page for all rows; of them each row's own; and for all texts at least."""
MOST_ROWS = 5_000
"""Rows of the page; those that changed come first."""
MOST = 12_000
"""Bytes of one text at most."""
FEWEST = 24
"""Bytes of one text at least."""
WEIGHT = 6
"""Texts of a row that changed count so many times."""
HEAD, ANSWER = 60, 36
"""Characters of a row, and of each answer, in the line of the row."""


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
    left_out: int
    """Rows that the page has no room for."""


def shown_rows(
    rows: Sequence[DecidedRow], best_possible: float | None, labels: Sequence[str]
) -> Rows:
    """Within the room that the page has. labels: the right answers, where they are few."""
    changes: list[Change] = [change_of(row, best_possible) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (ORDER.index(changes[i]), -abs(rows[i].gain)))
    shown_ones = [rows[i] for i in order[:MOST_ROWS]]
    most = _most(shown_ones, [changes[i] for i in order[:MOST_ROWS]])
    known = set(labels)

    def made() -> Iterator[ShownRow]:
        for i in order[:MOST_ROWS]:
            bytes_each = _each(most * (WEIGHT if changes[i] in ("fixed", "broken") else 1))
            yield _row(rows[i], changes[i], known, best_possible, bytes_each)

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
        left_out=max(0, len(rows) - MOST_ROWS),
    )


def change_of(row: DecidedRow, best_possible: float | None) -> Change:
    """From seed to best."""
    seed, best = (one and one.value for one in map(row.answers.get, ("seed", "best")))
    if seed is None or best is None:
        return "unknown"
    if row.change:
        return row.change
    return "wrong" if best_possible is not None and best < best_possible - NEAR else "right"


def _most(rows: Sequence[DecidedRow], changes: Sequence[Change]) -> float:
    """Bytes for a text of a row that did not change, so that all fit; by steps from MOST down."""
    sizes: dict[int, list[int]] = {1: [], WEIGHT: []}
    for row, change in zip(rows, changes, strict=True):
        sizes[WEIGHT if change in ("fixed", "broken") else 1] += map(_about, _texts(row))
    sums = {weight: _sum_of_least(some) for weight, some in sizes.items()}
    room = max(LEAST, ROOM - FRAME * len(rows))
    most = float(MOST)
    while most * WEIGHT > FEWEST and sum(sums[w](_each(most * w)) for w in sizes) > room:
        most *= 0.8
    return most


def _sum_of_least(sizes: list[int]) -> Callable[[int], int]:
    """The sum of all sizes, none of which counts for more than so many."""
    ordered = sorted(sizes)
    sums = [0, *accumulate(ordered)]

    def least(most: int) -> int:
        below = bisect_right(ordered, most)
        return sums[below] + most * (len(ordered) - below)

    return least


def _each(most: float) -> int:
    return max(FEWEST, min(MOST, int(most)))


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
        head=line_of(first),
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
        read="" if one.output is not None and read == one.output.strip() else line_of(read, ANSWER),
        failure=one.failure,
        steps={step: clip(said, most) for step, said in steps.items()},
        rationales={name: clip(said, most) for name, said in one.rationales.items()},
    )


def clip(text: str, most: int) -> Text:
    """No more than so many bytes of a page: what is left is shown as it is."""
    part = visible(text[:most])
    while part and (size := _bytes(part)) > most:
        part = part[: min(len(part) - 1, len(part) * most // size)]
    return Text(part, cut=len(text) > most or len(part) < len(visible(text)))


def _bytes(text: str) -> int:
    return len(escape(text).encode("utf-8", "surrogatepass"))


def _about(text: str) -> int:
    """Bytes of a long text, from how it begins; of a short one exactly."""
    begins = text[:64]
    return _bytes(begins) * len(text) // len(begins) if begins else 0


def line_of(text: str, most: int = HEAD) -> str:
    """How a text begins, as a line: so many characters, and no more than twice the bytes."""
    flat = " ".join(text[: 4 * most].split())
    shown = clip(flat, 2 * most).said[:most]
    return shown if shown == flat and len(text) <= 4 * most else f"{shown[: most - 1]}…"


def fixed_and_broken(rows: Iterable[DecidedRow]) -> tuple[int, int]:
    """How many rows the best prompt fixed, and broke."""
    changes = [row.change for row in rows]
    return changes.count("fixed"), changes.count("broken")
