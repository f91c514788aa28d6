"""Calls and tokens a minute, as the owner of a key sets them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

MINUTE = 60.0


@dataclass(eq=False)
class Taken:
    """A call in the window."""

    at: float
    tokens: float
    """Expected, until it is answered."""


@dataclass(eq=False)
class Quota:
    """Not more than so many calls, and tokens, begin in any MINUTE seconds; None: unlimited.

    A call that alone is above the limit of tokens goes by itself.
    """

    calls: int | None
    tokens: int | None
    _window: deque[Taken] = field(default_factory=deque[Taken])
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def enter(self, tokens: float) -> Taken:
        """Wait for room for a call that will take about so many tokens, in the order of asking."""
        async with self._turn:
            while self._window and (wait := self._wait(tokens)) > 0:
                await asyncio.sleep(wait)
            taken = Taken(time.monotonic(), tokens)
            self._window.append(taken)
            return taken

    def _wait(self, tokens: float) -> float:
        """Seconds until the oldest call leaves a full window; 0 when there is room."""
        now = time.monotonic()
        while self._window and self._window[0].at <= now - MINUTE:
            self._window.popleft()
        used = sum(one.tokens for one in self._window) + tokens
        full = (self.calls is not None and len(self._window) >= self.calls) or (
            self.tokens is not None and used > self.tokens
        )
        return self._window[0].at + MINUTE - now if full and self._window else 0.0
