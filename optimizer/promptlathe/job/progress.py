"""What can be seen of a job while it runs."""

from dataclasses import dataclass
from typing import Literal, Protocol

from promptlathe.job.answer_states import AnswerStates
from promptlathe.records import Budget
from promptlathe.runtime.account import Account
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.gates import Gates
from promptlathe.search import Policy

Stage = Literal["search", "decision"]


@dataclass
class View:
    """A live view: its properties are read when something is drawn, not at every outcome."""

    policy: Policy
    account: Account
    budget: Budget
    model: str
    gates: Gates
    engine: Engine
    answers: AnswerStates
    """What became of the answers so far."""
    stage: Stage = "search"

    @property
    def fraction(self) -> float | None:
        """How much of the tightest limit is used, 0 to 1; None without any."""
        used = self.account.used
        parts = {"calls": used.calls, "tokens": used.tokens, "usd": used.usd}
        parts["minutes"] = used.seconds / 60
        shares = (parts[name] / limit for name, limit in self.budget.limits.items())
        return max(shares, default=None)

    @property
    def calls_per_second(self) -> float:
        """Since the start, cached ones included."""
        seconds = self.account.seconds
        return self.account.spent.used_calls / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Until the tightest limit at the pace so far."""
        done = self.fraction
        return self.account.seconds * (1 - done) / done if done else None

    @property
    def notices(self) -> tuple[str, ...]:
        """What holds the calls up."""
        return (*self.gates.notices, *self.engine.notices)


class Progress(Protocol):
    """Draws a view, as often as it likes; called at every outcome, and every second."""

    def update(self, view: View) -> None: ...
