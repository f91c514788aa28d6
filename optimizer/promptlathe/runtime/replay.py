"""Tell a run's events again in the order in which they were told the first time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptlathe.errors import InputError
from promptlathe.ledger import RecordedRun, Segment
from promptlathe.records import Dropped, Event, Key, Unit
from promptlathe.runtime.evaluator import Evaluator

WAITS = "replay"
"""What refuses a unit that was begun later in the record: it is asked for again."""


class ReplayedEvaluator:
    """An evaluator whose events come in a recorded order, for as long as there is one.

    The answers come from the ledger; what is imposed is what calls in flight, the budget and the
    clock leave to chance: the order of the events, when each unit was begun, and where each stage
    of the search and of the decision ended.
    """

    def __init__(self, evaluator: Evaluator, recorded: RecordedRun) -> None:
        self._evaluator = evaluator
        self._segments = iter((*recorded.stages, *recorded.decision))
        self._early: dict[Key, Event] = {}
        self._enter()

    def _enter(self) -> None:
        """The next recorded stage, or none."""
        self._segment: Segment | None = next(self._segments, None)
        segment = self._segment or Segment((), "")
        self._begun: Mapping[Key, int] = dict(segment.events)
        self._order: Sequence[Key] = [key for key, _ in segment.events]
        self._place = 0
        self._evaluator.failures = segment.failures
        self._dropped = segment.dropped

    def submit(self, unit: Unit) -> str | None:
        """As for any evaluator; what was not begun by now in the record is not begun."""
        if self._segment is None:
            return self._evaluator.submit(unit)
        if unit.key not in self._begun:
            return self._segment.limit or WAITS
        if self._begun[unit.key] > self._evaluator.writer.told:
            return WAITS
        if unit.key in self._dropped:
            self._early[unit.key] = Dropped(unit, self._dropped[unit.key])
            return None
        return self._evaluator.submit(unit)

    async def next(self) -> Event | None:
        """The event whose turn it is. Raises InputError when the run has left the record."""
        if self._segment is None:
            return await self._evaluator.next()
        if self._place == len(self._order):
            return None
        wanted = self._order[self._place]
        while wanted not in self._early:
            events = await self._evaluator.arrivals()
            if not events:
                raise InputError(
                    "the recorded run took another course: its space, objective or seed differ",
                    "--replay",
                    "replay a run with the run file that it was made with",
                )
            self._early.update({event.unit.key: event for event in events})
        self._place += 1
        return self._evaluator.hand_over(self._early.pop(wanted))

    async def stop(self, limit: str, *, decision: bool = False) -> list[Event]:
        """A stage of the search, or of the decision, has ended."""
        late = await self._evaluator.stop(limit, decision=decision)
        self._enter()
        return late
