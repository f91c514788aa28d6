"""Two engines as one: calls of the role `rewrite` have slots of their own.

A rewriter is often slow, and never holds up the prompts under test; nor do they hold up it.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from promptlathe.records import Call
from promptlathe.runtime.engine import Engine, Reply


class RoleEngine:
    """An `Engine` of two; `concurrency` is that of the task's engine."""

    def __init__(self, task: Engine, rewrite: Engine) -> None:
        self._task, self._rewrite = task, rewrite
        self._expected: dict[Engine, int] = {task: 0, rewrite: 0}
        self._waits: dict[Engine, asyncio.Task[list[Reply]]] = {}
        """Both are awaited at once; what one gives stays here while the other is returned."""

    @property
    def concurrency(self) -> int:
        return self._task.concurrency

    async def start(self) -> None:
        """Open both."""
        await self._task.start()
        await self._rewrite.start()

    def submit(self, call: Call) -> None:
        """To the engine of the call's role."""
        engine = self._rewrite if call.role == "rewrite" else self._task
        engine.submit(call)
        self._expected[engine] += 1

    async def next(self) -> list[Reply]:
        """All that has come from either, at least one; [] when no submitted call is left."""
        for engine, expected in self._expected.items():
            if expected and engine not in self._waits:
                self._waits[engine] = asyncio.create_task(engine.next())
        if not self._waits:
            return []
        await asyncio.wait(self._waits.values(), return_when=asyncio.FIRST_COMPLETED)
        replies: list[Reply] = []
        for engine in [one for one, wait in self._waits.items() if wait.done()]:
            arrived = self._waits.pop(engine).result()
            self._expected[engine] -= len(arrived)
            replies += arrived
        return replies

    async def close(self) -> None:
        """Close both; a `next` that waits gets []."""
        await self._rewrite.close()
        await self._task.close()
        self._expected = dict.fromkeys(self._expected, 0)
        await asyncio.gather(*self._waits.values(), return_exceptions=True)
        self._waits.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
