"""Units in, events out: the ledger is asked first, and written before an outcome is used.

    submit(a), submit(b)        held by the meter; nothing is sent yet
    next()                      a and b are looked up, sent where unknown; waits
                                b arrives: written to the ledger, scored
                                -> b, and the meter counts it
    next()                      -> a
    next()                      -> None: nothing is under way

The meter counts an outcome when it is handed over, not when it arrives, so that what the budget
affords depends on the order of outcomes alone.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promptlathe.ledger import Ledger
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Call, Cell, Failure, Key, Rewritten, Event, Unit
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.meter import Meter
from promptlathe.scoring import Objective
from promptlathe.space import render

GIVEN_UP = Failure("timeout", "the search ended before the answer came")


@dataclass
class Evaluator:
    """Evaluates cells, and carries requests to the rewriter, within one budget.

    `submit` never waits. What `next` returns stands in the ledger, in the order in which it is
    returned. Equal calls are sent once.
    """

    engine: Engine
    ledger: Ledger
    objective: Objective
    model: ModelSettings
    meter: Meter
    run: str | None
    """Under which the order of outcomes is recorded; None for a replay, which has its order."""
    failures: Mapping[Key, Failure] = field(default_factory=dict[Key, Failure])
    """What is not sent, since it failed in the run that is replayed."""
    rewriter: ModelSettings | None = None
    """Whom requests go to; None: the model itself."""
    _new: list[tuple[Unit, Call]] = field(default_factory=list[tuple[Unit, Call]])
    _waiting: dict[str, list[Unit]] = field(default_factory=dict[str, list[Unit]])
    _calls: dict[Key, Call] = field(default_factory=dict[Key, Call])
    _arrived: deque[Event] = field(default_factory=deque[Event])

    def submit(self, work: Unit, *, keep: int = 0) -> str | None:
        """Take it on. The name of the limit that forbids it, or None when it is taken.

        keep: how many calls must remain affordable after this one.
        """
        call = self.call_of(work)
        limit = self.meter.refusal(call, keep=keep)
        if limit is None:
            self.meter.hold(call)
            self._new.append((work, call))
            self._calls[work.key] = call
        return limit

    async def next(self) -> Event | None:
        """The next outcome; waits for it. None when nothing is under way."""
        if not self._arrived:
            self._arrived.extend(await self.arrivals())
        return self.hand_over(self._arrived.popleft()) if self._arrived else None

    async def arrivals(self) -> list[Event]:
        """All that has come, at least one, to be handed over; [] when nothing is under way."""
        known = self._start_new()
        if known:
            return self._outcomes(known, cached=True)
        if not self._waiting:
            return []
        return self._outcomes(await self.engine.next(), cached=False)

    def hand_over(self, outcome: Event) -> Event:
        """Count an outcome that is about to be used."""
        call = self._calls.pop(outcome.unit.key)
        self.meter.settle(call, outcome.reply, cached=outcome.cached)
        return outcome

    def stop(self, limit: str, *, decision: bool = False) -> None:
        """A stage of the search, or the decision, has ended; `limit`: of the budget, or empty.

        Requests that were not answered by now are given up: those that were sent count.
        """
        unsent = {call.key for _, call in self._new}
        for call in self._calls.values():
            if call.key in unsent:
                self.meter.release(call)
            else:
                self.meter.settle(call, GIVEN_UP)
        self._calls.clear()
        self._new.clear()
        self._waiting.clear()
        self._arrived.clear()
        if self.run is not None:
            self.ledger.stop(self.run, limit, decision=decision)

    def call_of(self, work: Unit) -> Call:
        """What is sent: of a cell, the prompt with the row's fields, and the parameters."""
        if not isinstance(work, Cell):
            return (self.rewriter or self.model).call(
                work.messages, repeat=work.repeat, role="rewrite"
            )
        prompt = work.candidate.prompt
        messages = render(prompt, work.example.row)
        return self.model.call(messages, prompt.parameters, repeat=work.repeat)

    def _start_new(self) -> list[tuple[Call, Answer | Failure]]:
        """Look new calls up in the ledger; send those that it does not know."""
        if not self._new:
            return []
        answers = self.ledger.find([call.key for _, call in self._new])
        known: list[tuple[Call, Answer | Failure]] = []
        for work, call in self._new:
            under_way = call.key in self._waiting
            self._waiting.setdefault(call.key, []).append(work)
            if under_way:
                continue
            reply = self.failures.get(work.key) or answers.get(call.key)
            if reply:
                known.append((call, reply))
            else:
                self.engine.submit(call)
        self._new.clear()
        return known

    def _outcomes(
        self, replies: Sequence[tuple[Call, Answer | Failure]], *, cached: bool
    ) -> list[Event]:
        outcomes: list[Event] = []
        for call, reply in replies:
            cost = self.meter.cost(call, reply)
            for i, work in enumerate(self._waiting.pop(call.key, [])):
                outcomes.append(self._outcome(work, reply, cost, cached=cached or i > 0))
        new = () if cached else [(c, r) for c, r in replies if isinstance(r, Answer)]
        self.ledger.record(new, self.run, outcomes if self.run else ())
        return outcomes

    def _outcome(
        self, work: Unit, reply: Answer | Failure, cost: float | None, *, cached: bool
    ) -> Event:
        if isinstance(work, Cell):
            return self.objective.score(work, reply, cost=cost, cached=cached)
        return Rewritten(work, reply, cost, cached)
