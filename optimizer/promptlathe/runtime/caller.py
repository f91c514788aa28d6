"""The way of a call: equal calls, the ledger, the account, the engine, and again if it failed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from promptlathe.ledger import Asking, Ledger
from promptlathe.models.settings import FLEX
from promptlathe.records import DRAWING, Answer, Call, Failure, Sent
from promptlathe.runtime.account import Account, Hold
from promptlathe.runtime.amounts import NOTHING, Amounts
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.gates import Gate, Gates
from promptlathe.runtime.health import Health
from promptlathe.runtime.lanes import Lanes
from promptlathe.runtime.retry import pause
from promptlathe.runtime.seam import Abandoned
from promptlathe.runtime.writer import Writer

OUTAGES = 3
"""That one call waits out: a service may take connections, and no request."""
LOOK = 0.02
"""Seconds between two looks whether another process has its answer."""


@dataclass
class Caller:
    """Makes calls, each once."""

    engine: Engine
    ledger: Ledger
    account: Account
    lanes: Lanes
    health: Health
    writer: Writer
    rested: Callable[[], object] = lambda: None
    """Called when an attempt begins to wait: its slot is free meanwhile."""
    resting: int = 0
    """Calls that wait for another attempt."""
    asking: Asking = field(default_factory=Asking)
    """Equal calls of other processes are waited for."""
    _counted: set[str] = field(default_factory=set[str])
    """Keys of the calls that the account has counted in this run."""
    _flying: dict[str, list[asyncio.Future[Sent]]] = field(
        default_factory=dict[str, "list[asyncio.Future[Sent]]"]
    )
    """Keys of the calls under way, and who waits for an equal one."""
    _wanted: dict[str, asyncio.Future[Answer | None]] = field(
        default_factory=dict[str, "asyncio.Future[Answer | None]"]
    )
    """Keys that are looked up in the ledger in the loop's next turn, all at once."""

    def __post_init__(self) -> None:
        self.gates = Gates(self.lanes)
        self._pictures = self.lanes.pictures

    async def call(self, call: Call, alive: Callable[[], bool]) -> tuple[Sent, Amounts]:
        """What came back, and what this use of it took of the budget at most.

        alive: whether the answer is still wanted; else no further attempt is made. Raises
        `Abandoned`, and ModelUnavailable when the model fails systematically.
        """
        flying = self._flying.get(call.key)
        if flying is not None:
            flying.append(asyncio.get_running_loop().create_future())
            return replace(await flying[-1], call=call, cached=True), NOTHING
        waiting = self._flying[call.key] = []
        try:
            sent, took = await self._first(call, alive)
        except BaseException as error:
            for future in _open(waiting):
                if isinstance(error, asyncio.CancelledError):
                    future.cancel()
                else:
                    future.set_exception(error)
            raise
        else:
            for future in _open(waiting):
                future.set_result(sent)
            return sent, took
        finally:
            del self._flying[call.key]

    async def _first(self, call: Call, alive: Callable[[], bool]) -> tuple[Sent, Amounts]:
        answer = self.writer.unwritten.get(call.key)
        if answer is None:
            await self._take(call, alive)
            try:
                answer = await self._known(call)
                if answer is None:
                    return await self._pay(call, alive)
            finally:
                if call.key not in self.writer.unwritten:
                    self.asking.leave(call.key)
        sent = Sent(call, answer, self.account.cost(call, answer), cached=True)
        if call.key in self._counted:
            return sent, NOTHING
        took = await self.account.use(call, answer)
        self._counted.add(call.key)
        return sent, took

    async def _take(self, call: Call, alive: Callable[[], bool]) -> None:
        """Wait for an equal call of another process; not for longer than a call may take."""
        until = time.monotonic() + self.lanes.settings(call.role, call.step).seconds(call)
        while not self.asking.take(call.key) and time.monotonic() < until:
            await asyncio.sleep(LOOK)
            if not alive():
                raise Abandoned("given up")

    async def _pay(self, call: Call, alive: Callable[[], bool]) -> tuple[Sent, Amounts]:
        settings = self.lanes.settings(call.role, call.step)
        flex, sent = FLEX in call.parameters, call
        gate = self.gates.of(call.role, call.step)
        took, billed, attempt, outages = NOTHING, 0, 0, 0
        before = self.health.answers(call.role)
        while True:
            hold, reply = await self._attempt(sent, gate, alive)
            away, wait, dearer = False, None, False
            if isinstance(reply, Failure):
                # Without the rewriter, a search can go on.
                away = reply.unsent and call.role != "rewrite" and outages < OUTAGES
                if not away and reply.retryable and attempt < settings.retries:
                    wait = pause(reply, attempt, working=gate.pace.working, flex=flex)
                dearer = settings.flex_fallback and flex and wait is None and reply.overloaded
            again = away or dearer or wait is not None
            took += self.account.settle(hold, reply, again=again)
            billed += reply.billed if isinstance(reply, Failure) else 0
            if away and isinstance(reply, Failure):
                outages += 1
                if not await gate.pace.wait_out():
                    raise self.health.gone(call, reply)
            elif wait is not None:
                attempt += 1
                await self._rest(wait)
            elif dearer:
                flex, sent = False, _standard(call)
            else:
                break
        if isinstance(reply, Failure):
            reply = replace(reply, billed=billed)
        else:
            if reply.drawn is not None and self._pictures:
                reply = await asyncio.to_thread(self._pictures.keep, reply)
            self._counted.add(call.key)
            self.writer.answer(call, reply)
        self.health.watch(call, reply, before=before)
        cost = self.account.cost(sent, reply) if isinstance(reply, Answer) else None
        return Sent(call, reply, cost), took

    async def _attempt(
        self, call: Call, gate: Gate, alive: Callable[[], bool]
    ) -> tuple[Hold, Answer | Failure]:
        """Send it once, when its turn has come; the hold is to be settled."""
        taken, reply = await gate.enter(call), None
        try:
            if not alive():
                raise Abandoned("given up")
            hold = await self.account.hold(call)
            try:
                reply = await self.engine.send(call)
            except BaseException:
                self.account.settle(hold, None)
                raise
            return hold, reply
        finally:
            gate.leave(taken, reply)

    async def _rest(self, seconds: float) -> None:
        self.resting += 1
        try:
            self.rested()
            await asyncio.sleep(seconds)
        finally:
            self.resting -= 1

    async def _known(self, call: Call) -> Answer | None:
        """From the ledger; a picture whose file is gone is drawn anew."""
        answer = await self._find(call.key)
        if answer is None or call.api not in DRAWING or self._pictures is None:
            return answer
        found = self._pictures.find(answer)
        if found is None:
            self.ledger.drop_answer(call.key)
        return found

    async def _find(self, key: str) -> Answer | None:
        loop = asyncio.get_running_loop()
        if not self._wanted:
            loop.call_soon(self._look_up)
        future = self._wanted.setdefault(key, loop.create_future())
        return await future

    def _look_up(self) -> None:
        wanted, self._wanted = self._wanted, {}
        try:
            known = self.ledger.find(list(wanted))
        except Exception as error:  # noqa: BLE001 - each caller gets it
            for future in wanted.values():
                if not future.done():
                    future.set_exception(error)
            return
        for key, future in wanted.items():
            if not future.done():
                future.set_result(known.get(key))


def _standard(call: Call) -> Call:
    """The same at the service's usual tier."""
    return replace(call, parameters=tuple(one for one in call.parameters if one != FLEX))


def _open(futures: Iterable[asyncio.Future[Sent]]) -> list[asyncio.Future[Sent]]:
    """Those that somebody still waits for."""
    return [future for future in futures if not future.done()]
