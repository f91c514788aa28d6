"""What cells are expected to take, from those that ended.

Over the cells that ended, tokens (and USD) are fitted by a line in the size of the candidate's
prompts; a candidate's own cells count against that line as PRIOR more cells would.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from promptlathe.records import Candidate
from promptlathe.runtime.amounts import NOTHING, Amounts

FEWEST = 5
"""Cells before which the first guess counts."""
PRIOR = 4
MARGIN = 1.1
"""Of what several cells are expected to take together, where it differs from cell to cell."""


@dataclass
class Forecast:
    """`first` is the guess before anything is known."""

    first: Amounts
    _cells: int = 0
    _sums: dict[str, tuple[int, Amounts]] = field(default_factory=dict[str, tuple[int, Amounts]])
    """By candidate: its cells, and what they took."""
    _sizes: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Sums of size and of its square over the cells."""
    _total: Amounts = NOTHING
    _by_size: Amounts = NOTHING
    """Sum of size times amount."""
    _calls: set[float] = field(default_factory=set[float])

    def observe(self, candidate: Candidate, took: Amounts) -> None:
        """A cell ended."""
        size = candidate.size
        n, before = self._sums.get(candidate.id, (0, NOTHING))
        self._sums[candidate.id] = n + 1, before + took
        self._cells += 1
        self._sizes[0] += size
        self._sizes[1] += size * size
        self._total += took
        self._by_size += took * size
        self._calls.add(took.calls)

    def cell(self, candidate: Candidate) -> Amounts:
        """What one cell of the candidate is expected to take."""
        if self._cells < FEWEST:
            return self.first
        line = self._line(candidate.size)
        n, own = self._sums.get(candidate.id, (0, NOTHING))
        return (own + line * PRIOR) * (1 / (n + PRIOR))

    def cells(self, candidate: Candidate, count: int) -> Amounts:
        """What so many of its cells are expected to take, with a margin."""
        one = self.cell(candidate)
        wide = one * (MARGIN * count)
        exact = len(self._calls) <= 1
        calls = one.calls * count if exact else wide.calls
        return Amounts(calls, wide.tokens, wide.usd)

    def _line(self, size: int) -> Amounts:
        """Least squares in the size; not below nothing, and not falling."""
        n, (sx, sxx) = self._cells, self._sizes
        mean = sx / n
        spread = sxx / n - mean * mean

        def at(total: float, by_size: float) -> float:
            slope = (by_size / n - mean * total / n) / spread if spread > 1e-9 * sxx else 0.0
            return max(0.0, total / n + max(0.0, slope) * (size - mean))

        return Amounts(
            self._total.calls / n,
            at(self._total.tokens, self._by_size.tokens),
            at(self._total.usd, self._by_size.usd),
        )
