"""What became of answers: so many in each state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from promptlathe.records import Outcome
from promptlathe.scoring.answers import State, state

STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class AnswerCounts:
    """Of one candidate, or of all."""

    by_state: Mapping[State, int] = field(default_factory=dict[State, int])
    failed: Mapping[str, int] = field(default_factory=dict[str, int])
    """By reason."""

    @property
    def total(self) -> int:
        """Cells, those that failed included."""
        return sum(self.by_state.values()) + sum(self.failed.values())

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why calls failed, and how many: the commonest first."""
        return sorted(self.failed.items(), key=lambda one: (-one[1], one[0]))

    def to_dict(self) -> dict[str, Any]:
        """With a key for each state, and the failures by reason."""
        named = {one.replace(" ", "_"): self.by_state.get(one, 0) for one in STATES}
        return {**named, "failed": dict(self.failed)}

    def __str__(self) -> str:
        parts = [f"{n:,} {one}" for one in STATES if (n := self.by_state.get(one))]
        failed = ", ".join(f"{reason} {n:,}" for reason, n in self.reasons)
        if failed:
            parts.append(f"{sum(self.failed.values()):,} failed ({failed})")
        return ", ".join(parts) or "none"


def state_of(outcome: Outcome) -> State:
    """Of an outcome that is no failure: of the last answer of its target."""
    answer = outcome.answer
    if answer is None:  # a function of yours that called no model
        return "unread" if outcome.unread else "answered"
    if answer.finish_reason == "length":
        return "cut off"
    return state(answer, None if outcome.unread else outcome.parsed or "")
