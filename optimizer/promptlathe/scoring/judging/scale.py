"""The levels that a verdict may name, and what each is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_STEPS = 100
"""Of a score: from its lowest to its highest whole number."""


@dataclass(frozen=True)
class Level:
    """One answer of a judge."""

    label: str
    value: float
    means: str = ""
    """When it is reached, in words."""


@dataclass(frozen=True)
class Scale:
    """The levels, from the lowest to the highest."""

    levels: tuple[Level, ...]

    @classmethod
    def even(cls, labels: Sequence[str], means: Mapping[str, str] | None = None) -> Scale:
        """Labels that score evenly from 0 to 1."""
        last, means = len(labels) - 1, means or {}
        return cls(tuple(Level(one, i / last, means.get(one, "")) for i, one in enumerate(labels)))

    @classmethod
    def numbers(cls, low: int, high: int) -> Scale:
        """Whole numbers, worth themselves."""
        return cls(tuple(Level(str(n), float(n)) for n in range(low, high + 1)))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(level.label for level in self.levels)

    @property
    def range(self) -> tuple[float, float]:
        """(lowest, highest) value."""
        return self.levels[0].value, self.levels[-1].value

    def value(self, label: str) -> float:
        """What a label is worth. Raises KeyError for one that there is not."""
        return {level.label: level.value for level in self.levels}[label]

    def expected(self, chances: Mapping[str, float]) -> float | None:
        """The mean value under these probabilities by label; None when none of them is known."""
        known = {one: chances[one] for one in self.labels if chances.get(one, 0) > 0}
        total = sum(known.values())
        return sum(p * self.value(one) for one, p in known.items()) / total if total else None
