"""Tables in plain text."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column: its head, and its cells."""

    name: str
    cells: Sequence[str]
    right: bool = False
    """Numbers stand at the right."""
    needed: int = 9
    """Of columns that do not fit, the one with the lowest number goes first; 9 stays."""

    @property
    def wide(self) -> int:
        return max(len(cell) for cell in (self.name, *self.cells))


def table(columns: Sequence[Column], width: int | None = None) -> list[str]:
    """A head and a line for each row, in at most `width` columns where that can be had."""
    shown = list(columns)
    while width and _wide(shown) > width and any(one.needed < 9 for one in shown):
        shown.remove(min(shown, key=lambda one: one.needed))
    rows = zip(*((one.name, *one.cells) for one in shown), strict=True)
    return [
        "  ".join(
            f"{cell:>{one.wide}}" if one.right else f"{cell:{one.wide}}"
            for cell, one in zip(row, shown, strict=True)
        ).rstrip()
        for row in rows
    ]


def _wide(columns: Sequence[Column]) -> int:
    return sum(one.wide for one in columns) + 2 * (len(columns) - 1)
