"""Tell a run's outcomes again in the order in which they were told the first time."""

from collections.abc import Sequence

from promptlathe.errors import InputError
from promptlathe.evaluate.evaluator import Evaluator
from promptlathe.records import Cell, Outcome


class ReplayedEvaluator:
    """An evaluator whose outcomes come one by one in a recorded order.

    The answers come from the ledger (or are asked for again where it has none); only the order
    is imposed, which is all that many calls in flight leave to chance.
    """

    def __init__(self, evaluator: Evaluator, order: Sequence[tuple[str, str, int]]) -> None:
        self._evaluator, self._order = evaluator, iter(order)
        self._early: dict[tuple[str, str, int], Outcome] = {}

    def submit(self, cell: Cell, *, keep: int = 0) -> str | None:
        return self._evaluator.submit(cell, keep=keep)

    async def next(self) -> list[Outcome]:
        """The one outcome whose turn it is. Raises InputError when the run has left the record."""
        wanted = next(self._order, None)
        while wanted is None or wanted not in self._early:
            outcomes = await self._evaluator.next()
            if not outcomes or wanted is None:
                raise InputError(
                    "the recorded run took another course: its space, objective or seed differ",
                    "--replay",
                    "replay a run with the run file that it was made with",
                )
            self._early.update({outcome.cell.key: outcome for outcome in outcomes})
        return [self._early.pop(wanted)]
