"""What prompts got wrong on the held-out rows: kinds of mistakes, and labels taken for others."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from promptlathe.data.spelling import compared
from promptlathe.records import FinalistName
from promptlathe.results.rows import NEAR, DecidedRow, RowAnswer

Kind = Literal[
    "right", "partly right", "wrong", "unread", "cut off", "empty", "refused", "failed", "no answer"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""From what is best to what is not known."""
LOST: tuple[Kind, ...] = ("unread", "cut off", "empty", "refused", "failed", "no answer")
"""Kinds of answers in which there was nothing to compare."""


def kind_of(answer: RowAnswer | None, best_possible: float | None = 1.0) -> Kind:
    """What one answer was.

    best_possible: the value of a right answer; None where the goal has none: every answer that was
    read then counts as `right`.
    unread, cut off, empty, refused: of an answer that is not fully right, the first cause
    failed: the prompt made the call fail. no answer: the service did, or nobody asked.
    """
    if answer is None or answer.value is None:
        return "no answer"
    if answer.failure:
        return "failed"
    if best_possible is not None and answer.value >= best_possible - NEAR:
        return "right"
    match answer.state:
        case "cut off" | "empty" | "refused" | "unread":
            return answer.state
        case _ if answer.unread:
            return "unread"
        case _ if best_possible is None:
            return "right"
        case _:
            return "partly right" if answer.value > NEAR else "wrong"


def kinds(
    rows: Iterable[DecidedRow], side: FinalistName, best_possible: float | None = 1.0
) -> Mapping[Kind, int]:
    """How many answers of `side` were of each kind; in the order of `KINDS`, without zeros."""
    found = Counter[Kind](kind_of(row.answers.get(side), best_possible) for row in rows)
    return {kind: found[kind] for kind in KINDS if found[kind]}


@dataclass(frozen=True)
class Confusion:
    """What a prompt said where a label was right."""

    labels: tuple[str, ...]
    """The right ones, the commonest first."""
    cells: Mapping[tuple[str, str], int]
    """(right, said): rows. What was said is a label, another text that was read, or a kind in
    `LOST`."""

    @property
    def rows(self) -> int:
        return sum(self.cells.values())

    @property
    def right(self) -> int:
        return sum(n for (expected, said), n in self.cells.items() if expected == said)

    @property
    def said(self) -> tuple[str, ...]:
        """The columns of the table: the labels, then what else was said, the commonest first."""
        others = Counter[str]()
        for (_, said), n in self.cells.items():
            if said not in self.labels:
                others[said] += n
        return (*self.labels, *(said for said, _ in others.most_common()))

    @property
    def mistaken(self) -> tuple[tuple[str, str, int], ...]:
        """(right, said, rows) of all that is wrong, the commonest first."""
        wrong = [(a, b, n) for (a, b), n in self.cells.items() if a != b]
        return tuple(sorted(wrong, key=lambda one: (-one[2], one[0], one[1])))

    def of(self, expected: str, said: str) -> int:
        return self.cells.get((expected, said), 0)

    def row(self, expected: str) -> Sequence[int]:
        """A line of the table: what was said, in the order of `said`."""
        return [self.of(expected, said) for said in self.said]


def confusion(rows: Iterable[DecidedRow], side: FinalistName) -> Confusion:
    """Which labels `side` took for which. Rows without a right answer are left out.

    Labels are compared as scorers do, case and typography aside; an answer that scored in full is
    right however it is spelled.
    """
    known = [(row.expected, row.answers.get(side)) for row in rows if row.expected is not None]
    counts = Counter(expected for expected, _ in known)
    labels = tuple(sorted(counts, key=lambda label: (-counts[label], label)))
    spelled = {compared(label): label for label in labels}
    cells = Counter((expected, _said(expected, answer, spelled)) for expected, answer in known)
    return Confusion(labels, dict(cells))


def _said(expected: str, answer: RowAnswer | None, spelled: Mapping[str, str]) -> str:
    kind = kind_of(answer)
    if kind == "right":
        return expected
    if kind in LOST or answer is None or answer.parsed is None:
        return kind if kind in LOST else "unread"
    return spelled.get(compared(answer.parsed), answer.parsed)
