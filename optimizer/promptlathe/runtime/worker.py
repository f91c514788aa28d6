"""What runs in each Ray worker process: an engine of its own."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from promptlathe.records import Answer, Call, Failure
from promptlathe.runtime.lanes import Lanes
from promptlathe.runtime.links import Place
from promptlathe.runtime.local import LocalEngine
from promptlathe.version import version

_LINGER = 0.005
"""Seconds that the first answer of a chunk waits for others to travel with it, if there are any."""

Carried = Answer | Failure | str
"""A str is the traceback of a mistake of ours: exceptions stay in their process, as many do not
survive the way."""


class Worker:
    """An asyncio actor; `drain` is always under way, `submit` and `forget` come in between.

    Calls are told apart by the numbers that the driver gives them.
    """

    def __init__(self, lanes: Lanes, keys: Mapping[str, SecretStr]) -> None:
        self._engine = LocalEngine(lanes, keys=keys)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._replies: list[tuple[int, Carried]] = []
        self._news = asyncio.Event()

    async def start(self) -> Place:
        """Open the models in the actor's event loop; where that is."""
        import ray

        await self._engine.start()
        node = ray.get_runtime_context().get_node_id()
        return Place(ray.util.get_node_ip_address(), node, os.getpid(), version())

    async def submit(self, calls: Sequence[tuple[int, Call]]) -> None:
        """Begin the calls, in this order."""
        for number, call in calls:
            self._tasks[number] = asyncio.create_task(self._send(number, call))

    async def forget(self, numbers: Sequence[int]) -> None:
        """Give calls up, those that have not been answered yet."""
        for number in numbers:
            if task := self._tasks.pop(number, None):
                task.cancel()

    async def drain(self, seconds: float) -> list[tuple[int, Carried]]:
        """All replies since the last time; waits so long for the first. None of them: the worker
        lives, and all of its calls wait for their service."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return []
        if self._tasks:
            await asyncio.sleep(_LINGER)
        self._news.clear()
        replies, self._replies = self._replies, []
        return replies

    async def _send(self, number: int, call: Call) -> None:
        try:
            reply = await self._engine.send(call)
        except Exception:  # noqa: BLE001 - it travels as text
            reply = traceback.format_exc()
        self._tasks.pop(number, None)
        self._replies.append((number, reply))
        self._news.set()
