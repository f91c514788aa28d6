"""Tell a run's events again in the order in which they were told the first time.

A run that is replayed has ended, and nothing else is told. One that was interrupted is gone on
with: its last stage is told as far as it was recorded, and then goes on. What was under way when it
broke off is begun at the same place again, and told after what is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from promptlathe.ledger import RecordedRun, Segment
from promptlathe.records import Dropped, Event, Key, Unit
from promptlathe.runtime.evaluator import Evaluator

WAITS = "replay"
"""What refuses a unit that was begun later in the record: it is asked for again."""


class LeftRecord(Exception):
    """The run took another course than the recorded one."""


class ReplayedEvaluator:
    """An evaluator whose events come in a recorded order, for as long as there is one.

    The answers come from the ledger; what is imposed is what calls in flight, the budget and the
    clock leave to chance: the order of the events, when each unit was begun, and where each stage
    of the search and of the decision ended.
    """

    def __init__(self, evaluator: Evaluator, recorded: RecordedRun) -> None:
        self._evaluator = evaluator
        ended = (*recorded.stages, *recorded.decision)
        last = (recorded.unfinished,) if recorded.unfinished else ()
        self._segments = iter([(one, True) for one in ended] + [(one, False) for one in last])
        self._early: dict[Key, Event] = {}
        """What came before its turn, in the order in which it came."""
        self._enter()

    def _enter(self) -> None:
        """The next recorded stage, or none."""
        self._segment, self._ended = next(self._segments, (Segment((), ""), False))
        self._begun: Mapping[Key, int] = dict(self._segment.events)
        self._order: Sequence[Key] = [key for key, _ in self._segment.events]
        self._place = 0
        self._evaluator.failures = self._segment.failures
        self._evaluator.writer.recorded = self._begun
        self._evaluator.writer.ended = self._ended

    def submit(self, unit: Unit) -> str | None:
        """As for any evaluator; what was not begun by now in the record is not begun."""
        if unit.key not in self._begun:
            return (self._segment.limit or WAITS) if self._ended else self._evaluator.submit(unit)
        if self._begun[unit.key] > self._evaluator.writer.told:
            return WAITS
        if limit := self._segment.dropped.get(unit.key):
            self._early[unit.key] = Dropped(unit, limit)
            return None
        return self._evaluator.submit(unit)

    def places(self, concurrency: int) -> int:
        """See `Evaluator`; in the record as many as were."""
        return self._evaluator.places(concurrency)

    def when_resting(self, fill: Callable[[], object]) -> None:
        """See `Evaluator`."""
        self._evaluator.when_resting(fill)

    async def next(self) -> Event | None:
        """The event whose turn it is. Raises `LeftRecord`."""
        if self._place == len(self._order):
            if self._ended:
                return None
            if not self._early:
                return await self._evaluator.next()
            return self._evaluator.hand_over(self._early.pop(next(iter(self._early))))
        wanted = self._order[self._place]
        while wanted not in self._early:
            events = await self._evaluator.arrivals()
            if not events:
                raise LeftRecord
            self._early.update({event.unit.key: event for event in events})
        self._place += 1
        return self._evaluator.hand_over(self._early.pop(wanted))

    async def stop(self, limit: str, *, decision: bool = False) -> list[Event]:
        """A stage of the search, or of the decision, has ended."""
        early = [self._evaluator.hand_over(event) for event in self._early.values()]
        self._early.clear()
        late = await self._evaluator.stop(limit, decision=decision)
        self._enter()
        return early + late
