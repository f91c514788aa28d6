"""Cells in, outcomes out: the ledger is asked first, and written before an outcome is used."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from promptlathe.evaluate.engine import Engine
from promptlathe.evaluate.meter import Meter
from promptlathe.ledger import Ledger
from promptlathe.models.settings import ModelSettings
from promptlathe.objective import Objective
from promptlathe.records import Answer, Call, Cell, Failure, Outcome
from promptlathe.space import render


@dataclass
class Evaluator:
    """Evaluates cells on one engine, within one budget.

    `submit` never waits. `next` returns at least one outcome; all that it returns stand in the
    ledger, in the order in which the caller is to use them. Equal calls are sent once.
    """

    engine: Engine
    ledger: Ledger
    objective: Objective
    model: ModelSettings
    meter: Meter
    run: str | None
    """Under which the order of outcomes is recorded; None for a replay, which has its order."""
    _new: list[tuple[Cell, Call]] = field(default_factory=list[tuple[Cell, Call]])
    _waiting: dict[str, list[Cell]] = field(default_factory=dict[str, list[Cell]])

    def submit(self, cell: Cell, *, keep: int = 0) -> str | None:
        """Take a cell on. The name of the limit that forbids it, or None when it is taken.

        keep: how many calls must remain affordable after this one.
        """
        call = self.call_of(cell)
        limit = self.meter.refusal(call, keep=keep)
        if limit is None:
            self.meter.hold(call)
            self._new.append((cell, call))
        return limit

    async def next(self) -> list[Outcome]:
        """The outcomes that are there now; waits for one. Empty when nothing is under way."""
        known = self._start_new()
        if known:
            return self._settle(known, cached=True)
        if not self._waiting:
            return []
        return self._settle(await self.engine.next(), cached=False)

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
            if call.key in answers:
                known.append((call, answers[call.key]))
            else:
                self.engine.submit(call)
        self._new.clear()
        return known

    def _settle(
        self, replies: Sequence[tuple[Call, Answer | Failure]], *, cached: bool
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for call, reply in replies:
            cost = self.meter.settle(call, reply, cached=cached)
            for i, cell in enumerate(self._waiting.pop(call.key)):
                shared = cached or i > 0
                outcomes.append(self.objective.score(cell, reply, cost=cost, cached=shared))
        new = () if cached else [(c, r) for c, r in replies if isinstance(r, Answer)]
        self.ledger.record(new, self.run, outcomes if self.run else ())
        return outcomes
