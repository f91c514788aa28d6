"""A time limit on what waits for models: the waiting does not count."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from promptlathe.records import Answer, Request, Role
from promptlathe.runtime.seam import Context
from promptlathe.scoring.scorer import Unscored

T = TypeVar("T")


async def within(seconds: float, ctx: Context, run: Callable[[Context], Awaitable[T]]) -> T:
    """`await run(ctx)`; raises `Unscored` when it takes longer than `seconds` of its own."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await run(_Clocked(ctx, limit))
    except TimeoutError:
        if not limit.expired():
            raise
        raise Unscored(f"took longer than {seconds:g} s") from None


class _Clocked:
    """A context that stops the clock while a call is under way."""

    def __init__(self, ctx: Context, limit: asyncio.Timeout) -> None:
        self._ctx, self._limit = ctx, limit
        self._open, self._left = 0, 0.0

    async def call(self, request: Request, *, role: Role = "task", step: str = "") -> Answer:
        """See `Context.call`."""
        clock = asyncio.get_running_loop().time
        if not self._open:
            self._left = (self._limit.when() or clock()) - clock()
            self._limit.reschedule(None)
        self._open += 1
        try:
            return await self._ctx.call(request, role=role, step=step)
        finally:
            self._open -= 1
            if not self._open:
                self._limit.reschedule(clock() + self._left)
