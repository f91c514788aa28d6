"""What runs in each Ray worker process: an engine of its own."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass

from pydantic import SecretStr

from promptlathe.models import ModelSettings
from promptlathe.records import Answer, Call, Failure
from promptlathe.runtime.local import LocalEngine

_LINGER = 0.005
"""Seconds that the first answer of a chunk waits for others to travel with it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Answers by the key of their call. `crash` is the traceback of a mistake of ours:
    exceptions stay in their process, as many do not survive the way."""

    replies: tuple[tuple[str, Answer | Failure], ...]
    crash: str | None = None


class Worker:
    """An asyncio actor; `drain` is always under way, `submit` comes in between."""

    def __init__(self, settings: ModelSettings, concurrency: int, key: SecretStr) -> None:
        self._engine = LocalEngine(settings, concurrency, key=key)
        self._busy = asyncio.Event()

    async def start(self) -> None:
        """Open the model in the actor's event loop."""
        await self._engine.start()

    async def submit(self, calls: list[Call]) -> None:
        """Queue the calls."""
        for call in calls:
            self._engine.submit(call)
        self._busy.set()

    async def drain(self) -> Chunk:
        """All answers since the last time; waits for the first, however long it takes."""
        await self._busy.wait()
        try:
            replies = await self._engine.next()
            await asyncio.sleep(_LINGER)
            replies += self._engine.take()
        except Exception:  # noqa: BLE001 - it travels as text
            return Chunk((), traceback.format_exc())
        if not self._engine.outstanding:
            self._busy.clear()
        return Chunk(tuple((call.key, reply) for call, reply in replies))
