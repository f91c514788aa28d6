"""What is known of `train`: the rows in the order of reading, and what prompts made of them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from promptlathe.records import Candidate, Cell, Example, Outcome
from promptlathe.search.operators.brief import Case, in_turn

READ, READ_EACH = 24, 2
"""Rows a prompt is tried on before it is rewritten: READ_EACH of every answer, READ at least."""
AT_MOST = 0.25
"""Of the calls for rewriting, that the reading of one prompt may take."""


class TrainBook:
    """Rows are the same for every prompt, so that two can be compared."""

    def __init__(
        self,
        train: Sequence[Example],
        target: str | None,
        answers: int,
        *,
        allowance: int | None,
        seed: int,
    ) -> None:
        """answers: how many different right answers there are; 0 when they are free text.
        allowance: calls for rewriting, if that is known."""
        rng = np.random.default_rng([seed, 3])
        by_answer: dict[str, list[Example]] = {}
        for i in rng.permutation(len(train)):
            example = train[int(i)]
            key = str(example.row[target]) if target is not None and answers else ""
            by_answer.setdefault(key, []).append(example)
        self.rows = in_turn(by_answer.values())
        wanted = max(READ, READ_EACH * answers)
        if allowance is not None:
            wanted = min(wanted, max(8, int(AT_MOST * allowance)))
        self.read = min(wanted, len(train))
        self._sent: dict[str, int] = defaultdict(int)
        self._cases: dict[str, list[Case]] = defaultdict(list)
        self._told: dict[str, int] = defaultdict(int)

    def unread(self, candidate: Candidate) -> Iterator[Cell]:
        """The cells that are still to be sent of a prompt; sent when taken."""
        while self._sent[candidate.id] < self.read:
            self._sent[candidate.id] += 1
            yield Cell(candidate, self.rows[self._sent[candidate.id] - 1])

    def missing(self, candidate: Candidate) -> int:
        """How many rows are still to be sent of a prompt."""
        return self.read - self._sent[candidate.id]

    def take(self, outcome: Outcome) -> None:
        """An outcome of one of the cells."""
        one = outcome.cell.candidate.id
        self._told[one] += 1
        if outcome.value is not None:
            self._cases[one].append(Case(outcome.cell.example, outcome))

    def is_read(self, candidate: Candidate) -> bool:
        """All of its rows are back."""
        return self._told[candidate.id] >= self.read

    def cases(self, candidate: Candidate) -> tuple[Case, ...]:
        """What is known of a prompt; failed calls are left out."""
        return tuple(self._cases[candidate.id])

    def read_prompts(self) -> Sequence[tuple[Case, ...]]:
        """The cases of each prompt that was read and answered."""
        read = [one for one, told in self._told.items() if told >= self.read]
        return [tuple(self._cases[one]) for one in read if self._cases[one]]
