"""Units in, events out: each unit is a task of the loop, and waits for its own calls.

    submit(a), submit(b)     admitted by the account; their tasks begin
    next()                   a asks for a call: ledger, account, engine; so does b
                             b's answer comes, is written, scored; the event is written
                             -> b's event
    next()                   -> a's event
    next()                   -> None: nothing is under way

How many units are under way is the caller's part; calls wait for slots in the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

from promptlathe.errors import PromptlatheError
from promptlathe.records import (
    Answer,
    Cell,
    Dropped,
    Event,
    Failure,
    Json,
    Key,
    Outcome,
    Prompt,
    Request,
    Rewrite,
    Rewritten,
    Role,
    Sent,
    Trace,
    Unit,
)
from promptlathe.runtime.amounts import NOTHING, ONE_CALL, Amounts
from promptlathe.runtime.caller import Caller
from promptlathe.runtime.forecast import Forecast
from promptlathe.runtime.seam import Abandoned, CallFailed, Context
from promptlathe.runtime.writer import Writer

WARM, TRIAL = 8, 20
"""Cells at a time, and in all, until one says something: what fails systematically shows in few
calls."""


class Target(Protocol):
    """What is under test."""

    async def run(
        self, prompts: Mapping[str, Prompt], row: Mapping[str, Json], ctx: Context
    ) -> Json:
        """The output for one row. What `ctx.call` raises goes through."""
        ...


class Scoring(Protocol):
    """From a trace to an outcome."""

    async def score(self, cell: Cell, trace: Trace, ctx: Context) -> Outcome: ...

    def failed(self, cell: Cell, trace: Trace, failure: Failure) -> Outcome: ...


@dataclass(eq=False)
class UnitContext:
    """The `Context` of one unit: it keeps the unit's calls, and what they took."""

    caller: Caller
    unit: Unit
    after: int
    """Events told when the unit was begun."""
    expected: Amounts
    """What its calls are still expected to take."""
    sent: list[Sent] = field(default_factory=list[Sent])
    took: Amounts = NOTHING
    alive: bool = True
    scoring: bool = False
    """The output is there. Calls of a prompt that it is compared with are no part of what the
    candidate took: in the trace they stand with the judge, and pay as what they are."""
    ends_run: PromptlatheError | None = None
    """What a call raised that ends the run, whatever a function of yours makes of it."""

    async def call(self, request: Request, *, role: Role = "task", step: str = "") -> Answer:
        repeat = self.unit.repeat if role == "task" else 0
        call = self.caller.lanes.call(request, role=role, step=step, repeat=repeat)
        left = self.expected.calls
        self.lower(self.expected * (1 / left) if left > 1 else self.expected)
        try:
            sent, took = await self.caller.call(call, lambda: self.alive)
        except PromptlatheError as error:
            self.ends_run = error
            raise
        if self.scoring and role == "task":
            sent = replace(sent, call=replace(sent.call, role="judge"))
        self.sent.append(sent)
        self.took += took
        if isinstance(sent.reply, Failure):
            raise CallFailed(sent.reply)
        return sent.reply

    def lower(self, amounts: Amounts) -> None:
        """So much is not expected any more."""
        self.expected -= amounts
        self.caller.account.lower(amounts)


