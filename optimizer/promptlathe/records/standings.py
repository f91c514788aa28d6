"""What is known of a candidate, and what may be spent on knowing more."""

from dataclasses import dataclass
from typing import Literal

from promptlathe.records.prompts import Candidate
from promptlathe.records.values import in_short


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean score over n examples with its 95 % interval, in score units."""

    mean: float
    low: float
    high: float
    n: int
    modelled: bool = False
    """The mean over all examples of the split: of the n that were answered as they were, of the
    others as a model of all candidates' answers expects them."""


@dataclass(frozen=True)
class Standing:
    """Where a candidate stands after its cells on `select`."""

    candidate: Candidate
    estimate: Estimate | None
    """None when every cell failed."""
    state: Literal["running", "dropped", "complete"]
    cells: int
    """Told, failures and repeats included."""
    tokens: int | None
    """Sum over its cells; None when the service does not say."""
    cost: float | None
    failures: int
    """Of the service: cells without a score."""
    failed: int
    """Of the prompt: cells with the worst score."""
    unread: int
    number: int
    """The Optuna trial's number, in order of first proposal."""

    def __repr__(self) -> str:
        found = self.estimate
        score = f"{found.mean:.3f} (n={found.n})" if found else "no score"
        levels = in_short(dict(self.candidate.levels))
        return f"Standing({self.number}, {score}, {self.state}, {levels})"


LIMITS = ("calls", "tokens", "usd", "minutes")
"""The names of a budget's limits."""


@dataclass(frozen=True)
class Budget:
    """Upper limits of a job, checked before a call is sent. None means no limit."""

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    minutes: float | None = None

    @property
    def limits(self) -> dict[str, float]:
        """Those that are set, by name."""
        found = {name: getattr(self, name) for name in LIMITS}
        return {name: limit for name, limit in found.items() if limit is not None}
