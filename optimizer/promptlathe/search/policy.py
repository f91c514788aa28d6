"""The seam of the search: what decides which cells to pay for next.

The contract, by a timeline with two slots:

    propose(pending=(), limit=2)          -> [a1, a2]    both are sent
    tell(outcome of a2)                                  told in the order of arrival
    propose(pending=(a1,), limit=1)       -> [a3]        the freed slot is refilled at once
    tell(failure of a1)                                  of the service: no value, not a zero
    propose(pending=(a3,), limit=1)       -> []          nothing worth sending before a3 is back
    tell(outcome of a3)
    propose(pending=(), limit=2)          -> []          nothing at all: the search is over,
    finish_reason                         -> "…"         and says why

A policy never proposes a cell twice. It is a deterministic function of its seed and of this
sequence, so a run can be replayed from the recorded order of outcomes. It is called from one
thread and never waits.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from promptlathe.records import Cell, Dropped, Outcome, Standing
from promptlathe.space import BoundSpace


class Policy(Protocol):
    """Decides which cells to pay for, from all outcomes so far."""

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Cell]:
        """Up to `limit` new cells; `pending` are sent and not yet told."""
        ...

    def tell(self, event: Outcome | Dropped) -> list[Standing]:
        """Take an outcome in; the standings that it settled (dropped or complete).

        A cell that was dropped changes nothing: whoever sends cells sends it again.
        """
        ...

    @property
    def best(self) -> Standing:
        """The candidate that would be recommended now; the seed's before any evidence."""
        ...

    @property
    def seed(self) -> Standing:
        """Where the seed prompt stands."""
        ...

    @property
    def standings(self) -> Sequence[Standing]:
        """All candidates that were ever proposed, in order of first proposal."""
        ...

    @property
    def finish_reason(self) -> str | None:
        """Why there is nothing left to propose; None while there may be."""
        ...

    def extend(self, space: BoundSpace) -> None:
        """The space has grown: a component has a new level, which may now be proposed.

        Nothing is removed from it. Cells under way are told as before, and what is known stays;
        a search that was over may go on.
        """
        ...

    def close(self) -> None:
        """The search is over: leave the stored study in order."""
        ...
