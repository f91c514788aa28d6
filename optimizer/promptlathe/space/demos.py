"""Which rows become demos, and how they are written.

Rows are ordered by a hash of the draw and the row, so that a draw with four demos contains the
draw with three, and a new row in the data moves few others.
"""

from collections.abc import Sequence

from promptlathe.records import Example, Value, content_hash
from promptlathe.space.components import DemosSpec
from promptlathe.space.template import fill, is_inert, placeholders


def ranked(
    pool: Sequence[Example], *, select: Value, draw: Value, target: str | None
) -> Sequence[Example]:
    """All rows in the order in which they are shown; `pool` holds rows of `train` only."""
    shuffled = sorted(pool, key=lambda example: content_hash([draw, example.id]))
    if select == "balanced" and target is not None:
        shuffled = _in_turn(shuffled, target)
    return shuffled


def write_demos(
    spec: DemosSpec, rows: Sequence[Example], *, order: Value, target: str | None
) -> str:
    """The demos' section of a prompt."""
    written = [(fill(spec.template, example.row), example) for example in rows]
    if order == "short_first":
        written.sort(key=lambda one: len(one[0]))
    elif order == "by_label" and target is not None:
        written.sort(key=lambda one: str(one[1].row[target]))
    return spec.separator.join(text.strip("\n") for text, _ in written)


def usable(spec: DemosSpec, train: Sequence[Example]) -> list[Example]:
    """Rows that may be baked into a prompt: none that a template engine would change."""
    names = placeholders(spec.template)
    return [e for e in train if all(is_inert(str(e.row.get(name, ""))) for name in names)]


def _in_turn(examples: Sequence[Example], target: str) -> list[Example]:
    """One of each label, then a second of each: labels in order of their first row."""
    of_label: dict[object, list[Example]] = {}
    for example in examples:
        of_label.setdefault(str(example.row[target]), []).append(example)
    ranked = [(turn, e) for rows in of_label.values() for turn, e in enumerate(rows)]
    return [example for _, example in sorted(ranked, key=lambda one: one[0])]
