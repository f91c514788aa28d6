"""A candidate that entered the search, and what its cells have given so far."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from promptlathe.records import Candidate, Estimate, Outcome, Standing
from promptlathe.search.stats import estimate


@dataclass(eq=False)
class PooledCandidate:
    """`values` holds its scores by the example's place in the common order, means over repeats."""

    number: int
    candidate: Candidate
    goal: int = 0
    """It may be sent the examples before this place; then it is compared."""
    sent: int = 0
    told: int = 0
    reported: int = 0
    """How many had been told when its mean was last reported to the study."""
    state: Literal["running", "dropped", "complete"] = "running"
    values: dict[int, float] = field(default_factory=dict[int, float])
    failures: int = 0
    failed: int = 0
    unread: int = 0
    _times: Counter[int] = field(default_factory=Counter[int])
    """Cells with a value, by place: more than one where it was repeated."""
    _tokens: int = 0
    _told_tokens: int = 0
    """Cells whose tokens are known, and are in the sum."""
    _cost: float | None = 0.0

    def take(self, place: int, outcome: Outcome) -> None:
        """Add an outcome.

        A failure of the service is counted and leaves no value; one of the prompt has the worst
        value. What either took says nothing about what an answer takes.
        """
        self.told += 1
        if outcome.value is None:
            self.failures += 1
            return
        self._times[place] += 1
        before = self.values.get(place, 0.0)
        self.values[place] = before + (outcome.value - before) / self._times[place]
        if outcome.failure is not None:
            self.failed += 1
            return
        self.unread += outcome.unread
        if outcome.tokens is not None:
            self._tokens += outcome.tokens
            self._told_tokens += 1
        known = self._cost is not None and outcome.cost is not None
        self._cost = self._cost + outcome.cost if known else None  # type: ignore[operator]

    @property
    def mean(self) -> float:
        """Mean score; 0 when nothing has a value."""
        return sum(self.values.values()) / len(self.values) if self.values else 0.0

    @property
    def answered(self) -> int:
        """Cells that were answered, repeats included."""
        return self.told - self.failures - self.failed

    @property
    def tokens_per_cell(self) -> float | None:
        """Mean over the answers that tell; None when none does."""
        return self._tokens / self._told_tokens if self._told_tokens else None

    @property
    def price(self) -> float:
        """By which two are compared: of who does not tell, the dearest that there may be."""
        tokens = self.tokens_per_cell
        return math.inf if tokens is None else tokens

    @property
    def reliable(self) -> bool:
        """At least half of its cells have a value."""
        return 2 * self.failures <= self.told

    def rank(self, score: float) -> tuple[bool, bool, float, float, int]:
        """Higher is better: the score, then the cheaper, then the earlier.

        Who never got a value has no score, which is worse than any; and a few answers among
        failures may be lucky ones.
        """
        return bool(self.values), self.reliable, score, -self.price, -self.number

    def standing(self, found: Estimate | None = None) -> Standing:
        """`found`: an estimate that knows more than the mean of these cells."""
        own = estimate([self.values[place] for place in sorted(self.values)])
        return Standing(
            candidate=self.candidate,
            estimate=found or own,
            state=self.state,
            cells=self.told,
            tokens=self._tokens if self._told_tokens == self.answered else None,
            cost=self._cost,
            failures=self.failures,
            failed=self.failed,
            unread=self.unread,
            number=self.number,
        )
