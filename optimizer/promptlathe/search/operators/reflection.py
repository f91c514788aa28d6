"""What is known of `train`: the rows in the order of reading, and what prompts made of them.

Half of the rows that a prompt is tried on are the same as for the prompt before it, so that the two
can be compared; half are new. A text that was written from rows gets these right, whatever it is
worth on others: read again on them alone, it would look perfect, and nobody would improve it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from promptlathe.records import Candidate, Cell, Example, Outcome
from promptlathe.search.operators.operator_context import Case, in_turn

READ, READ_EACH = 24, 2
"""Rows a prompt is tried on before it is rewritten: READ_EACH of every answer, READ at least."""
AT_MOST = 0.25
"""Of the calls for rewriting, that the reading of one prompt may take."""
FEW = 4
"""With fewer mistakes a prompt is tried on further rows, while AT_MOST allows it."""


@dataclass
class _Reading:
    """Of one prompt."""

    rows: list[Example]
    """All rows, in its own order; those that were sent come first."""
    wanted: int
    """How many of them are to be read, so far."""
    sent: int = 0
    told: int = 0
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    """Those that have a value."""


class ReflectionExamples:
    """Which rows of `train` a prompt is tried on, and what came of it."""

    def __init__(
        self,
        train: Sequence[Example],
        target: str | None,
        answers: int,
        *,
        allowance: int | None,
        seed: int,
        bounds: tuple[float, float] | None = (0.0, 1.0),
    ) -> None:
        """answers: how many different right answers there are; 0 when they are free text.
        allowance: calls for rewriting, if that is known.
        bounds: (worst, best) value of the goal; None when it is not known: then a row is right
        that reaches the best value seen, if that is above 0, the worst then."""
        rng = np.random.default_rng([seed, 3])
        by_answer: dict[str, list[Example]] = {}
        for i in rng.permutation(len(train)):
            example = train[int(i)]
            key = str(example.row[target]) if target is not None and answers else ""
            by_answer.setdefault(key, []).append(example)
        self.rows = in_turn(by_answer.values())
        wanted = max(READ, READ_EACH * answers)
        most = len(train) if allowance is None else max(8, int(AT_MOST * allowance))
        self._most = min(most, len(train))
        self._read = min(wanted, self._most)
        self._readings: dict[str, _Reading] = {}
        self._best = bounds[1] if bounds else None
        self._seen = None if bounds else 0.0
        """The best value so far, where the best that there is is not known."""

    def unread(self, candidate: Candidate) -> Iterator[Cell]:
        """The cells that are still to be sent of a prompt; sent when taken."""
        reading = self._readings.get(candidate.id)
        if reading is None:
            first = len(self._readings) * (self._read // 2) % len(self.rows)
            rows = [*self.rows[first:], *self.rows[:first]]
            reading = self._readings[candidate.id] = _Reading(rows, self._read)
        while reading.sent < reading.wanted:
            reading.sent += 1
            yield Cell(candidate, reading.rows[reading.sent - 1])

    def missing(self, candidate: Candidate) -> int:
        """How many rows are still to be sent of a prompt."""
        reading = self._readings.get(candidate.id)
        return self._read if reading is None else reading.wanted - reading.sent

    def take(self, outcome: Outcome) -> None:
        """An outcome of one of the cells."""
        reading = self._readings[outcome.cell.candidate.id]
        reading.told += 1
        if outcome.value is not None:
            reading.outcomes.append(outcome)
            if self._seen is not None and outcome.value > self._seen:
                self._best = self._seen = outcome.value
        wrong = sum(not case.right for case in self._cases(reading))
        if reading.told == reading.wanted and wrong < FEW:
            reading.wanted = min(reading.wanted + self._read, self._most)

    def forget(self, cell: Cell) -> None:
        """It was dropped: its row may be read later."""
        reading = self._readings[cell.candidate.id]
        reading.sent -= 1
        reading.rows.remove(cell.example)
        reading.rows.insert(reading.sent, cell.example)

    def is_read(self, candidate: Candidate) -> bool:
        """All of its rows are back."""
        reading = self._readings.get(candidate.id)
        return reading.told >= reading.wanted if reading else not self._read

    def cases(self, candidate: Candidate) -> tuple[Case, ...]:
        """What is known of a prompt; failures of the service are left out."""
        reading = self._readings.get(candidate.id)
        return self._cases(reading) if reading else ()

    def read_prompts(self) -> Sequence[tuple[Case, ...]]:
        """The cases of each prompt that was read and answered."""
        read = [one for one in self._readings.values() if one.told >= one.wanted]
        return [self._cases(one) for one in read if one.outcomes]

    def _cases(self, reading: _Reading) -> tuple[Case, ...]:
        return tuple(Case(one.cell.example, one, self._best) for one in reading.outcomes)
