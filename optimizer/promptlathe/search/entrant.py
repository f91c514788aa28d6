"""A candidate that entered the search, and what its cells have given so far."""

from dataclasses import dataclass, field
from typing import Literal

from promptlathe.records import Candidate, Estimate, Outcome, Standing
from promptlathe.search.stats import estimate


@dataclass(eq=False)
class Entrant:
    """`values` holds its scores by the example's place in the common order."""

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
    tokens: int = 0
    tokens_known: bool = True
    cost: float | None = 0.0
    failures: int = 0
    unparsed: int = 0

    def take(self, place: int, outcome: Outcome) -> None:
        """Add an outcome; a failure is counted and leaves no value."""
        self.told += 1
        if outcome.value is None:
            self.failures += 1
            return
        self.values[place] = outcome.value
        self.unparsed += outcome.unparsed
        self.tokens += outcome.tokens or 0
        self.tokens_known = self.tokens_known and outcome.tokens is not None
        known = self.cost is not None and outcome.cost is not None
        self.cost = self.cost + outcome.cost if known else None  # type: ignore[operator]

    @property
    def mean(self) -> float:
        """Mean score; 0 when nothing was answered."""
        return sum(self.values.values()) / len(self.values) if self.values else 0.0

    @property
    def tokens_per_call(self) -> float:
        return self.tokens / len(self.values) if self.values else 0.0

    @property
    def reliable(self) -> bool:
        """At least half of its calls were answered."""
        return 2 * len(self.values) >= self.told

    def rank(self, score: float) -> tuple[bool, bool, float, float, int]:
        """Higher is better: the score, then the cheaper, then the earlier.

        Who never got an answer has no score, which is worse than any; and a few answers among
        failures may be lucky ones.
        """
        return bool(self.values), self.reliable, score, -self.tokens_per_call, -self.number

    def standing(self, found: Estimate | None = None) -> Standing:
        """`found`: an estimate that knows more than the mean of these cells."""
        own = estimate([self.values[place] for place in sorted(self.values)])
        return Standing(
            candidate=self.candidate,
            estimate=found or own,
            state=self.state,
            calls=self.told,
            tokens=self.tokens if self.tokens_known else None,
            cost=self.cost,
            failures=self.failures,
            unparsed=self.unparsed,
            number=self.number,
        )
