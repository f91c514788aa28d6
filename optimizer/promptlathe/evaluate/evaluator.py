"""Cells in, outcomes out: the ledger is asked first, and written before an outcome is used.

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

from promptlathe.evaluate.engine import Engine
from promptlathe.evaluate.meter import Meter
from promptlathe.ledger import Ledger
from promptlathe.models.settings import ModelSettings
from promptlathe.objective import Objective
from promptlathe.records import Answer, Call, Cell, Failure, Outcome
from promptlathe.space import render

Key = tuple[str, str, int]


@dataclass
class Evaluator:
    """Evaluates cells on one engine, within one budget.

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
    """Cells that are not sent, since they failed in the run that is replayed."""
    _new: list[tuple[Cell, Call]] = field(default_factory=list[tuple[Cell, Call]])
    _waiting: dict[str, list[Cell]] = field(default_factory=dict[str, list[Cell]])
    _calls: dict[Key, Call] = field(default_factory=dict[Key, Call])
    _arrived: deque[Outcome] = field(default_factory=deque[Outcome])

    def submit(self, cell: Cell, *, keep: int = 0) -> str | None:
        """Take a cell on. The name of the limit that forbids it, or None when it is taken.

        keep: how many calls must remain affordable after this one.
        """
        call = self.call_of(cell)
        limit = self.meter.refusal(call, keep=keep)
        if limit is None:
            self.meter.hold(call)
            self._new.append((cell, call))
            self._calls[cell.key] = call
        return limit

    async def next(self) -> Outcome | None:
        """The next outcome; waits for it. None when nothing is under way."""
        if not self._arrived:
            self._arrived.extend(await self.arrivals())
        return self.hand_over(self._arrived.popleft()) if self._arrived else None

    async def arrivals(self) -> list[Outcome]:
        """All that has come, at least one, to be handed over; [] when nothing is under way."""
        known = self._start_new()
        if known:
            return self._outcomes(known, cached=True)
        if not self._waiting:
            return []
        return self._outcomes(await self.engine.next(), cached=False)

    def hand_over(self, outcome: Outcome) -> Outcome:
        """Count an outcome that is about to be used."""
        call = self._calls.pop(outcome.cell.key)
        self.meter.settle(call, outcome.reply, cached=outcome.cached)
        return outcome

    def stop(self, limit: str, *, decision: bool = False) -> None:
        """A stage of the search, or the decision, has ended; `limit`: of the budget, or empty."""
        if self.run is not None:
            self.ledger.stop(self.run, limit, decision=decision)

    def call_of(self, cell: Cell) -> Call:
        """What is sent for a cell: the prompt with the row's fields, and the parameters."""
        prompt = cell.candidate.prompt
        messages = render(prompt, cell.example.row)
        return self.model.call(messages, prompt.parameters, repeat=cell.repeat)

    def _start_new(self) -> list[tuple[Call, Answer | Failure]]:
        """Look new calls up in the ledger; send those that it does not know."""
        if not self._new:
            return []
        answers = self.ledger.find([call.key for _, call in self._new])
        known: list[tuple[Call, Answer | Failure]] = []
        for cell, call in self._new:
            under_way = call.key in self._waiting
            self._waiting.setdefault(call.key, []).append(cell)
            if under_way:
                continue
            reply = self.failures.get(cell.key) or answers.get(call.key)
            if reply:
                known.append((call, reply))
            else:
                self.engine.submit(call)
        self._new.clear()
        return known

    def _outcomes(
        self, replies: Sequence[tuple[Call, Answer | Failure]], *, cached: bool
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for call, reply in replies:
            cost = self.meter.cost(call, reply)
            for i, cell in enumerate(self._waiting.pop(call.key)):
                shared = cached or i > 0
                outcomes.append(self.objective.score(cell, reply, cost=cost, cached=shared))
        new = () if cached else [(c, r) for c, r in replies if isinstance(r, Answer)]
        self.ledger.record(new, self.run, outcomes if self.run else ())
        return outcomes
