"""How fast a service is asked: as fast as it bears, and not while it is away.

    enter()            waits for a slot; the number of slots adapts to what is refused
    leave(reply)       gives the slot back
    wait_out()         after a refused connection: until the service takes one again

Additive increase, multiplicative decrease, as TCP does it (Chiu & Jain 1989, "Analysis of the
increase and decrease algorithms for congestion avoidance"): each answer adds a part of a slot; a
round in which the service refused more than REFUSED of the calls for their number takes CUT of
them. A few refusals among many answers change nothing: those calls wait by themselves (`retry`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import chain, repeat

from promptlathe.records import Answer, Failure

REFUSED, CUT = 0.2, 0.3
ROUND = 8
"""Calls of a round, at least."""
LAST = 20
"""Calls by which it shows whether the service works."""
QUIET = 20.0
"""Seconds without any answer after which it is told."""
KNOCKS = (0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts to reach a service; the last one again and again."""


@dataclass(eq=False)
class Pace:
    """Of one service, in one event loop."""

    name: str
    """Of the service, for notices."""
    slots: int
    """Calls that may be under way, at most."""
    knock: Callable[[], Awaitable[bool]]
    """Whether the service takes a connection."""
    patience: float = 300.0
    """Seconds that refused connections are waited out."""
    quiet: float = QUIET
    under_way: int = 0
    _limit: float = 0.0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque["asyncio.Future[None]"])
    _ended: int = 0
    """Calls of this round."""
    _refused: int = 0
    _paused: float = 0.0
    """No call begins before."""
    _heard: float = field(default_factory=time.monotonic)
    """When the last reply came, or the first call was sent after a pause."""
    _last: deque[bool] = field(default_factory=lambda: deque[bool](maxlen=LAST))
    """Which of the last calls were answered."""
    _away: asyncio.Task[bool] | None = None
    _away_since: float = 0.0

    def __post_init__(self) -> None:
        self._limit = float(self.slots)

    async def enter(self) -> None:
        """Take a slot, in the order of asking."""
        if self._waiting or not self._free():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():
                    self._give_back()
                raise
            return
        self._take()

    def leave(self, reply: Answer | Failure | None) -> None:
        """Give the slot back; None: the call was given up."""
        if reply is not None:
            self._heard = time.monotonic()
            self._learn(reply)
        self._give_back()

    async def wait_out(self) -> bool:
        """Until the service takes connections again; False when patience ended before."""
        if self._away is None:
            self._away_since = time.monotonic()
            self._away = asyncio.ensure_future(self._knock())
            self._away.add_done_callback(self._back)
        return await asyncio.shield(self._away)

    @property
    def working(self) -> bool:
        """A quarter of the last calls at least was answered: faults come in bursts by chance."""
        return 4 * sum(self._last) >= max(1, len(self._last))

    @property
    def notice(self) -> str:
        """What whoever watches should know; empty when all is well."""
        now = time.monotonic()
        if self._away is not None:
            waited = f"{now - self._away_since:.0f} s of {self.patience:.0f} s"
            return f"{self.name} takes no connection: waited {waited}"
        if self._paused > now and self._waiting:
            return f"{self.name} asks to wait: {self._paused - now:.0f} s more"
        if self.under_way and now - self._heard > self.quiet:
            return f"no answer from {self.name} for {now - self._heard:.0f} s"
        return ""

    def _free(self) -> bool:
        there = self._away is None and time.monotonic() >= self._paused
        return there and self.under_way < int(self._limit)

    def _take(self) -> None:
        if self.under_way == 0:
            self._heard = time.monotonic()
        self.under_way += 1

    def _give_back(self) -> None:
        self.under_way -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._free():
            future = self._waiting.popleft()
            if not future.done():
                self._take()
                future.set_result(None)

    def _learn(self, reply: Answer | Failure) -> None:
        self._ended += 1
        self._last.append(isinstance(reply, Answer))
        if isinstance(reply, Answer):
            self._limit = min(self.slots, self._limit + 1 / self._limit)
            if reply.rest:
                self._pause(reply.rest)
        elif reply.overloaded:
            self._refused += 1
        if self._ended < max(ROUND, int(self._limit)):
            return
        if self._refused > REFUSED * self._ended:
            self._limit = max(1.0, self._limit * (1 - CUT))
            if isinstance(reply, Failure) and reply.retry_after:
                self._pause(reply.retry_after)
        self._ended = self._refused = 0

    def _pause(self, seconds: float) -> None:
        seconds = min(seconds, self.patience)
        self._paused = max(self._paused, time.monotonic() + seconds)
        asyncio.get_running_loop().call_later(seconds + 0.001, self._wake)

    async def _knock(self) -> bool:
        deadline = self._away_since + self.patience
        for pause in chain(KNOCKS, repeat(KNOCKS[-1])):
            if await self.knock():
                return True
            if time.monotonic() + pause > deadline:
                return False
            await asyncio.sleep(pause)
        return False

    def _back(self, done: asyncio.Task[bool]) -> None:
        self._away = None
        self._heard = time.monotonic()
        self._wake()