@dataclass
class Evaluator:
    """Evaluates cells, and carries requests to the rewriter, within one budget.

    `submit` never waits. What `next` returns stands in the ledger, in the order in which it is
    returned.
    """

    caller: Caller
    writer: Writer
    target: Target
    scoring: Scoring
    forecast: Forecast
    failures: Mapping[Key, Failure] = field(default_factory=dict[Key, Failure])
    """What is not sent, since it failed in the run that is replayed."""
    _open: dict[Key, UnitContext] = field(default_factory=dict[Key, UnitContext])
    """Units under way that somebody waits for."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _last: Amounts = NOTHING
    """What the cell that was begun last was expected to take."""
    _proven: bool = False
    """An outcome was told that says something."""

    def submit(self, unit: Unit) -> str | None:
        """Take it on. The name of the limit that forbids it, or None when it is taken."""
        account = self.caller.account
        is_cell = isinstance(unit, Cell)
        expected = self.forecast.cell(unit.candidate) if is_cell else ONE_CALL
        limit = account.admit(expected)
        if limit is None:
            self._last = expected if is_cell else self._last
            context = UnitContext(self.caller, unit, self.writer.told, expected)
            self._open[unit.key] = context
            self._tasks.add(asyncio.create_task(self._run(context)))
        return limit

    def places(self, concurrency: int) -> int:
        """Cells that may be under way: few until an outcome came that says something, then so
        many, beside those that wait for another attempt. With one call in flight the order is
        that of the policy, whatever has to wait."""
        if concurrency == 1:
            return 1
        wide = concurrency + self.caller.resting
        # No cell is asked for that would be refused: a replay, which has no waits, would not ask.
        if self.caller.resting and not self.caller.account.has_room(self._last):
            wide = concurrency
        told = self.writer.told
        return wide if self._proven or told >= TRIAL else min(WARM, wide, TRIAL - told)

    def when_resting(self, fill: Callable[[], object]) -> None:
        """Call this whenever a call begins to wait."""
        self.caller.rested = fill

    async def next(self) -> Event | None:
        """The next event; waits for it. None when nothing is under way."""
        if not (self.writer.written or self._open):
            return None
        await self.writer.wait()
        return self.hand_over(self.writer.written.popleft())

    async def arrivals(self) -> list[Event]:
        """All that has come, at least one, to be handed over; [] when nothing is under way."""
        if not (self.writer.written or self._open):
            return []
        await self.writer.wait()
        arrived = list(self.writer.written)
        self.writer.written.clear()
        for event in arrived:
            self._open.pop(event.unit.key, None)
        return arrived

    def hand_over(self, event: Event) -> Event:
        """An event is about to be used."""
        self._open.pop(event.unit.key, None)
        self.writer.told += 1
        if isinstance(event, Outcome) and event.failure is None and not event.unread:
            self._proven = True
        return event

    async def stop(self, limit: str, *, decision: bool = False) -> list[Event]:
        """A stage of the search, or of the decision, has ended; `limit`: of the budget, or empty.

        What is still under way is given up: calls that were sent end and are kept, but nobody
        waits for them, and no further attempt is made. Events that came in time and were not
        asked for are returned.
        """
        for context in self._open.values():
            context.alive = False
            context.lower(context.expected)
        await self.writer.flush()
        late = [self.hand_over(event) for event in self.writer.written]
        self.writer.written.clear()
        self._open.clear()
        await self.writer.stop(limit, decision=decision)
        return late

    async def close(self) -> None:
        """Cancel what is under way, and write what is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.writer.close()

    async def _run(self, context: UnitContext) -> None:
        try:
            event = await self._event(context)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - `next` raises it
            self.writer.fail(error)
            return
        finally:
            self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        if not context.alive:
            return
        if context.expected != NOTHING:
            context.lower(context.expected)
        if isinstance(event, Outcome) and event.failure is None:
            self.forecast.observe(event.cell.candidate, context.took)
        self.writer.event(event, context.after)

    async def _event(self, context: UnitContext) -> Event:
        try:
            if isinstance(context.unit, Rewrite):
                return await _rewritten(context.unit, context)
            return await self._outcome(context.unit, context)
        except Abandoned as ended:
            return Dropped(context.unit, ended.limit)

    async def _outcome(self, cell: Cell, context: UnitContext) -> Outcome:
        known = self.failures.get(cell.key)
        if known is not None:
            return self.scoring.failed(cell, Trace(None), known)
        output: Json = None
        try:
            output = await self.target.run(cell.candidate.prompts, cell.example.row, context)
            context.scoring = True
            outcome = await self.scoring.score(cell, Trace(output, tuple(context.sent)), context)
        except CallFailed as ended:
            outcome = self.scoring.failed(cell, Trace(output, tuple(context.sent)), ended.failure)
        if context.ends_run is not None:
            raise context.ends_run
        self.caller.health.watch_outcome(outcome)
        if len(context.sent) > len(outcome.trace.calls):  # a judge's
            outcome = replace(outcome, trace=Trace(output, tuple(context.sent)))
        return outcome


async def _rewritten(rewrite: Rewrite, context: UnitContext) -> Rewritten:
    with suppress(CallFailed):  # it is in the record of the calls, and the policy decides
        await context.call(rewrite.request, role="rewrite", step=rewrite.operator)
    return Rewritten(rewrite, context.sent[-1])
