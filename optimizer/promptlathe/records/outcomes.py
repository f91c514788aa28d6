"""What became of a unit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from promptlathe.records.calls import Answer, Failure, Sent
from promptlathe.records.units import Cell, Rewrite, Unit
from promptlathe.records.values import Json, Role, total


@dataclass(frozen=True)
class Trace:
    """What a cell did: its output, and its calls in the order in which they ended."""

    output: Json
    """A text, or what a function of yours returned; None when it failed."""
    calls: tuple[Sent, ...] = ()

    @property
    def text(self) -> str:
        """The output as text: of anything but a text its JSON."""
        if isinstance(self.output, str):
            return self.output
        return "" if self.output is None else json.dumps(self.output, ensure_ascii=False)

    @property
    def picture(self) -> Path | None:
        """The file of the output, where that is a picture that a call drew."""
        drawn = (one for one in reversed(self.answers()) if one.picture is not None)
        return next((one.picture for one in drawn if one.text == self.output), None)

    @property
    def given(self) -> Json:
        """The output as a function of yours gets it: a picture as the path of its file."""
        return self.output if self.picture is None else str(self.picture)

    def answers(self, role: Role = "task") -> tuple[Answer, ...]:
        """Those of a role, in order."""
        replies = (sent.reply for sent in self.calls if sent.call.role == role)
        return tuple(reply for reply in replies if isinstance(reply, Answer))


@dataclass(frozen=True, slots=True)
class Score:
    """What a scorer made of an output."""

    value: float | Mapping[str, float] | None
    """Several by name, for a scorer that gives several; None: the output could not be read."""
    parsed: Json = None
    """What was read in the output."""
    rationale: str | None = None
    soft: float | None = None
    """How likely the model thought the right answer; None where it does not say."""


@dataclass(frozen=True)
class Outcome:
    """What a cell gave: a trace with its scores, or a failure with its reason.

    A failure of the service has no value, which is not a value of 0; one of the prompt has the
    worst value that there is.
    """

    cell: Cell
    trace: Trace
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    """By scorer; empty for a failure of the service."""
    value: float | None = None
    """The goal's value, higher is better; None for a failure of the service."""
    parsed: str | None = None
    """What the goal's first scorer read in the output; None when it could not."""
    unread: bool = False
    """The output came, and a scorer could not read it: the worst score, counted apart."""
    failure: Failure | None = None
    rationales: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of scorers that give one, by scorer."""
    soft: float | None = None
    """What the goal's value would be if the score were how likely the model thought the right
    answer; None where it does not say."""

    def __post_init__(self) -> None:
        scored = self.failure is None or self.failure.of_prompt
        if scored != (self.value is not None):
            raise ValueError("a failure of the service has no value, all else has one")

    @property
    def unit(self) -> Cell:
        return self.cell

    @property
    def answer(self) -> Answer | None:
        """The last of the target's answers."""
        answers = self.trace.answers()
        return answers[-1] if answers else None

    @property
    def tokens(self) -> int | None:
        """Input and output of the target's calls together; None when the service does not tell."""
        known = [answer.tokens for answer in self.trace.answers()]
        return total(known) if known else None

    @property
    def cost(self) -> float | None:
        """USD of the target's calls; None when a price or tokens are unknown."""
        known = [sent.cost for sent in self.trace.calls if sent.call.role == "task"]
        return total(known) if known else None

    @property
    def cached(self) -> bool:
        """Nothing was paid for it now."""
        return all(sent.cached for sent in self.trace.calls)


@dataclass(frozen=True)
class Rewritten:
    """What a request to the rewriter gave."""

    rewrite: Rewrite
    sent: Sent

    @property
    def unit(self) -> Rewrite:
        return self.rewrite

    @property
    def reply(self) -> Answer | Failure:
        return self.sent.reply

    @property
    def tokens(self) -> int | None:
        """Input and output tokens together."""
        return self.reply.tokens if isinstance(self.reply, Answer) else None

    @property
    def cost(self) -> float | None:
        """USD; None when the price or the tokens are unknown."""
        return self.sent.cost

    @property
    def cached(self) -> bool:
        """Nothing was paid for it now."""
        return self.sent.cached


@dataclass(frozen=True, slots=True)
class Dropped:
    """A unit that was begun and could not end within the budget: nothing is scored."""

    unit: Unit
    limit: str
    """Of the budget."""


Event = Outcome | Rewritten | Dropped
"""What became of a unit; a run is replayed from its events."""
