"""Tell a run's outcomes again in the order in which they were told the first time."""

from collections.abc import Iterator

from promptlathe.errors import InputError
from promptlathe.ledger import Course
from promptlathe.records import Key, Event, Unit
from promptlathe.runtime.evaluator import Evaluator


class ReplayedEvaluator:
    """An evaluator whose outcomes come in a recorded order, for as long as there is one.

    The answers come from the ledger; what is imposed is what calls in flight and the clock
    leave to chance: the order, and where each stage of the search and the decision ended.
    """

    def __init__(self, evaluator: Evaluator, course: Course) -> None:
        self._evaluator, self._stages = evaluator, iter((*course.stages, course.decision))
        self._early: dict[Key, Event] = {}
        self._enter()

    def _enter(self) -> None:
        """The next recorded stage, or none."""
        cells, limit = next(self._stages, None) or (None, "")
        self._order: Iterator[Key] | None = None if cells is None else iter(cells)
        self._cells, self._limit = frozenset(cells or ()), limit

    def submit(self, work: Unit, *, keep: int = 0) -> str | None:
        """As for any evaluator; what was not taken in this stage is not taken now."""
        if self._limit and work.key not in self._cells:
            return self._limit
        return self._evaluator.submit(work, keep=keep)

    async def next(self) -> Event | None:
        """The outcome whose turn it is. Raises InputError when the run has left the record."""
        if self._order is None:
            return await self._evaluator.next()
        wanted = next(self._order, None)
        while wanted not in self._early:
            outcomes = await self._evaluator.arrivals()
            if not outcomes and wanted is None and not self._early:
                return None
            if not outcomes:
                raise InputError(
                    "the recorded run took another course: its space, objective or seed differ",
                    "--replay",
                    "replay a run with the run file that it was made with",
                )
            self._early.update({outcome.unit.key: outcome for outcome in outcomes})
        return self._evaluator.hand_over(self._early.pop(wanted))

    def stop(self, limit: str, *, decision: bool = False) -> None:
        """A stage of the search, or the decision, has ended."""
        self._evaluator.stop(limit, decision=decision)
        self._enter()
