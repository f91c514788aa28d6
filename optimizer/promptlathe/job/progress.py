"""What can be seen of a job while it runs."""

from dataclasses import dataclass
from typing import Literal, Protocol

from promptlathe.records import Budget
from promptlathe.runtime.meter import Meter
from promptlathe.search import Policy

Stage = Literal["search", "decision"]


@dataclass
class View:
    """A live view: its properties are read when something is drawn, not at every outcome."""

    policy: Policy
    meter: Meter
    budget: Budget
    model: str
    stage: Stage = "search"

    @property
    def fraction(self) -> float | None:
        """How much of the tightest limit is used, 0 to 1; None without any."""
        spent, budget = self.meter.spent, self.budget
        parts = [
            (spent.used_calls, budget.calls),
            (spent.tokens + spent.cached_tokens, budget.tokens),
            (spent.usd or 0.0, budget.usd),
            (self.meter.seconds / 60, budget.minutes),
        ]
        return max((used / limit for used, limit in parts if limit), default=None)

    @property
    def calls_per_second(self) -> float:
        """Since the start, cached ones included."""
        seconds = self.meter.seconds
        return self.meter.spent.used_calls / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Until the tightest limit at the pace so far."""
        done = self.fraction
        return self.meter.seconds * (1 - done) / done if done else None


class Progress(Protocol):
    """Draws a view, as often as it likes; called at every outcome."""

    def update(self, view: View) -> None: ...
