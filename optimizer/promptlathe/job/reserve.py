"""What is kept of the budget for the decision, planned anew from what cells have taken so far."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from promptlathe.job.plan import DECISION_SHARE, Plan
from promptlathe.records import Budget, Candidate, Outcome
from promptlathe.runtime.account import Account
from promptlathe.runtime.amounts import NOTHING, Amounts
from promptlathe.runtime.forecast import Forecast

SIDES = 3
"""Prompts that meet the test rows at most: the seed, the best and the champion."""
SLACK = 0.3
"""Seconds kept besides for the decision: its opening is written down, and the machine has other
work."""


@dataclass
class Reserve:
    """Of one run; `rows` is how many each prompt shall meet, `slots` how many cells at a time."""

    budget: Budget
    rows: int
    slots: int
    account: Account
    forecast: Forecast
    ended: int = 0
    """Cells, of any split."""
    failures: Counter[str] = field(default_factory=Counter[str])
    """Cells that the service failed, at the time, by reason."""

    def take(self, outcome: Outcome) -> None:
        """A cell has ended."""
        self.ended += 1
        if outcome.value is None and outcome.failure:
            self.failures[outcome.failure.reason] += 1

    def keep(self, sides: Sequence[Candidate]) -> None:
        """Keep back what these prompts will take.

        Of tokens, USD and minutes at most their share of the budget: then fewer rows are asked.
        """
        # What the service fails as often as so far is asked once more.
        again = 1 + self.failures.total() / self.ended if self.ended else 1.0
        wanted = self._expected(sides, self.rows) * again
        most = {name: DECISION_SHARE * limit for name, limit in self.budget.limits.items()}
        self.account.reserve = Amounts(
            calls=wanted.calls,
            tokens=min(wanted.tokens, most.get("tokens", wanted.tokens)),
            usd=min(wanted.usd, most.get("usd", wanted.usd)),
            seconds=min(self._seconds(self.rows * len(sides)), 60 * most.get("minutes", 0.0)),
        )

    def release(self) -> None:
        """The decision begins."""
        self.account.reserve = NOTHING

    def affordable(self, sides: Sequence[Candidate]) -> int:
        """How many rows all sides can be asked, by what they have taken so far."""
        rows, used, each = self.rows, self.account.used, self._expected(sides, 1)
        for name in ("tokens", "usd"):
            limit = self.budget.limits.get(name)
            if limit is not None and (amount := getattr(each, name)) > 0:
                rows = min(rows, int((limit - getattr(used, name)) / amount))
        return max(rows, 1)

    def _expected(self, sides: Sequence[Candidate], rows: int) -> Amounts:
        return sum((self.forecast.cells(one, rows) for one in sides), NOTHING)

    def _seconds(self, cells: int) -> float:
        """That so many cells take, after those under way, at the pace so far."""
        one = self.slots * self.account.seconds / self.ended if self.ended else 0.0
        return SLACK + one * (1 + math.ceil(cells / self.slots))


def search_cells(plan: Plan, calls: int | None) -> int | None:
    """How many cells of the search so many calls afford: the decision takes at most its share."""
    if calls is None:
        return None
    cells = calls // plan.calls_per_cell
    return max(1, cells - SIDES * len(plan.test), int((1 - DECISION_SHARE) * cells))


def search_limits(plan: Plan, budget: Budget) -> dict[str, float]:
    """Of calls, tokens and USD what the search may spend, those that are limited."""
    cells = search_cells(plan, budget.calls)
    calls = cells and cells * plan.calls_per_cell
    limits = {"calls": calls, "tokens": budget.tokens, "usd": budget.usd}
    return {name: float(limit) for name, limit in limits.items() if limit}
